"""Ends of pictures: where, in bytes that hold several of them, each ends, by its format.

An end may lie behind the bytes; None says that it is not known yet.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from contextlib import suppress

JPEG_START = b"\xff\xd8\xff"
JPEG_END = b"\xff\xd9"
_SCAN = 0xDA  # the marker after which a JPEG's pixels come
_NO_FRAMES = (0xC4, 0xC8, 0xCC)  # tables, among the markers of frames
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"
# Of a binary portable pixmap or graymap (Netpbm): width, height, maximum.
_PNM_HEAD = re.compile(rb"P([56])(?:\s|#[^\n]*\n)+(\d{1,6})\s+(\d{1,6})\s+(\d{1,5})\s")
_TIFF_LITTLE, _TIFF_BIG = b"II*\0", b"MM\0*"
_SUBFILE_TAG, _WIDTH_TAG = 254, 256  # one of which a directory begins with, as it is sorted
_SMALLER_OR_MASK = 1 | 4  # bits of _SUBFILE_TAG: another view of a page
_MOST_TIFF_FIELDS = 200
# How others begin, and how many bytes of that the next one has as well: GIF, QOI, JPEG 2000, and
# portable maps in text.
_REPEATED = ((b"GIF8", 10), (b"qoif", 12), (b"\xff\x4f\xff\x51", 16), (b"P3", 3), (b"P2", 3))
_REPEATED_BOXES = (b"ftypavif", b"ftypheic", b"ftypmif1", b"jP  \r\n\x87\n")

Bytes = bytes | bytearray


def picture_start(head: bytes) -> bytes | None:
    """How a picture begins, and another one after it as well; None for what is not of _ENDS.

    Of a format whose end is not known without decoding, the picture's size is in it where that
    stands in front, and the picture ends where the next one begins.
    """
    for start in _ENDS:
        if head.startswith(start):
            return start
    length = next((length for begin, length in _REPEATED if head.startswith(begin)), 0)
    if head[4:12] in _REPEATED_BOXES:
        length = 12
    return head[:length] or None


def end_finder(start: bytes) -> Callable[[Bytes, int], int | None]:
    """The function that finds the end of a picture with this start."""

    def next_begin(data: Bytes, begin: int) -> int | None:
        following = data.find(start, begin + len(start))
        return None if following < 0 else following

    return _ENDS.get(start, next_begin)


def jpeg_end(data: Bytes, start: int) -> int | None:
    """Where the JPEG that begins at `start` ends; None where `data` ends before."""
    scan = scan_start(data, start)
    end = -1 if scan is None else data.find(JPEG_END, scan)
    return None if end < 0 else end + len(JPEG_END)


def jpeg_size(data: Bytes) -> tuple[int, int] | None:
    """(height, width) of the JPEG that `data` begins with; None where they are not in it."""
    position = 2
    while position + 9 <= len(data):
        mark, kind, length = struct.unpack_from(">BBH", data, position)
        if mark != 0xFF or kind == _SCAN:
            return None
        if 0xC0 <= kind <= 0xCF and kind not in _NO_FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return height, width
        position += 1 if kind == 0xFF else 2 + length
    return None


def scan_start(data: Bytes, start: int) -> int | None:
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


def _tiff_end(data: Bytes, start: int) -> int | None:
    """Where the next TIFF begins, told by the first field of its directory."""
    magic = bytes(data[start : start + 4])
    order = "<" if magic == _TIFF_LITTLE else ">"
    if not _is_single_tiff(data, start, order):  # its own pages, of which some begin like a file
        return None
    place = start
    while (place := data.find(magic, place + len(magic))) >= 0:
        if place + 8 > len(data):
            return None
        directory = place + struct.unpack_from(order + "L", data, place + 4)[0]
        if directory + 14 > len(data):
            continue
        count, tag, _, _, value = struct.unpack_from(order + "HHHLL", data, directory)
        is_view = tag == _SUBFILE_TAG and value & _SMALLER_OR_MASK
        if 0 < count < _MOST_TIFF_FIELDS and tag in (_SUBFILE_TAG, _WIDTH_TAG) and not is_view:
            return place
    return None


def _is_single_tiff(data: Bytes, start: int, order: str) -> bool:
    """Whether the TIFF has one directory, and it is in `data`."""
    with suppress(struct.error):
        directory = start + struct.unpack_from(order + "L", data, start + 4)[0]
        (count,) = struct.unpack_from(order + "H", data, directory)
        (following,) = struct.unpack_from(order + "L", data, directory + 2 + 12 * count)
        return bool(following == 0)
    return False


# How a picture begins → where it ends, from where it begins in some bytes; None where that is not
# known yet. The end may lie behind the bytes.
_ENDS: dict[bytes, Callable[[Bytes, int], int | None]] = {
    JPEG_START: jpeg_end,
    _PNG_START: _png_end,
    b"BM": _bmp_end,
    b"RIFF": _webp_end,
    b"P6": _pnm_end,
    b"P5": _pnm_end,
    _TIFF_LITTLE: _tiff_end,
    _TIFF_BIG: _tiff_end,
}
