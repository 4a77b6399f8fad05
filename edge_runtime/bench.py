"""How fast models are on this board, for numbers of threads, and what the board goes through."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from edge_runtime.detector.detector import Detector
from edge_runtime.detector.latency import measure
from edge_runtime.system import board
from edge_runtime.system.machine import describe_machine, package_version

BOARD_SECONDS = 2.0  # between two looks: vcgencmd is a process, and takes some milliseconds
MEMORY_SECONDS = 300.0
MEMORY_RUNS = 3

# A process of its own: memory that one model took is not given back before the next.
MEMORY_CHILD = """
import sys
from edge_runtime.bench import print_peak_memory
print_peak_memory(*sys.argv[1:])
"""


def run_bench(
    models: Sequence[str],
    threads: Sequence[int],
    frame: np.ndarray,
    runs: int,
    warm_up_runs: int,
    say: Callable[[str], None] = lambda text: None,
) -> dict:
    """Measure every model with every number of threads, side by side.

    Args:
        frame: (H, W, 3) RGB uint8.
        say: told how far it is.

    Returns: JSON-ready: "version", "machine", "frame_wh", "runs", "warm_up_runs", "thresholds",
        "temperature_c" {"before", "after"}, "throttled" (what was, at any time of the run; None
        where the board does not say) and "rows", one for each model and number of threads:
        "model", "input_hw", "bytes", "threads", "ms" as `latency.measure`, "peak_memory_bytes".
    Raises: before anything is measured, as `Detector`, for a model that cannot be run.
    """
    detectors = [Detector(model, count) for model in models for count in threads]
    rows = [_describe(detector) for detector in detectors]
    for number, (detector, row) in enumerate(zip(detectors, rows, strict=True)):
        say(f"memory, {number + 1} of {len(rows)}")
        row["peak_memory_bytes"] = peak_memory(detector, frame.shape[:2])
    watch = Watch(runs + warm_up_runs, say)
    latencies = measure(detectors, [frame], runs, warm_up_runs, watch.follow)
    for row, latency in zip(rows, latencies, strict=True):
        row["ms"] = latency
    first = detectors[0]
    return {
        "version": package_version(),
        "machine": describe_machine(),
        "frame_wh": [frame.shape[1], frame.shape[0]],
        "runs": runs,
        "warm_up_runs": warm_up_runs,
        "thresholds": {"score": first.score_threshold, "iou": first.iou_threshold},
        "temperature_c": watch.temperature,
        "throttled": watch.throttled,
        "rows": rows,
    }


class Watch:
    """Looks at the board between the rounds of a measurement.

    Attributes:
        temperature: {"before", "after"} in degrees Celsius; None where the board does not say.
        throttled: names of `board.THROTTLE_BITS` that were on, at any time; None likewise.
    """

    def __init__(self, rounds: int, say: Callable[[str], None]) -> None:
        self.temperature: dict[str, float | None] = {"before": None, "after": None}
        self.throttled: list[str] | None = None
        self._rounds = rounds
        self._say = say

    def follow(self, numbers: Iterable[int]) -> Iterator[int]:
        """Pass on the numbers of the rounds."""
        self.temperature["before"] = board.read_temperature()
        began = board.read_throttling()
        self._note(began, began)
        looked = time.monotonic()
        for done, number in enumerate(numbers):
            yield number
            if time.monotonic() - looked >= BOARD_SECONDS:
                self._say(f"round {done + 1} of {self._rounds}")
                self._note(began, board.read_throttling())
                looked = time.monotonic()
        self.temperature["after"] = board.read_temperature()
        self._note(began, board.read_throttling())

    def _note(self, began: dict | None, state: dict | None) -> None:
        if state is None or began is None:
            return
        # What came between two looks shows as new since the board's start.
        new = set(state["since_boot"]) - set(began["since_boot"])
        self.throttled = sorted({*(self.throttled or ()), *state["now"], *new})


def peak_memory(detector: Detector, frame_hw: tuple[int, int]) -> int | None:
    """Bytes of a process that looks at a few frames with this model; None if it cannot be told."""
    words = (detector.path, detector.num_threads, *frame_hw)
    command = [sys.executable, "-c", MEMORY_CHILD, *map(str, words)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=MEMORY_SECONDS, check=True
        )
        return int(done.stdout.split()[-1])
    except (OSError, ValueError, IndexError, subprocess.SubprocessError):
        return None


def print_peak_memory(path: str, threads: str, height: str, width: str) -> None:
    """What the child does."""
    detector = Detector(path, int(threads))
    frame = noise((int(width), int(height)))
    for _ in range(MEMORY_RUNS):
        detector.detect(frame)
    print(board.read_peak_memory())


def noise(size_wh: tuple[int, int]) -> np.ndarray:
    """A picture of random colours, always the same: (H, W, 3) RGB uint8."""
    width, height = size_wh
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def _describe(detector: Detector) -> dict:
    return {
        "model": str(detector.path),
        "input_hw": list(detector.spec.input_hw),
        "bytes": detector.path.stat().st_size,
        "threads": detector.num_threads,
    }
