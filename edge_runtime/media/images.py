"""Image files ↔ (H, W, 3) RGB uint8 arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from edge_runtime.media.atomic import atomic_path

JPEG_QUALITY = 90  # thin lines and small letters fray visibly below


def read_image(path: str | Path, at_least: int | None = None) -> np.ndarray:
    """An image file as an upright frame: EXIF orientation applied, alpha dropped.

    at_least: None reads every pixel. A number lets a JPEG decoder, which is several times faster
    so, halve width and height up to three times while both stay at least that many pixels.

    Returns: (H, W, 3) RGB uint8.
    Raises: FileNotFoundError; ValueError, naming the file, if it is not a whole picture.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no picture at {path}; check the path")
    try:
        with Image.open(path) as image:
            check_depth(image)
            if at_least is not None:
                image.draft("RGB", (at_least, at_least))  # formats other than JPEG ignore it
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    # Pillow's readers raise SyntaxError for a broken PNG, OSError for most else.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = (
            "not of a known format" if isinstance(error, Image.UnidentifiedImageError) else error
        )
        raise ValueError(
            f"{path} cannot be read as a picture ({reason}); JPEG, PNG, WebP and BMP can"
        ) from error


def check_depth(image: Image.Image) -> None:
    """Raises: ValueError for 16 or 32 bits a channel, which Pillow would turn into white."""
    if image.mode.startswith("I") or image.mode == "F":
        raise ValueError(f"8 bits a channel expected, got Pillow's mode {image.mode}; save it so")


def write_image(path: str | Path, frame: np.ndarray) -> None:
    """Write an (H, W, 3) RGB uint8 frame, whole or not at all; the suffix names the format.

    Raises: OSError, naming the folder, where it cannot be written.
    """
    with atomic_path(path) as temporary:
        Image.fromarray(np.ascontiguousarray(frame)).save(temporary, quality=JPEG_QUALITY)
