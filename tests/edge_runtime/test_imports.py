"""Public names of `import edge_runtime`, and what it must not load."""

import subprocess
import sys
from types import ModuleType

import pytest

import edge_runtime
from tests.conftest import HANG, ROOT

IMPORTED = {"Any", "TYPE_CHECKING", "import_module"}
HEAVY = ("tensorflow", "keras", "cv2", "picamera2", "ai_edge_litert", "train", "convert")


def test_all_is_what_is_visible():
    visible = {
        name
        for name in dir(edge_runtime)
        if not name.startswith("_") and not isinstance(getattr(edge_runtime, name), ModuleType)
    }
    assert visible - IMPORTED == set(edge_runtime.__all__)


@pytest.mark.parametrize("module", ["edge_runtime", "edge_runtime.__main__"])
def test_import_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0, done.stderr
    assert not set(HEAVY) & set(done.stdout.split())
