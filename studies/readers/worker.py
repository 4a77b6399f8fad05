"""One reader in a process, and an environment, of its own: a job on stdin, an .npz as answer.

A process, because a reader may end the one that it runs in; an environment, because MediaPipe
brings another OpenCV than this project, and tflite-runtime needs NumPy 1.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from edge_runtime.media.images import read_image
from studies.readers.readers import Found, Reader

ROOT = Path(__file__).resolve().parents[2]
NOT_INSTALLED = 3  # exit status


@dataclass(frozen=True)
class Job:
    """What a worker is to do: a reader's name, a file for it, pictures."""

    reader: str
    file: str
    images: list[str]
    answer: str  # path of the .npz
    registry: str = "studies.readers.readers"  # the module whose READERS has the name


@dataclass(frozen=True, eq=False)
class Answer:
    """What a reader found.

    Attributes:
        version: of the reader's distribution.
        found: of each picture.
        milliseconds: from each decoded picture to its detections.
    """

    version: str
    found: list[Found]
    milliseconds: list[float]


def ask(python: str | Path, job: Job) -> Answer | None:
    """Run a job by another Python; None where the reader is not installed there.

    Raises: ValueError, with the last line that it printed, where the reader fails.
    """
    done = subprocess.run(
        [str(python), "-m", "studies.readers.worker"],
        input=json.dumps(asdict(job)),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    if done.returncode == NOT_INSTALLED:
        return None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing printed"])[-1]
        raise ValueError(f"exit status {done.returncode}: {last}")
    return _read(Path(job.answer))


def _read(path: Path) -> Answer:
    with np.load(path) as stored:
        cuts = np.cumsum(stored["counts"])[:-1]
        arrays = [np.split(stored[name], cuts) for name in ("boxes", "scores", "class_ids")]
        found = list(zip(*arrays, strict=True))
        return Answer(str(stored["version"]), found, stored["milliseconds"].tolist())


def _write(path: Path, answer: Answer) -> None:
    boxes, scores, class_ids = zip(*answer.found, strict=True)
    np.savez(
        path,
        counts=[len(array) for array in scores],
        boxes=np.concatenate(boxes),
        scores=np.concatenate(scores),
        class_ids=np.concatenate(class_ids),
        milliseconds=answer.milliseconds,
        version=answer.version,
    )


def _work(job: Job) -> Answer:
    reader = _reader(job)(Path(job.file))
    found, milliseconds = [], []
    for path in job.images:
        image = read_image(path)
        start = time.perf_counter()
        found.append(reader.detect(image))
        milliseconds.append(1e3 * (time.perf_counter() - start))
    return Answer(_version(reader.module), found, milliseconds)


def _reader(job: Job) -> type[Reader]:
    readers: dict[str, type[Reader]] = importlib.import_module(job.registry).READERS
    return readers[job.reader]


def _version(module: str) -> str:
    """Distribution and version, such as "mediapipe 1.2.3"."""
    names: Sequence[str] = importlib.metadata.packages_distributions().get(module, [module])
    return f"{names[0]} {importlib.metadata.version(names[0])}"


def main() -> int:
    job = Job(**json.load(sys.stdin))
    try:
        importlib.import_module(_reader(job).module)
    except ImportError:
        return NOT_INSTALLED
    _write(Path(job.answer), _work(job))
    return 0


if __name__ == "__main__":
    sys.exit(main())
