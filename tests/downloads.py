"""Folders that the project does not ship: data sets, inputs that once failed, public models."""

import os
from pathlib import Path

import pytest


def downloaded(*parts: str) -> Path:
    """A folder below DATA_DIR; the test is skipped, with the reason, where there is none."""
    if "DATA_DIR" not in os.environ:
        pytest.skip("DATA_DIR does not name the folder of downloaded data sets")
    folder = Path(os.environ["DATA_DIR"], *parts)
    if not folder.is_dir():
        pytest.skip(f"DATA_DIR has no {'/'.join(parts)}")
    return folder


def public_model(name: str) -> Path:
    """A file of MODELS_DIR: a public .tflite of another maker, its labels, a picture for it.

    The test is skipped, with the reason, where there is none.
    """
    if "MODELS_DIR" not in os.environ:
        pytest.skip("MODELS_DIR does not name the folder of public detector files")
    path = Path(os.environ["MODELS_DIR"], name)
    if not path.is_file():
        pytest.skip(f"MODELS_DIR has no {name}")
    return path


def failed_inputs(*parts: str) -> Path:
    """A folder of inputs that once failed, beside DATA_DIR; skips where there is none."""
    if "DATA_DIR" not in os.environ:
        pytest.skip("DATA_DIR does not name the folder of downloaded data sets")
    folder = Path(os.environ["DATA_DIR"]).parent.joinpath("cases", *parts)
    if not folder.is_dir():
        pytest.skip(f"beside DATA_DIR there is no cases/{'/'.join(parts)}")
    return folder
