"""Repair of a labelled folder: a mended copy in VOC layout, with a log of all changes."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
import xml.etree.ElementTree as ET  # changes only; reading goes through train.data.formats.voc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from edge_runtime.exports.base import number_text
from edge_runtime.media.images import read_upright
from train.atomic_folder import atomic_folder, check_free
from train.data.annotation import Box, LabeledObject
from train.data.formats.text import read_text
from train.data.formats.voc import (
    has_standard_layout,
    make_layout,
    read_tree,
    write_tree,
)
from train.data.formats.writers.kept_splits import with_kept_splits
from train.data.formats.writers.selection import LOG_NAME as NOT_KEPT_NAME
from train.data.formats.writers.voc import write_voc
from train.data.geometry import Placement, by, clip_box, describe_box
from train.data.labeled_folder import GivenSplit, Item, LabeledFolder
from train.data.lint.checks import exif_kind
from train.data.lint.findings import Change
from train.data.lint.leaks import Leak
from train.data.lint.survey import Entry, Survey, Usable, survey_folder
from train.data.splits import splits_path
from train.data.splits.file import FILE_NAME as SPLITS_NAME
from train.data.systematic import find_systematic

LOG_NAME = "changes.csv"
_JPEG_QUALITY = 95  # of pictures turned upright; a JPEG cannot be turned without coding it again


def repair(survey: Survey, out: str | Path) -> list[Change]:
    """Write a copy of the surveyed folder with every flaw mended that `check` says --fix mends.

    What has no flaw is copied byte for byte; a folder in another format or layout is converted to
    VOC first. `out` appears whole or not at all, with the returned changes in `changes.csv`.

    Raises: ValueError where `out` holds something, no picture would be left to train on, most
        boxes are wrong in one way, or made splits are kept in a file that cannot be used.
    OSError where a file cannot be written.
    """
    out = Path(out)
    check_free(out, survey.root)
    flaw = find_systematic(survey.folder)
    if flaw is not None:
        raise ValueError(f"{survey.root}: {flaw.message}; --fix cannot tell what was meant")
    if has_standard_layout(survey.folder):
        with atomic_folder(out) as folder:
            return _repair_into(survey, folder, [])
    with tempfile.TemporaryDirectory() as scratch:
        converted = Path(scratch) / "voc"
        mended, changes = _mend_objects(survey)
        kept = write_voc(mended, converted)
        (converted / NOT_KEPT_NAME).unlink(missing_ok=True)
        changes += [Change(e.file, e.line, e.kind, f"{e.what}: {e.why}") for e in kept.not_kept]
        with atomic_folder(out) as folder:
            return _repair_into(survey_folder(converted), folder, changes)


def _mend_objects(survey: Survey) -> tuple[LabeledFolder, list[Change]]:
    """The folder with names and boxes mended, and the changes, with the original's lines.

    Before it is written as VOC: a writer leaves out what has no area, and lists every class that
    it finds, the misspelt ones as well.
    """
    folder = with_kept_splits(survey.data)
    items: dict[str, Item] = dict(folder.items)
    changes = []
    for image_id, entry in survey.entries.items():
        if entry.usable is None or not is_mendable(entry):
            continue
        file, annotation = survey.relative(entry.path), entry.usable.annotation
        objects = []
        for item in annotation.objects:
            name = survey.corrections.get(item.name, item.name)
            flaw, text, box = _mend_box(item, entry.usable.placement.drawn_wh)
            if flaw:
                changes.append(Change(file, item.box_line, flaw, f"{describe_box(item)} {text}"))
            if box is None:
                continue
            if name != item.name:
                changes.append(Change(file, item.name_line, *_respelling(item.name, name)))
            objects.append(replace(item, name=name, box_px=box))
        annotation = replace(annotation, objects=tuple(objects))
        items[image_id] = replace(items[image_id], annotation=annotation)
    return replace(folder, items=items), changes


def _respelling(wrong: str, right: str) -> tuple[str, str]:
    """(kind, text) of a change."""
    return "misspelt-class", f"renamed {wrong!r} to {right!r}"


def _repair_into(survey: Survey, folder: Path, changes: list[Change]) -> list[Change]:
    """Write the copy of a VOC folder. changes: made before, to be logged and returned as well."""
    make_layout(folder)
    done = {LOG_NAME}  # files that are written otherwise or left out, not copied
    changes = [
        *changes,
        *_repair_annotations(survey, folder, done),
        *_repair_pictures(survey, folder, done),
        *_repair_splits(survey, folder, done),
        *_repair_labels(survey, folder, done),
    ]
    changes.sort()
    _copy_rest(survey.root, folder, done)
    _copy_splits(survey.root, folder)
    _write_log(changes, folder / LOG_NAME)
    return changes


def _repair_annotations(survey: Survey, folder: Path, done: set[str]) -> Iterator[Change]:
    for entry in survey.entries.values():
        file = survey.relative(entry.path)
        if not is_mendable(entry):
            yield Change(file, entry.line, _why_unusable(entry), "left out")
            done.add(file)
            continue
        assert entry.usable is not None  # it is mendable
        root, changes = repair_annotation(survey, entry, entry.usable)
        if changes:
            write_tree(root, _place(folder, file))
            done.add(file)
        yield from changes


def _place(folder: Path, file: str) -> Path:
    """Path of a file of the copy, whose folder is there then."""
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def is_mendable(entry: Entry) -> bool:
    """Whether a copy keeps an entry: it can be trained on once its flaws are mended."""
    return entry.usable is not None and not entry.usable.placement.contradicted


def _why_unusable(entry: Entry) -> str:
    if entry.usable:
        return "size-mismatch"
    if entry.malformed:
        return "malformed-xml"
    return "undecodable-picture" if entry.undecodable else "missing-picture"


def _repair_pictures(survey: Survey, folder: Path, done: set[str]) -> Iterator[Change]:
    for entry in survey.entries.values():
        if entry.image_path is None or survey.relative(entry.image_path) in done:
            continue  # none, or shared with another annotation
        file = survey.relative(entry.image_path)
        if entry.undecodable:
            done.add(file)
            yield Change(file, 0, "undecodable-picture", "left out")
        elif entry.usable and (kind := exif_kind(entry.usable)):
            done.add(file)
            _save_upright(entry.image_path, _place(folder, file))
            change = f"turned upright from EXIF orientation {entry.usable.image.orientation}"
            yield Change(file, 0, kind, f"{change}, coded again")


def _save_upright(source: Path, target: Path) -> None:
    upright = read_upright(source)
    form = "JPEG" if upright.format == "MPO" else upright.format  # a phone's JPEG with a preview
    kept = {key: upright.info[key] for key in ("exif", "icc_profile") if upright.info.get(key)}
    if form in ("JPEG", "WEBP"):
        kept["quality"] = _JPEG_QUALITY
    upright.save(target, format=form, **kept)


def _repair_splits(survey: Survey, folder: Path, done: set[str]) -> Iterator[Change]:
    leaks = {(leak.split, leak.image_id): leak for leak in survey.leaks}
    left = 0
    for split, given in survey.folder.splits.items():
        dropped: dict[int, tuple[str, str]] = {}
        seen: set[str] = set()
        for line, image_id in given.lines.items():
            leak = leaks.get((split, image_id))
            reason = _why_drop(survey, image_id, leak, image_id in seen)
            if reason:
                dropped[line] = reason
            seen.add(image_id)
        left += len(given.lines) - len(dropped)
        rewrite = _rewrite_list if given.is_list else _drop_from_folder
        yield from rewrite(survey, given, dropped, folder, done)
    if survey.folder.splits and not left:
        raise ValueError(
            f"{survey.root}: expected a picture that can be trained on, got none in any split; "
            "look at the findings first"
        )


def _rewrite_list(
    survey: Survey,
    given: GivenSplit,
    dropped: dict[int, tuple[str, str]],
    folder: Path,
    done: set[str],
) -> Iterator[Change]:
    """Write a split's list without the dropped lines. dropped: line → (kind, why)."""
    file = survey.relative(given.path)
    for line, (kind, why) in dropped.items():
        yield Change(file, line, kind, f"dropped {given.lines[line]}: {why}")
    if len(dropped) == len(given.lines):
        done.add(file)
        yield Change(file, 0, "empty-split", "left out: no picture left")
    elif dropped:
        done.add(file)
        texts = enumerate(read_text(given.path).splitlines(), 1)
        kept = "".join(f"{text}\n" for line, text in texts if line not in dropped)
        _place(folder, file).write_text(kept, encoding="utf-8")


