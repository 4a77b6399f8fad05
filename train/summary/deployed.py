"""Size and latency of a preset's .tflite files, as they are before any training.

Neither depends on what the weights are, but the files must be there: `python -m convert.untrained`
writes them, in a process of its own, since imports go from convert to train and not back.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from edge_runtime.detector.detector import Detector
from edge_runtime.detector.latency import measure
from edge_runtime.detector.spec import DetectorSpec, embed

FILES = ("float32", "int8")


@dataclass(frozen=True)
class Deployed:
    """A file of a preset.

    Attributes:
        megabytes: of 10^6 bytes. median, p90: of inference, in milliseconds.
    """

    kind: str
    megabytes: float
    median: float
    p90: float


def convert_untrained(model: keras.Model, spec: DetectorSpec, folder: Path) -> list[Path]:
    """Write a float32 and an int8 file into a folder. Returns: their paths, as in FILES.

    Raises: RuntimeError with the converter's last words where it fails.
    """
    source = folder / "model.keras"
    model.save(source)
    embed(source, spec)
    command = [sys.executable, "-m", "convert.untrained", str(source.resolve())]
    root = Path(__file__).parents[2]  # the checkout, which has no other name to be found by
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    if done.returncode:
        raise RuntimeError(f"converting {model.name} failed: {done.stderr.strip()[-500:]}")
    return [folder / f"model_untrained_{kind}.tflite" for kind in FILES]


def measure_files(files: Sequence[Sequence[Path]], threads: int, runs: int) -> list[list[Deployed]]:
    """Time the files of several presets, all taking turns. Returns: in the order of `files`."""
    flat = [path for row in files for path in row]
    detectors = [Detector(path, threads) for path in flat]
    frame = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    times = iter(measure(detectors, [frame], runs))
    return [
        [
            Deployed(kind, round(path.stat().st_size / 1e6, 2), **next(times)["inference"])
            for kind, path in zip(FILES, row, strict=True)
        ]
        for row in files
    ]
