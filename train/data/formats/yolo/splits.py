"""Splits of a YOLO set: of its configuration, of lists such as train.txt, or of folders."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from train.data.formats.files import FolderFiles
from train.data.formats.image_ids import plain_id
from train.data.formats.text import read_lines
from train.data.formats.yolo.config import Config
from train.data.formats.yolo.pairs import sniff, split_word
from train.data.formats.yolo.places import Places, find_source
from train.data.labeled_folder import GivenSplit

_COMPULSORY = "train"  # exporters write `val:` and `test:` whether there are any or not


def find_splits(
    files: FolderFiles, places: Places, config: Config | None, ids: dict[Path, str]
) -> tuple[dict[str, GivenSplit], list[str]]:
    """The splits by name, and sentences for the screen.

    ids: picture → image id.

    Raises: ValueError where the configuration's train names nothing that is there. OSError.
    """
    notes: list[str] = []
    if config and config.sources:
        splits = _config_splits(files, places, config, ids, notes)
    else:
        splits = _list_splits(files, ids, notes)
        splits = splits or files.folder_splits((name, path) for path, name in ids.items())
    order = {"train": 0, "val": 1, "test": 2}
    return dict(sorted(splits.items(), key=lambda item: (order.get(item[0], 3), item[0]))), notes


def _config_splits(
    files: FolderFiles, places: Places, config: Config, ids: dict[Path, str], notes: list[str]
) -> dict[str, GivenSplit]:
    splits = {}
    for split, values in config.sources.items():
        found = []
        for value in values:
            path, said = find_source(places, config, value)
            if path is None and split == _COMPULSORY:
                raise ValueError(said)
            if path is None:
                left_out = f"no split {split}" if len(values) == 1 else f"left out of {split}"
                said = f"{config.path}, line {value.line}: {value.text} is not here; {left_out}"
            else:
                found.append(path)
            notes += [said] if said else []
        if found:
            splits[split] = _split(files, config, found, ids)
    return splits


def _split(
    files: FolderFiles, config: Config, paths: list[Path], ids: dict[Path, str]
) -> GivenSplit:
    if len(paths) == 1 and not paths[0].is_dir():
        return GivenSplit(paths[0], read_list(files, paths[0], ids), is_list=True)
    image_ids: list[str] = []
    for path in paths:
        if path.is_dir():
            image_ids += [ids[image] for image in files.images if image.is_relative_to(path)]
        else:
            image_ids += read_list(files, path, ids).values()
    return GivenSplit(paths[0] if len(paths) == 1 else config.path, dict(enumerate(image_ids, 1)))


def read_list(files: FolderFiles, path: Path, ids: dict[Path, str]) -> dict[int, str]:
    """Line number → image id of a list of pictures; the line's own where there is no such picture.

    Raises: as `read_text`.
    """
    rows = [(number, line, files.find_path(line, path)[0]) for number, line in read_lines(path)]
    texts: dict[Path, list[str]] = defaultdict(list)
    for _, line, image in rows:
        if image and line not in texts[image]:
            texts[image].append(line)
    refused = {text for image, lines in texts.items() for text in files.rivals(image, lines)}
    return {
        number: ids[image] if image and line not in refused else plain_id(line.strip())
        for number, line, image in rows
    }


def _list_splits(
    files: FolderFiles, ids: dict[Path, str], notes: list[str]
) -> dict[str, GivenSplit]:
    """Text files of pictures' paths whose name is that of a split."""
    lists: dict[str, list[Path]] = defaultdict(list)
    for path in files.with_suffix(".txt"):
        split = split_word(path)
        if split and sniff(path) == "list":
            lists[split].append(path)
    splits = {}
    for split, (path, *others) in lists.items():
        splits[split] = GivenSplit(path, read_list(files, path, ids), is_list=True)
        for other in others:
            notes.append(f"{other}: a second list of the split {split}; took {path}")
    return splits
