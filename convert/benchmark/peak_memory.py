"""Peak memory of a detector at work, in a process of its own that loads nothing else.

    python -m convert.benchmark.peak_memory MODEL PICTURE THREADS FAMILY LABELS

prints the bytes; "-" stands for what is not given.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from edge_runtime.detector.detector import Detector
from edge_runtime.media.images import read_image

RUNS = 3  # the second may still allocate
SECONDS = 120
ROOT = Path(__file__).parents[2]


def measure_peak_memory(
    model: Path,
    picture: Path,
    threads: int | None = None,
    family: str | None = None,
    labels: Path | None = None,
) -> int | None:
    """Most bytes resident while a detector is loaded and looks at a picture.

    Python, NumPy and Pillow are among them: it is what a device must have free.

    Returns: None where the system does not say, or the process did not end well.
    """
    given = [str(value) if value is not None else "-" for value in (threads, family, labels)]
    command = [sys.executable, "-m", __name__, str(model.resolve()), str(picture.resolve()), *given]
    try:
        ended = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=True
        )
        return int(ended.stdout.split()[-1])
    except (subprocess.SubprocessError, OSError, ValueError, IndexError):
        return None


def _peak() -> int | None:
    """High-water mark of this process (proc(5), VmHWM); getrusage's would be the parent's, too."""
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB", text, re.MULTILINE)
    return None if found is None else 1024 * int(found[1])


def main() -> int:
    model, picture, threads, family, labels = (None if v == "-" else v for v in sys.argv[1:6])
    assert model is not None and picture is not None
    path = None if labels is None else Path(labels).resolve()
    detector = Detector(
        model, None if threads is None else int(threads), family=family, labels=path
    )
    frame = read_image(Path(picture))
    for _ in range(RUNS):
        detector.detect(frame)
    peak = _peak()
    if peak is None:
        return 1
    print(peak)
    return 0


if __name__ == "__main__":
    sys.exit(main())