def _drop_from_folder(
    survey: Survey,
    given: GivenSplit,
    dropped: dict[int, tuple[str, str]],
    folder: Path,
    done: set[str],
) -> Iterator[Change]:
    """Leave out the annotations that made pictures part of a split that is a folder."""
    for number, (kind, why) in dropped.items():
        file = survey.relative(survey.entries[given.lines[number]].path)
        if file in done and not (folder / file).exists():
            continue  # for a reason of its own
        done.add(file)
        (folder / file).unlink(missing_ok=True)
        yield Change(file, 0, kind, f"left out: {why}")


def _why_drop(
    survey: Survey, image_id: str, leak: Leak | None, repeated: bool
) -> tuple[str, str] | None:
    """(kind, text), or None where the id stays."""
    if repeated:
        return "duplicate-id", "named before"
    entry = survey.entries.get(image_id)
    if entry is None:
        return "missing-annotation", "no annotation"
    if not is_mendable(entry):
        return _why_unusable(entry), "its annotation or picture is of no use"
    if leak is None:
        return None
    if leak.kept_id == image_id:
        return "leaked-id", f"stays in {leak.kept_split}"
    return "leaked-picture", f"the same picture stays in {leak.kept_split} as {leak.kept_id}"


def _repair_labels(survey: Survey, folder: Path, done: set[str]) -> Iterator[Change]:
    names, listed = survey.labels, survey.listed or ()
    if names is None or list(names.values()) == list(listed) != []:
        return
    done.add("labels.txt")
    if not names:
        yield Change("labels.txt", 0, "bad-labels", "left out: it named no class")
        return
    text = "".join(f"{name}\n" for name in listed)
    (folder / "labels.txt").write_text(text, encoding="utf-8")
    first = {name: line for line, name in reversed(names.items())}
    for line, name in names.items():
        if first[name] != line:
            yield Change("labels.txt", line, "bad-labels", f"removed the repeated {name!r}")


