"""Selection of the tests for the emulated Pi, by tests/pi/selection.py."""

import pytest

from tests.pi.selection import imports, select

DETECTOR = "edge_runtime/detector"


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)


def test_this_projects_tests():
    taken, left = select()
    assert {f"{DETECTOR}/test_{name}.py" for name in ("detector", "golden", "preprocess")} <= set(
        taken
    )
    assert {"convert/test_pipeline.py", "train/test_trainer.py"} <= set(left)
    assert "imports" in left["convert/test_pipeline.py"]


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("from edge_runtime import Detector", True),
        ("import edge_runtime.detector.boxes", True),
        ("import json", False),  # not about the runtime
        ("import edge_runtime\nimport keras", False),
        ("import edge_runtime\ndef test():\n    from train.data import load_dataset", False),
        ("import edge_runtime\nfrom tests.helper import x", False),
        ("import edge_runtime\nfrom tests import helper", False),
        ("import edge_runtime\nfrom tests.lazy import x", True),  # never called there
        ("from tests.lazy import x", True),  # imports the runtime for it
    ],
)
def test_imports_decide(text, taken, tmp_path):
    write(
        tmp_path,
        test_one=text,
        helper="from tests.second import y",
        second="import convert",
        lazy="import edge_runtime\ndef build():\n    import tensorflow",
    )
    names, left = select(tmp_path)
    assert (names, list(left)) == ((["test_one.py"], []) if taken else ([], ["test_one.py"]))


def test_helpers_that_import_each_other(tmp_path):
    write(tmp_path, test_one="import tests.a", a="import tests.b", b="import tests.a, edge_runtime")
    assert "edge_runtime" in imports(tmp_path / "test_one.py", everywhere=True, folder=tmp_path)
