"""Set-up: the Python check, `make help`, `make setup`."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
RECIPES = [path.read_text(encoding="utf-8") for path in ROOT.glob("studies/*/recipe.mk")]
TARGETS = set(re.findall(r"^([a-z-]+):.*##", "\n".join([MAKEFILE, *RECIPES]), re.MULTILINE))


@pytest.fixture
def check_python():
    spec = importlib.util.spec_from_file_location("check_python", ROOT / ".ci" / "check_python.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("version", [(3, 9, 2), (3, 14, 0), (2, 7, 18)])
def test_a_python_without_a_tensorflow_wheel_is_named_in_one_line(
    check_python, monkeypatch, version
):
    monkeypatch.setattr(sys, "version_info", version)
    message = check_python.problem()
    assert f"got {version[0]}.{version[1]}" in message
    assert "apt install" in message
    assert "\n" not in message


@pytest.mark.parametrize("version", [(3, 10, 0), (3, 13, 5)])
def test_a_python_with_a_wheel_passes(check_python, monkeypatch, version):
    monkeypatch.setattr(sys, "version_info", version)
    assert check_python.problem() is None


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_a_missing_venv_is_named_in_one_line(check_python, monkeypatch, missing):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == missing else find(name)
    )
    package = "python{}.{}-venv".format(*sys.version_info)
    assert check_python.problem().endswith(f"sudo apt install {package}")


def test_make_help_lists_every_target():
    if shutil.which("make") is None:
        pytest.skip("make is not installed, so its help cannot be shown")
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    phony = set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE).group(1).split())
    assert set(re.findall(r"^  make ([a-z-]+) ", done.stdout, re.MULTILINE)) == phony == TARGETS


def test_make_from_another_folder_says_where_to_run_it(tmp_path):
    if shutil.which("make") is None:
        pytest.skip("make is not installed, so it cannot be run from another folder")
    command = ["make", "-f", str(ROOT / "Makefile"), "help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert f"make -C {ROOT}" in line


# Of pip 23 and 25, on a terminal and in a log.
PIP_OUTPUT = """\
Collecting numpy==2.2.6 (from -r requirements.txt (line 1))
  Obtaining dependency information for numpy from https://host/numpy-2.2.6.whl.metadata
  Downloading numpy-2.2.6-cp311-cp311-linux_x86_64.whl.metadata (62 kB)
Ignoring colorama: markers 'sys_platform == "win32"' don't match your environment
Using cached tqdm-4.67.1-py3-none-any.whl (78 kB)
Downloading tensorflow-2.21.0-cp311-cp311-linux_x86_64.whl (620.1 MB)
Installing collected packages: numpy, tqdm, tensorflow
Successfully installed numpy-2.2.6 tqdm-4.67.1 tensorflow-2.21.0
"""


def make_setup(folder: Path, status: int) -> subprocess.CompletedProcess:
    """`make setup` in a copy, with a Python whose pip prints PIP_OUTPUT and exits with `status`."""
    (folder / ".ci").mkdir()
    for name in ("Makefile", "requirements.txt", ".ci/check_python.py"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "pip.txt").write_text(PIP_OUTPUT)
    python = folder / "python"
    python.write_text(
        f"""#!/bin/sh
case "$*" in
  "-m venv "*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  "-m pip "*) cat pip.txt; echo "a warning" >&2; exit {status} ;;
esac
"""
    )
    python.chmod(0o755)
    command = ["make", "setup", f"PYTHON={python}"]
    # Where `make test` runs this, its variables would make this one a sub-make that says so.
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_setup_shows_each_file_that_it_downloads(tmp_path):
    done = make_setup(tmp_path, status=0)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == [
        "  Using cached tqdm-4.67.1-py3-none-any.whl (78 kB)",
        "  Downloading tensorflow-2.21.0-cp311-cp311-linux_x86_64.whl (620.1 MB)",
        "  installing, a minute or two",
    ]
    assert done.stderr == "a warning\n"
    assert (tmp_path / ".venv" / "installed").exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_setup_that_failed_is_tried_again(tmp_path):
    done = make_setup(tmp_path, status=1)
    assert done.returncode != 0
    assert not (tmp_path / ".venv" / "installed").exists()
