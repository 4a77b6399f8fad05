"""Tasks of Label Studio: pictures and the annotation of each that counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from train.data.annotation import Flaw, LabeledObject, MalformedLabels
from train.data.formats.label_studio.names import picture_path
from train.data.formats.label_studio.regions import ASIDE, read_region, region_size
from train.data.formats.listed.content import ListedImage, ListFile
from train.data.formats.located_json import Element, Keys, read_list

_LISTS = ("annotations", "completions")  # the second of versions before 1.0


def read_task_file(path: Path, notes: list[str]) -> ListFile:
    """One file; sentences for the screen on what was left aside are added to `notes`.

    A task that nobody finished is no background, its picture is left out.

    Raises: MalformedLabels, naming line and column, where it is no whole JSON list. OSError.
    """
    images: list[ListedImage] = []
    flaws: list[Flaw] = []
    aside: Counter[str] = Counter()
    for line, keys in read_list(path, _LISTS, ("data",)):
        data = keys.values["data"].value if keys and "data" in keys.values else None
        name = picture_path(data) if isinstance(data, dict) else None
        if keys is None or name is None:
            message = (
                'task expected one value in "data" that names a picture, such as "image": '
                '"/data/upload/1/a.jpg", got none or several; correct it or remove the task'
            )
            flaws.append(Flaw("unknown-image", line, message, 0))
            continue
        image = ListedImage(line, name, None)
        finished = _finished(keys)
        if not finished:
            aside["tasks have no annotation, or only a skipped one: left out"] += 1
            continue
        images.append(image)
        chosen = _chosen(finished)
        if chosen is None:
            image.malformed = _several(path, image, finished)
        else:
            _read_results(image, chosen, aside)
    _twice(path, images)
    notes += [f"{path}: {count} {what}" for what, count in aside.items()]
    return ListFile(path, tuple(images), (), tuple(flaws))


def _finished(keys: Keys) -> list[Element]:
    elements = next((keys.arrays[key] for key in _LISTS if key in keys.arrays), [])
    return [
        each
        for each in elements
        if isinstance(each.value, dict)
        and isinstance(each.value.get("result"), list)
        and not each.value.get("was_cancelled")
        and not each.value.get("skipped")
    ]


def _chosen(finished: Sequence[Element]) -> Element | None:
    """The annotation that counts: the only one, or the only one that is the ground truth.

    None where annotators may differ: no order of theirs says who is right.
    """
    truths = [each for each in finished if each.value.get("ground_truth") is True]
    for candidates in (finished, truths):
        if len(candidates) == 1:
            return candidates[0]
    return None


def _several(path: Path, image: ListedImage, finished: Sequence[Element]) -> MalformedLabels:
    lines = ", ".join(str(each.line) for each in finished)
    reason = (
        f"expected one annotation of {image.file_name}, or one that is marked as ground truth, "
        f"got {len(finished)}, on lines {lines}; mark or keep the right one"
    )
    return MalformedLabels(f"{path}, line {image.line}", image.line, reason)


def _twice(path: Path, images: Sequence[ListedImage]) -> None:
    """Refuse the pictures that several tasks name, for the reason of several annotations."""
    lines: dict[str, list[int]] = defaultdict(list)
    for image in images:
        lines[image.file_name].append(image.line)
    for image in images:
        several = lines[image.file_name]
        if len(several) > 1:
            reason = (
                f"expected one task of {image.file_name}, got {len(several)}, on lines "
                f"{', '.join(map(str, several))}; keep the right one"
            )
            image.malformed = MalformedLabels(f"{path}, line {image.line}", image.line, reason)


def _other_size(
    what: str, line: int, number: int, got: tuple[int, int] | None, expected: tuple[int, int] | None
) -> Flaw:
    message = (
        f"{what} was drawn on a picture of {got} pixels, the one before on {expected}: nobody "
        "knows which is this picture; draw it again or remove it"
    )
    return Flaw("bad-number", line, message, number)


def _read_results(image: ListedImage, annotation: Element, aside: Counter[str]) -> None:
    results: list[Any] = annotation.value["result"]
    labeled = [  # no set: a broken file's id may be anything
        each.get("id")
        for each in results
        if isinstance(each, dict) and each.get("type") == "labels"
    ]
    number = 0
    for result in results:
        kind = result.get("type") if isinstance(result, dict) else None
        if kind in ASIDE:
            aside[f"results of the type {kind} are left aside: they are no boxes"] += 1
            continue
        if kind in ("rectangle", "polygon", "ellipse") and result.get("id") in labeled:
            continue  # its twin of the type "labels" has the numbers, too
        number += 1
        what = f"object {number} of {image.file_name}"
        size_wh = region_size(result)
        image.size_wh = image.size_wh or size_wh
        found = read_region(result, what, annotation.line, number)
        if isinstance(found, LabeledObject) and size_wh != image.size_wh:
            found = _other_size(what, annotation.line, number, size_wh, image.size_wh)
        if isinstance(found, Flaw):
            image.flaws.append(found)
        else:
            image.objects.append(found)
