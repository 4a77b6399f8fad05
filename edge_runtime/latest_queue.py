"""Latest queue: a hand-over between threads where the newest wins, or nothing is lost."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class ClosedError(Exception):
    """End of a queue: no item is left, and none will come."""


class LatestQueue(Generic[T]):
    """A bounded queue between threads that never makes a live sender wait.

    Attributes:
        dropped: items that made room for newer ones.
    """

    def __init__(self, size: int = 1, wait: bool = False) -> None:
        """size: the most items. wait: whether `put` waits at a full one, instead of dropping the
        oldest."""
        self.dropped = 0
        self._items: deque[T] = deque()
        self._size = size
        self._wait = wait
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: T) -> None:
        """Add an item. Raises: ClosedError after `close`."""
        with self._changed:
            while self._wait and len(self._items) >= self._size and not self._closed:
                self._changed.wait()
            if self._closed:
                raise ClosedError
            if len(self._items) >= self._size:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self._changed.notify_all()

    def get(self, timeout: float | None = None) -> T | None:
        """The oldest item; None after `timeout` seconds without one.

        Raises: ClosedError where the queue is closed and empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, timeout)
            if self._items:
                item = self._items.popleft()
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
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._items)
