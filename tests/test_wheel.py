"""The wheel as a Pi installs it: into an environment of its own, far from the checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT

pytestmark = pytest.mark.slow

# Only these excuse a failed installation. An index that answers "no such version" does not.
UNREACHABLE = re.compile(
    "NewConnectionError|ConnectTimeoutError|ReadTimeoutError|NameResolutionError|ProxyError"
)
PROBE = """
import importlib.util, json
import edge_runtime
assert importlib.util.find_spec("tensorflow") is None, "tensorflow came along"
assert importlib.util.find_spec("train") is None, "the desktop's code came along"
print(json.dumps(edge_runtime.__file__))
"""


def run(command, folder, **arguments):
    """Run in `folder` without the checkout on the path."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment["PIP_RETRIES"] = "1"
    command = [str(part) for part in command]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        **arguments,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    # Built from a copy: a build/ left in the checkout would put deleted files into the wheel.
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for entry in ROOT.iterdir():
        if entry.is_file():
            shutil.copy(entry, source)
    for package in ("edge_runtime", "train", "convert", "studies", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, source / package, ignore=ignored)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    done = run([*pip, "-w", out, source], out)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.glob("*.whl")
    return path


def test_wheel_holds_the_runtime_only(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"edge_runtime"}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "edge_runtime").rglob("*.py")}
    assert modules <= set(names)
    assert {"edge_runtime/sinks/web/page.html", "edge_runtime/sinks/web/login.html"} <= set(names)
    assert "edge_runtime/py.typed" in names  # a caller's type checker reads our annotations


def installed(python, wheel, extra, folder) -> Path:
    """The bin folder of a fresh environment with `wheel[extra]`."""
    # With our own pip, and nothing compiled ahead: a pip for each environment takes seconds.
    done = run([python, "-m", "venv", "--without-pip", folder / "env"], folder)
    assert done.returncode == 0, done.stdout + done.stderr
    programs = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
    install = [sys.executable, "-m", "pip", "--python", programs / "python", "install"]
    done = run([*install, "--prefer-binary", "--no-compile", f"{wheel}[{extra}]"], folder)
    if done.returncode and UNREACHABLE.search(done.stdout + done.stderr):
        pytest.skip(f"the package index cannot be reached: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stdout + done.stderr
    return programs


def detections(programs, model, picture, folder) -> list[dict]:
    command = [programs / "edge-runtime", "detect", model, picture, "--score-threshold", "0.01"]
    done = run([*command, "--out", folder / "drawn"], folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "drawn" / picture.name).is_file()
    return json.loads(done.stdout)["detections"]


@pytest.fixture(scope="module")
def picture(tmp_path_factory) -> Path:
    random = np.random.default_rng(0)
    frame = random.integers(0, 2, (2, 3, 3), np.uint8).repeat(40, axis=0).repeat(50, axis=1) * 255
    path = tmp_path_factory.mktemp("picture") / "cells.png"
    Image.fromarray(frame).save(path)
    return path


@pytest.fixture(scope="module")
def litert_detections(wheel, tiny_models, picture, tmp_path_factory) -> list[dict]:
    """What the wheel with ai-edge-litert finds, after a look at what was installed."""
    folder = tmp_path_factory.mktemp("litert")
    programs = installed(sys.executable, wheel, "litert", folder)
    probe = run([programs / "python", "-c", PROBE], folder)
    assert probe.returncode == 0, probe.stderr
    assert json.loads(probe.stdout).startswith(str(folder)), "imported from elsewhere"
    assert "detect" in run([programs / "edge-runtime", "--help"], folder).stdout
    return detections(programs, tiny_models / "tiny_int8.tflite", picture, folder)


def test_litert_wheel_detects(litert_detections):
    assert {"red", "green"} >= {found["class"] for found in litert_detections}
    assert len(litert_detections) >= 6


def usable(name: str, folder: Path) -> str | None:
    """The path of a Python that can make environments, if there is one of that name."""
    python = shutil.which(name)
    if python is None or run([python, "-c", "import ensurepip, venv"], folder).returncode:
        return None
    return python


def test_litert_wheel_detects_on_trixies_python(
    litert_detections, wheel, tiny_models, picture, tmp_path
):
    python = usable("python3.13", tmp_path)
    if python is None:
        pytest.skip("no python3.13 with venv here, the one of Raspberry Pi OS Trixie")
    programs = installed(python, wheel, "litert", tmp_path)
    assert detections(programs, tiny_models / "tiny_int8.tflite", picture, tmp_path) == (
        litert_detections
    )


def test_tflite_wheel_agrees(litert_detections, wheel, tiny_models, picture, tmp_path):
    python = usable("python3.11", tmp_path)
    if python is None:
        pytest.skip("no python3.11 with venv here, the last that tflite-runtime has a wheel for")
    programs = installed(python, wheel, "tflite", tmp_path)
    found = detections(programs, tiny_models / "tiny_int8.tflite", picture, tmp_path)

    def in_order(rows):  # by class and cell: equal scores may come in another order
        def cell(box):
            return (box[0] + box[2]) // 100, (box[1] + box[3]) // 80

        return sorted(rows, key=lambda row: (row["class"], *cell(row["box"])))

    assert len(found) == len(litert_detections)
    for one, other in zip(in_order(found), in_order(litert_detections), strict=True):
        assert one["class"] == other["class"]
        # XNNPACK rounds its own way: a step of the int8 scores, a step of the offsets.
        assert one["score"] == pytest.approx(other["score"], abs=0.03)
        assert one["box"] == pytest.approx(other["box"], abs=1.0)
