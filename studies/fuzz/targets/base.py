"""Target: one way in for foreign bytes, and what is sent through it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


class NotHereError(Exception):
    """What a target needs is missing here: the message says what. Its row stays blank."""


def nothing() -> None:
    """A target that has nothing to prepare."""


@dataclass(frozen=True)
class Target:
    """One way in for foreign bytes.

    Attributes:
        name: of its row, and of its folder in `corpus/`.
        about: for people, what is sent where.
        attempt: takes an input, in a child process, and returns its outcome in a few words:
            "refused", "read". What it expects to be raised it catches; whatever else is raised is
            a failure, as are a signal, too much memory and too much time.
        inputs: Hypothesis' strategy of inputs; called in the parent, after `prepare`.
        prepare: done once in each process before the first child: imports, for the most part. No
            threads, since children are forked. Raises: NotHereError.
        load: makes an input of a file of the corpus.
    """

    name: str
    about: str
    attempt: Callable[[bytes], str]
    inputs: Callable[[], SearchStrategy[bytes]]
    prepare: Callable[[], None] = nothing
    load: Callable[[bytes], bytes] = bytes
