"""Pictures: small ones in each format, changed, and read in each of the three ways."""

from __future__ import annotations

import io
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from edge_runtime.media.images import read_header, read_image, read_upright
from studies.fuzz.mutation import mutants
from studies.fuzz.targets.base import Target

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

SIZE = (40, 20)


@cache
def pictures() -> dict[str, bytes]:
    """Name → a file: noise, turned by its EXIF where the format has one."""
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    kinds: dict[str, dict[str, Any]] = {
        "jpeg": {"exif": exif},
        "progressive": {"format": "JPEG", "progressive": True, "exif": exif},
        "png": {"exif": exif},
        "webp": {"exif": exif},
        "lossless": {"format": "WEBP", "lossless": True},
        "bmp": {},
        "tiff": {"exif": exif},
        "packed": {"format": "TIFF", "compression": "tiff_lzw"},
        "gif": {},
        "ppm": {},
    }
    found = {}
    for name, options in kinds.items():
        buffer = io.BytesIO()
        image.save(buffer, **{"format": name.upper(), **options})
        found[name] = buffer.getvalue()
    return found


def prepare() -> None:
    pictures()
    Image.init()


def attempt(data: bytes) -> str:
    """Read the header, the upright copy and the pixels: all that can be, and not one crashes."""
    read = 0
    with tempfile.NamedTemporaryFile(suffix=".jpg") as temporary:
        temporary.write(data)
        temporary.flush()
        path = Path(temporary.name)
        for way in (read_header, read_upright, read_image):
            try:
                way(path)
            except ValueError as error:
                assert str(path) in str(error), f"the file is not named: {error}"
                continue
            read += 1
    return ("refused", "read in part", "read in part", "read")[read]


def inputs() -> SearchStrategy[bytes]:
    from hypothesis import strategies as st

    kinds = [mutants(data, [(0, min(200, len(data)))]) for data in pictures().values()]
    return st.one_of(*kinds) | st.binary(max_size=200)


TARGETS = (Target("pictures", "a small picture of ten kinds", attempt, inputs, prepare),)
