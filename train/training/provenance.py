"""Where a model comes from, written into its file: command, data, commit, hardware, minutes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from edge_runtime.detector.spec import read_member
from edge_runtime.system.machine import describe_hardware
from train.config import SHAPE, TrainConfig
from train.data.dataset import VocDataset
from train.model.presets import PRESETS

MEMBER = "training.json"


def describe_training(
    config: TrainConfig, dataset: VocDataset, command: str, start_from: Path | None = None
) -> dict:
    """What a reader needs to do it again, as it is when a training starts.

    Args:
        command: as typed.
        start_from: the detector that goes on learning; --qat needs it.
    """
    import keras  # here, since the converter reads records before it chooses a backend

    backend = keras.backend.backend()
    return {
        "command": command,
        "commit": _commit(),
        "seed": config.seed,
        "settings": _settings(config, start_from),
        "data": Path(dataset.root).resolve().name,
        "split": dataset.split,
        "images": len(dataset),
        "keras": keras.__version__,
        # Not by the package's name: TensorFlow comes under several.
        "backend": f"{backend} {getattr(sys.modules.get(backend), '__version__', '')}".strip(),
        "machine": describe_hardware(),
    }


def _settings(config: TrainConfig, start_from: Path | None) -> dict:
    """Every number of the recipe, the preset's in the place of a 0 that stands for it.

    With --qat the net's shape is that of `start_from`: as its record has it, None where it has not.
    """
    if config.qat:
        earlier = (read_training(start_from) or {}).get("settings", {})
        return {**asdict(config), **{name: earlier.get(name) for name in SHAPE}}
    preset = PRESETS[config.preset]
    alpha = config.alpha or preset.alpha
    side = config.input_size or preset.input_hw[0]  # presets are square, as --input-size is
    return {**asdict(config), "alpha": alpha, "input_size": side}


def complete(record: dict, history: Sequence[dict]) -> str:
    """The record with the epochs and minutes of a log, resumed or not, as JSON."""
    minutes = round(sum(row["seconds"] for row in history) / 60, 1)
    return json.dumps({**record, "epochs": len(history), "minutes": minutes}, indent=1)


def read_training(path: Path) -> dict | None:
    """The record in a model file; None for a file without it. "settings" came later than it."""
    text = read_member(path, MEMBER)
    return None if text is None else json.loads(text)


def _commit() -> str | None:
    """Of the checkout that this file is in; marked where the code differs from it."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        commit = git("rev-parse", "--short=12", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None  # a download without its history
    return f"{commit} with changes" if changed else commit
