"""Rows of pictures: encoded files one after another, as rpicam-vid and FFmpeg pipes write them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import BinaryIO

from edge_runtime.media.picture_ends import (
    JPEG_END,
    JPEG_START,
    Bytes,
    end_finder,
    jpeg_size,
    picture_start,
    scan_start,
)

# What a photograph says of further views in its file: CIPA DC-007; Google's containers in XMP.
_VIEWS = (b"MPF\0", b"hdrgm:", b"GContainer", b"Container:Directory", b"GCamera:MicroVideo")
_MOST_PADDING = 4096  # bytes of nothing between two pictures
_SEAM = re.compile(rb"\xff\xd9[\0\s]{0,%d}\xff\xd8\xff" % _MOST_PADDING)
_MOST_SEAMS = 16  # with something between the pictures, at which is looked
_MOST_HEADER_BYTES = 1 << 20
_SAMSUNG_END = b"SEFT"  # of a phone's photograph with further ones behind it
_CHUNK_BYTES = 1 << 18
_MOST_BYTES = 1 << 26  # of one picture in a row of them
_MOST_SEARCHED = 1 << 24  # for the end of the first one


def row_start(file: BinaryIO) -> bytes | None:
    """How each picture of a file begins, if the file is a row of them; else None.

    The file stands at its beginning, before and afterwards.
    """
    head = file.read(16)
    file.seek(0)
    start = picture_start(head)
    if start is None:
        return None
    is_row = _is_jpeg_row(file) if start == JPEG_START else _is_other_row(file, start)
    file.seek(0)
    return start if is_row else None


def split_row(file: BinaryIO, start: bytes = JPEG_START) -> Iterator[bytes]:
    """The pictures of a row, each beginning with `start`; the last one may lack its end.

    What stands between them is skipped. Raises: ValueError where one has no end for too long.
    """
    find_end = end_finder(start)
    data, more = b"", True
    while True:
        begin = data.find(start)
        end = None if begin < 0 else find_end(data, begin)
        if end is not None and end <= len(data):
            yield data[begin:end]
            data = data[end:]
        elif more:
            chunk = file.read(max(_CHUNK_BYTES, len(data)))  # doubled: each byte is seen few times
            more = bool(chunk)
            data = (data[begin:] if begin >= 0 else data[-len(start) + 1 :]) + chunk
            if len(data) > _MOST_BYTES:
                raise ValueError(f"a picture of more than {_MOST_BYTES >> 20} MB")
        else:
            if begin >= 0:
                yield data[begin:]
            return


def _is_jpeg_row(file: BinaryIO) -> bool:
    data, scan = b"", None
    while True:
        chunk = file.read(_CHUNK_BYTES)
        data += chunk
        scan = scan or scan_start(data, 0)
        if scan is not None:
            if any(mark in data[:scan] for mark in _VIEWS):
                return False
            # Of pixels a seam's length is kept, for one that lies across two chunks.
            if _SEAM.search(data, scan):
                return True
            front = file.tell() - len(data)
            if any(_is_alike(file, data, front + place) for place in _wide_seams(data, scan)):
                return True
            kept = max(scan, len(data) - _MOST_PADDING - len(JPEG_END) - len(JPEG_START))
            data = data[:scan] + data[kept:]
        if not chunk or file.tell() > _MOST_BYTES:  # the first picture has long ended
            return False


def _wide_seams(data: Bytes, scan: int) -> Iterator[int]:
    """Where JPEGs begin behind the end of another, with something in between: a camera's part
    headers, say, in a stream that was saved as it came."""
    place = scan
    for _ in range(_MOST_SEAMS):
        place = data.find(JPEG_START, place + 1)
        if place < 0:
            return
        if data.find(JPEG_END, max(scan, place - _MOST_PADDING), place) >= 0:
            yield place


def _is_alike(file: BinaryIO, first: Bytes, place: int) -> bool:
    """Whether a JPEG at a place of the file is as large as the first one: no preview of it."""
    back = file.tell()
    file.seek(-len(_SAMSUNG_END), os.SEEK_END)
    end = file.read()
    file.seek(place)
    size = jpeg_size(file.read(_MOST_HEADER_BYTES))
    file.seek(back)
    return end != _SAMSUNG_END and size is not None and size == jpeg_size(first)


def _is_other_row(file: BinaryIO, start: bytes) -> bool:
    find_end = end_finder(start)
    data, more = b"", True
    while more and len(data) <= _MOST_SEARCHED:
        end = find_end(data, 0)
        if end is not None and end + _MOST_PADDING <= len(data):
            break
        chunk = file.read(max(_CHUNK_BYTES, len(data)))
        more = bool(chunk)
        data += chunk
    end = find_end(data, 0)
    following = b"" if end is None else data[end : end + _MOST_PADDING]
    return following.startswith(start) or following.lstrip(b"\0\r\n\t ").startswith(start)
