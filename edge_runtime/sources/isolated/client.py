"""Worker client: the parent's side of a camera's process."""

from __future__ import annotations

import json
import mmap
import os
import signal
import socket
import subprocess
from contextlib import ExitStack, suppress
from dataclasses import asdict
from typing import Any

import numpy as np

from edge_runtime.sources.base import SourceError, SourceOptions
from edge_runtime.sources.isolated.shared_frames import Layout
from edge_runtime.system.child_process import child_command, child_environment

POLL_SECONDS = 0.1
ENDING_SECONDS = 0.5  # for a worker to close its camera, a little more than it gives itself
DYING_SECONDS = 0.3  # a killed process is gone at once, unless the kernel itself hangs in a driver


class WorkerClient:
    """A running `edge_runtime.sources.isolated.worker`, and the memory shared with it.

    `receive` belongs to one thread; the caller keeps `free`, `read` and `close` apart.
    """

    def __init__(self, text: str, options: SourceOptions) -> None:
        """Start it; `text` is the source's, and goes through a socket as it may hold a password.

        Raises: OSError where no process can be started.
        """
        self._rest = b""
        self._failure: Exception | None = None  # the worker's, said with the next `receive`
        self._layout: Layout | None = None
        self._memory: mmap.mmap | None = None
        with ExitStack() as on_error, ExitStack() as always:
            self._channel, theirs = socket.socketpair()
            on_error.callback(self._channel.close)
            always.callback(theirs.close)
            self._file = os.memfd_create("edge-runtime frames")
            on_error.callback(os.close, self._file)
            self._process = _start(theirs.fileno(), self._file)
            on_error.pop_all()
        self._channel.settimeout(POLL_SECONDS)
        self._send({"source": text, "options": asdict(options)})

    @property
    def pid(self) -> int:
        return self._process.pid

    def receive(self) -> list[dict[str, Any]]:
        """Messages that it announced, one a frame; [] when nothing came for `POLL_SECONDS`.

        Raises: SourceError or ImportError with the worker's reason when it failed or died.
        """
        if self._failure is not None:
            raise self._failure
        try:
            data = self._channel.recv(1 << 16)
        except TimeoutError:
            return []
        except ConnectionError:
            data = b""
        if not data:
            raise SourceError(self._last_words())
        *lines, self._rest = (self._rest + data).split(b"\n")
        messages = []
        for message in map(json.loads, lines):
            if "error" in message:  # what came before it is not lost
                self._failure = (ImportError if message["missing"] else SourceError)(
                    message["error"]
                )
            elif "ready" in message:
                self._map(Layout.from_dict(message["ready"]))
            else:
                messages.append(message)
        if self._failure is not None and not messages:
            raise self._failure
        return messages

    def read(self, slot: int) -> tuple[tuple[int, int], np.ndarray | None, np.ndarray | None]:
        """(hw, image, small) of a slot that was announced; copies."""
        assert self._layout is not None and self._memory is not None  # "ready" comes first
        views = self._layout.views(self._memory, slot)
        image, small = (None if view is None else view.copy() for view in views)
        return self._layout.hw, image, small

    def free(self, slot: int) -> None:
        """Let the worker write into a slot again."""
        self._send(slot)

    def end(self, at_once: bool) -> bool:
        """End the process: by hanging up, and by SIGKILL where that does not help.

        at_once: without hanging up first. Returns: whether it is gone; a process that hangs inside
        a driver is gone when the driver lets it go.
        """
        with suppress(OSError):
            self._channel.shutdown(socket.SHUT_WR)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0 if at_once else ENDING_SECONDS)
            return True
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(DYING_SECONDS)
            return True
        return False

    def close(self) -> None:
        """Let go of the memory and the socket; after `end`."""
        self._channel.close()
        if self._memory is None:
            os.close(self._file)
        else:
            self._memory.close()

    def _map(self, layout: Layout) -> None:
        self._memory = mmap.mmap(self._file, layout.total_bytes)
        os.close(self._file)  # the mapping holds the memory from here on
        self._layout = layout

    def _send(self, message: object) -> None:
        with suppress(OSError):  # it is gone, which `receive` notices
            self._channel.sendall(json.dumps(message).encode() + b"\n")

    def _last_words(self) -> str:
        try:
            status = self._process.wait(DYING_SECONDS)
        except subprocess.TimeoutExpired:
            return "the camera's process hung up"
        if status < 0:
            return f"the camera's process was ended by {signal.Signals(-status).name}"
        return f"the camera's process ended with status {status}"


def _start(channel: int, memory: int) -> subprocess.Popen[bytes]:
    command = child_command("edge_runtime.sources.isolated.worker", str(channel), str(memory))
    return subprocess.Popen(
        command,
        pass_fds=(channel, memory),
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=2,  # libraries print there, and results may go to our own
        start_new_session=True,  # Ctrl-C in a terminal is not for it
    )
