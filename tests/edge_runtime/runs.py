"""Sources and sinks whose behaviour a test decides."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

import numpy as np

from edge_runtime.frame import Frame
from edge_runtime.sinks.base import Sink
from edge_runtime.sources.base import Source, SourceOptions

BLACK = np.zeros((64, 144, 3), np.uint8)


class Clock:
    """A clock that goes only where a test says so: assign to `now`, in seconds."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def make_frame(number: int = 0, image: np.ndarray = BLACK) -> Frame:
    """A frame of now."""
    return Frame(image.shape[:2], time.monotonic(), time.time(), number, image)


class ScriptedSource(Source):
    """Delivers the images given, then ends, or waits for `close` where it is to stay open."""

    def __init__(self, images: Iterable[np.ndarray], live: bool, stay: bool = False) -> None:
        super().__init__("scripted", SourceOptions((32, 48)))
        self.live = live
        self.delivered = 0
        self.closed = threading.Event()
        self._images = images
        self._stay = stay

    def open(self) -> None:
        self.state = "running"

    def __iter__(self):
        for image in self._images:
            if self.closed.is_set():
                return
            self.delivered += 1
            yield make_frame(self.delivered - 1, image)
        if self._stay:
            self.closed.wait(30)
        self.state = "ended"

    def close(self) -> None:
        self.closed.set()


class Collector(Sink):
    """Keeps what it gets; `gate` holds it up until it is set."""

    name = "collector"

    def __init__(self) -> None:
        self.results = []
        self.closed = 0
        self.gate = threading.Event()
        self.gate.set()

    def write(self, result) -> None:
        self.gate.wait(30)
        self.results.append(result)

    def close(self) -> None:
        self.closed += 1

    @property
    def numbers(self) -> list[int]:
        """The numbers of the frames that came."""
        return [result.frame.number for result in self.results]


def wait_until(condition, seconds: float = 20.0) -> None:
    """Wait for `condition()`; fails only where it never comes true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
