"""MJPEG over HTTP: the parts of a multipart/x-mixed-replace answer (RFC 2046, section 5.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from edge_runtime.media.picture_ends import JPEG_START, jpeg_end

MOST_BYTES = 1 << 25  # of a picture: 32 MB are more than a JPEG of 100 megapixels has
MOST_HEADER_BYTES = 1 << 14
CHUNK_BYTES = 1 << 16
_BOUNDARY = re.compile(rb"(?:\A|\n)--")


class PictureParts:
    """The bytes of each part that is a picture, until the stream ends.

    The boundary's own text is not looked at: cameras announce one and send another. Parts that are
    empty, or hold text, are skipped. Without a length, or with one that is none, a part ends where
    its JPEG does; so does every picture of a stream without boundaries.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        """read: as `io.BufferedIOBase.read1`, at most so many bytes, none at the end."""
        self._read = read
        self._data = bytearray()

    def __iter__(self) -> Iterator[bytes]:
        """Raises: ValueError for what is no such stream, or a part that is too large; OSError."""
        if self._is_bare():
            while (picture := self._jpeg()) is not None:
                yield picture
            return
        while (headers := self._headers()) is not None:
            length = _length(headers)
            if length is None or (length == 0 and self._is_next(JPEG_START)):
                picture = self._jpeg()
                if picture is None:
                    return
                yield picture
                continue
            picture = self._bytes(length)
            is_image = headers.get(b"content-type", b"image/").startswith(b"image/")
            if picture and (is_image or picture.startswith(JPEG_START)):
                yield picture

    def _is_bare(self) -> bool:
        """Whether a JPEG comes before any boundary: some send nothing but them."""
        while True:
            picture, boundary = self._data.find(JPEG_START), _BOUNDARY.search(self._data)
            if picture >= 0:
                return boundary is None or picture < boundary.start()
            if boundary or len(self._data) > MOST_HEADER_BYTES or not self._more():
                return False

    def _is_next(self, mark: bytes) -> bool:
        while len(self._data) < len(mark) and self._more():
            pass
        return self._data.startswith(mark)

    def _headers(self) -> dict[bytes, bytes] | None:
        """Headers of the next part, in lower case; None at the end of the stream."""
        # Whatever stands before the boundary is skipped; where a part was longer than its length
        # says, that is the rest of a picture.
        if not self._skip_to(b"--", MOST_BYTES):
            return None
        headers: dict[bytes, bytes] = {}
        self._line()
        while line := self._line():
            name, _, value = line.lower().partition(b":")
            headers[name.strip()] = value.strip()
        return headers

    def _skip_to(self, mark: bytes, most: int) -> bool:
        """Drop lines until one begins with `mark`. Returns: False at the end of the stream."""
        skipped = 0
        while True:
            while len(self._data) < len(mark):
                if not self._more():
                    return False
            if self._data.startswith(mark):
                return True
            end = self._data.find(b"\n")
            step = end + 1 if end >= 0 else len(self._data)
            skipped += step
            del self._data[:step]
            if skipped > most:
                raise ValueError("no MJPEG stream: a boundary between two pictures expected")

    def _line(self) -> bytes:
        """The next line without its end; nothing at the end of the stream."""
        while (end := self._data.find(b"\n")) < 0:
            if len(self._data) > MOST_HEADER_BYTES:
                raise ValueError("no MJPEG stream: a line of its headers has no end")
            if not self._more():
                end = len(self._data)
                break
        line = bytes(self._data[:end]).rstrip(b"\r")
        del self._data[: end + 1]
        return line

    def _bytes(self, length: int) -> bytes:
        while len(self._data) < length:
            if not self._more():
                raise ValueError("the stream ended inside a picture")
        data = bytes(self._data[:length])
        del self._data[:length]
        return data

    def _jpeg(self) -> bytes | None:
        """The next JPEG, wherever it begins; None at the end of the stream."""
        while True:
            start = self._data.find(JPEG_START)
            end = None if start < 0 else jpeg_end(self._data, start)
            if end is not None:
                data = bytes(self._data[start:end])
                del self._data[:end]
                return data
            if len(self._data) > MOST_BYTES:
                raise ValueError(f"a picture of at most {MOST_BYTES >> 20} MB expected")
            if not self._more():
                return None

    def _more(self) -> bool:
        data = self._read(CHUNK_BYTES)
        self._data += data
        return bool(data)


def _length(headers: dict[bytes, bytes]) -> int | None:
    """Bytes of a part as its headers say; None where they do not, or say nonsense."""
    text = headers.get(b"content-length", b"")
    if not text.isdigit():
        return None
    if len(text) > 10 or int(text) > MOST_BYTES:
        raise ValueError(f"a picture of at most {MOST_BYTES >> 20} MB expected, got {text[:20]!r}")
    return int(text)
