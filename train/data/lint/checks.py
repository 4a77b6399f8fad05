"""Checks of a labelled folder: every flaw that training would stop at, mend or not notice."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path

from train.config import TrainConfig
from train.data.annotation import Box, LabeledObject
from train.data.geometry import DataWarning, by, clip_box, describe_box
from train.data.lint.findings import KINDS, Finding, make_finding
from train.data.lint.leaks import main_splits
from train.data.lint.survey import Entry, Survey, Usable, survey_folder
from train.data.readiness import load_ready
from train.data.systematic import find_systematic
from train.from_data import check_sizes, settle
from train.model.presets import PRESETS


def check_folder(root: str | Path) -> list[Finding]:
    """All findings in a labelled folder, sorted by file and line.

    Raises: ValueError where no format fits. OSError where a file cannot be read.
    """
    return find_flaws(survey_folder(root))


def find_flaws(survey: Survey) -> list[Finding]:
    """All findings of a survey, sorted by file and line."""
    findings = [*_check_splits(survey), *_check_labels(survey), *_check_leaks(survey)]
    for entry in survey.entries.values():
        findings += check_annotation(survey, entry)
    for path in survey.folder.unannotated:
        message = "has no annotation"
        findings.append(make_finding("unannotated-picture", survey.relative(path), 0, message))
    for path, flaw in survey.folder.flaws:
        found = make_finding(flaw.kind, survey.relative(path), flaw.line, flaw.message)
        findings.append(found)
    findings += _check_twins(survey)
    return sorted(_with_systematic(survey, findings))


def find_obstacles(survey: Survey) -> list[Finding]:
    """`find_flaws`, and why a training with usual flags would stop where none of them says so.

    So that it is never said that training can start while it cannot.
    """
    findings = find_flaws(survey)
    if survey.data.splits and "test" not in survey.data.splits:
        message = "gives no split 'test', and none can be made"
        findings = sorted([*findings, make_finding("no-test", ".", 0, message)])
    if any(finding.severity == "error" for finding in findings):
        return findings
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            training = load_ready(survey.data, undecodable=_undecodable(survey)).training
        config = settle(TrainConfig(), training).config
        spec = PRESETS[config.preset].spec(training.class_names, (config.input_size,) * 2)
        check_sizes(spec, training)
    except ValueError as error:
        reason = str(error).removeprefix(f"{survey.root}: ")
        findings.append(make_finding("training-stops", ".", 0, reason))
    return sorted(findings)


def _undecodable(survey: Survey) -> dict[Path, str]:
    """Pictures that cannot be decoded, and why."""
    entries = survey.entries.values()
    return {e.image_path: e.undecodable for e in entries if e.image_path and e.undecodable}


def _with_systematic(survey: Survey, findings: list[Finding]) -> list[Finding]:
    """One finding about the set in place of one for each of its boxes."""
    flaw = find_systematic(survey.folder)
    if flaw is None:
        return findings
    kept = [finding for finding in findings if finding.kind not in _BOX_KINDS]
    kind = flaw.kind if flaw.kind in KINDS and flaw.kind not in _BOX_KINDS else "systematic-flaw"
    return [*kept, make_finding(kind, ".", 0, flaw.message)]


def _check_splits(survey: Survey) -> Iterator[Finding]:
    if not survey.folder.splits:
        severity, training = None, None
        message = "gives no splits"
        if not survey.data.splits:
            severity, training = "error", "has nothing to read"
            message += f", and none can be made: {survey.data.notes[-1]}"
        yield make_finding("no-split", ".", 0, message, severity, training)
    for split, lines in survey.splits.items():
        file = survey.split_file(split)
        if not lines:
            yield make_finding("empty-split", file, 0, "names no picture")
        first: dict[str, int] = {}
        for line, image_id in lines.items():
            if image_id in first:
                message = f"{image_id} stands on line {first[image_id]} already"
                yield make_finding("duplicate-id", file, survey.split_line(split, line), message)
            elif image_id not in survey.entries:
                at = survey.split_line(split, line)
                yield make_finding("missing-annotation", file, at, f"{image_id} has no annotation")
            first.setdefault(image_id, line)


def _check_labels(survey: Survey) -> Iterator[Finding]:
    if survey.labels is None:
        return
    classes = survey.folder.classes
    assert classes is not None  # else there were no labels
    file = survey.relative(classes.path)
    if not survey.labels:
        yield make_finding("bad-labels", file, 0, "names no class")
    counts = survey.class_counts.copy()
    for wrong, right in survey.corrections.items():
        counts[right] += counts[wrong]
    first: dict[str, int] = {}
    for line, name in classes.lines:
        if name in first:
            message = f"the class {name!r} stands on line {first[name]} already"
            yield make_finding("bad-labels", file, line, message)
        elif not counts[name]:
            message = f"the class {name!r} has no box in any annotation"
            yield make_finding("unused-class", file, line, message)
        first.setdefault(name, line)


def _check_leaks(survey: Survey) -> Iterator[Finding]:
    for leak in survey.leaks:
        if leak.implied:
            continue
        lines = survey.splits[leak.split]
        line = next(line for line, image_id in lines.items() if image_id == leak.image_id)
        line = survey.split_line(leak.split, line)
        kind, message = "leaked-id", f"{leak.image_id} is in {leak.kept_split}, too"
        if leak.kept_id != leak.image_id:
            kind = "leaked-picture"
            same = _bytes_of(survey, leak.image_id) == _bytes_of(survey, leak.kept_id)
            what = "is byte for byte" if same else "has the very pixels of"
            message = f"{leak.image_id} {what} {leak.kept_id} of {leak.kept_split}"
        yield make_finding(kind, survey.split_file(leak.split), line, message)


def _bytes_of(survey: Survey, image_id: str) -> bytes | None:
    path = survey.entries[image_id].image_path
    return path.read_bytes() if path else None


def _check_twins(survey: Survey) -> Iterator[Finding]:
    """Pictures that a split has twice, under different names."""
    splits_of: dict[str, set[str]] = {}
    for split in main_splits({name: lines.values() for name, lines in survey.splits.items()}):
        for image_id in survey.splits[split].values():
            splits_of.setdefault(image_id, set()).add(split)
    first: dict[str, str] = {}
    for image_id in sorted(survey.digests.keys() & splits_of.keys()):
        other = first.setdefault(survey.digests[image_id], image_id)
        path = survey.entries[image_id].image_path
        if path and other != image_id and splits_of[other] & splits_of[image_id]:
            file = survey.relative(path)
            message = f"has the very pixels of {other} in the same split"
            yield make_finding("duplicate-picture", file, 0, message)


# One finding about the set stands for these where most boxes have them.
_BOX_KINDS = frozenset(
    (
        *(
            "no-area",
            "fraction-box",
            "inverted-box",
            "impossible-box",
            "box-outside",
            "box-over-edge",
        ),
        *("duplicate-box", "not-normalized"),
    )
)


def check_annotation(survey: Survey, entry: Entry) -> list[Finding]:
    """The findings of one annotation file, in no order."""
    return [*_check_entry(survey, entry), *_check_objects(survey, entry)]


def _check_entry(survey: Survey, entry: Entry) -> Iterator[Finding]:
    """Flaws of an annotation and its image as a whole."""
    file = survey.relative(entry.path)
    if entry.malformed:
        yield _harmful(survey, entry, _malformed(entry), file, entry.line, entry.malformed.reason)
        return
    if survey.splits and entry.image_id not in survey.used_ids:
        yield make_finding("unused-annotation", file, entry.line, "is in no split")
    if entry.image_path is None:
        yield _harmful(survey, entry, "missing-picture", file, entry.line, entry.image_problem)
    elif entry.undecodable:
        image = survey.relative(entry.image_path)
        yield make_finding("undecodable-picture", image, 0, entry.undecodable)
    elif entry.usable:
        if not entry.usable.annotation.objects and not entry.flaws:
            yield make_finding("empty-picture", file, entry.line, "has no object")
        yield from _check_size(survey, entry.usable, file)


def _malformed(entry: Entry) -> str:
    return "malformed-xml" if entry.path.suffix.lower() == ".xml" else "malformed-labels"


def _check_size(survey: Survey, usable: Usable, file: str) -> Iterator[Finding]:
    annotation, image, placement = usable.annotation, usable.image, usable.placement
    if annotation.size_wh is None:
        message = "gives no size of the picture"
        yield make_finding("missing-size", file, annotation.size_line, message)
    elif placement.contradicted:
        message = (
            f"says {by(annotation.size_wh)}, but {image.path.name} is {by(placement.size_wh)}; "
            "correct the size if its boxes fit"
        )
        yield make_finding("size-mismatch", file, annotation.size_line, message)
    elif placement.scaled:
        message = (
            f"says {by(annotation.size_wh)}, but {image.path.name} is {by(placement.size_wh)}, of "
            "the same ratio: it was resized after it was labelled"
        )
        yield make_finding("size-scaled", file, annotation.size_line, message)
    kind = exif_kind(usable)
    if kind:
        told = "nothing tells whether the boxes were drawn so; look"
        if kind == "exif-turned":
            drawn = "as stored" if placement.turn else "upright"
            told = f"the boxes were drawn on the picture {drawn}"
        message = f"is stored turned (EXIF orientation {image.orientation}); {told}"
        yield make_finding(kind, survey.relative(image.path), 0, message)


def exif_kind(usable: Usable) -> str | None:
    """The finding for an image that is stored turned, by whether the size tells which way."""
    orientation, (width, height) = usable.image.orientation, usable.image.stored_wh
    if not 2 <= orientation <= 8:
        return None
    told_by_size = usable.annotation.size_wh and not usable.placement.contradicted
    sideways = orientation >= 5 and width != height
    return "exif-turned" if sideways and told_by_size else "exif-ambiguous"


def _check_objects(survey: Survey, entry: Entry) -> Iterator[Finding]:
    if entry.annotation is None:
        return
    file = survey.relative(entry.path)
    for broken in entry.flaws:
        yield _harmful(survey, entry, broken.kind, file, broken.line, broken.message)
    usable = entry.usable
    size_wh = usable.placement.drawn_wh if usable else entry.annotation.size_wh
    first: dict[tuple[str, Box], int] = {}
    for item in entry.annotation.objects:
        yield from _check_class(survey, entry, item, file)
        flaw, _ = clip_box(item.box_px, size_wh or (math.inf, math.inf))
        if flaw and (size_wh or flaw in ("no-area", "inverted-box")):
            message = describe_box(item, flaw, size_wh)
            yield make_finding(flaw, file, item.box_line, message)
        same = (survey.corrections.get(item.name, item.name), item.box_px)
        if same in first:
            message = f"{describe_box(item)} stands on line {first[same]} already"
            yield make_finding("duplicate-box", file, item.box_line, message)
        first.setdefault(same, item.box_line)


def _check_class(survey: Survey, entry: Entry, item: LabeledObject, file: str) -> Iterator[Finding]:
    right = survey.corrections.get(item.name)
    if right:
        count = survey.class_counts[right]
        message = f"the class {item.name!r} looks like {right!r} ({count} boxes)"
        if survey.listed is None:
            yield make_finding("misspelt-class", file, item.name_line, message)
        else:
            yield _harmful(survey, entry, "misspelt-class", file, item.name_line, message)
    elif survey.listed and item.name not in survey.listed:
        message = f"the class {item.name!r} is not in the list; add it there or remove its boxes"
        yield _harmful(survey, entry, "unknown-class", file, item.name_line, message)


def _harmful(
    survey: Survey, entry: Entry, kind: str, file: str, line: int, message: str
) -> Finding:
    """An error where training reads the file, else a warning."""
    if entry.image_id in survey.used_ids:
        training = "refuses the split" if kind == "misspelt-class" else None
        return make_finding(kind, file, line, message, "error", training)
    return make_finding(kind, file, line, message, "warning", "does not read it: in no split")
