"""What a newcomer meets first: the Python check, `make help`, the README's commands."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.MULTILINE))


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


def test_what_the_readme_links_to_exists():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_the_readme_names_targets_that_exist():
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))
    assert {"convert", "test"} <= named <= TARGETS


COMMANDS = re.findall(
    r"(?:python -m (?=train|convert|edge_runtime)|^(?:sudo ~/edge/bin/)?(?=edge-runtime ))"
    r"([\w.-]+)([^`\n]*)",
    README.replace("\\\n", " "),
    re.MULTILINE,
)


def subcommand(module: str, rest: str) -> str:
    """The one that edge-runtime is given; "" for modules that have none."""
    return rest.split()[0] if module.startswith("edge") else ""


def flags_of(*command: str) -> set[str]:
    """Those that its help names."""
    done = subprocess.run(
        [sys.executable, "-m", *command, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(re.findall(r"--[a-z-]+", done.stdout))


@pytest.mark.parametrize(("module", "word"), sorted({(m, subcommand(m, r)) for m, r in COMMANDS}))
def test_the_readme_uses_flags_that_exist(module, word):
    shown = [rest for m, rest in COMMANDS if (m, subcommand(m, rest)) == (module, word)]
    flags = {flag for rest in shown for flag in re.findall(r"--[a-z-]+", rest)}
    module = module.replace("-", "_")
    known = flags_of(module, *([word] if word else []))
    if word == "install-service":  # what stands behind MODEL are flags of run
        known |= flags_of(module, "run")
    assert flags <= known
