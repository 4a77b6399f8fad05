"""Labelled pictures for tests of splits: photographs that differ, and copies of them."""

from pathlib import Path

import numpy as np
from PIL import Image

from train.data.splits import SplitItem


def photo(number: int) -> Image.Image:
    """A photograph of soft patches, 160 × 120, another for each number."""
    patches = np.random.default_rng(number).integers(30, 200, (9, 12, 3), np.uint8)
    return Image.fromarray(patches).resize((160, 120), Image.Resampling.BICUBIC)


def save(image: Image.Image, path: Path, quality: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=quality)
    return path


def make_items(
    folder: Path, counts: dict[str, dict[str, int]], copies: dict[str, str] | None = None
) -> list[SplitItem]:
    """An item for each id with its class counts. copies: id → id of which it shows the same."""
    items = []
    for number, (image_id, class_counts) in enumerate(counts.items()):
        shown = (copies or {}).get(image_id, image_id)
        path = save(photo(list(counts).index(shown)), folder / f"{image_id}.jpg", 90 - number % 30)
        items.append(SplitItem(image_id, path, class_counts))
    return items


def numbered(count: int, class_name: str = "cat", prefix: str = "p") -> dict[str, dict[str, int]]:
    """p00 ... with one box each."""
    return {f"{prefix}{number:02}": {class_name: 1} for number in range(count)}
