"""Rows of pictures: encoded files one after another, as rpicam-vid and FFmpeg pipes write them."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

JPEG_START = b"\xff\xd8\xff"
JPEG_END = b"\xff\xd9"
_SCAN = 0xDA  # the marker after which a JPEG's pixels come
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"
# Of a binary portable pixmap or graymap (Netpbm): width, height, maximum.
_PNM_HEAD = re.compile(rb"P([56])(?:\s|#[^\n]*\n)+(\d{1,6})\s+(\d{1,6})\s+(\d{1,5})\s")
# What a photograph says of further views in its file: CIPA DC-007; Google's containers in XMP.
_VIEWS = (b"MPF\0", b"hdrgm:", b"GContainer", b"Container:Directory", b"GCamera:MicroVideo")
_MOST_PADDING = 4096  # bytes of nothing between two pictures
_SEAM = re.compile(rb"\xff\xd9[\0\s]{0,%d}\xff\xd8\xff" % _MOST_PADDING)
_CHUNK_BYTES = 1 << 18
_MOST_BYTES = 1 << 26  # of one picture in a row of them

Bytes = bytes | bytearray


def row_start(file: BinaryIO) -> bytes | None:
    """How each picture of a file begins, if the file is a row of them; else None.

    The file stands at its beginning, before and afterwards.
    """
    head = file.read(16)
    file.seek(0)
    start = next((start for start in _ENDS if head.startswith(start)), None)
    if start is None:
        return None
    is_row = _is_jpeg_row(file) if start == JPEG_START else _is_other_row(file, start)
    file.seek(0)
    return start if is_row else None


def split_row(file: BinaryIO, start: bytes = JPEG_START) -> Iterator[bytes]:
    """The pictures of a row, each beginning with `start`; the last one may lack its end.

    What stands between them is skipped. Raises: ValueError where one has no end for too long.
    """
    find_end = _ENDS[start]
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


def jpeg_end(data: Bytes, start: int) -> int | None:
    """Where the JPEG that begins at `start` ends; None where `data` ends before."""
    scan = _scan_start(data, start)
    end = -1 if scan is None else data.find(JPEG_END, scan)
    return None if end < 0 else end + len(JPEG_END)


def _is_jpeg_row(file: BinaryIO) -> bool:
    data, scan = b"", None
    while True:
        chunk = file.read(_CHUNK_BYTES)
        data += chunk
        scan = scan or _scan_start(data, 0)
        if scan is not None:
            if any(mark in data[:scan] for mark in _VIEWS):
                return False
            # Of pixels a seam's length is kept, for one that lies across two chunks.
            if _SEAM.search(data, scan):
                return True
            kept = max(scan, len(data) - _MOST_PADDING - len(JPEG_END) - len(JPEG_START))
            data = data[:scan] + data[kept:]
        if not chunk or len(data) > _MOST_BYTES:
            return False


def _is_other_row(file: BinaryIO, start: bytes) -> bool:
    data, more = b"", True
    while more and len(data) <= _MOST_BYTES:
        end = _ENDS[start](data, 0)
        if end is not None and end + _MOST_PADDING <= len(data):
            break
        chunk = file.read(max(_CHUNK_BYTES, len(data)))
        more = bool(chunk)
        data += chunk
    end = _ENDS[start](data, 0)
    following = b"" if end is None else data[end : end + _MOST_PADDING].lstrip(b"\0\r\n\t ")
    return following.startswith(start)


def _scan_start(data: Bytes, start: int) -> int | None:
    """Where the pixels of a JPEG begin, behind headers that may hold JPEGs of their own; None where
    `data` ends before."""
    position = start + 2
    while position + 4 <= len(data):
        mark, kind, length = struct.unpack_from(">BBH", data, position)
        if mark != 0xFF:  # no JPEG: let the search for its end begin here
            return position
        if kind == 0xFF:  # fills
            position += 1
        elif kind == _SCAN:
            return position
        else:
            position += 2 + length
    return None


def _png_end(data: Bytes, start: int) -> int | None:
    end = data.find(_PNG_END, start)
    return None if end < 0 else end + len(_PNG_END)


def _bmp_end(data: Bytes, start: int) -> int | None:
    size = int.from_bytes(data[start + 2 : start + 6], "little")
    return start + max(size, 26) if len(data) >= start + 6 else None


def _webp_end(data: Bytes, start: int) -> int | None:
    size = int.from_bytes(data[start + 4 : start + 8], "little")
    return start + 8 + size + size % 2 if len(data) >= start + 8 else None


def _pnm_end(data: Bytes, start: int) -> int | None:
    head = _PNM_HEAD.match(data, start)
    if head is None:
        return None
    width, height, most = (int(number) for number in head.groups()[1:])
    channels = 3 if head[1] == b"6" else 1
    return head.end() + width * height * channels * (1 if most < 256 else 2)


# How a picture begins → where it ends, from where it begins in some bytes; None where that is not
# known yet. The end may lie behind the bytes.
_ENDS: dict[bytes, Callable[[Bytes, int], int | None]] = {
    JPEG_START: jpeg_end,
    _PNG_START: _png_end,
    b"BM": _bmp_end,
    b"RIFF": _webp_end,
    b"P6": _pnm_end,
    b"P5": _pnm_end,
}
