"""Label maps: class names in a file beside the model, as other tools read them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_runtime.exports.base import CLASS_CURE, check_characters
from edge_runtime.media.atomic import atomic_path


def label_map(class_names: Sequence[str]) -> str:
    """`0 cat`, a line a class, for Frigate and pycoral.

    With the id on every line: of a plain list both take "2 euro" for the name of id 2.

    Raises: ValueError for a name that they would not read as it is.
    """
    check_characters(class_names, CLASS_CURE)
    for name in class_names:
        if name != name.strip() or name.startswith(":"):
            raise ValueError(
                "class names without blanks or a colon at their ends expected, since readers of "
                f"label maps drop them, got {name!r}; {CLASS_CURE}"
            )
    return "".join(f"{class_id} {name}\n" for class_id, name in enumerate(class_names))


def write_label_map(path: Path, class_names: Sequence[str]) -> None:
    """Write it, whole or not at all. Raises: ValueError, OSError."""
    text = label_map(class_names)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
