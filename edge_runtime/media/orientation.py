"""EXIF orientation: how a stored picture is turned upright, from its EXIF or XMP.

The bytes are read here, since Pillow's own reading parses every tag, and one of a wrong type makes
it raise nearly anything; it decodes a whole PNG to look behind the pixels; and from which files it
takes XMP depends on its version.
"""

from __future__ import annotations

import io
import os
import re
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image

EXIF_MARK = b"Exif\0\0"

_ORIENTATION_TAG = 0x0112
_XMP_TAG = 0x02BC
_XMP_MARK = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_ORIENTATION = re.compile(rb"""tiff:Orientation\s*(?:=\s*["']|>)\s*([1-8])\s*["'<]""")

_ASCII = 2
# TIFF's number of a field type → how `struct` names it; a rational is two numbers.
_FIELD_TYPES = {1: "B", 2: "s", 3: "H", 4: "L", 5: "LL", 6: "b", 7: "B", 8: "h", 9: "l", 10: "ll"}
_FIELD_TYPES |= {11: "f", 12: "d", 13: "L", 16: "Q", 17: "q"}

# Neither a damaged length nor a hostile one may fill the memory.
_MOST_BYTES = 1 << 20
_MOST_FIELDS = 0xFFFF
_MOST_CHUNKS = 100_000
# What such bytes make `struct`, `zlib`, `seek` and `fromhex` raise.
_DAMAGED = (struct.error, zlib.error, OSError, OverflowError, ValueError)

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,  # Pillow counts anticlockwise
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def find_orientation(image: Image.Image, path: Path) -> int:
    """The EXIF orientation, 1 to 8, of an opened image; else that of its XMP; else 1.

    No pixel is decoded. One that is no whole number from 1 to 8, of whatever type, counts as 1,
    and so does what cannot be read.
    """
    if image.format == "TIFF":  # its own directory is the EXIF
        with path.open("rb") as file:
            fields = _read_fields(file)
            xmp = fields[_XMP_TAG].data if _XMP_TAG in fields else None
            return _choose(fields, xmp)
    if image.format == "PNG":
        with path.open("rb") as file:
            exif, xmp = _read_png(file)
    else:
        exif, xmp = image.info.get("exif"), image.info.get("xmp")
    if xmp is None:  # older versions of Pillow keep a JPEG's only here
        blocks = [block for _, block in getattr(image, "applist", ())]
        xmp = next((block for block in blocks if block.startswith(_XMP_MARK)), None)
    return _choose(_read_fields(io.BytesIO(_tiff_part(exif))), xmp)


def turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    """An image as stored, turned or flipped as its EXIF orientation, 1 to 8, says."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def drop_orientation(exif: bytes) -> bytes:
    """EXIF without its orientation; every other byte of it stays valid where it was."""
    tiff = _tiff_part(exif)
    with suppress(*_DAMAGED):
        directory = _Directory(io.BytesIO(tiff))
        kept = [entry for entry in directory.entries if directory.tag(entry) != _ORIENTATION_TAG]
        gone = len(directory.entries) - len(kept)
        end = directory.start + directory.entry_size * len(directory.entries)
        following = tiff[end : end + directory.offset_size]  # where the next directory starts
        count = directory.pack(directory.count_form, len(kept))
        room = bytes(gone * directory.entry_size)
        head = tiff[: directory.start - len(count)]
        tiff = head + count + b"".join(kept) + following + room + tiff[end + len(following) :]
    return EXIF_MARK + tiff


class _Field(NamedTuple):
    """A tag's value. order: of its bytes, as `struct` names it. kind: of _FIELD_TYPES."""

    order: str
    kind: int
    data: bytes


