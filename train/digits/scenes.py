"""Scene of handwritten digits: their places, ink and paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from train.digits.clutter import SIDE, draw_lines, draw_paper, draw_shape
from train.digits.glyphs import MARGIN, render_glyph

MAX_DIGITS = 8
SMALL_PX = 32  # a longer side below this is small
_SIZE_RANGE = (24.0, 200.0)  # longer side of a digit, pixels
# Large digits find less room than small ones, so that of the placed ones about a quarter is small.
_SMALL_SHARE = 0.235
_MAX_COVERED = 0.25  # of the smaller box of a pair, and of every box by all the others together
_MIN_CONTRAST = 55.0  # of 255, in luminance; JPEG and noise take a little of it
_CONTRAST_SHARE = 0.9  # of the pixels around a digit that must have that contrast
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_PLACE_TRIES, _INK_TRIES = 40, 20


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture and what is on it.

    pixels: (SIDE, SIDE, 3) uint8 RGB. boxes_px: (N, 4) int64 xyxy corners, tight around each
    digit's ink before anything was drawn over it. class_ids: (N,) int64, the digits.
    """

    pixels: np.ndarray
    boxes_px: np.ndarray
    class_ids: np.ndarray


def draw_scene(
    images: np.ndarray,
    pool: Sequence[np.ndarray],
    rng: np.random.Generator,
    *,
    plain: bool = False,
) -> Scene:
    """Draw one scene with 1 to MAX_DIGITS digits.

    images: (N, H, W) float32 in [0, 1]. pool: for each digit 0..9, the indices into `images` to
    choose from. plain: black ink on white paper, with no clutter, noise or blur: for checks.
    """
    class_ids, alphas, boxes = _lay_out(images, pool, rng)
    paper = np.full((SIDE, SIDE, 3), 255, np.float32) if plain else draw_paper(rng)
    pens = np.zeros((1, 3)) if plain else _choose_pens(paper, rng)
    if not plain:
        _draw_clutter(paper, boxes, pens, rng)
    for alpha, (left, top, right, bottom) in zip(alphas, boxes.tolist(), strict=True):
        window = paper[top - MARGIN : bottom + MARGIN, left - MARGIN : right + MARGIN]
        _blend(window, alpha, pens[0] if plain else _readable_ink(window, pens, rng))
    if not plain:
        if rng.random() < 0.35:  # a stroke or two across all of it, thinner than any digit's
            mask = draw_lines(rng, int(rng.integers(1, 3)), (1.0, 1.6))
            _blend(paper, mask, pens[rng.integers(len(pens))])
        paper = _photograph(paper, rng)
    return Scene(np.clip(paper + 0.5, 0, 255).astype(np.uint8), boxes, class_ids)


