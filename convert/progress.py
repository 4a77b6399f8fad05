"""Progress of a conversion's slow steps, on the terminal and nowhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from tqdm import tqdm

from convert.variants import VARIANTS

T = TypeVar("T")


def on_terminal() -> bool:
    """Whether stderr, where progress is shown, is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


def announce(variant: str) -> None:
    """Say what is made next; a variant may take minutes before its line on stdout."""
    if on_terminal():
        print(f"{variant}: {VARIANTS[variant].description} ...", file=sys.stderr, flush=True)


@contextmanager
def shown(items: Sequence[T], description: str, unit: str = "picture") -> Iterator[Iterable[T]]:
    """The items, with a bar that moves as they are taken.

    Open it outside of `hidden_output`, which would take the bar for TensorFlow's chatter; inside,
    the bar still reaches the terminal. Each time the items are gone over, the bar begins anew.
    """
    if not on_terminal():
        yield items
        return
    with (
        os.fdopen(os.dup(sys.stderr.fileno()), "w") as terminal,
        tqdm(total=len(items), desc=description, unit=unit, leave=False, file=terminal) as bar,
    ):
        yield _Counted(items, bar)


@dataclass(frozen=True)
class _Counted(Generic[T]):
    items: Sequence[T]
    bar: tqdm

    def __iter__(self) -> Iterator[T]:
        self.bar.reset()
        for item in self.items:
            yield item
            self.bar.update()
