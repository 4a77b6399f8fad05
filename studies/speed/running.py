"""The pipeline of `run` on a film, against a loop that only invokes the network."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np

from edge_runtime.__main__ import build_parser
from edge_runtime.commands.run import make_detector, make_sinks, make_source
from edge_runtime.frame import Frame
from edge_runtime.pipeline.pipeline import Pipeline
from edge_runtime.pipeline.reloading_detector import (
    InferredFrame,
    PreparedFrame,
    ReloadingDetector,
)
from edge_runtime.pipeline.stats import Stats
from edge_runtime.sinks.base import Context
from studies.speed.bare import BareNetwork
from studies.speed.interleaved import Contest, Measure, Work, in_turns
from studies.speed.pictures import scaled
from studies.speed.rows import Task

FRAMES = 150
FEWEST_RUNS = 5
FILM_HW = (480, 640)
THREAD_GOAL = 1.05
# A frame's seconds on the wall, and of the thread's processor time.
Turn = Callable[[], tuple[float, float]]
SKIPPED = 5  # results at the beginning, while caches fill


def tasks(bare: BareNetwork, model: Path, picture: np.ndarray, folder: Path) -> Iterator[Task]:
    """folder: for the film and the lines."""
    film = make_film(picture, folder / "film.mp4")
    plain = ["run", str(model), "--source", str(film), "--threads", "1"]
    sinks = [*plain, "--jsonl", str(folder / "lines.jsonl"), "--web", "127.0.0.1:0"]
    loop = partial(_loop, bare.invoke)
    for name, goal, arguments in (
        ("run on a 640x480 film, frames a second against the bare invoke loop", 0.95, plain),
        ("the same with JSON lines and the web page", 0.90, sinks),
    ):
        run = partial(_run, build_parser(["run"]).parse_args(arguments), arguments is sinks)
        yield Task(name, goal, _frame_rates(run, loop), higher=True)
    run = partial(_run, build_parser(["run"]).parse_args(plain), False)
    name = "run: processor time of the network's thread against the bare invoke"
    yield Task(name, THREAD_GOAL, _processor_times(run, loop))


def make_film(picture: np.ndarray, target: Path) -> Path:
    """A film of FRAMES frames that moves, 640x480."""
    height, width = FILM_HW
    frame = cv2.cvtColor(scaled(picture, FILM_HW), cv2.COLOR_RGB2BGR)
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*"mp4v"), 25, (width, height))
    for number in range(FRAMES):
        writer.write(np.roll(frame, 2 * number, axis=1))
    writer.release()
    return target


def _frame_rates(run: Turn, loop: Turn) -> Measure:
    """Both in seconds a frame; the ratio is that of frames a second."""

    def measure(seconds: float) -> Contest:
        times = in_turns(lambda: run()[0], lambda: loop()[0], seconds, FEWEST_RUNS)
        return Contest.of(times, times[:, 1] / times[:, 0])

    return measure


def _processor_times(run: Turn, loop: Turn) -> Measure:
    return lambda seconds: Contest.of(
        in_turns(lambda: run()[1], lambda: loop()[1], seconds, FEWEST_RUNS)
    )


def _loop(invoke: Work) -> tuple[float, float]:
    """Seconds a call, and of this thread's processor time."""
    wall, own = time.perf_counter(), time.thread_time()
    for _ in range(FRAMES):
        invoke()
    return (time.perf_counter() - wall) / FRAMES, (time.thread_time() - own) / FRAMES


def _run(args: Namespace, with_sinks: bool) -> tuple[float, float]:
    """Seconds a frame, and of the processor time of the thread that runs the network."""
    detector = make_detector(args)
    sinks = make_sinks(args) if with_sinks else []
    source = make_source(args, detector, sinks)
    clocked = _Clocked(detector)
    marks: list[float] = []
    pipeline = Pipeline(
        source,
        cast(ReloadingDetector, clocked),
        sinks,
        Stats(source),
        on_result=lambda _: marks.append(time.perf_counter()),
    )
    for sink in sinks:
        sink.open(Context(args.model, detector.class_names, args.source, fps=lambda: source.fps))
    with source:
        pipeline.run()
    return _each(marks), _each(clocked.marks)


def _each(marks: list[float]) -> float:
    """Seconds from mark to mark."""
    counted = marks[SKIPPED:]
    return (counted[-1] - counted[0]) / (len(counted) - 1)


class _Clocked:
    """A detector that notes the processor time of its thread after each frame.

    Attributes:
        marks: seconds.
    """

    def __init__(self, detector: ReloadingDetector) -> None:
        self.marks: list[float] = []
        self._detector = detector

    def __getattr__(self, name: str) -> Any:
        return getattr(self._detector, name)

    def infer(self, frame: Frame | PreparedFrame) -> InferredFrame:
        inferred = self._detector.infer(frame)
        self.marks.append(time.thread_time())
        return inferred