def _lay_out(
    images: np.ndarray, pool: Sequence[np.ndarray], rng: np.random.Generator
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Class ids (N,), alphas with their margins, and the boxes (N, 4) that they fit around."""
    class_ids, alphas, boxes = [], [], np.empty((0, 4), np.int64)
    for _ in range(int(rng.integers(1, MAX_DIGITS + 1))):
        digit = int(rng.integers(10))
        alpha = render_glyph(images[rng.choice(pool[digit])], _draw_size(rng), rng)
        height, width = (side - 2 * MARGIN for side in alpha.shape)
        box = _find_place(boxes, width, height, rng)
        if box is None:
            continue  # no room left for this one; the first always has
        class_ids.append(digit)
        alphas.append(alpha)
        boxes = np.concatenate([boxes, box[None]])
    return np.array(class_ids, np.int64), alphas, boxes


def _draw_size(rng: np.random.Generator) -> float:
    low, high = _SIZE_RANGE
    small = rng.random() < _SMALL_SHARE
    low, high = (low, SMALL_PX - 1) if small else (SMALL_PX, high)
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _find_place(
    boxes: np.ndarray, width: int, height: int, rng: np.random.Generator
) -> np.ndarray | None:
    """A box (4,) inside the picture that covers no other much, nor they it; None if not found."""
    size = np.array([width, height])
    limit = SIDE - MARGIN - size
    beside = rng.random() < 0.3  # touching neighbours are rare by chance, and the hard case
    for _ in range(_PLACE_TRIES):
        corner = rng.integers(MARGIN, limit, endpoint=True)
        if beside and len(boxes):
            other = boxes[rng.integers(len(boxes))]
            corner = rng.integers(other[:2] - size, other[2:], endpoint=True)
            corner = np.clip(corner, MARGIN, limit)
        box = np.concatenate([corner, corner + size])
        shared = _shared_area(np.concatenate([boxes, box[None]]))
        areas = shared.diagonal().copy()
        np.fill_diagonal(shared, 0)
        pair_limit = _MAX_COVERED * np.minimum(areas[:, None], areas[None, :])
        if (shared <= pair_limit).all() and (shared.sum(axis=1) <= _MAX_COVERED * areas).all():
            return box
    return None


def _shared_area(boxes: np.ndarray) -> np.ndarray:
    """(N, N) areas that pairs of boxes share; the diagonal holds their own."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    return np.clip(high - low, 0, None).prod(axis=2)


def _choose_pens(paper: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One to three ink colours (N, 3), for digits and clutter alike: colour tells nothing."""
    step = SIDE // 30
    sample = paper[::step, ::step]
    return np.stack([_readable_ink(sample, None, rng) for _ in range(int(rng.integers(1, 4)))])


def _readable_ink(
    window: np.ndarray, pens: np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:
    """An ink (3,) that stands out from the window: a pen, any other, black or white."""
    luminance = window.reshape(-1, 3) @ _LUMINANCE

    def contrast(ink: np.ndarray) -> float:
        return float(np.quantile(np.abs(luminance - ink @ _LUMINANCE), 1 - _CONTRAST_SHARE))

    candidates = [] if pens is None else list(rng.permutation(pens))
    candidates += list(rng.uniform(0, 255, (_INK_TRIES, 3)))
    for ink in candidates:
        if contrast(ink) >= _MIN_CONTRAST:
            return ink
    return max((np.zeros(3), np.full(3, 255.0)), key=contrast)


def _draw_clutter(
    paper: np.ndarray, boxes: np.ndarray, pens: np.ndarray, rng: np.random.Generator
) -> None:
    """Ink that is no digit: lines anywhere below the digits, shapes where the digits leave room."""
    if rng.random() < 0.5:
        mask = draw_lines(rng, int(rng.integers(1, 4)), (1.0, 5.0))
        _blend(paper, mask, pens[rng.integers(len(pens))])
    for _ in range(int(rng.integers(0, 7))):
        size = _draw_size(rng)
        width, height = np.maximum(size * rng.uniform(0.6, 1, 2), 16).round().astype(int).tolist()
        box = _find_place(boxes, width, height, rng)
        if box is None:
            continue
        # A shape may touch a digit's box and no more: the two in one ink would be a third sign.
        shared = _shared_area(np.concatenate([boxes, box[None]]))
        if (shared[-1, :-1] <= 0.05 * shared.diagonal()[:-1]).all():
            mask = draw_shape(rng, tuple(box.tolist()))
            _blend(paper, mask, pens[rng.integers(len(pens))])


def _blend(target: np.ndarray, alpha: np.ndarray, ink: np.ndarray) -> None:
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    if len(rows):  # most masks are mostly empty
        part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        target[part] += alpha[part][..., None] * (ink.astype(np.float32) - target[part])


def _photograph(paper: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Camera effects: a little blur and a little noise."""
    image = Image.fromarray(np.clip(paper, 0, 255).astype(np.uint8))
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.8)))
    noise = rng.standard_normal((SIDE, SIDE, 1), np.float32) * np.float32(rng.uniform(0, 6))
    return np.asarray(image, dtype=np.float32) + noise
