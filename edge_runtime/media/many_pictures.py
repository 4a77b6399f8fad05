"""Files of many pictures: animations (GIF, WebP, PNG), pages (TIFF), pictures one after another.

A photograph that keeps further views of itself in its file, as stereo cameras (MPO) and phones do
(a gain map, a depth map, a film), is one picture, and so are a picture's layers and its thumbnail.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from edge_runtime.media.orientation import find_orientation
from edge_runtime.media.picture_rows import row_start, split_row
from edge_runtime.media.pixels import upright_pixels

MOST_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485  # of one picture; Pillow warns from there on
_ORIENTATION_TAG, _SUBFILE_TAG = 0x0112, 0x00FE
_SMALLER_OR_MASK = 1 | 4  # bits of _SUBFILE_TAG: a page that is another view of a page


def holds_many(path: str | Path) -> bool:
    """True if a file holds several pictures in a row; False for one, none, and what is damaged."""
    path = Path(path)
    if not path.is_file():  # of a pipe, opening it would wait for who writes
        return False
    try:
        with path.open("rb") as file:
            if row_start(file) is not None:
                return True
        with Image.open(path) as image:
            try:
                return len(_pages(image)) > 1
            except Exception:  # damage behind the first page
                return bool(getattr(image, "is_animated", False))
    except Exception:  # by a damaged file Pillow can be made to raise nearly anything
        return False


def expect_one(path: str | Path) -> None:
    """Refuse what holds several pictures, where one is expected.

    Raises: ValueError for a folder, and for a file that `holds_many`.
    """
    if Path(path).is_dir():
        raise ValueError(
            f"a picture expected, {path} is a folder; name its pictures ({path}/*.jpg), or let "
            f"`edge-runtime run MODEL --source {path}` look at them"
        )
    if holds_many(path):
        raise ValueError(
            f"one picture expected, {path} holds several; `edge-runtime run MODEL --source {path}` "
            "looks at all of them"
        )


class PictureRow:
    """The pictures of a file that `holds_many`, one after another: `grab`, then `image`.

    Attributes:
        fps: pictures a second, by the first one's duration; None where the file does not say.
        seconds: that all of them last, 0 where the file does not say.
        position: seconds from the beginning to the picture that was grabbed.
    """

    def __init__(self, path: str | Path) -> None:
        """Open the file. Raises: OSError, ValueError where it holds no picture."""
        self._path = Path(path)
        self._image: Image.Image | None = None
        self._pages: Iterator[int] = iter(())
        self.fps: float | None = None
        self.seconds = self.position = 0.0
        self._started = False
        self._file = self._path.open("rb")
        self._row: Iterator[bytes] | None = None
        try:
            start = row_start(self._file)
            if start is not None:
                self._row = split_row(self._file, start)
            else:
                self._open()
        except BaseException:
            self.close()
            raise

    def grab(self) -> bool:
        """Go on to the next picture. Returns: False at the end, which damage brings as well."""
        try:
            if self._row is not None:
                return self._grab_next()
            assert self._image is not None  # `_open` has set it
            page = next(self._pages, None)
            if page is None:
                return False
            if self._started:
                self.position += self._duration()
            self._started = True
            self._image.seek(page)
        except Exception:  # nearly anything at damage
            return False
        return True

    def image(self) -> np.ndarray | None:
        """The picture that was grabbed, upright, (H, W, 3) RGB uint8; None where it is damaged."""
        image = self._image
        try:
            if image is None or image.width * image.height > MOST_PIXELS:
                return None
            if image.mode == "F" or image.mode.startswith("I"):  # Pillow would make white of it
                return None
            return upright_pixels(image, self._orientation())
        except MemoryError:
            raise
        except Exception:
            return None

    def close(self) -> None:
        """Close the file."""
        if self._image is not None:
            self._image.close()
        self._file.close()

    def _open(self) -> None:
        try:
            self._image = image = Image.open(self._file)
            if image.format == "TIFF":  # else Pillow turns it or not, by its version
                vars(image)["load_end"] = lambda: None
            pages = _pages(image)
            self._pages = iter(pages)
            if image.format == "WEBP":  # says so with the pixels
                image.load()
            if duration := self._duration():
                self.fps = 1 / duration
                self.seconds = len(pages) * duration
        except MemoryError:
            raise
        except Exception as error:
            raise ValueError(f"{self._path} cannot be read ({error or type(error)})") from error

    def _grab_next(self) -> bool:
        assert self._row is not None
        data = next(self._row, None)
        self._image = None
        if data is None:
            return False
        with suppress(Exception):  # `image` says that it is damaged
            self._image = Image.open(io.BytesIO(data))
        return True

    def _duration(self) -> float:
        """Seconds that the picture is to be shown; 0 where it does not say."""
        assert self._image is not None
        milliseconds = self._image.info.get("duration", 0)
        return max(0.0, float(milliseconds)) / 1000 if isinstance(milliseconds, (int, float)) else 0

    def _orientation(self) -> int:
        assert self._image is not None
        if self._image.format == "TIFF":  # each page has its own
            value = getattr(self._image, "tag_v2", {}).get(_ORIENTATION_TAG, 1)
            return value if isinstance(value, int) and 1 <= value <= 8 else 1
        return 1 if self._row is not None else find_orientation(self._image, self._path)


def _pages(image: Image.Image) -> list[int]:
    """The numbers of an opened file's pictures; the first is shown when it returns."""
    count = getattr(image, "n_frames", 1)
    if count == 1 or image.format in ("MPO", "PSD"):  # other views of one picture, its layers
        return [0]
    pages = list(range(count))
    if image.format == "TIFF":
        whole = []
        for page in pages:
            image.seek(page)
            if not getattr(image, "tag_v2", {}).get(_SUBFILE_TAG, 0) & _SMALLER_OR_MASK:
                whole.append(page)
        pages = whole or [0]
    image.seek(pages[0])
    return pages
