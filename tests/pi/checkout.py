"""The checkout of a test run: the tests, the models, and the runtime as a wheel."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

from tests.pi.host import CACHE, ROOT, built, must

TINY_SOURCES = (
    "tests/tiny_model.py",
    "edge_runtime/detector/spec.py",
    "edge_runtime/detector/anchors.py",
)


def build_wheel() -> Path:
    """The project's wheel, of a copy: a build/ in the checkout could put deleted files into it."""
    with built(CACHE / "wheel") as new:
        source = new / "source"
        source.mkdir()
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(ROOT / name, source)
        _copy(ROOT / "edge_runtime", source / "edge_runtime")
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
        must([*pip, "--no-deps", "--no-build-isolation", "-w", new, source], "building the wheel")
        shutil.rmtree(source)
    (wheel,) = (CACHE / "wheel").glob("*.whl")
    return wheel


def copy_tests() -> Path:
    """A folder with all of the checkout but its packages: `import edge_runtime` finds the wheel."""
    with built(CACHE / "checkout") as new:
        for path in ROOT.iterdir():
            if path.is_file():
                shutil.copy(path, new)
        for name in ("tests", "models", "docs", "studies"):
            _copy(ROOT / name, new / name)
    return CACHE / "checkout"


def tiny_models() -> Path:
    """The folder of the tests' tiny detectors; TensorFlow makes them, which no Pi has."""
    content = b"".join((ROOT / name).read_bytes() for name in TINY_SOURCES)
    folder = CACHE / f"tiny-{hashlib.sha256(content).hexdigest()[:12]}"
    if not folder.exists():
        for old in CACHE.glob("tiny-*"):
            shutil.rmtree(old)
        with built(folder) as new:
            command = [sys.executable, "-m", "tests.tiny_model", new]
            must(command, "making the tiny models", env={**os.environ, "PYTHONPATH": str(ROOT)})
    return folder


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
