"""Ultralytics metadata: class names and task, which their exports carry behind the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_runtime.detector.labels import clean
from edge_runtime.detector.literals import parse_literal
from edge_runtime.detector.spec import MOST_CLASSES


@dataclass(frozen=True)
class UltralyticsMetadata:
    """What an Ultralytics export says of itself.

    Attributes:
        names: of the classes.
        task: "detect", "segment", "pose", "obb", "classify"; "" in files of YOLOv5.
        end_to_end: True where it says that duplicates are suppressed inside.
        transformer: whether it is an RT-DETR, whose pictures are stretched.
    """

    names: tuple[str, ...]
    task: str = ""
    end_to_end: bool = False
    transformer: bool = False


def read_ultralytics(texts: Mapping[str, str]) -> UltralyticsMetadata | None:
    """From `metadata.json`, or a Python dict in `temp_meta.txt` (YOLOv5: `meta.txt`).

    texts: the members of the file's zip. Returns: None where none is such metadata.
    """
    for text in texts.values():
        values = parse_literal(text)
        if not isinstance(values, dict):
            continue
        names = _names(values.get("names"))
        if names is not None:
            task = values.get("task")
            return UltralyticsMetadata(
                names,
                task if isinstance(task, str) else "",
                _end_to_end(values),
                "detr" in f"{values.get('head')} {values.get('description')}".lower(),
            )
    return None


def _names(value: object) -> tuple[str, ...] | None:
    """Of a list, or of a dict with the numbers from 0 as keys, which JSON has as text; or of the
    text of either."""
    if isinstance(value, str):
        value = parse_literal(value)
    if isinstance(value, dict):
        try:
            numbered = {int(number): name for number, name in value.items()}
        except (ValueError, TypeError):
            return None
        if sorted(numbered) != list(range(len(numbered))):
            return None
        value = [numbered[number] for number in range(len(numbered))]
    if not isinstance(value, (list, tuple)) or not 0 < len(value) <= MOST_CLASSES:
        return None
    names = tuple(clean(str(name)) for name in value)
    return tuple(name or f"class {number}" for number, name in enumerate(names))


def _end_to_end(values: Mapping[Any, Any]) -> bool:
    args = values.get("args")
    return values.get("end2end") is True or (isinstance(args, Mapping) and args.get("nms") is True)