def _copy_rest(root: Path, folder: Path, done: set[str]) -> None:
    seen = set()
    for parent, names, files in os.walk(root, followlinks=True):  # JPEGImages may be a link
        real = Path(parent).resolve()
        if real in seen:
            names.clear()  # links that lead in a circle
            continue
        seen.add(real)
        below = Path(parent).relative_to(root)
        (folder / below).mkdir(parents=True, exist_ok=True)
        for name in files:
            if (below / name).as_posix() not in done:
                shutil.copyfile(root / below / name, folder / below / name)


def _copy_splits(root: Path, folder: Path) -> None:
    """Take along made splits that are kept elsewhere, since the original cannot be written to."""
    kept = splits_path(root)
    if kept.exists() and not (folder / SPLITS_NAME).exists():
        shutil.copyfile(kept, folder / SPLITS_NAME)


def _write_log(changes: list[Change], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "line", "kind", "change"))
        writer.writerows((c.file, c.line or "", c.kind, c.change) for c in changes)


_TAGS = ("xmin", "ymin", "xmax", "ymax")


def repair_annotation(
    survey: Survey, entry: Entry, usable: Usable
) -> tuple[ET.Element, list[Change]]:
    """The root of a usable annotation, repaired, and what was changed; no change, no flaw.

    The boxes of an image that is turned upright are turned along.
    """
    root, _ = read_tree(entry.path)
    file, nodes = survey.relative(entry.path), root.findall("object")
    changes = []
    for number in sorted({flaw.number for flaw in entry.flaws}):
        first = next(flaw for flaw in entry.flaws if flaw.number == number)
        text = f"removed object {number}: without a name or a corner"
        changes.append(Change(file, first.line, first.kind, text))
        _remove(root, nodes[number - 1])
    kept: set[tuple[str, Box]] = set()
    for item in usable.annotation.objects:
        node = nodes[item.number - 1]
        name = survey.corrections.get(item.name, item.name)
        flaw, text, box = _repair_box(item, usable.placement)
        if flaw:
            changes.append(Change(file, item.box_line, flaw, f"{describe_box(item)} {text}"))
        if box and (name, box) in kept:
            text = f"{describe_box(item)} removed: the same box is there"
            changes.append(Change(file, item.box_line, "duplicate-box", text))
            box = None
        if box is None:
            _remove(root, node)
            continue
        kept.add((name, box))
        if name != item.name:
            changes.append(Change(file, item.name_line, *_respelling(item.name, name)))
        _write_object(node, item, name, box)
    return root, changes + _repair_size(root, file, usable)


