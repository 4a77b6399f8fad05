"""Boxes drawn over a picture, small enough for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from edge_runtime.media.atomic import atomic_path
from edge_runtime.media.draw import text_mask

PANEL = 360  # pixels, both sides
GAP, HEAD = 8, 22
Color = tuple[int, int, int]
WHITE, RED, GREEN, GRAY = (255, 255, 255), (235, 60, 50), (40, 190, 90), (150, 150, 150)
COLORS: tuple[Color, ...] = (
    *((230, 70, 60), (60, 130, 230), (40, 170, 80), (240, 160, 30)),
    *((150, 80, 200), (20, 180, 190), (230, 90, 170), (140, 110, 60)),
)


@dataclass
class Panel:
    """A picture with a caption, onto which boxes in fractions of it are drawn."""

    pixels: np.ndarray
    caption: str
    dim: float = 0.55  # of the picture's contrast, so that lines stand out

    def __post_init__(self) -> None:
        pale = 255 - (255 - self.pixels.astype(np.float32)) * self.dim
        image = Image.fromarray(pale.astype(np.uint8)).resize((PANEL, PANEL))
        self.image = image
        self.canvas = ImageDraw.Draw(image)

    def boxes(self, boxes: np.ndarray, color: Color, width: int = 1) -> None:
        """Outlines; parts outside the picture are cut off. boxes: (M, 4) xyxy in fractions."""
        for x_min, y_min, x_max, y_max in (np.asarray(boxes) * PANEL).tolist():
            self.canvas.rectangle((x_min, y_min, x_max, y_max), outline=color, width=width)

    def dots(self, centers: np.ndarray, color: Color, radius: float = 1.5) -> None:
        """centers: (M, 2) x, y in fractions."""
        for x, y in (np.asarray(centers) * PANEL).tolist():
            self.canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)

    def label(self, text: str, box: np.ndarray, color: Color) -> None:
        """A word on the upper left corner of a box."""
        mask = text_mask(text, 13)
        x, y = (np.clip(box[:2], 0, 1) * PANEL).astype(int).tolist()
        place = (min(x, PANEL - mask.width), max(0, y - mask.height))
        self.canvas.rectangle((*place, place[0] + mask.width, place[1] + mask.height), fill=color)
        self.image.paste(WHITE, place, mask)


def write_panels(path: Path, panels: Sequence[Panel]) -> None:
    """Write panels side by side, captions above, as WebP; whole or not at all."""
    width = len(panels) * PANEL + (len(panels) - 1) * GAP
    sheet = Image.new("RGB", (width, HEAD + PANEL), WHITE)
    for number, panel in enumerate(panels):
        x = number * (PANEL + GAP)
        sheet.paste((0, 0, 0), (x + 2, 3), text_mask(panel.caption, 15))
        sheet.paste(panel.image, (x, HEAD))
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="WEBP", quality=82, method=6)
