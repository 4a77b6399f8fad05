"""Choice of the interpreter, and the message where none fits."""

import os
import subprocess
import sys
import types
from importlib.util import find_spec

import numpy as np
import pytest

from edge_runtime import Detector
from edge_runtime.detector.interpreter import (
    Network,
    Runtime,
    check_runtime_version,
    find_runtime,
)
from tests.conftest import HANG, ROOT


def test_threads_follow_the_affinity(tiny_models):
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert Network(tiny_models / "tiny_int8.tflite").num_threads == cores


def hide(monkeypatch, *modules):
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


def test_no_interpreter_names_the_command(monkeypatch):
    hide(monkeypatch, "ai_edge_litert.interpreter", "tflite_runtime.interpreter", "tensorflow")
    with pytest.raises(ImportError, match=r"pip install ai-edge-litert") as raised:
        find_runtime()
    assert ("pip install tflite-runtime" in str(raised.value)) == (sys.version_info < (3, 12))


def fake_tflite(monkeypatch, version, interpreter_class):
    """A tflite_runtime package in place of the others."""
    package = types.ModuleType("tflite_runtime")
    package.__version__ = version
    module = types.ModuleType("tflite_runtime.interpreter")
    module.Interpreter = interpreter_class
    hide(monkeypatch, "ai_edge_litert.interpreter")
    monkeypatch.setitem(sys.modules, "tflite_runtime", package)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", module)


def test_tflite_runtime_under_numpy_2(monkeypatch, tiny_models):
    def fail(**_):
        raise SystemError("<built-in method CreateWrapperFromFile> returned a result")

    fake_tflite(monkeypatch, "2.14.0", fail)
    monkeypatch.setattr(np, "__version__", "2.1.0")
    with pytest.raises(
        ImportError, match=r"tflite-runtime 2\.14\.0 .*NumPy 2\.1\.0; pip install 'numpy<2'"
    ):
        Detector(tiny_models / "tiny_int8.tflite")


@pytest.mark.parametrize(
    ("distribution", "found", "needed", "fits"),
    [
        ("tflite-runtime", "2.14.0", "2.14.0", True),
        ("tflite-runtime", "2.14.0", "2.9.1\n", True),
        ("tflite-runtime", "2.5.0.post1", "2.14.0", False),
        ("tensorflow", "2.13.0-rc1", "2.14.0", False),
        ("tensorflow", "3.0", "2.14.0", True),
        ("tflite-runtime", "2.14.0", None, True),
        ("tflite-runtime", "unknown", "2.14.0", True),
        ("ai-edge-litert", "1.1.0", "2.14.0", True),  # counts its versions anew
    ],
)
def test_runtime_version(distribution, found, needed, fits):
    runtime = Runtime(distribution, found, object)
    if fits:
        check_runtime_version(runtime, "model.tflite", needed)
    else:
        message = rf"model\.tflite needs .*TensorFlow 2\.14\.0 or newer, found {distribution}"
        with pytest.raises(ImportError, match=message):
            check_runtime_version(runtime, "model.tflite", needed)


@pytest.mark.skipif(find_spec("tensorflow") is None, reason="no TensorFlow: this is a device")
def test_tensorflow_serves_where_nothing_else_is(tiny_models):
    code = (
        "import sys, numpy; sys.modules['ai_edge_litert.interpreter'] = None\n"
        "from edge_runtime import Detector\n"
        f"detector = Detector({str(tiny_models / 'tiny_int8.tflite')!r}, score_threshold=0)\n"
        "found = detector.detect(numpy.zeros((9, 9, 3), 'uint8'))\n"
        "print(detector.runtime.distribution, len(found))"
    )
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=HANG
    )
    assert done.stdout.split() == ["tensorflow", "12"], done.stderr
    assert "deprecated" not in done.stderr
