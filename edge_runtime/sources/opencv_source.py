"""What cameras and films that OpenCV reads have in common: how they are let go of."""

from __future__ import annotations

import threading
from typing import Any

from edge_runtime.sources.base import Source, SourceOptions


class OpenCvSource(Source):
    """`open` sets `_capture`; the iteration takes it, and alone releases it: OpenCV crashes when
    that happens under a read. `close` only says so."""

    def __init__(self, text: str, options: SourceOptions) -> None:
        super().__init__(text, options)
        self._closing = threading.Event()
        self._capture: Any = None

    def close(self) -> None:
        self._closing.set()
        self._capture = None  # gone by this where nothing iterates
        self.state = "closed"

    def _take(self) -> Any:
        """The capture, for the thread that iterates; None after `close`."""
        capture, self._capture = self._capture, None
        return capture

    def _let_go(self, capture: Any) -> None:
        """Call at the end of the iteration, in its thread."""
        if capture is not None:
            capture.release()
        self.state = "closed" if self._closing.is_set() else "ended"
