"""Documentation: links, commands, flags, make targets and paths exist; the README's lines work."""

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from typing import NamedTuple

import pytest

from tests.conftest import ROOT

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "tests/pi/README.md")
)
# Those that speak of the project as it is; a changelog names what is gone.
CURRENT = [page for page in PAGES if page not in ("CHANGELOG.md", "tests/pi/README.md")]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SUBCOMMANDS = ("run", "detect", "bench", "doctor", "install-service")
COMMAND = re.compile(
    r"python3? -m (?P<module>(?:train|convert|studies|edge_runtime)[\w.]*)(?P<rest>.*)"
    r"|(?:^|[\s/])edge-runtime (?P<word>[a-z][a-z-]*)(?P<flags>.*)"
)
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
FOREIGN_FLAGS = {"--system-site-packages"}  # of `python3 -m venv`


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def fences(page: str, language: str | None = None) -> list[str]:
    """The content of code blocks."""
    return [code for name, code in FENCE.findall(text_of(page)) if language in (None, name)]


@cache
def snippets(page: str) -> tuple[str, ...]:
    """Lines of code blocks, comments left out, and code within sentences."""
    lines = [
        line.split(" #")[0].strip()
        for code in fences(page)
        for line in code.replace("\\\n", " ").splitlines()
    ]
    spans = re.findall(r"`([^`]+)`", FENCE.sub("", text_of(page)))
    return (*lines, *(" ".join(span.split()) for span in spans))


class Command(NamedTuple):
    """What a reader is told to type."""

    module: tuple[str, ...]  # with its sub-command
    flags: frozenset[str]


def commands(page: str) -> list[Command]:
    found = []
    for match in filter(None, map(COMMAND.search, snippets(page))):
        if match["word"]:
            module: tuple[str, ...] = ("edge_runtime", match["word"])
        else:
            module = (match["module"],)
        rest = match["rest"] or match["flags"] or ""
        if module == ("train.data",):
            module = (*module, rest.split()[0])
        # What follows && or | is another command.
        found.append(Command(module, frozenset(FLAG.findall(re.split(r"&&|\|", rest)[0]))))
    return found


@cache
def flags_of(*command: str) -> frozenset[str]:
    """Those that its help names."""
    done = subprocess.run(
        [sys.executable, "-m", *command, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return frozenset(FLAG.findall(done.stdout))


SHOWN = sorted({command.module for page in CURRENT for command in commands(page)})


def test_the_commands_are_found():
    """The expressions above still see what the pages show."""
    assert {("edge_runtime", word) for word in SUBCOMMANDS} < set(SHOWN)
    assert {("train",), ("convert.explain",), ("studies.calibration",)} < set(SHOWN)


@pytest.mark.parametrize("module", SHOWN, ids=" ".join)
def test_commands_and_their_flags_exist(module):
    known = flags_of(*module)
    if module[-1] == "install-service":  # what stands behind MODEL are flags of run
        known |= flags_of("edge_runtime", "run")
    if module == ("studies.compare",):  # what stands behind -- are flags of the trainings
        known |= flags_of("train")
    shown = [command for page in CURRENT for command in commands(page)]
    unknown = {flag for command in shown if command.module == module for flag in command.flags}
    assert unknown <= known


def test_flags_named_in_sentences_exist():
    known = FOREIGN_FLAGS.union(*(flags_of(*module) for module in SHOWN))
    for page in CURRENT:
        named = {flag for code in snippets(page) if code[:2] == "--" for flag in FLAG.findall(code)}
        assert named <= known, page


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page):
    recipes = [path.relative_to(ROOT) for path in ROOT.glob("studies/*/recipe.mk")]
    rules = "\n".join(text_of(str(path)) for path in ("Makefile", *recipes))
    targets = set(re.findall(r"^([a-z-]+):.*##", rules, re.MULTILINE))
    shown = [re.search(r"(?:^|&& )make ([a-z][a-z-]*)", code) for code in snippets(page)]
    named = {match[1] for match in shown if match}
    if page == "README.md":
        assert {"convert", "test"} <= named
    assert named <= targets


def anchors(page: str) -> set[str]:
    """The names that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text_of(page)), re.MULTILINE)
    words = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.strip().replace(" ", "-") for heading in words}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)]+)\)", text_of(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        assert not path.startswith("/"), link
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.is_file(), link
        if anchor:
            assert anchor in anchors(target.resolve().relative_to(ROOT).as_posix()), link


@pytest.mark.parametrize("page", CURRENT)
def test_paths_exist(page):
    folders = "edge_runtime|train|convert|studies|models|docs|tests"
    path = re.compile(rf"(?<![\w/.-])(?:{folders})/[\w./*-]*")
    named = {name.rstrip(".") for code in snippets(page) for name in path.findall(code)}
    assert [name for name in sorted(named) if not list(ROOT.glob(name.rstrip("/")))] == []


@pytest.mark.parametrize("page", CURRENT)
def test_extras_exist(page):
    table = text_of("pyproject.toml").partition("[project.optional-dependencies]")[2]
    known = set(re.findall(r"^(\w+) = ", table.partition("\n[")[0], re.MULTILINE))
    named = re.findall(r"'\.(?:/detector)?\[([\w,]+)\]'", text_of(page))
    assert {extra for extras in named for extra in extras.split(",")} <= known


def test_every_page_is_reached_from_the_readme():
    linked = set(re.findall(r"\]\(([^)#]+)", text_of("README.md")))
    assert {page for page in PAGES if page not in ("README.md", "tests/pi/README.md")} <= linked


def test_the_readme_stays_short():
    assert len(text_of("README.md").splitlines()) <= 150


def test_the_version_has_its_chapter():
    version = re.search(r'^version = "(.*)"$', text_of("pyproject.toml"), re.MULTILINE)[1]
    assert re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", text_of("CHANGELOG.md"), re.M
    )


def pi_lines() -> list[str]:
    """What the README has a reader type to run the detector on a Pi."""
    section = text_of("README.md").partition("on a Pi\n")[2].partition("\n## ")[0]
    return [line for _, code in FENCE.findall(section) for line in code.splitlines()]


def test_a_pi_takes_five_lines():
    assert len(pi_lines()) == 5


@pytest.mark.slow
def test_what_the_readme_copies_to_a_pi_can_be_installed_there(tmp_path):
    """The README's first line with an `ssh` that stays here; then a wheel, and the model."""
    copy, _, _, install, run = pi_lines()
    home, programs = tmp_path / "home", tmp_path / "bin"
    home.mkdir()
    programs.mkdir()
    ssh = programs / "ssh"
    ssh.write_text(f'#!/bin/sh\nshift\ncd "{home}" && exec sh -c "$*"\n')
    ssh.chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    source = tmp_path / "source"
    source.mkdir()
    for name in re.search(r"tar cz (.*?) \|", copy)[1].split():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name)
        else:
            shutil.copy(ROOT / name, source)
    subprocess.run(copy, shell=True, cwd=source, env=environment, check=True)

    folder = home / re.search(r"'\./([\w-]+)\[", install)[1]
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*pip, "-w", tmp_path, folder], check=True, capture_output=True)
    assert len(list(tmp_path.glob("edge_runtime-*.whl"))) == 1
    model = home / re.search(r"run (\S+)", run)[1]
    assert model.read_bytes() == (ROOT / "models" / model.name).read_bytes()
