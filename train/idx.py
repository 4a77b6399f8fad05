"""MNIST's IDX files: a magic number, the dimensions, then bytes."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

_PREFIXES = ("train", "t10k")


def read_idx_folder(folder: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """The pictures (N, 28, 28), float in [0, 1], and digits (N,) uint8 of the pairs in a folder.

    Reads the training pair, the t10k pair or both, each file plain or gzipped.

    Raises: ValueError where there is no pair, half a pair, or a file that is damaged or of
    another kind.
    """
    folder = Path(folder)
    images, digits = [], []
    for prefix in _PREFIXES:
        image_path = _find_idx(folder, f"{prefix}-images-idx3-ubyte")
        label_path = _find_idx(folder, f"{prefix}-labels-idx1-ubyte")
        if image_path is None and label_path is None:
            continue
        if image_path is None or label_path is None:
            raise ValueError(
                f"{folder}: expected images and labels of {prefix!r}, got only "
                f"{(image_path or label_path).name}; put its partner beside it"
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
