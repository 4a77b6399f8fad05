"""Worker: the process of a live source.

Started by `client.WorkerClient`, never by hand: `python -m` this module, with SOCKET and MEMORY,
two file descriptors. Lines of JSON come and go through the socket; none of them holds an image:

    from the parent  {"source": …, "options": {…}}, then the number of each slot that it has read
    to the parent    {"ready": layout}, {"slot", "number", "captured_at", "time", "dropped"} for
                     each frame, {"error": text, "missing": whether a package is} at the end

A slot belongs to this process until it is announced, and again once its number comes back.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import socket
import sys
import threading
import traceback
from collections import deque
from contextlib import suppress
from dataclasses import asdict
from typing import Any, TextIO

from edge_runtime.frame import Frame
from edge_runtime.sources.base import Source, SourceError, SourceOptions
from edge_runtime.sources.factory import open_here
from edge_runtime.sources.isolated.shared_frames import Layout

LEAVE_SECONDS = 0.4  # for the camera to be closed: some never are


class Writer:
    """Puts frames into the slots that are free, and announces them.

    Attributes:
        dropped: frames that found no slot.
    """

    def __init__(self, channel: socket.socket, memory: int) -> None:
        """memory: descriptor of a memory file, which gets its size with the first frame."""
        self.dropped = 0
        self._channel = channel
        self._file = memory
        self._layout: Layout | None = None
        self._memory: mmap.mmap | None = None
        self._free: deque[int] = deque()

    def free(self, slot: int) -> None:
        """A slot comes back. From any thread."""
        self._free.append(slot)

    def send(self, message: dict[str, Any]) -> None:
        self._channel.sendall(json.dumps(message).encode() + b"\n")

    def write(self, frame: Frame, dropped: int) -> None:
        """Hand over a frame, or drop it where no slot is free.

        dropped: by the source itself. Raises: SourceError if the frame's size is another.
        """
        layout = Layout.of(frame)
        memory = self._memory or self._allocate(layout)
        if self._layout is not None and layout != self._layout:
            raise SourceError(f"the picture's size changed from {self._layout.hw} to {layout.hw}")
        try:
            slot = self._free.popleft()
        except IndexError:
            self.dropped += 1
            return
        for target, pixels in zip(
            layout.views(memory, slot), (frame.image, frame.small), strict=True
        ):
            if target is not None:
                target[...] = pixels
        self.send(
            {
                "slot": slot,
                "number": frame.number,
                "captured_at": frame.captured_at,
                "time": frame.time,
                "dropped": self.dropped + dropped,
            }
        )

    def _allocate(self, layout: Layout) -> mmap.mmap:
        # Not ftruncate: where memory is short this says so, instead of killing at the first write.
        os.posix_fallocate(self._file, 0, layout.total_bytes)
        memory = self._memory = mmap.mmap(self._file, layout.total_bytes)
        self._layout = layout
        self._free.extend(range(layout.slots))
        self.send({"ready": asdict(layout)})
        return memory


def main() -> None:
    """Capture until the parent hangs up, or the source fails."""
    # Ctrl-C and a service manager's SIGTERM reach the whole group: when to end is the parent's
    # decision, which comes as the end of its lines.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    channel = socket.socket(fileno=int(sys.argv[1]))
    lines = channel.makefile("r", encoding="utf-8")
    setup = lines.readline()
    if setup:
        _capture(json.loads(setup), lines, Writer(channel, int(sys.argv[2])))
    # Not sys.exit: libraries' threads and exit handlers may hang.
    os._exit(0)


def _capture(setup: dict[str, Any], lines: TextIO, writer: Writer) -> None:
    ended = threading.Event()
    threading.Thread(target=_listen, args=(lines, writer, ended), daemon=True).start()
    source: Source | None = None
    try:
        options: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in setup["options"].items()
        }
        source = open_here(setup["source"], SourceOptions(**options))
        source.open()
        for frame in source:
            if ended.is_set():
                break
            writer.write(frame, source.dropped)
        else:
            raise SourceError("it delivers no more frames")
    except Exception as error:
        _report(writer, error)
    _leave_soon()
    if source is not None:
        source.close()


def _report(writer: Writer, error: Exception) -> None:
    known = isinstance(error, (SourceError, ImportError, ValueError, OSError))
    if not known:
        traceback.print_exc()
    text = str(error) if known else f"{type(error).__name__}: {error}"
    with suppress(OSError):  # nobody listens any more
        writer.send({"error": text, "missing": isinstance(error, ImportError)})


def _listen(lines: TextIO, writer: Writer, ended: threading.Event) -> None:
    with suppress(OSError):
        for line in lines:
            writer.free(int(line))
    ended.set()
    _leave_soon()


def _leave_soon() -> None:
    """The kernel ends this process, even where a library hangs and holds Python's lock."""
    signal.setitimer(signal.ITIMER_REAL, LEAVE_SECONDS)


if __name__ == "__main__":
    main()