class _Directory:
    """The first directory (IFD0) of a TIFF file, and so of EXIF, as far as it is there.

    Raises: those of _DAMAGED.
    """

    def __init__(self, file: BinaryIO) -> None:
        head = file.read(16)
        if head[:2] not in (b"II", b"MM"):
            raise ValueError("no TIFF")
        self._file = file
        self.order = "<" if head[:2] == b"II" else ">"
        big = 43 in head[2:4]  # BigTIFF; 42 otherwise
        self.count_form, self._offset_form = ("Q", "Q") if big else ("H", "L")
        self._entry_form = "HHQ8s" if big else "HHL4s"
        self.offset_size = 8 if big else 4
        self.entry_size = 20 if big else 12
        (offset,) = self.unpack(self._offset_form, head[8:16] if big else head[4:8])
        file.seek(offset)
        count_size = struct.calcsize(self.order + self.count_form)
        (count,) = self.unpack(self.count_form, file.read(count_size))
        self.start: int = offset + count_size  # of the entries
        block = file.read(min(count, _MOST_FIELDS) * self.entry_size)
        stops = range(self.entry_size, len(block) + 1, self.entry_size)
        self.entries = [block[stop - self.entry_size : stop] for stop in stops]

    def unpack(self, form: str, data: bytes) -> tuple[int, ...]:
        return struct.unpack(self.order + form, data)

    def pack(self, form: str, value: int) -> bytes:
        return struct.pack(self.order + form, value)

    def tag(self, entry: bytes) -> int:
        """The number of an entry's tag."""
        return self.unpack("H", entry[:2])[0]

    def value(self, entry: bytes) -> _Field:
        """Value of an entry, in it or pointed to; no bytes where its type is unknown."""
        _, kind, count, slot = struct.unpack(self.order + self._entry_form, entry)
        size = count * struct.calcsize(self.order + _FIELD_TYPES.get(kind, ""))
        if size <= len(slot):
            return _Field(self.order, kind, slot[:size])
        self._file.seek(self.unpack(self._offset_form, slot)[0])
        return _Field(self.order, kind, self._file.read(min(size, _MOST_BYTES)))


def _read_fields(file: BinaryIO) -> dict[int, _Field]:
    """The fields of orientation and XMP that hold something; the first one of a tag counts."""
    fields: dict[int, _Field] = {}
    with suppress(*_DAMAGED):
        directory = _Directory(file)
        for entry in directory.entries:
            tag = directory.tag(entry)
            if tag in (_ORIENTATION_TAG, _XMP_TAG) and tag not in fields:
                field = directory.value(entry)
                if field.data:
                    fields[tag] = field
    return fields


def _choose(fields: dict[int, _Field], xmp: object) -> int:
    if _ORIENTATION_TAG in fields:
        return _whole_number(fields[_ORIENTATION_TAG])
    if isinstance(xmp, str):
        xmp = xmp.encode()
    found = _XMP_ORIENTATION.search(xmp) if isinstance(xmp, bytes) else None
    return int(found[1]) if found else 1


def _whole_number(field: _Field) -> int:
    """The first number of a field if it is a whole one from 1 to 8, else 1."""
    order, kind, data = field
    if kind == _ASCII:
        text = data.partition(b"\0")[0].strip()
        return int(text) if re.fullmatch(rb"[1-8]", text) else 1
    form = order + _FIELD_TYPES[kind]
    try:
        first, *divisor = struct.unpack(form, data[: struct.calcsize(form)])
    except struct.error:
        return 1  # its end is missing
    number = first / divisor[0] if divisor and divisor[0] else 0 if divisor else first
    return int(number) if number in range(1, 9) else 1


def _tiff_part(exif: object) -> bytes:
    """EXIF without the mark in front, which some write twice."""
    data = exif if isinstance(exif, bytes) else b""
    return data.removeprefix(EXIF_MARK).removeprefix(EXIF_MARK)


def _read_png(file: BinaryIO) -> tuple[bytes | None, bytes | None]:
    """EXIF and XMP of a PNG, before or after its pixels; all other chunks are skipped unread."""
    exif: bytes | None = None
    xmp: bytes | None = None
    file.seek(8)
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8 or not head[4:].isalpha():  # the end, or zeros without one
            break
        length, kind = struct.unpack(">L4s", head)
        data = b""
        if kind in (b"eXIf", b"iTXt", b"tEXt", b"zTXt"):
            data = file.read(min(length, _MOST_BYTES))
        file.seek(length - len(data) + 4, os.SEEK_CUR)  # 4: the checksum
        if kind == b"eXIf":
            exif = data
        elif data.startswith(b"XML:com.adobe.xmp\0"):
            xmp = _png_text(kind, data) or xmp
        elif data.startswith(b"Raw profile type exif\0"):  # as ImageMagick wrote it before eXIf
            with suppress(*_DAMAGED):
                lines = _png_text(kind, data).decode("ascii").split("\n")
                exif = exif or bytes.fromhex("".join(lines[3:]))  # name and length go before
    return exif, xmp


def _png_text(kind: bytes, chunk: bytes) -> bytes:
    """The text of a tEXt, zTXt or iTXt chunk; none where it is damaged."""
    text = chunk.partition(b"\0")[2]
    packed = kind == b"zTXt"
    if kind == b"iTXt":
        packed = text[:1] == b"\1"
        text = text[2:].split(b"\0", 2)[-1]  # after the language and the translated keyword
    elif packed:
        text = text[1:]
    with suppress(*_DAMAGED):
        return zlib.decompressobj().decompress(text, _MOST_BYTES) if packed else text
    return b""
