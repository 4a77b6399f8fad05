"""`edge-runtime bench`: latency and memory of models on this board, as a Markdown table.

edge-runtime bench models/digits_int8.tflite
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from edge_runtime.arguments import (
    PROGRAM,
    SubParsers,
    local_path,
    path_of_file,
    run_command,
    size_wh,
    whole_number,
    whole_numbers,
)
from edge_runtime.commands.detector_flags import MODEL_HELP, add_model_arguments, model_options
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.interpreter import MOST_THREADS, available_cores
from edge_runtime.detector.latency import STEPS, WARM_UP_RUNS, measure
from edge_runtime.detector.resize import OPENCV, PILLOW, RESIZERS, keep_opencv_to_one_thread
from edge_runtime.media.images import read_image
from edge_runtime.system import board
from edge_runtime.system.machine import describe_machine, one_line, package_version

MOST_RUNS = 1_000_000  # their times are kept
RUNS = 50  # enough for a 90th percentile, bearable on a slow board
SIZE_WH = (1280, 720)
HEADINGS = ("pre-processing", "inference", "post-processing", "end to end")

BOARD_SECONDS = 2.0  # between two looks: vcgencmd is a process, and takes some milliseconds
MEMORY_SECONDS = 300.0
MEMORY_RUNS = 3

# A process of its own: memory that one model took is not given back before the next.
MEMORY_CHILD = """
import sys
from edge_runtime.commands.bench import print_peak_memory
print_peak_memory(*sys.argv[1:])
"""

DESCRIPTION = """\
Measure models on this board: milliseconds (median / 90th percentile) of each step for
1 to all cores, taking turns, so that heat slows all alike; the most memory that a
process with the model takes; temperature and throttling. Progress goes to stderr.
Prints a table in Markdown and, as the last line, the same as JSON.
Exit status: 0; 2 if nothing could start.
"""


def add_parser(subparsers: SubParsers) -> None:
    """Add `bench` to the sub-commands."""
    parser = subparsers.add_parser(
        "bench",
        help="how fast models are on this board",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "models",
        metavar="MODEL",
        type=local_path,
        nargs="+",
        help=f"{MODEL_HELP}; several are compared",
    )
    add(
        "--threads",
        type=whole_numbers(1, MOST_THREADS),
        metavar="N,…",
        help="of the interpreter (default: 1 to all)",
    )
    add(
        "--runs",
        type=whole_number(1, MOST_RUNS),
        default=RUNS,
        metavar="N",
        help="of each (default: %(default)s)",
    )
    add(
        "--warmup",
        type=whole_number(0, MOST_RUNS),
        default=WARM_UP_RUNS,
        metavar="N",
        help="runs before, which do not count (default: %(default)s)",
    )
    add_model_arguments(parser)
    _add_frame_arguments(parser)
    parser.set_defaults(run=run)


def _add_frame_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--resizer",
        choices=tuple(RESIZERS),
        default=PILLOW,
        help=f"of the frame; `run` uses {OPENCV} for videos, webcams and rtsp:// "
        "(default: %(default)s)",
    )
    image = parser.add_mutually_exclusive_group()
    image.add_argument(
        "--size",
        type=size_wh,
        default=SIZE_WH,
        metavar="WxH",
        help="of a frame of noise (default: 1280x720)",
    )
    image.add_argument("--image", type=path_of_file, metavar="FILE", help="a picture as the frame")


def run(args: argparse.Namespace) -> int:
    """Measure and print. Returns: the exit status."""
    return run_command(PROGRAM, lambda: _bench(args))


def _bench(args: argparse.Namespace) -> int:
    threads = args.threads or range(1, available_cores() + 1)
    frame = noise(args.size) if args.image is None else read_image(args.image)
    if args.resizer == OPENCV:
        keep_opencv_to_one_thread()
    detectors = [
        Detector(
            model, count, resizer=args.resizer, **model_options(model, args.family, args.labels)
        )
        for model in args.models
        for count in threads
    ]
    report = run_bench(detectors, frame, args.runs, args.warmup, _say)
    report["frame"] = "noise" if args.image is None else args.image.name
    print(format_bench(report))
    print()
    print(json.dumps(report))
    return 0


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:<40}\r", end="", file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)


def run_bench(
    detectors: Sequence[Detector],
    frame: np.ndarray,
    runs: int,
    warm_up_runs: int,
    say: Callable[[str], None] = lambda text: None,
) -> dict:
    """Measure detectors side by side: every model with every number of threads.

    Args:
        frame: (H, W, 3) RGB uint8.
        say: told how far it is.

    Returns: JSON-ready: "version", "machine", "frame_wh", "resizer", "runs", "warm_up_runs",
        "thresholds", "temperature_c" {"before", "after"}, "throttled" (what was, at any time
        of the run; None where the board does not say) and "rows", one for each model and number of
        threads: "model", "input_hw", "bytes", "threads", "ms" as `latency.measure`,
        "peak_memory_bytes".
    """
    rows = [_describe(detector) for detector in detectors]
    for number, (detector, row) in enumerate(zip(detectors, rows, strict=True)):
        say(f"memory, {number + 1} of {len(rows)}")
        row["peak_memory_bytes"] = peak_memory(detector, frame.shape[:2])
    monitor = ThermalMonitor(runs + warm_up_runs, say)
    latencies = measure(detectors, [frame], runs, warm_up_runs, monitor.follow)
    for row, latency in zip(rows, latencies, strict=True):
        row["ms"] = latency
    first = detectors[0]
    return {
        "version": package_version(),
        "machine": describe_machine(),
        "frame_wh": [frame.shape[1], frame.shape[0]],
        "resizer": first.resizer,
        "runs": runs,
        "warm_up_runs": warm_up_runs,
        "thresholds": {"score": first.score_threshold, "iou": first.iou_threshold},
        "temperature_c": monitor.temperature,
        "throttled": monitor.throttled,
        "rows": rows,
    }


class ThermalMonitor:
    """Temperature and throttling of the board, read between the rounds of a measurement.

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
    words = [detector.path, detector.num_threads, *frame_hw, detector.family.name, detector.resizer]
    words += [] if detector.labels is None else [detector.labels]
    command = [sys.executable, "-c", MEMORY_CHILD, *map(str, words)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=MEMORY_SECONDS, check=True
        )
        return int(done.stdout.split()[-1])
    except (OSError, ValueError, IndexError, subprocess.SubprocessError):
        return None


