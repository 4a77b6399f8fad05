"""EXIF, XMP and chunks of pictures, made byte by byte: what no sane program would write."""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 1, 2, 3, 4, 5, 7
SIGNED_RATIONAL, FLOAT = 10, 11
ORIENTATION = 0x0112

WIDTH, HEIGHT = 40, 20  # not square, so that a swap of x and y shows


def stored_pixels() -> np.ndarray:
    """(20, 40, 3) uint8: white, the top left corner red, 16 wide and 8 high."""
    pixels = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    pixels[:8, :16] = (220, 30, 30)
    return pixels


def field(tag: int, kind: int, count: int, data: bytes) -> tuple[int, int, int, bytes]:
    """One field of a directory; data: of its value, as it is to stand there."""
    return tag, kind, count, data


def tiff(*fields: tuple[int, int, int, bytes], order: str = "<") -> bytes:
    """A TIFF of one directory and nothing else, as it stands in EXIF."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "L", 8)
    place = 8 + 2 + 12 * len(fields) + 4
    entries, values = b"", b""
    for tag, kind, count, data in fields:
        slot = data.ljust(4, b"\0")
        if len(data) > 4:
            slot = struct.pack(order + "L", place + len(values))
            values += data
        entries += struct.pack(order + "HHL", tag, kind, count) + slot
    return head + struct.pack(order + "H", len(fields)) + entries + bytes(4) + values


def exif(*fields: tuple[int, int, int, bytes], order: str = "<") -> bytes:
    """An EXIF block."""
    return b"Exif\0\0" + tiff(*fields, order=order)


def oriented(number: int = 6) -> tuple[int, int, int, bytes]:
    """The orientation as it should be written."""
    return field(ORIENTATION, SHORT, 1, struct.pack("<H", number))


def xmp(number: object = 6) -> bytes:
    """An XMP packet with an orientation."""
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description '
        b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="%s"/></x:xmpmeta>'
        % str(number).encode()
    )


def save_jpeg(path: Path, block: bytes) -> Path:
    """`stored_pixels` with an EXIF block."""
    image = Image.fromarray(stored_pixels())
    image.save(path, exif=block, quality=95, subsampling=0)
    return path


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    checksum = struct.pack(">L", zlib.crc32(kind + data))
    return struct.pack(">L", len(data)) + kind + data + checksum


def save_png(path: Path, late: bytes = b"") -> Path:
    """`stored_pixels`, with chunks behind the pixels."""
    Image.fromarray(stored_pixels()).save(path)
    data = path.read_bytes()
    path.write_bytes(data[:-12] + late + data[-12:])  # IEND is 12 bytes long
    return path
