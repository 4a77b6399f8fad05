"""Imports by an old name: the error names the new place, and nothing else is touched."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys

import pytest

import convert
import edge_runtime
import train
from edge_runtime.moved import MOVED, MovedFinder
from tests.conftest import HANG, ROOT

PACKAGES = {"edge_runtime": edge_runtime, "train": train, "convert": convert}
ROWS = [
    (f"{package}.{old}", new.split(", "))
    for package, table in MOVED.items()
    for old, new in table.items()
]


def is_package(name: str) -> bool:
    return (ROOT / name.replace(".", "/") / "__init__.py").is_file()


def test_every_package_with_moved_modules_is_looked_after():
    assert set(MOVED) == set(PACKAGES)
    finders = [finder for finder in sys.meta_path if isinstance(finder, MovedFinder)]
    assert len(finders) == 1 and finders[0].packages == set(MOVED)


def test_every_new_module_is_there():
    for _, new in ROWS:
        for name in new:
            path = ROOT / name.replace(".", "/")
            assert path.with_suffix(".py").is_file() or is_package(name), name


def test_every_old_module_names_its_new_ones():
    for old, new in ROWS:
        if is_package(old):  # it took the old module's name
            with pytest.raises(ImportError, match="cannot import name 'Old'") as error:
                importlib.import_module(f"{old}.Old")
        else:
            with pytest.raises(ModuleNotFoundError, match=f"No module named '{old}'") as error:
                importlib.import_module(old)
        assert all(name in str(error.value) for name in new), str(error.value)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("from edge_runtime.spec import DetectorSpec", "edge_runtime.detector.spec"),
        ("import edge_runtime.boxes", "edge_runtime.detector.boxes"),
        ("from edge_runtime import boxes", "edge_runtime.detector.boxes"),
        ("from edge_runtime.detector import Detector", "edge_runtime.detector.detector"),
        ("from edge_runtime.mqtt.link import Link", "edge_runtime.sinks.mqtt"),
        ("from train.data import VocDataset", "train.data.dataset"),
        ("from train import voc_xml", "train.data.formats.voc"),
    ],
)
def test_every_way_to_import(statement, said):
    with pytest.raises(ImportError, match=said.replace(".", r"\.")):
        exec(statement)


def test_a_command_by_its_old_name():
    command = [sys.executable, "-m", "convert.family"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG)
    assert done.returncode != 0
    assert "studies.width_and_size" in done.stderr and "Traceback" not in done.stderr


def test_what_never_was_stays_an_ordinary_error():
    with pytest.raises(ModuleNotFoundError) as error:
        importlib.import_module("edge_runtime.no_such_module")
    assert error.value.name == "edge_runtime.no_such_module"
    with pytest.raises(ImportError, match="cannot import name 'nothing' from 'edge_runtime'"):
        exec("from edge_runtime import nothing")
    assert importlib.util.find_spec("no_such_package_at_all") is None
    assert not hasattr(edge_runtime, "spec")
