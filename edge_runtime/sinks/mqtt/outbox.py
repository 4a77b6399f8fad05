"""MQTT outbox: events in memory for a moment, in an SQLite file while the broker is away."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from edge_runtime.sinks.mqtt.message_store import (
    DamageError,
    Message,
    MessageStore,
    lock_folder,
)

log = logging.getLogger(__name__)

SYNC_SECONDS = 1.0
FRESH_BYTES = 256 * 1024


class Outbox:
    """A queue in a folder: what is not acknowledged is still there after a restart.

    A message stays in memory for `SYNC_SECONDS`, and is written only if it was not acknowledged by
    then: while a broker answers, nothing is written, and an SD card lasts. A power cut costs at
    most the last `SYNC_SECONDS`. A message may be delivered twice, but never out of order.

    `append`, `sync` and `close` belong to one thread, `take`, `acknowledge` and `rewind` to
    another; neither waits for the other's disk.

    Attributes:
        waiting: messages that are not acknowledged.
        delivered: acknowledged since the start.
        overflowed: lost since the start: the oldest, where the bound was reached or the disk full,
            and what a damaged file held.
        error: what the disk says, None while it works.
    """

    def __init__(
        self, folder: str | Path, limit: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """limit: bytes on disk.

        Raises: OSError for a folder that cannot be written, or that another process uses.
        """
        self.delivered = 0
        self.overflowed = 0
        self.error: str | None = None
        self._clock = clock
        self._due = self._tidy_due = clock()
        self._mutex = threading.Lock()  # never held while the disk is waited for
        self._fresh: dict[int, Message] = {}  # not on disk, or about to be
        self._fresh_bytes = 0
        self._in_flight: dict[int, Message] = {}
        self._again: deque[Message] = deque()  # taken before, and not acknowledged
        self._acknowledged: list[int] = []  # still on disk
        self._damage: DamageError | None = None  # seen by a read, to be mended by `sync`
        self._lock = lock_folder(Path(folder))
        try:
            self._store = MessageStore(Path(folder), limit)
        except OSError:
            self._lock.close()
            raise
        self.waiting = self._store.count
        self._stored = self._store.last  # the newest on disk
        self._next = self._store.first  # the oldest that was not taken
        self._end = self._store.last + 1

    def append(self, topic: str, payload: str) -> None:
        """One more message. Never raises for a full disk: the oldest are lost, and counted."""
        with self._mutex:
            if not self._fresh:
                self._due = max(self._due, self._clock() + SYNC_SECONDS)
            message = Message(self._end, topic, payload)
            self._end += 1
            self._fresh[message.number] = message
            self._fresh_bytes += message.size
            self.waiting += 1
            full = self._fresh_bytes > FRESH_BYTES
        if full:
            self.sync(force=self.error is None)
            self._bound_fresh()

    def take(self) -> Message | None:
        """The oldest message that was not taken yet; None where there is none, or none readable."""
        while True:
            with self._mutex:
                message = self._take_from_memory()
                first = self._next
                if message is not None or first > self._stored:
                    return message
            try:
                message, damaged = self._store.read(first)
            except OSError as error:  # in order or not at all: later, if the disk recovers
                self.error = str(error)
                self._damage = error if isinstance(error, DamageError) else None
                return None
            with self._mutex:
                if self._next != first:  # given up meanwhile, to make room
                    continue
                if damaged:
                    log.error("mqtt: %d events on disk are damaged", len(damaged))
                    self._acknowledged += damaged
                    self._lose(len(damaged))
                if message is not None:
                    return self._hand_out(message)
                self._next = self._stored + 1

    def acknowledge(self, number: int) -> None:
        """A taken message has arrived."""
        with self._mutex:
            if self._in_flight.pop(number, None) is None:
                return
            if number in self._fresh:
                self._forget_fresh(number)
            else:
                self._acknowledged.append(number)
            self.waiting -= 1
            self.delivered += 1

    def rewind(self) -> None:
        """The connection is lost: `take` gives again what was not acknowledged, then the rest."""
        with self._mutex:
            self._again = deque(self._in_flight.values())

    def sync(self, force: bool = False) -> None:
        """Bring what has waited for `SYNC_SECONDS` to disk, and remove what was delivered.

        Call it every second or more often. Never raises.
        """
        if self._damage is not None:
            self._mend(self._damage)
        with self._mutex:
            now = self._clock()
            fresh = list(self._fresh.values()) if force or now >= self._due else []
            delivered: list[int] = []
            if fresh or (self._acknowledged and (force or now >= self._tidy_due)):
                self._due = self._tidy_due = now + SYNC_SECONDS
                delivered, self._acknowledged = self._acknowledged, []
        try:
            for batch in self._batches(fresh, delivered):
                self._store.write(batch, delivered, self._make_room)
                self._written(batch)
                delivered = []
        except DamageError as error:
            self._mend(error)
        except OSError as error:
            self.error = str(error)
        with self._mutex:
            self._acknowledged += delivered  # where the disk did not take it
        self._bound_fresh()

    def close(self) -> None:
        """Leave on disk what was not acknowledged."""
        self.sync(force=True)
        with self._mutex:
            if self._fresh:
                log.error("mqtt: %d events are lost: %s", len(self._fresh), self.error)
        self._store.close()
        self._lock.close()

    def _take_from_memory(self) -> Message | None:
        while self._again:
            message = self._again.popleft()
            if message.number in self._in_flight:  # else acknowledged after all
                return message
        if self._next <= self._stored:
            return None
        fresh = next((m for m in self._fresh.values() if m.number >= self._next), None)
        return None if fresh is None else self._hand_out(fresh)

    def _hand_out(self, message: Message) -> Message:
        self._next = message.number + 1
        self._in_flight[message.number] = message
        return message

    def _batches(self, fresh: list[Message], delivered: Sequence[int]) -> Iterator[list[Message]]:
        """Parts that fit the log of the file; an empty one where there is only to remove."""
        batch: list[Message] = []
        size = 0
        for message in fresh:
            if batch and size + message.size > self._store.batch_bytes:
                yield batch
                batch, size = [], 0
            batch.append(message)
            size += message.size
        if batch or delivered:
            yield batch

    def _written(self, batch: list[Message]) -> None:
        with self._mutex:
            self.error = None
            for message in batch:
                self._stored = message.number
                if message.number in self._fresh:
                    self._forget_fresh(message.number)
                else:  # delivered while it was being written
                    self._acknowledged.append(message.number)

    def _make_room(self, oldest: Sequence[int]) -> list[int]:
        """Oldest numbers on disk that may go: none that is on its way."""
        with self._mutex:
            lost = [number for number in oldest if number >= self._next]
            if lost:
                self._next = lost[-1] + 1
                self._lose(len(lost))
            return [number for number in oldest if number not in self._in_flight]

    def _mend(self, error: DamageError) -> None:
        """The file is damaged or gone: go on with a new one, and with what can be read of it."""
        log.error("mqtt: %s", error)
        try:
            self._store.set_aside()
            left = self._store.numbers_from(self._next)
        except OSError as worse:
            log.error("mqtt: %s", worse)
            left = 0
        with self._mutex:
            self.error, self._damage = str(error), None
            fresh = sum(number >= self._next for number in self._fresh)
            self._lose(self.waiting - len(self._in_flight) - fresh - left)
            self._stored = self._store.last
            # What is on its way may be gone from the disk: it is written again.
            self._fresh = {**dict(sorted(self._in_flight.items())), **self._fresh}
            self._fresh_bytes = sum(message.size for message in self._fresh.values())
            if not left:
                self._next = max(self._next, self._stored + 1)

    def _bound_fresh(self) -> None:
        """Bound the memory where the disk takes nothing."""
        with self._mutex:
            while self._fresh_bytes > FRESH_BYTES:
                number = next((n for n in self._fresh if n >= self._next), None)
                if number is None:
                    break
                self._forget_fresh(number)
                self._lose(1)

    def _forget_fresh(self, number: int) -> None:
        self._fresh_bytes -= self._fresh.pop(number).size

    def _lose(self, count: int) -> None:
        self.overflowed += count
        self.waiting -= count
