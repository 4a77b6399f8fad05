"""YOLO, written as Ultralytics reads it: data.yaml, images/SPLIT/ and labels/SPLIT/."""

from __future__ import annotations

from pathlib import Path

import yaml

from train.data.formats.writers.selection import (
    Kept,
    Picture,
    Selection,
    copy_picture,
    kept,
    writing,
)
from train.data.geometry import clip_box
from train.data.labeled_folder import LabeledFolder

_SPLITS = ("train", "val", "test")
_NO_SPLITS = """\
# No splits are given. Ultralytics wants lines such as "train: images/train" and "val: images/val".
"""


def write_yolo(folder: LabeledFolder, out: Path) -> Kept:
    """Write a labelled folder as YOLO; `out` appears whole or not at all.

    Boxes are fractions of the upright picture, clipped to it. Of pictures in no split the files
    lie in images/ and labels/ themselves. What YOLO has no place for is noted: the flag of
    difficult boxes, crowds (left out), a picture in two splits (copied twice), splits that only
    unite others.

    Raises: ValueError where `out` holds something or nothing can be written. OSError.
    """
    with writing(folder, out) as (target, selection):
        (target / "images").mkdir()
        _drop_united_splits(selection)
        numbers = {name: n for n, name in enumerate(selection.class_names)}
        texts = {
            picture.image_id: _label_text(selection, picture, numbers)
            for picture in selection.pictures.values()
        }
        places: dict[str, str] = {}
        for split, pictures in [*selection.splits.items(), ("", selection.rest)]:
            for picture in pictures:
                if picture.image_id in places:
                    why = f"is in {places[picture.image_id]} and {split}: copied twice"
                    path = selection.split_paths[split]
                    selection.lose(path, 0, "two-splits", picture.image_id, why)
                places.setdefault(picture.image_id, split)
                copy_picture(picture, target / "images" / split / picture.name)
                path = target / "labels" / split / f"{picture.image_id}.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(texts[picture.image_id], encoding="utf-8")
        text = _config_text(list(selection.splits), selection.class_names)
        (target / "data.yaml").write_text(text, encoding="utf-8")
    return kept(selection)


def _drop_united_splits(selection: Selection) -> None:
    """Leave out splits such as trainval, whose pictures have their place in others."""
    placed = {
        picture.image_id
        for split, pictures in selection.splits.items()
        if split in _SPLITS
        for picture in pictures
    }
    for name in [name for name in selection.splits if name not in _SPLITS]:
        if all(picture.image_id in placed for picture in selection.splits[name]):
            del selection.splits[name]
            why = "its pictures are in other splits, and YOLO's folders hold each once"
            selection.lose(selection.folder.root, 0, "united-split", name, why)


def _label_text(selection: Selection, picture: Picture, numbers: dict[str, int]) -> str:
    lines = []
    for item in picture.objects:
        if item.crowd:
            why = "YOLO has no crowds, and one box for many would be learnt as one"
            selection.lose_object(picture, item, "crowd", why)
            continue
        if item.difficult:
            selection.lose_object(picture, item, "difficult-flag", "YOLO has none; the box is kept")
        flaw, box = clip_box(item.box_px, picture.placement.drawn_wh)
        if flaw:
            selection.lose_object(picture, item, flaw, "clipped to the picture")
        assert box is not None  # others were not selected
        x_min, y_min, x_max, y_max = picture.placement.fractions(box)
        parts = ((x_min + x_max) / 2, (y_min + y_max) / 2, x_max - x_min, y_max - y_min)
        lines.append(f"{numbers[item.name]} " + " ".join(f"{part:.8f}" for part in parts) + "\n")
        selection.boxes += 1
    return "".join(lines)


def _config_text(splits: list[str], class_names: tuple[str, ...]) -> str:
    """Paths are relative to the file, without the `path` that other machines do not have."""
    names = {"names": dict(enumerate(class_names))}
    folders = {split: f"images/{split}" for split in splits}
    config = {**folders, "nc": len(class_names), **names} if splits else names
    text = yaml.safe_dump(config, allow_unicode=True, sort_keys=False, width=1000)
    return text if splits else _NO_SPLITS + text
