"""Image files ↔ (H, W, 3) RGB uint8 arrays."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from edge_runtime.media.atomic import atomic_path
from edge_runtime.media.orientation import (
    EXIF_MARK,
    drop_orientation,
    find_orientation,
    turn_upright,
)
from edge_runtime.media.pixels import upright_pixels
from edge_runtime.media.unknown_picture import describe_unknown

# A picture of more takes the memory of most boards; Pillow itself warns from there on.
MOST_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485
# Memory that a picture may take while it is decoded, of what the machine has.
MEMORY_SHARE = 0.5
BYTES_A_PIXEL = 11  # Pillow's own 4, 4 of a turned copy to be saved anew, 3 of an array
WEBP_BYTES_A_PIXEL = 18  # its decoder keeps the picture several times
MOST_JPEG_BYTES = 256 << 20
# Of a larger picture, the head is only believed where the file is long enough for it: no byte of a
# JPEG or of deflated pixels stands for more than so many.
LARGE_PIXELS = 24_000_000
MOST_UNPACKED = 1032
# Pillow hands these to another program, or understands only their head.
_NO_PICTURES = ("EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "FITS")

JPEG_QUALITY = 90  # thin lines and small letters fray visibly below
FORMATS = "JPEG, PNG, WebP, BMP and TIFF"

_JPEG_START = b"\xff\xd8"
_TIFF_WIDTH, _TIFF_HEIGHT = 0x0100, 0x0101


def read_image(path: str | Path, at_least: int | None = None) -> np.ndarray:
    """An image file as an upright frame: EXIF orientation applied, alpha dropped.

    Args:
        at_least: None to read every pixel. A number lets a JPEG decoder, which is several times
            faster so, halve width and height up to three times while both stay at least that.

    Returns: (H, W, 3) RGB uint8.
    Raises: FileNotFoundError; ValueError, naming the file, if it is not a whole picture.
    """
    with _opened(Path(path)) as (image, orientation):
        if at_least is not None:
            image.draft("RGB", (at_least, at_least))  # formats other than JPEG ignore it
        return upright_pixels(image, orientation)


def read_shrunk(
    path: str | Path, most_pixels: int = LARGE_PIXELS
) -> tuple[np.ndarray, tuple[int, int]]:
    """As `read_image`, of a picture of more than `most_pixels` at half its width and height, or a
    quarter or less: a small board has no memory for more, and a network no use.

    Returns: (h, w, 3) RGB uint8, and the picture's own (height, width), upright.
    Raises: as `read_image`.
    """
    with _opened(Path(path)) as (image, orientation):
        width, height = _stored_wh(image)
        shrink = 1
        while width * height > most_pixels * shrink**2:
            shrink *= 2
        if shrink > 1:  # a JPEG's decoder does so itself, up to 8 times
            image.draft("RGB", (width // shrink, height // shrink))
        done = 1 if image.format == "TIFF" else round(width / image.width)
        pixels = upright_pixels(image, orientation, shrink // done)
        return pixels, (width, height) if orientation >= 5 else (height, width)


def read_header(path: str | Path) -> tuple[tuple[int, int], int]:
    """((width, height) as stored, EXIF orientation 1 to 8) of an image file; decodes no pixel.

    Raises: FileNotFoundError; ValueError, naming the file, if it is no picture. One whose pixels
        are cut off passes.
    """
    with _opened(Path(path)) as (image, orientation):
        return _stored_wh(image), orientation


def read_upright(path: str | Path) -> Image.Image:
    """An image file as an upright Pillow image to be saved anew, in the file's mode and format.

    Of its EXIF and XMP, all that gives an orientation is gone.

    Raises: as `read_image`.
    """
    with _opened(Path(path)) as (image, orientation):
        upright = turn_upright(image.copy(), orientation)
        upright.format = image.format
        for key in ("xmp", "XML:com.adobe.xmp", "Raw profile type exif"):
            upright.info.pop(key, None)
        if isinstance(exif := upright.info.pop("exif", None), bytes):
            upright.info["exif"] = drop_orientation(exif)
        return upright


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Image.Image, int]]:
    """An image as stored, its pixels not decoded yet, and its EXIF orientation.

    Raises: ValueError, naming the file, for whatever Pillow raises, here or inside the block.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no picture at {path}; check the path")
    try:
        with _open(path) as image:
            _check_size(image, path.stat().st_size)
            _check_depth(image)
            if image.format == "TIFF":
                # Pillow would turn it while it decodes, by which notes depends on the version.
                vars(image)["load_end"] = lambda: None
            yield image, find_orientation(image, path)
    except (MemoryError, FileNotFoundError):
        raise
    except Exception as error:  # by a damaged file Pillow can be made to raise nearly anything
        reason: object = str(error) or type(error).__name__
        if isinstance(error, Image.UnidentifiedImageError):
            reason = describe_unknown(path)
        raise ValueError(f"{path} cannot be read as a picture ({reason}); {FORMATS} can") from error


def _stored_wh(image: Image.Image) -> tuple[int, int]:
    if image.format == "TIFF":  # newer versions of Pillow give the upright size
        tags = getattr(image, "tag_v2", {})
        return tags[_TIFF_WIDTH], tags[_TIFF_HEIGHT]
    return image.size


def _open(path: Path) -> Image.Image:
    """As `Image.open`, which refuses a JPEG because of its EXIF where it looks there for DPI."""
    try:
        return Image.open(path)
    except (MemoryError, Image.DecompressionBombError):
        raise
    except Exception:
        with path.open("rb") as file:
            data = file.read(2)
            if data != _JPEG_START:
                raise
            data += file.read(min(path.stat().st_size, MOST_JPEG_BYTES))
        _, mark, exif = data.partition(EXIF_MARK)
        if not mark:
            raise
        image = Image.open(io.BytesIO(data.replace(EXIF_MARK, bytes(len(EXIF_MARK)))))
        image.info["exif"] = mark + exif[:0xFFFF]  # the longest that a JPEG can hold
        return image


def _check_size(image: Image.Image, file_bytes: int) -> None:
    """Raises: ValueError for a picture that is none, or more than this machine can decode."""
    if image.format in _NO_PICTURES:
        raise ValueError(f"the format is {image.format}")
    width, height = image.size
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    a_pixel = WEBP_BYTES_A_PIXEL if image.format == "WEBP" else BYTES_A_PIXEL
    most = min(MOST_PIXELS, int(MEMORY_SHARE * memory / a_pixel))
    if width * height > most:
        raise ValueError(
            f"{most / 1e6:.0f} million pixels at most expected, got {width} x {height}; save it "
            "smaller"
        )
    pixel_bytes = 1 / 8 if image.mode == "1" else len(image.getbands())
    if width * height > LARGE_PIXELS and width * height * pixel_bytes > MOST_UNPACKED * file_bytes:
        raise ValueError(f"{file_bytes} bytes cannot hold {width} x {height} pixels: it is cut off")


def _check_depth(image: Image.Image) -> None:
    """Raises: ValueError for 16 or 32 bits a channel, which Pillow would turn into white."""
    if image.mode.startswith("I") or image.mode == "F":
        raise ValueError(f"8 bits a channel expected, got Pillow's mode {image.mode}; save it so")


def write_image(path: str | Path, frame: np.ndarray) -> None:
    """Write an (H, W, 3) RGB uint8 frame, whole or not at all; the suffix names the format.

    Raises: OSError, naming the folder, where it cannot be written.
    """
    with atomic_path(path) as temporary:
        Image.fromarray(np.ascontiguousarray(frame)).save(temporary, quality=JPEG_QUALITY)
