"""Latency of many files side by side: each round, every one gets its turn.

What counts is the processor time of the thread, and the ratio to the first file in the same round:
other work on the machine then slows both alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from studies.network.stages import cut
from studies.speed.bare import BareNetwork
from studies.speed.interleaved import Spread, thread_seconds

WARM_UP_RUNS = 5


def time_files(paths: Sequence[Path], rounds: int, calls: int = 2) -> np.ndarray:
    """Milliseconds of one inference on one thread, (rounds, files)."""
    networks = [BareNetwork(path) for path in paths]
    for network in networks:
        thread_seconds(network.invoke, WARM_UP_RUNS)
    times = np.empty((rounds, len(networks)))
    for number in range(rounds):
        # Up and down, so that nobody always comes behind the same neighbor.
        order = range(len(networks))
        for index in order if number % 2 else reversed(order):
            times[number, index] = 1e3 * thread_seconds(networks[index].invoke, calls)
    return times


def against_first(times: np.ndarray) -> list[tuple[Spread, Spread]]:
    """Milliseconds and ratio to the first file of the round, for each file."""
    ratios = times / times[:, :1]
    return [
        (Spread.of(own), Spread.of(ratio)) for own, ratio in zip(times.T, ratios.T, strict=True)
    ]


def time_stages(path: Path, folder: Path, rounds: int) -> Mapping[str, float]:
    """Milliseconds of each stage: the median of what a round's file takes more than the one before.

    Below nothing is chance, and counts as nothing.
    """
    found = cut(path, folder)
    times = time_files([file for _, file in found], rounds, calls=1)
    steps = np.diff(times, axis=1, prepend=0)
    medians = np.maximum(np.median(steps, axis=0), 0)
    return {name: float(value) for (name, _), value in zip(found, medians, strict=True)}
