"""Provenance of a model, written into its file: command, data, commit, hardware, minutes.

Read without Keras, since the converter and the benchmark pass it on.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge_runtime.detector.spec import read_member
from edge_runtime.system.machine import describe_hardware
from train.config import SHAPE, TrainConfig
from train.data.dataset import DetectionDataset
from train.model.presets import PRESETS

TRAINING_MEMBER = "training.json"


def describe_training(
    config: TrainConfig,
    dataset: DetectionDataset,
    command: str,
    software: Mapping[str, str],
    start_from: Path | None = None,
    initial: str = "",
) -> dict[str, Any]:
    """Provenance as it is when a training starts: what a reader needs to do it again.

    Args:
        command: as typed.
        software: what computes, name → version.
        start_from: the detector that goes on learning; --qat needs it.
        initial: the first weights, as the recipe says them.
    """
    return {
        "command": command,
        "initial": initial,
        "commit": _commit(),
        "seed": config.seed,
        "settings": _settings(config, start_from),
        "data": Path(dataset.root).resolve().name,
        "split": dataset.split,
        "images": len(dataset),
        "fingerprint": dataset.fingerprint(),
        **software,
        "machine": describe_hardware(),
    }


def _settings(config: TrainConfig, start_from: Path | None) -> dict[str, Any]:
    """Every number of the recipe, the preset's in the place of a 0 that stands for it.

    With --qat the net's shape is that of `start_from`: as its provenance says, None where it does
    not.
    """
    if config.qat:
        origin = read_training(start_from) if start_from else None
        earlier = (origin or {}).get("settings", {})
        return {**asdict(config), **{name: earlier.get(name) for name in SHAPE}}
    preset = PRESETS[config.preset]
    alpha = config.alpha or preset.alpha
    side = config.input_size or preset.input_hw[0]  # presets are square, as --input-size is
    return {**asdict(config), "alpha": alpha, "input_size": side}


def provenance_to_json(
    provenance: Mapping[str, Any], history: Sequence[Mapping[str, float]]
) -> str:
    """The provenance with the epochs and minutes of a log, resumed or not, as JSON."""
    minutes = round(sum(row["seconds"] for row in history) / 60, 1)
    return json.dumps({**provenance, "epochs": len(history), "minutes": minutes}, indent=1)


def read_training(path: Path) -> dict[str, Any] | None:
    """The provenance in a model file; None for a file without it. Early ones lack "settings".

    Raises: ValueError for a text that is none.
    """
    text = read_member(path, TRAINING_MEMBER)
    if text is None:
        return None
    try:
        provenance = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: {TRAINING_MEMBER}: {error}; copy the file again") from error
    if not isinstance(provenance, dict):
        raise ValueError(f"{path}: {TRAINING_MEMBER}: an object expected; copy the file again")
    return provenance


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
