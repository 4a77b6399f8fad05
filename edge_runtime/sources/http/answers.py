"""Answers of a camera: a picture, a stream of them or a video, and the picture's pixels.

What comes is told by its first bytes rather than by its headers, and a JPEG ends where it ends:
cameras give the wrong Content-Type, no Content-Length or a wrong one, and leave the line open.
"""

from __future__ import annotations

import io
from http.client import HTTPResponse
from pathlib import Path

import numpy as np
from PIL import Image

from edge_runtime.media.orientation import find_orientation
from edge_runtime.media.picture_ends import JPEG_END, JPEG_START, jpeg_end
from edge_runtime.media.pixels import upright_pixels
from edge_runtime.sources.base import SourceError
from edge_runtime.sources.http.multipart import CHUNK_BYTES, MOST_BYTES

MOST_PIXELS = 50_000_000  # of a picture: 8K has 33 million
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")  # Pillow's JPEG takes MPO as well
LINE_ENDS = b"\r\n"  # a camera's script may leave some in front of the picture


def kind_of_answer(answer: HTTPResponse) -> str:
    """ "stream", "snapshot" or "video". Raises: SourceError for a page; OSError, HTTPException."""
    kind = answer.headers.get_content_maintype() if "Content-Type" in answer.headers else ""
    if kind == "multipart":
        return "stream"
    begin = answer.peek(len(JPEG_START)).lstrip(LINE_ENDS)
    if begin.startswith(JPEG_START):
        is_row = kind == "video" and "Content-Length" not in answer.headers
        return "stream" if is_row else "snapshot"
    if kind == "image":
        return "snapshot"
    if begin.startswith(b"--"):
        return "stream"
    if kind == "text":
        raise SourceError(
            f"it answers with a page ({answer.headers.get_content_type()}), not a picture; check "
            "path, user and password"
        )
    return "video"


def read_picture(answer: HTTPResponse) -> np.ndarray:
    """(H, W, 3) RGB uint8 of an answer of one picture.

    Raises: ValueError for too many bytes, or no picture; OSError, HTTPException.
    """
    length = answer.headers.get("Content-Length", "")
    has_length = length.isascii() and length.isdigit()
    if has_length and (len(length) > 10 or int(length) > MOST_BYTES):
        raise ValueError(f"a picture of at most {MOST_BYTES >> 20} MB expected, got {length} bytes")
    data = bytearray()
    tried = None  # where a JPEG ended that was none
    while chunk := answer.read1(CHUNK_BYTES):
        seen = len(data)
        data += chunk
        if len(data) > MOST_BYTES:
            raise ValueError(f"a picture of at most {MOST_BYTES >> 20} MB expected, got more")
        if data.find(JPEG_END, max(0, seen - 1)) < 0:
            continue
        end = jpeg_end(data, max(0, data.find(JPEG_START)))
        if end is not None and end != tried:
            tried = end
            image = decode(bytes(data[:end]))
            if image is not None:
                return image
    if has_length and len(data) < int(length):
        raise ValueError(f"{length} bytes of a picture expected, got {len(data)}")
    if not data:
        raise ValueError("its answer is empty, or breaks off")
    image = decode(bytes(data))
    if image is None:
        kind = answer.headers.get("Content-Type", "no Content-Type")
        raise ValueError(f"a picture expected, got {len(data)} bytes ({kind[:100]}) that are none")
    return image


def decode(data: bytes) -> np.ndarray | None:
    """(H, W, 3) RGB uint8, upright, of a picture's bytes; None for what is none, or damaged."""
    try:
        with Image.open(io.BytesIO(data.lstrip(LINE_ENDS)), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            turned = image.format in ("JPEG", "MPO")
            orientation = find_orientation(image, Path()) if turned else 1
            return upright_pixels(image, orientation)
    except MemoryError:
        raise
    except Exception:  # by damaged bytes Pillow can be made to raise nearly anything
        return None
