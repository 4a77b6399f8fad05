"""YOLO: text files with class numbers and fractions, in the layouts of Darknet, Ultralytics,
Roboflow, CVAT, LabelImg and Label Studio.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

from train.data.formats.base import Format, Recognized
from train.data.formats.files import FolderFiles
from train.data.formats.yolo.config import config_paths, is_config, read_config
from train.data.formats.yolo.folder import read_folder
from train.data.formats.yolo.pairs import in_label_folder, is_other_text, sniff, stem_key

_SNIFFED_FILES = 200


def _recognize(files: FolderFiles) -> Recognized | None:
    texts = [path for path in files.with_suffix(".txt") if not is_other_text(path)]
    stems = {stem_key(path) for path in files.images}
    step = max(1, -(-len(texts) // _SNIFFED_FILES))
    sampled = texts[::step]
    kinds: Counter[str] = Counter()
    for path in sampled:
        kind = sniff(path)
        paired = stem_key(path) in stems
        if paired or kind == "fractions" or (kind == "numbers" and in_label_folder(files, path)):
            kinds[kind] += 1
    configured = bool(config_paths(files))
    hits = kinds["fractions"] + kinds["numbers"]
    if not hits and not configured:
        return None
    labels = round((hits + kinds["empty"]) * len(texts) / max(1, len(sampled)))
    return Recognized(max(1, labels), partial(read_folder, files))


def named_config(path: Path) -> tuple[Path | None, Path]:
    """(a YAML file where it is a configuration with splits, else None; the folder of its set).

    The folder is the file's own or, where that does not hold it, the one that `path` gives.

    Raises: ValueError, naming file and line, where it is malformed. OSError.
    """
    if not is_config(path):
        return None, path.parent
    base = read_config(path).base
    root = path.parent / base.text if base else path.parent
    if not root.is_dir() or root.resolve().is_relative_to(path.parent.resolve()):
        return path, path.parent
    return path, root.parent if root.name.lower() == "images" else root


FORMAT = Format("YOLO", _recognize)
