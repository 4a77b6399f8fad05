"""Clutter around the digits of a scene: textured paper, and ink that is no digit.

Masks and papers are 300 x 300, float32; masks are alpha in [0, 1], papers RGB in [0, 255].
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

SIDE = 300  # pixels of a scene, both ways: what the detector takes in
_SUPERSAMPLE = (
    2  # lines are drawn twice as large, then halved: Pillow draws them without soft edges
)

# Letters as strokes in a unit square. None that a hand could mean as a digit: no B, G, I, L, O, S,
# T, Y or Z. E is a mirrored 3, which is the kind of neighbour that a detector should tell apart.
_LETTERS = (
    ([(0, 1), (0.5, 0), (1, 1)], [(0.2, 0.62), (0.8, 0.62)]),  # A
    ([(1, 0), (0, 0), (0, 1), (1, 1)], [(0, 0.5), (0.8, 0.5)]),  # E
    ([(0, 0), (0, 1)], [(1, 0), (1, 1)], [(0, 0.5), (1, 0.5)]),  # H
    ([(0, 0), (0, 1)], [(0.9, 0), (0.05, 0.5), (1, 1)]),  # K
    ([(0, 1), (0.1, 0), (0.5, 0.7), (0.9, 0), (1, 1)],),  # M
    ([(0, 1), (0, 0), (1, 1), (1, 0)],),  # N
    ([(0, 0), (0.25, 1), (0.5, 0.3), (0.75, 1), (1, 0)],),  # W
    ([(0, 0), (1, 1)], [(1, 0), (0, 1)]),  # X
    (
        [(0.3, 0), (0.2, 1)],
        [(0.8, 0), (0.7, 1)],
        [(0, 0.3), (1, 0.3)],
        [(0, 0.7), (1, 0.7)],
    ),  # hash
    ([(0.5, 0), (0.5, 1)], [(0, 0.25), (1, 0.75)], [(1, 0.25), (0, 0.75)]),  # asterisk
)


def draw_paper(rng: np.random.Generator) -> np.ndarray:
    """A textured background (SIDE, SIDE, 3), its light and dark parts near enough for one ink."""
    base = rng.uniform(15, 240, 3)
    tint = base + rng.uniform(-45, 45, 3)
    texture = _gradient(rng)
    if rng.random() < 0.6:
        texture = texture + rng.uniform(0.3, 1) * _blotches(rng, int(rng.integers(3, 40)))
    if rng.random() < 0.35:
        texture = texture + rng.uniform(0.2, 0.7) * _stripes(rng)
    texture = texture - texture.min()
    texture = texture / max(float(texture.max()), 1e-6)
    paper = base + texture[..., None] * (tint - base)
    return np.clip(paper, 0, 255).astype(np.float32)


def _gradient(rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    axis = np.linspace(-0.5, 0.5, SIDE, dtype=np.float32)
    return np.cos(angle) * axis[None, :] + np.sin(angle) * axis[:, None]


def _blotches(rng: np.random.Generator, cells: int) -> np.ndarray:
    coarse = Image.fromarray(rng.random((cells, cells), dtype=np.float32))
    return np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _stripes(rng: np.random.Generator) -> np.ndarray:
    wave = np.sin(_gradient(rng) * SIDE * 2 * np.pi / rng.uniform(8, 60))
    return np.clip(wave * rng.uniform(0.7, 6), -1, 1) / 2  # a clipped sine: from soft to ruled


def draw_lines(
    rng: np.random.Generator, count: int, width_range: tuple[float, float]
) -> np.ndarray:
    """A mask of `count` long lines and waves; widths in pixels.

    They run from beyond one edge to beyond another: a short lone stroke would be a 1.
    """
    canvas = _Canvas()
    for _ in range(count):
        sideways = rng.random() < 0.5
        along = np.linspace(-10, SIDE + 10, 24)
        start, end = rng.uniform(0, SIDE, 2)
        across = np.linspace(start, end, 24)
        if rng.random() < 0.6:
            phase = rng.uniform(0, 2 * np.pi)
            waves = 2 * np.pi * rng.uniform(0.3, 2.0)
            across = across + rng.uniform(5, 40) * np.sin(phase + waves * along / SIDE)
        points = np.stack([along, across] if sideways else [across, along], axis=1)
        canvas.stroke(points, rng.uniform(*width_range))
    return canvas.mask()


def draw_shape(rng: np.random.Generator, box: tuple[float, float, float, float]) -> np.ndarray:
    """A mask of one letter, scribble, bowl or blob that stays about inside the xyxy pixel box."""
    canvas = _Canvas()
    left, top, right, bottom = box
    corner, size = np.array([left, top]), np.array([right - left, bottom - top])
    width = float(np.clip(size.max() * rng.uniform(0.07, 0.2), 2, 24))  # like the digits' strokes
    kind = rng.random()
    if kind < 0.5:
        tilt = rng.uniform(-0.2, 0.2)
        for stroke in _LETTERS[rng.integers(len(_LETTERS))]:
            points = np.array(stroke, dtype=np.float64)
            points = points + rng.normal(0, 0.04, points.shape)
            points[:, 0] += tilt * (points[:, 1] - 0.5)
            canvas.stroke(corner + np.clip(points, 0, 1) * size, width)
    elif kind < 0.75:  # a scribble: to and fro, at least five turns, as no digit has
        turns = int(rng.integers(6, 10))
        points = np.stack([np.linspace(0, 1, turns), np.arange(turns) % 2], axis=1)
        points = np.clip(points + rng.normal(0, 0.08, points.shape), 0, 1)
        canvas.stroke(corner + points * size, width / 1.5)
    elif kind < 0.9:  # a bowl or a vault, never a bracket: that one could be a 1
        angles = np.linspace(0.1, 0.9, 16) * np.pi + (0 if rng.random() < 0.5 else np.pi)
        points = 0.5 + 0.5 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        canvas.stroke(corner + points * size, width)
    else:
        angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        radii = rng.uniform(0.25, 0.5, (14, 1))
        points = 0.5 + radii * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        canvas.fill(corner + points * size)
    return canvas.mask()


class _Canvas:
    """A mask to draw on in scene pixels, with soft edges."""

    def __init__(self) -> None:
        self._image = Image.new("L", (SIDE * _SUPERSAMPLE,) * 2)
        self._draw = ImageDraw.Draw(self._image)

    def stroke(self, points: np.ndarray, width: float) -> None:
        scaled = points * _SUPERSAMPLE
        thickness = max(2, round(width * _SUPERSAMPLE))
        self._draw.line([tuple(point) for point in scaled.tolist()], 255, thickness, joint="curve")
        for x, y in (scaled[0].tolist(), scaled[-1].tolist()):  # a pen leaves round ends
            radius = thickness / 2 - 0.5
            self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), 255)

    def fill(self, points: np.ndarray) -> None:
        self._draw.polygon([tuple(p) for p in (points * _SUPERSAMPLE).tolist()], 255)

    def mask(self) -> np.ndarray:
        """Alpha (SIDE, SIDE)."""
        return np.asarray(self._image.reduce(_SUPERSAMPLE), dtype=np.float32) / 255
