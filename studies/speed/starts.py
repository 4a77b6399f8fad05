"""Starts: import, first detection, memory and command against a script of ten lines.

Each is a process of its own; the system says how much processor time and memory it took.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from studies.speed.interleaved import Contest, Measure, in_turns
from studies.speed.rows import Task

FEWEST_STARTS = 9
# What somebody writes who knows the file: its input is pixel - 128.
TEN_LINES = """\
import sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image
interpreter = Interpreter(model_path=sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
(entry,) = interpreter.get_input_details()
image = Image.open(sys.argv[2]).convert("RGB").resize(entry["shape"][2:0:-1])
interpreter.set_tensor(entry["index"], (np.asarray(image)[None] ^ 128).view(np.int8))
interpreter.invoke()
print(*(interpreter.get_tensor(each["index"]).shape for each in interpreter.get_output_details()))
"""
FIRST_DETECTION = """\
import sys
import numpy as np
from PIL import Image
from edge_runtime import Detector
detector = Detector(sys.argv[1], num_threads=1)
print(len(detector.detect(np.asarray(Image.open(sys.argv[2]).convert("RGB")))))
"""
# The system's own figure for a child would begin with the memory of its parent.
PEAK = """
import sys
print(*(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""


def tasks(model: Path, picture: Path) -> Iterator[Task]:
    paths = [str(model), str(picture)]
    script, first = ["-c", TEN_LINES, *paths], ["-c", FIRST_DETECTION, *paths]
    for name, goal, ours, theirs in (
        ("first detection against a ten-line script", 1.2, first, script),
        (
            "edge-runtime detect against the script",
            1.4,
            ["-m", "edge_runtime", "detect", *paths, "--threads", "1"],
            script,
        ),
        *(
            (f"{code} against import numpy", 1.15, ["-c", code], ["-c", "import numpy"])
            for code in ("import edge_runtime", "from edge_runtime import Detector")
        ),
    ):
        yield Task(name, goal, _contest(partial(_seconds, ours), partial(_seconds, theirs)))
    sides = (["-c", code + PEAK, *paths] for code in (FIRST_DETECTION, TEN_LINES))
    yield Task(
        "peak memory of a first detection against the script",
        1.15,
        _contest(*(partial(_megabytes, side) for side in sides)),
    )


def _contest(ours: Callable[[], float], theirs: Callable[[], float]) -> Measure:
    def measure(seconds: float) -> Contest:
        ours(), theirs()  # compiles modules, and fills the system's file cache
        return Contest.of(in_turns(ours, theirs, seconds, FEWEST_STARTS))

    return measure


def _seconds(arguments: Sequence[str]) -> float:
    """Processor time of a Python with these arguments."""
    return _start(arguments)[0]


def _megabytes(arguments: Sequence[str]) -> float:
    """What a Python with these arguments prints last, in kilobytes."""
    return int(_start(arguments)[1].split()[-1]) / 1000


def _start(arguments: Sequence[str]) -> tuple[float, str]:
    """Seconds of processor time, and what was printed."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([sys.executable, *arguments], stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode()
    if process.returncode:
        raise RuntimeError(f"exit status 0 expected of {arguments[:3]}, got {process.returncode}")
    return usage.ru_utime + usage.ru_stime, text
