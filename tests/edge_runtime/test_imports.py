"""Public names of `import edge_runtime`, and what it must not load."""

import subprocess
import sys
from types import ModuleType

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


def loaded_by(code):
    """Names of all modules that a new Python has loaded after `code`."""
    command = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_import_loads_nothing_heavy():
    code = "from edge_runtime import *; from edge_runtime.__main__ import build_parser"
    packages = {name.split(".")[0] for name in loaded_by(f"{code}; build_parser()")}
    assert "numpy" in packages and not set(HEAVY) & packages


def test_a_name_is_loaded_when_it_is_asked_for():
    assert not {"numpy", "PIL"} & loaded_by("import edge_runtime")


def test_a_command_loads_only_itself():
    code = "from edge_runtime.__main__ import main\ntry: main(['detect', '--help'])\n"
    loaded = loaded_by(f"{code}except SystemExit: pass")
    assert "edge_runtime.commands.detect" in loaded
    others = ("edge_runtime.sinks.", "edge_runtime.sources.", "edge_runtime.commands.run")
    light = {"edge_runtime.sources.address"}  # text alone: what of an address may be shown
    assert not [name for name in loaded - light if name.startswith(others)]
    assert not {"ssl", "socket", "email", "http", "PIL.ImageFont"} & loaded
