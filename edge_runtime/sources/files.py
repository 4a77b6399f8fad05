"""Video files, and folders of pictures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from edge_runtime.frame import Frame
from edge_runtime.images import read_image
from edge_runtime.sources.source import Source, SourceOptions


def open_files(text: str, options: SourceOptions) -> Source:
    return Pictures(text, options)


class Pictures(Source):
    """A picture, a folder or a glob of them."""

    def open(self) -> None:
        path = Path(self.text)
        names = path.iterdir() if path.is_dir() else path.parent.glob(path.name)
        self._paths = sorted(map(str, names))
        self.state = "running"

    def __iter__(self) -> Iterator[Frame]:
        number = 0
        while self.state == "running":
            for path in self._paths:
                picture = read_image(path)
                yield Frame(
                    picture.shape[:2], time.monotonic(), time.time(), number, picture, name=path
                )
                number += 1
            if not self.options.loop:
                break
        self.state = "ended"

    def close(self) -> None:
        self.state = "closed"
