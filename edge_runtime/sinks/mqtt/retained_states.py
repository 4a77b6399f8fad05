"""MQTT retained states: topics of which only the latest value counts."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import NamedTuple


class State(NamedTuple):
    """A value; an empty `payload` that is retained removes it from the broker."""

    topic: str
    payload: str
    retain: bool


class RetainedStates:
    """What a listener should know, and what of it is still to be told. For several threads."""

    def __init__(self, first: Mapping[str, str]) -> None:
        """first: topic → payload, retained; told before all others."""
        self._mutex = threading.Lock()
        self._values = {topic: State(topic, text, True) for topic, text in first.items()}
        self._untold: dict[str, None] = {}

    def set(self, state: State) -> bool:
        """Returns: whether that is news."""
        with self._mutex:
            if self._values.get(state.topic) == state:
                return False
            self._values[state.topic] = state
            self._untold[state.topic] = None
            return True

    def knows(self, topic: str) -> bool:
        """Whether it has a value."""
        with self._mutex:
            return topic in self._values

    def repeat(self) -> None:
        """All are to be told again."""
        with self._mutex:
            self._untold = dict.fromkeys(self._values)

    def take(self) -> State | None:
        """One that is to be told, or None."""
        with self._mutex:
            topic = next(iter(self._untold), None)
            if topic is None:
                return None
            del self._untold[topic]
            return self._values[topic]

    def told(self, topic: str) -> None:
        """The broker has it; one that was removed is forgotten."""
        with self._mutex:
            value = self._values.get(topic)
            if value is not None and not value.payload and topic not in self._untold:
                del self._values[topic]

    @property
    def untold(self) -> int:
        """Number of those to be told."""
        with self._mutex:
            return len(self._untold)
