"""Commands start without TensorFlow: help and bad input are answered at once and in silence."""

import subprocess
import sys

import pytest

from tests.conftest import HANG, ROOT

HEAVY = {"tensorflow", "keras", "jax", "ai_edge_quantizer"}
COMMANDS = (
    *("convert", "convert.benchmark", "convert.explain", "convert.export"),
    *("studies.calibration", "studies.readers"),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_imported_without_tensorflow(command):
    code = f"import sys, {command}.__main__; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=HANG
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert f"{command}.__main__" in done.stdout.split()
    assert not HEAVY & set(done.stdout.split())
