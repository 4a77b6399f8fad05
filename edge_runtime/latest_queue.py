"""Latest queue: a hand-over between threads where the newest wins, or nothing is lost."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class ClosedError(Exception):
    """End of a queue: no item is left, and none will come."""


class LatestQueue(Generic[T]):
    """A bounded queue between threads that never makes a live sender wait.

    Attributes:
        dropped: items that made room for newer ones.
    """

    def __init__(
        self,
        size: int = 1,
        wait: bool = False,
        bytes_of: Callable[[T], int] = lambda item: 0,
        most_bytes: int = 1,
    ) -> None:
        """size: the most items. wait: whether `put` waits at a full one, instead of dropping the
        oldest. bytes_of, most_bytes: of all items together; one alone may have more."""
        self.dropped = 0
        self._bytes_of = bytes_of
        self._most_bytes = most_bytes
        self._bytes = 0
        self._items: deque[T] = deque()
        self._size = size
        self._wait = wait
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: T) -> None:
        """Add an item. Raises: ClosedError after `close`."""
        with self._changed:
            size = self._bytes_of(item)
            while self._wait and self._is_full(size) and not self._closed:
                self._changed.wait()
            if self._closed:
                raise ClosedError
            while self._is_full(size):
                self._pop()
                self.dropped += 1
            self._items.append(item)
            self._bytes += size
            self._changed.notify_all()

    def get(self, timeout: float | None = None) -> T | None:
        """The oldest item; None after `timeout` seconds without one.

        Raises: ClosedError where the queue is closed and empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, timeout)
            if self._items:
                item = self._pop()
                self._changed.notify_all()
                return item
            if self._closed:
                raise ClosedError
            return None

    def close(self, discard: bool = False) -> None:
        """Take no more items; `discard` also forgets those that wait."""
        with self._changed:
            self._closed = True
            if discard:
                self._items.clear()
                self._bytes = 0
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._items)

    def _is_full(self, size: int) -> bool:
        """True if an item of so many bytes has no place."""
        too_many_bytes = len(self._items) > 0 and self._bytes + size > self._most_bytes
        return len(self._items) >= self._size or too_many_bytes

    def _pop(self) -> T:
        item = self._items.popleft()
        self._bytes -= self._bytes_of(item)
        return item