def print_peak_memory(
    path: str,
    threads: str,
    height: str,
    width: str,
    family: str,
    resizer: str,
    labels: str | None = None,
) -> None:
    """Work of the child process: prints the bytes of its peak memory."""
    detector = Detector(path, int(threads), family=family, labels=labels, resizer=resizer)
    frame = noise((int(width), int(height)))
    for _ in range(MEMORY_RUNS):
        detector.detect(frame)
    print(board.read_peak_memory())


def noise(size_wh: tuple[int, int]) -> np.ndarray:
    """An image of random colors, always the same: (H, W, 3) RGB uint8."""
    width, height = size_wh
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def _describe(detector: Detector) -> dict:
    return {
        "model": str(detector.path),
        "input_hw": list(detector.input_hw),
        "bytes": detector.path.stat().st_size,
        "threads": detector.num_threads,
    }


def format_bench(report: dict) -> str:
    """Markdown: the board, the conditions, a row for each model and number of threads.

    What was not measured stays blank.
    """
    width, height = report["frame_wh"]
    names = [Path(row["model"]).name for row in report["rows"]]
    paths = {row["model"] for row in report["rows"]}
    whole = len(set(names)) < len(paths)  # files of one name from several folders
    table = [["model", "input", "threads", *HEADINGS, "peak memory"]]
    for row, name in zip(report["rows"], names, strict=True):
        cells = [_pair(row["ms"].get(step)) for step in STEPS]
        memory = row["peak_memory_bytes"]
        megabytes = "" if memory is None else f"{memory / 1e6:.0f} MB"
        side = "x".join(map(str, reversed(row["input_hw"])))
        model = row["model"] if whole else name
        table.append([model, side, str(row["threads"]), *cells, megabytes])
    lines = [
        one_line(report["machine"]),
        f"Frame {width}x{height} ({report['frame']}), resized by {report['resizer']}, "
        f"{report['runs']} runs after "
        f"{report['warm_up_runs']}, in turns; milliseconds: median / 90th percentile.",
        *_board_lines(report),
    ]
    return "\n\n".join(["  \n".join(lines), _markdown(table)])


def _board_lines(report: dict) -> list[str]:
    temperature, throttled = report["temperature_c"], report["throttled"]
    lines = []
    if None not in temperature.values():
        lines.append("{before:.0f} °C before, {after:.0f} °C after.".format(**temperature))
    if throttled is not None:
        lines.append(f"Throttled: {', '.join(throttled) or 'no'}.")
    return lines


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table, aligned for those who read it as text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [cells[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return f"| {' | '.join(padded)} |"

    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(rows[0]), line(rule), *map(line, rows[1:])])


def _pair(times: dict[str, float] | None) -> str:
    return "" if times is None else f"{times['median']:.1f} / {times['p90']:.1f}"
