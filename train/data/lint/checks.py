"""What is wrong with a VOC folder: every flaw that training would stop at, mend or not notice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from train.check_annotation import check_annotation
from train.data.lint.findings import Finding, make_finding
from train.data.lint.leaks import main_splits
from train.data.lint.survey import Survey, survey_folder


def check_folder(root: str | Path) -> list[Finding]:
    """All findings in a VOC folder, sorted by file and line.

    Raises: ValueError where it is no VOC folder. OSError where a file cannot be read.
    """
    return find_flaws(survey_folder(root))


def find_flaws(survey: Survey) -> list[Finding]:
    """All findings of a survey, sorted by file and line."""
    findings = [*_check_splits(survey), *_check_labels(survey), *_check_leaks(survey)]
    for record in survey.records.values():
        findings += check_annotation(survey, record)
    for path in survey.unannotated:
        message = f"has no annotation Annotations/{path.stem}.xml"
        findings.append(make_finding("unannotated-picture", survey.relative(path), 0, message))
    return sorted(findings + list(_check_twins(survey)))


def _check_splits(survey: Survey) -> Iterator[Finding]:
    if not survey.splits:
        yield make_finding("no-split", "ImageSets/Main", 0, "has no file such as train.txt")
    for split, lines in survey.splits.items():
        file = f"ImageSets/Main/{split}.txt"
        if not lines:
            yield make_finding("empty-split", file, 0, "names no picture")
        first: dict[str, int] = {}
        for line, image_id in lines.items():
            if image_id in first:
                message = f"{image_id} stands on line {first[image_id]} already"
                yield make_finding("duplicate-id", file, line, message)
            elif image_id not in survey.records:
                message = f"{image_id} has no annotation Annotations/{image_id}.xml"
                yield make_finding("missing-annotation", file, line, message)
            first.setdefault(image_id, line)


def _check_labels(survey: Survey) -> Iterator[Finding]:
    if survey.labels is None:
        return
    if not survey.labels:
        yield make_finding("bad-labels", "labels.txt", 0, "names no class")
    counts = survey.class_counts.copy()
    for wrong, right in survey.corrections.items():
        counts[right] += counts[wrong]
    first: dict[str, int] = {}
    for line, name in survey.labels.items():
        if name in first:
            message = f"the class {name!r} stands on line {first[name]} already"
            yield make_finding("bad-labels", "labels.txt", line, message)
        elif not counts[name]:
            message = f"the class {name!r} has no box in any annotation"
            yield make_finding("unused-class", "labels.txt", line, message)
        first.setdefault(name, line)


def _check_leaks(survey: Survey) -> Iterator[Finding]:
    for leak in survey.leaks:
        if leak.implied:
            continue
        lines = survey.splits[leak.split]
        line = next(line for line, image_id in lines.items() if image_id == leak.image_id)
        kind, message = "leaked-id", f"{leak.image_id} is in {leak.kept_split}, too"
        if leak.kept_id != leak.image_id:
            kind, kept = "leaked-picture", survey.records[leak.kept_id].image_path
            same = survey.records[leak.image_id].image_path.read_bytes() == kept.read_bytes()
            what = "is byte for byte" if same else "has the very pixels of"
            message = f"{leak.image_id} {what} {leak.kept_id} of {leak.kept_split}"
        yield make_finding(kind, f"ImageSets/Main/{leak.split}.txt", line, message)


def _check_twins(survey: Survey) -> Iterator[Finding]:
    """Pictures that a split has twice, under different names."""
    splits_of: dict[str, set[str]] = {}
    for split in main_splits({name: lines.values() for name, lines in survey.splits.items()}):
        for image_id in survey.splits[split].values():
            splits_of.setdefault(image_id, set()).add(split)
    first: dict[str, str] = {}
    for image_id in sorted(survey.digests.keys() & splits_of.keys()):
        other = first.setdefault(survey.digests[image_id], image_id)
        if other != image_id and splits_of[other] & splits_of[image_id]:
            file = survey.relative(survey.records[image_id].image_path)
            message = f"has the very pixels of {other} in the same split"
            yield make_finding("duplicate-picture", file, 0, message)
