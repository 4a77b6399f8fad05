"""Rate limit for log messages: a lasting trouble is logged once a minute, not with every frame."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LOG_AGAIN_SECONDS = 60.0


class LogLimit:
    """Tells whether a message that recurs is due. Any thread may ask."""

    def __init__(
        self, seconds: float = LOG_AGAIN_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """seconds: for which a message that was due is not due again."""
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._logged_at = float("-inf")
        self._text: str | None = None

    def is_due(self, text: str | None = None) -> bool:
        """True if the message is to be logged now, and it then counts as logged.

        text: what is to be said, where another text than the last time is news and always due.
        """
        with self._lock:
            now = self._clock()
            news, self._text = text != self._text, text
            if not news and now - self._logged_at < self._seconds:
                return False
            self._logged_at = now
            return True