def _write_object(node: ET.Element, item: LabeledObject, name: str, box: Box) -> None:
    """Write a repaired name and box into the node of an object; what is right is not touched."""
    texts = {"name": name} if name != item.name else {}
    if box != item.box_px:
        corners = map(number_text, box)
        texts |= {f"bndbox/{tag}": text for tag, text in zip(_TAGS, corners, strict=True)}
    for path, text in texts.items():
        found = node.find(path)
        assert found is not None  # the survey has read it
        found.text = text


def _repair_box(item: LabeledObject, placement: Placement) -> tuple[str | None, str, Box | None]:
    """(flaw, what is done about it, the box in pixels of the upright picture or None)."""
    flaw, text, box = _mend_box(item, placement.drawn_wh)
    return flaw, text, placement.upright_px(box) if box else None


def _mend_box(item: LabeledObject, drawn_wh: tuple[int, int]) -> tuple[str | None, str, Box | None]:
    """(flaw, what is done about it, the box in pixels of the picture it was drawn on or None)."""
    flaw, box = clip_box(item.box_px, drawn_wh)
    text = "removed"
    if flaw == "inverted-box":
        x_a, y_a, x_b, y_b = item.box_px
        righted = (min(x_a, x_b), min(y_a, y_b), max(x_a, x_b), max(y_a, y_b))
        _, box = clip_box(righted, drawn_wh)
        text = "removed: outside the picture even with its corners swapped back"
    if box is None:
        return flaw, text, None
    return flaw, f"becomes ({', '.join(map(number_text, box))})", box


def _repair_size(root: ET.Element, file: str, usable: Usable) -> list[Change]:
    annotation, placement = usable.annotation, usable.placement
    if annotation.size_wh == placement.size_wh:
        return []
    size = root.find("size")
    if size is None:
        size = ET.Element("size")
        size.tail = root.text
        root.insert(0, size)
    for tag, value in zip(("width", "height"), placement.size_wh, strict=True):
        node = size.find(tag)
        (ET.SubElement(size, tag) if node is None else node).text = str(value)
    old = by(annotation.size_wh) if annotation.size_wh else "none"
    kind, text = "missing-size", f"size {old} becomes {by(placement.size_wh)}"
    if annotation.size_wh:
        kind = "size-scaled" if placement.scaled else "exif-turned"
    if placement.scaled:
        text += "; boxes scaled along"
    if placement.turn:
        text += "; boxes turned along"
    return [Change(file, annotation.size_line, kind, text)]


def _remove(root: ET.Element, node: ET.Element) -> None:
    place = list(root).index(node)
    if place and place == len(root) - 1:
        root[place - 1].tail = node.tail  # the indentation before the closing tag
    root.remove(node)
