"""Glyphs: handwritten digits to draw with, scikit-learn's 8x8 digits, or MNIST's IDX files."""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SPLITS = ("train", "val", "test")  # the order is part of every scene's seed
_VAL_SHARE, _TEST_SHARE = 0.05, 0.15
INK_ALPHA = 0.3  # what counts as ink when a box is drawn tightly around it
MARGIN = 2  # soft pixels kept around the ink's box, so that no stroke ends in a hard cut


@dataclass(frozen=True, eq=False)
class GlyphSource:
    """Digits as gray images.

    images: (N, H, W) float32 in [0, 1], 1 is ink. digits: (N,) int64 in 0..9. name: says whence.
    """

    name: str
    images: np.ndarray
    digits: np.ndarray

    @property
    def digest(self) -> str:
        """A short checksum of the content, to tell one source from another."""
        content = hashlib.sha256(self.images.tobytes() + self.digits.tobytes())
        return content.hexdigest()[:16]

    def pools(self, seed: int) -> dict[str, list[np.ndarray]]:
        """Disjoint indices into `images` for each split and digit: about 80 / 5 / 15 %.

        Drawn at random within each digit: by position, the writers of the splits would differ,
        and accuracy on the test split would measure that instead of the detector.
        """
        pools: dict[str, list[np.ndarray]] = {split: [] for split in SPLITS}
        for digit in range(10):
            indices = np.flatnonzero(self.digits == digit)
            if len(indices) < len(SPLITS):
                raise ValueError(
                    f"{self.name}: expected at least {len(SPLITS)} pictures of the digit {digit}, "
                    f"got {len(indices)}; choose a fuller source"
                )
            rng = np.random.default_rng([seed, digit, 0, 1])  # four numbers: no scene has these
            indices = rng.permutation(indices)
            val_count = max(1, round(_VAL_SHARE * len(indices)))
            test_count = max(1, round(_TEST_SHARE * len(indices)))
            val, test, train = np.split(indices, [val_count, val_count + test_count])
            for split, part in (("train", train), ("val", val), ("test", test)):
                pools[split].append(part)
        return pools


def load_glyphs(digits_dir: str | Path | None = None) -> GlyphSource:
    """scikit-learn's digits, or the MNIST files found in `digits_dir` (train, t10k or both).

    Raises: ValueError where the folder holds no IDX pair or a damaged one. ImportError where
    scikit-learn is wanted and missing.
    """
    if digits_dir is not None:
        return _without_blots("mnist", *read_idx_folder(digits_dir))
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "drawing digits needs scikit-learn; install it with: pip install scikit-learn"
        ) from error
    data = load_digits()
    return _without_blots("scikit-learn", data.images / 16, data.target)


def _without_blots(name: str, images: np.ndarray, digits: np.ndarray) -> GlyphSource:
    """The source less what nobody could read: blank pictures, and 1s whose ink fills its box."""
    legible = []
    for index, image in enumerate(images):
        if not (image > INK_ALPHA).any():
            continue
        top, bottom, left, right = ink_bounds(image)
        ink = image[top:bottom, left:right]
        broad = min(ink.shape) > 0.4 * max(ink.shape)  # a slim 1 may fill its box
        if not (broad and ink.mean() > 0.75 * image.max()):
            legible.append(index)
    return GlyphSource(name, images[legible].astype(np.float32), digits[legible].astype(np.int64))


_IDX_PREFIXES = ("train", "t10k")


