"""What is wrong with one annotation, its objects and its picture."""

from __future__ import annotations

import math
from collections.abc import Iterator

from train.data.lint.findings import Finding, make_finding
from train.data.lint.survey import Record, Survey
from train.data.voc import VocObject
from train.placement import by, clip_box, describe_box

_XML_KINDS = ("malformed-xml", "missing-tag", "bad-number")


def check_annotation(survey: Survey, record: Record) -> list[Finding]:
    """The findings of one annotation file, in no order."""
    return [*_check_record(survey, record), *_check_objects(survey, record)]


def _check_record(survey: Survey, record: Record) -> Iterator[Finding]:
    """What concerns an annotation and its picture as a whole."""
    file = survey.relative(record.path)
    if record.malformed:
        flaw = record.malformed
        yield _harmful(survey, record, "malformed-xml", file, flaw.line, flaw.reason)
        return
    annotation = record.annotation
    if record.image_id not in survey.used_ids:
        yield make_finding("unused-annotation", file, annotation.line, "is in no split")
    if record.image_path is None:
        message = f"has no picture JPEGImages/{record.image_id}.jpg (or .png and so on)"
        yield _harmful(survey, record, "missing-picture", file, annotation.line, message)
        return
    if record.undecodable:
        image = survey.relative(record.image_path)
        yield _harmful(survey, record, "undecodable-picture", image, 0, record.undecodable)
        return
    if not annotation.objects and not record.flaws:
        yield make_finding("empty-picture", file, annotation.line, "has no object")
    yield from _check_size(survey, record, file)


def _check_size(survey: Survey, record: Record, file: str) -> Iterator[Finding]:
    annotation, picture, placement = record.annotation, record.picture, record.placement
    if annotation.size_wh is None:
        message = "has no <size> with a width and a height"
        yield make_finding("missing-size", file, annotation.size_line, message)
    if placement.contradicted:
        message = (
            f"says {by(annotation.size_wh)}, but {picture.path.name} is {by(placement.size_wh)}; "
            "look whether its boxes fit"
        )
        yield make_finding("size-mismatch", file, annotation.size_line, message)
    kind = exif_kind(record)
    if kind:
        told = "nothing tells whether the boxes were drawn so; look"
        if kind == "exif-turned":
            drawn = "as stored" if placement.turn else "upright"
            told = f"the boxes were drawn on the picture {drawn}"
        message = f"is stored turned (EXIF orientation {picture.orientation}); {told}"
        yield make_finding(kind, survey.relative(picture.path), 0, message)


def exif_kind(record: Record) -> str | None:
    """Whether the picture of a usable record is stored turned, and if the size tells which way."""
    orientation, (width, height) = record.picture.orientation, record.picture.stored_wh
    if not 2 <= orientation <= 8:
        return None
    told_by_size = record.annotation.size_wh and not record.placement.contradicted
    sideways = orientation >= 5 and width != height
    return "exif-turned" if sideways and told_by_size else "exif-ambiguous"


def _check_objects(survey: Survey, record: Record) -> Iterator[Finding]:
    if record.annotation is None:
        return
    file = survey.relative(record.path)
    for flaw in record.flaws:
        yield _harmful(survey, record, flaw.kind, file, flaw.line, flaw.message)
    size_wh = record.placement.drawn_wh if record.placement else record.annotation.size_wh
    first: dict[tuple, int] = {}
    for item in record.annotation.objects:
        yield from _check_class(survey, record, item, file)
        flaw, _ = clip_box(item.box_px, size_wh or (math.inf, math.inf))
        if flaw and (size_wh or flaw in ("no-area", "inverted-box")):
            message = describe_box(item, flaw, size_wh)
            yield make_finding(flaw, file, item.box_line, message)
        same = (survey.corrections.get(item.name, item.name), item.box_px)
        if same in first:
            message = f"{describe_box(item)} stands on line {first[same]} already"
            yield make_finding("duplicate-box", file, item.box_line, message)
        first.setdefault(same, item.box_line)


def _check_class(survey: Survey, record: Record, item: VocObject, file: str) -> Iterator[Finding]:
    right = survey.corrections.get(item.name)
    if right:
        count = survey.class_counts[right]
        message = f"the class {item.name!r} looks like {right!r} ({count} boxes)"
        if survey.listed is None:
            yield make_finding("misspelt-class", file, item.name_line, message)
        else:
            yield _harmful(survey, record, "misspelt-class", file, item.name_line, message)
    elif survey.listed and item.name not in survey.listed:
        message = f"the class {item.name!r} is not in labels.txt; add it there or remove its boxes"
        yield _harmful(survey, record, "unknown-class", file, item.name_line, message)


def _harmful(
    survey: Survey, record: Record, kind: str, file: str, line: int, message: str
) -> Finding:
    """An error where training reads the file, else a warning."""
    if record.image_id in survey.used_ids:
        training = "refuses the split" if kind == "misspelt-class" else None
        return make_finding(kind, file, line, message, "error", training)
    if kind in _XML_KINDS and survey.labels is None:
        training = "refuses the folder, since without labels.txt it reads all annotations"
        return make_finding(kind, file, line, message, "error", training)
    return make_finding(kind, file, line, message, "warning", "does not read it: in no split")
