"""Fixtures that several test files share."""

from __future__ import annotations

import fcntl
import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests import tiny_model

ROOT = Path(__file__).parent.parent
HANG = 1800  # seconds; only what hangs takes so long, however busy the machine is

if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the processor: no pools beside them
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files first: none of them is begun when the other workers have nothing left to do."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)  # stable


gc.disable()  # until all is imported: a seventh of the time


def pytest_collection_finish() -> None:
    """What imports made stays: no later garbage collection goes through all of TensorFlow again."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than cores: many tests wait for a process, a socket or a disk."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory) -> None:
    """Model files that were tried are noted there, for all workers and processes of this run."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    os.environ["XDG_CACHE_HOME"] = str(base / "cache")


@pytest.fixture(scope="session")
def make_once(tmp_path_factory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Folders that take long to make, each made by one of the parallel workers for all of them.

    Call it with a name and what fills the folder. Returns: the folder.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # of all workers

    def make(name: str, fill: Callable[[Path], None]) -> Path:
        folder, done = base / name, base / f"{name}.done"
        with (base / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return make


needs_opencv = pytest.mark.skipif(
    find_spec("cv2") is None, reason="the extra `opencv` is not installed"
)


@pytest.fixture(scope="session")
def tiny_models(make_once) -> Path:
    """Folder with tiny_{float,int8,bare}.tflite; TensorFlow needs a few seconds for them.

    The variable TINY_MODELS names a folder made before, for a machine without TensorFlow.
    """
    if "TINY_MODELS" in os.environ:
        return Path(os.environ["TINY_MODELS"])
    return make_once("tiny", _make_tiny_models)


def _make_tiny_models(folder: Path) -> None:
    if "tensorflow" in sys.modules:  # other tests need it anyway
        tiny_model.build(folder)
        return
    command = [sys.executable, "-m", "tests.tiny_model", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def red_frame() -> np.ndarray:
    """(64, 144, 3): black, but for the cell in row 0, column 2 (red) and row 1, column 0 (green).

    Neither square nor of the model's shape: a cell is 48 pixels wide and 32 high.
    """
    frame = np.zeros((64, 144, 3), np.uint8)
    frame[:32, 96:] = (255, 0, 0)
    frame[32:, :48] = (0, 200, 0)
    return frame


@pytest.fixture
def camera_double(monkeypatch) -> Iterator[Callable[..., None]]:
    """Puts tests/doubles/picamera2.py in the real one's place; call it to set how it behaves."""
    modules = ("picamera2", "libcamera")
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "doubles"))
    for name in modules:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delenv("PICAMERA2_DOUBLE", raising=False)
    yield lambda **settings: monkeypatch.setenv("PICAMERA2_DOUBLE", json.dumps(settings))
    for name in modules:
        sys.modules.pop(name, None)
