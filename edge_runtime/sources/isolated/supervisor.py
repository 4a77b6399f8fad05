"""Supervisor: a live source in a process of its own, started again when it stalls or fails."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

from edge_runtime.frame import Frame
from edge_runtime.sources.address import public_source, public_text
from edge_runtime.sources.base import Source, SourceError, SourceOptions
from edge_runtime.sources.isolated.client import WorkerClient
from edge_runtime.system.log_limit import LogLimit

log = logging.getLogger(__name__)

Message = dict[str, Any]  # of a frame, as `worker` announces it

FIRST_FRAME_SECONDS = 20.0  # imports, the camera's start and its exposure: slow on a small board
FIRST_PAUSE = 0.5  # seconds before a camera is started again, doubled each time that does not help
LONGEST_PAUSE = 30.0
# Of frames between two failures, after which pauses are short again: weak Wi-Fi breaks off every
# few seconds; who fails at once is not asked over and over.
STEADY_SECONDS = 1.0
CLOSING_SECONDS = 2.0  # above what a thread needs to end the worst worker


class SupervisedSource(Source):
    """Frames of a camera or stream; the newest wins.

    A thread follows the process: it takes what is announced, gives slots back, notices a stall by
    the age of the last frame, and starts another process in its place.
    """

    live = True

    def __init__(self, text: str, options: SourceOptions) -> None:
        super().__init__(text, options)
        self._name = public_source(text)
        self._interval = 1 / options.max_fps if options.max_fps else 0.0
        self._changed = threading.Condition()  # guards all below
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._worker: WorkerClient | None = None
        self._newest: Message | None = None  # announced and not yet read
        self._opened = False
        self._tried = False  # whether the first attempt has come to an end
        self._failure: BaseException | None = None
        self._next_number = self._first_number = 0
        self._dropped_before = 0  # up to the start of this worker
        self._superseded = 0
        self._outage: tuple[str, float] | None = None  # why, and since when
        self._said = False  # that there is an outage
        self._log_limit = LogLimit()
        self._frames_from = self._frames_to = 0.0  # this worker's first and newest; 0 for none

    def open(self) -> None:
        """Start the camera and wait for its first frame; where options.wait is set, not for one
        that does not come: attempts go on."""
        self.state = "starting"
        self._thread = threading.Thread(target=self._guard, name="camera", daemon=True)
        self._thread.start()
        try:
            with self._changed:
                self._changed.wait_for(
                    lambda: (
                        self._opened
                        or (self._tried and self.options.wait)
                        or self._failure
                        or self._closing.is_set()
                    )
                )
        except BaseException:  # Ctrl-C
            self.close()
            raise
        if self._failure is not None:
            self.close()
            raise self._failure

    def __iter__(self) -> Iterator[Frame]:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._newest or self._failure or self._closing.is_set()
                )
                if self._closing.is_set():
                    return
                if self._failure is not None:
                    raise self._failure
                assert self._newest is not None  # else the wait goes on
                frame = self._read(self._newest)
            yield frame

    def close(self) -> None:
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(CLOSING_SECONDS)
        self.state = "closed"

    def _read(self, message: Message) -> Frame:
        assert self._worker is not None  # `_newest` goes before its worker does
        hw, image, small = self._worker.read(message["slot"])
        self._worker.free(message["slot"])
        self._newest = None
        number = self._first_number + message["number"]
        return Frame(hw, message["captured_at"], message["time"], number, image, small)

    def _guard(self) -> None:
        try:
            self._supervise()
        except BaseException as error:  # the reader must hear of it
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def _supervise(self) -> None:
        pause = FIRST_PAUSE
        while not self._closing.is_set():
            self._frames_from = self._frames_to = 0.0
            try:
                self._run_once()
            except (SourceError, ImportError, OSError) as error:
                hopeless = isinstance(error, ImportError) or not self.options.wait
                if not self._opened and hopeless:
                    raise self._first_failure(error) from None
                if self._frames_to - self._frames_from >= STEADY_SECONDS:
                    pause = FIRST_PAUSE
                self._say_outage(error, pause)
                self._closing.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _run_once(self) -> None:
        """One process from start to end. Raises: why it ended, unless the source is closed."""
        worker = WorkerClient(self.text, self.options)
        stalled = False
        try:
            with self._changed:
                self._worker = worker
                self._first_number = self._next_number
            self._follow(worker)
        except StalledError:
            stalled = True
            raise
        finally:
            with self._changed:
                if self._newest is not None:
                    self._newest = None
                    self._dropped += 1
                self._dropped_before = self._dropped
                self._superseded = 0
            if not worker.end(at_once=stalled):  # a stalled camera ignores everything else
                log.error("%s: process %d hangs in the kernel", self._name, worker.pid)
            with self._changed:
                self._worker = None
                worker.close()

    def _follow(self, worker: WorkerClient) -> None:
        last, patience = time.monotonic(), FIRST_FRAME_SECONDS
        while not self._closing.is_set():
            messages = worker.receive()
            now = time.monotonic()
            for message in messages:
                self._take(worker, message)
            if messages:
                # A source that is asked for a frame a minute is not stalled for that.
                last, patience = now, self.options.stall_after + self._interval
            elif now - last > patience:
                self.state = "stalled" if self._opened else "starting"
                raise StalledError(f"no frame for {patience:g} s")

    def _take(self, worker: WorkerClient, message: Message) -> None:
        self._frames_to = time.monotonic()
        self._frames_from = self._frames_from or self._frames_to
        with self._changed:
            if self._newest is not None:
                worker.free(self._newest["slot"])
                self._superseded += 1
            self._newest = message
            self._next_number = self._first_number + message["number"] + 1
            self._dropped = self._dropped_before + self._superseded + message["dropped"]
            if self.state != "running":
                self._say_running()
            self._changed.notify_all()

    def _say_running(self) -> None:
        self.state = "running"
        self._opened = True
        if self._outage is not None:
            self.restarts += 1
            lasted = time.monotonic() - self._outage[1]
            if self._said:
                log.warning("%s: frames come again after %.1f s", self._name, lasted)
            self._outage, self._said = None, False

    def _say_outage(self, error: Exception, pause: float) -> None:
        if not isinstance(error, StalledError):
            self.state = "waiting"
        reason = self._reason(error)
        since = time.monotonic() if self._outage is None else self._outage[1]
        # Of a camera that is unplugged for hours once, not at each attempt; of one that breaks off
        # every few seconds once a minute.
        news = self._outage is None or self._outage[0] != reason
        if news and self._log_limit.is_due(reason):
            self._said = True
            log.warning("%s: %s; it is started again in %g s", self._name, reason, pause)
        with self._changed:
            self._outage = (reason, since)
            self._tried = True
            self._changed.notify_all()

    def _first_failure(self, error: Exception) -> Exception:
        kind = ImportError if isinstance(error, ImportError) else SourceError
        return kind(f"{self._name}: {self._reason(error)}")

    def _reason(self, error: Exception) -> str:
        return public_text(str(error).replace(self.text, self._name))


class StalledError(SourceError):
    """No frame came for too long."""
