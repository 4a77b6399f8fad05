"""YOLO, written as Ultralytics reads it: data.yaml, images/SPLIT/ and labels/SPLIT/."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from train.data.formats.image_ids import split_of
from train.data.formats.writers.selection import (
    COMMON_SPLITS,
    Kept,
    Picture,
    Selection,
    Target,
    copy_picture,
    kept,
    writing,
)
from train.data.geometry import clip_box
from train.data.labeled_folder import LabeledFolder

_NO_SPLITS = """\
# No splits are given. Ultralytics wants lines such as "train: images/train" and "val: images/val".
"""
_NEEDED = "# Ultralytics trains with train and val; name the folder of what is null here.\n"


def write_yolo(folder: LabeledFolder, out: Path) -> Kept:
    """Write a labelled folder as YOLO; `out` appears whole or not at all.

    Boxes are fractions of the upright picture, clipped to it. Of pictures in no split the files
    lie in images/ and labels/ themselves. What YOLO has no place for is noted: the flag of
    difficult boxes, crowds (left out), a picture in two splits (copied twice), splits of other
    names than train, val and test.

    Raises: ValueError where `out` holds something or nothing can be written. OSError.
    """
    with writing(folder, out, Target(COMMON_SPLITS, any_path=True)) as (target, selection):
        numbers = {name: n for n, name in enumerate(selection.class_names)}
        texts = {
            picture.image_id: _label_text(selection, picture, numbers)
            for picture in selection.pictures.values()
        }
        places: dict[str, str] = {}
        folders: dict[str, list[str]] = {}
        for split, pictures in [*selection.splits.items(), ("", selection.rest)]:
            for picture in pictures:
                if picture.image_id in places:
                    why = f"is in {places[picture.image_id]} and {split}: copied twice"
                    path = selection.split_paths[split]
                    selection.lose(path, 0, "two-splits", picture.image_id, why)
                places.setdefault(picture.image_id, split)
                image, label = _paths(picture, split)
                copy_picture(picture, target / image)
                path = target / label
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(texts[picture.image_id], encoding="utf-8")
            if split:
                folders[split] = sorted({_split_folder(picture, split) for picture in pictures})
        text = _config_text(folders, selection.class_names)
        (target / "data.yaml").write_text(text, encoding="utf-8")
    return kept(selection)


def _paths(picture: Picture, split: str) -> tuple[Path, Path]:
    """Picture and label file, below the root; split "" for none.

    Ultralytics and our reader look for the label file where the last images/ of the path says
    labels/, else beside the picture.
    """
    if not picture.whole_path:
        return Path("images", split, picture.name), Path("labels", split, f"{picture.image_id}.txt")
    *parts, stem = picture.image_id.split("/")
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return Path(picture.name), Path(*parts, f"{stem}.txt")


def _split_folder(picture: Picture, split: str) -> str:
    """The folder of a split that a picture lies in, below the root."""
    if not picture.whole_path:
        return f"images/{split}"
    parts = picture.image_id.split("/")[:-1]
    depth = next(n for n, part in enumerate(parts, 1) if split_of([part]))
    return "/".join(parts[:depth])


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


def _config_text(folders: dict[str, list[str]], class_names: tuple[str, ...]) -> str:
    """Paths are relative to the file, without the `path` that other machines do not have.

    folders: split → folders of its pictures. Where one is there, Ultralytics demands the keys
    train and val, and takes null.
    """
    names = {"names": dict(enumerate(class_names))}
    if not folders:
        return _NO_SPLITS + _yaml(names)
    sources: dict[str, object] = {"train": None, "val": None}
    sources |= {split: each if len(each) > 1 else each[0] for split, each in folders.items()}
    comment = "" if all(sources.values()) else _NEEDED
    return comment + _yaml({**sources, "nc": len(class_names), **names})


def _yaml(config: Mapping[str, object]) -> str:
    return yaml.safe_dump(config, allow_unicode=True, sort_keys=False, width=1000)