def read_idx_folder(folder: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """The pictures (N, 28, 28), float in [0, 1], and digits (N,) uint8 of the pairs in a folder.

    Reads the training pair, the t10k pair or both, each file plain or gzipped.

    Raises: ValueError where there is no pair, half a pair, or a file that is damaged or of
    another kind.
    """
    folder = Path(folder)
    images, digits = [], []
    for prefix in _IDX_PREFIXES:
        image_path = _find_idx(folder, f"{prefix}-images-idx3-ubyte")
        label_path = _find_idx(folder, f"{prefix}-labels-idx1-ubyte")
        paths = [path for path in (image_path, label_path) if path]
        if not paths:
            continue
        if image_path is None or label_path is None:
            raise ValueError(
                f"{folder}: expected images and labels of {prefix!r}, got only "
                f"{paths[0].name}; put its partner beside it"
            )
        images.append(_read_idx(image_path, dims=3))
        digits.append(_read_idx(label_path, dims=1))
        if len(images[-1]) != len(digits[-1]) or digits[-1].max(initial=0) > 9:
            raise ValueError(
                f"{label_path}: expected {len(images[-1])} labels in 0..9, got {len(digits[-1])} "
                f"up to {digits[-1].max(initial=0)}; fetch the pair again"
            )
    if not images:
        raise ValueError(
            f"{folder}: expected MNIST files such as t10k-images-idx3-ubyte.gz and "
            "t10k-labels-idx1-ubyte.gz, got none; name the folder that holds them"
        )
    return np.concatenate(images) / 255, np.concatenate(digits)


def _find_idx(folder: Path, stem: str) -> Path | None:
    paths = (folder / stem, folder / f"{stem}.gz")
    return next((path for path in paths if path.is_file()), None)


def _read_idx(path: Path, dims: int) -> np.ndarray:
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: expected a gzip file, got {error}; fetch it again") from error
    magic = bytes((0, 0, 8, dims))  # IDX: two zeros, 8 = unsigned byte, number of dimensions
    if content[:4] != magic or len(content) < 4 + 4 * dims:
        raise ValueError(
            f"{path}: expected an IDX file that starts with {magic.hex()}, got "
            f"{content[:4].hex() or 'nothing'}; fetch it again"
        )
    shape = tuple(np.frombuffer(content, ">u4", dims, offset=4).tolist())
    body = content[4 + 4 * dims :]
    if len(body) != math.prod(shape):
        raise ValueError(
            f"{path}: expected {math.prod(shape)} bytes for shape {shape}, got {len(body)}; "
            "fetch it again"
        )
    return np.frombuffer(body, np.uint8).reshape(shape)


def render_glyph(image: np.ndarray, size_px: float, rng: np.random.Generator) -> np.ndarray:
    """One digit as pen strokes: turned, sheared, stretched a little, at a random thickness.

    image: (H, W) float32 in [0, 1]. size_px: wanted longer side of the ink's box.
    Returns alpha (h + 2 * MARGIN, w + 2 * MARGIN) float32 in [0, 1]; the box of the pixels above
    INK_ALPHA is exactly the part inside the margin, and its longer side is size_px give or take
    a pixel.
    """
    large = _strokes(image, size_px, rng)
    top, bottom, left, right = ink_bounds(large)
    scale = size_px / max(bottom - top, right - left)
    # Spread the margin in the large picture, so that the shrunk one still has soft edges there.
    pad = math.ceil((MARGIN + 2) / scale)
    large = np.pad(large, pad)[top : bottom + 2 * pad, left : right + 2 * pad]
    height, width = (max(1, round(side * scale)) for side in large.shape)
    shrunk = Image.fromarray(large).resize((width, height), Image.Resampling.BICUBIC)
    alpha = np.pad(np.clip(np.asarray(shrunk), 0, 1), MARGIN)
    top, bottom, left, right = ink_bounds(alpha)
    return alpha[top - MARGIN : bottom + MARGIN, left - MARGIN : right + MARGIN]


def _strokes(image: np.ndarray, size_px: float, rng: np.random.Generator) -> np.ndarray:
    """The digit at about twice `size_px`: a square float32 picture in [0, 1]."""
    cells = len(image)
    side = int(np.clip(2.5 * size_px, 128, 400))
    angle = math.radians(rng.uniform(-15, 15))
    shear, aspect = rng.uniform(-0.15, 0.15), math.exp(rng.uniform(-0.15, 0.15))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    warp = turn @ np.array([[1.0, shear], [0.0, 1.0]]) @ np.diag([aspect, 1 / aspect])
    inverse = np.linalg.inv(warp) * (1.6 * cells / side)  # 1.6: room for the turned corners
    center = np.full(2, cells / 2 + 2)  # 2: the frame of paper that bicubic needs around the ink
    (a, b), (d, e) = inverse
    c, f = center - inverse @ np.full(2, side / 2)
    gray = Image.fromarray(_open_holes(np.pad(image / image.max(), 2))).transform(
        (side, side), Image.Transform.AFFINE, (a, b, c, d, e, f), Image.Resampling.BICUBIC
    )
    # A gentle curve around a mid-level makes strokes of it; the level sets their thickness. A
    # threshold would close the holes of 0, 6, 8 and 9 and cut thin strokes in two.
    level = rng.uniform(0.38, 0.52)
    softness = float(np.clip(3.0 * cells / size_px, 0.16, 0.45))
    ramp = np.clip((np.asarray(gray) - level) / softness + 0.5, 0, 1)
    return (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)


def _open_holes(gray: np.ndarray) -> np.ndarray:
    """Each cell pushed away from the mean of its surroundings.

    On an 8x8 grid the hole of an 8 is one cell at half gray: against any one level it is ink.
    """
    framed = np.pad(gray, 1, mode="edge")
    rows = framed[:-2] + framed[1:-1] + framed[2:]
    mean = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9
    return (gray + 0.7 * (gray - mean)).astype(np.float32)


def ink_bounds(alpha: np.ndarray) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of the pixels above INK_ALPHA, bottom and right exclusive."""
    rows = np.flatnonzero((alpha > INK_ALPHA).any(axis=1))
    columns = np.flatnonzero((alpha > INK_ALPHA).any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
