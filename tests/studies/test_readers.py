"""Contract with other tools: each reader finds in an exported file what our own runtime finds.

Readers run in processes of their own. READER_PYTHONS names further Pythons to look for them in,
between colons: MediaPipe and tflite-runtime do not go together with this project's packages, and
`make readers` makes an environment for each.
"""

import json
import os
import sys

import numpy as np
import pytest
from PIL import Image

from convert.export.exporter import export
from convert.export.forms import MEDIAPIPE, OPENCV, POSTPROCESS
from convert.export.labels import label_map
from convert.export.source import open_source
from edge_runtime.detector.boxes import iou
from studies.readers.__main__ import main
from studies.readers.readers import READERS, frigate_labels, pycoral_labels
from studies.readers.report import ReadersReport, Row, format_readers
from studies.readers.worker import Job, ask
from tests.conftest import ROOT
from train.data.dataset import load_dataset
from train.digits.__main__ import write_digits

SHIPPED = ROOT / "models" / "digits_int8.tflite"
PYTHONS = [sys.executable, *filter(None, os.environ.get("READER_PYTHONS", "").split(os.pathsep))]
CLEAR = 0.7
OTHERS = [name for name in READERS if name != "edge_runtime"]
MISSING: set[tuple[str, str]] = set()  # (Python, module): asked once


@pytest.fixture(scope="module")
def scenes(make_once):
    """The first scenes of the test split."""
    root = make_once("readers", lambda folder: write_digits(folder / "digits", {"test": 12}, 1))
    return load_dataset(root / "digits", "test").examples


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    return {None: SHIPPED, **exported(SHIPPED, folder)}


def exported(file, folder):
    """Form's name → file."""
    forms = [POSTPROCESS, MEDIAPIPE, OPENCV]
    paths = export(open_source(file), forms, folder)
    return {form.name: path for form, path in zip(forms, paths, strict=False)}


def read(name, file, images, folder):
    """What a reader finds in pictures; skips where it is not installed."""
    job = Job(name, str(file), list(map(str, images)), str(folder / "answer.npz"))
    module = READERS[name].module
    for python in PYTHONS:
        answer = None if (python, module) in MISSING else ask(python, job)
        if answer is not None:
            return answer.found
        MISSING.add((python, module))
    pytest.skip(f"{module} is in none of this Python and READER_PYTHONS")


@pytest.fixture(scope="module")
def ours(scenes, tmp_path_factory):
    images = [example.image_path for example in scenes]
    return read("edge_runtime", SHIPPED, images, tmp_path_factory.mktemp("ours"))


def matches(found, other):
    """For each clear detection the best IoU, and the score, of the other's of its class."""
    boxes, scores, class_ids = found
    clear = scores >= CLEAR
    overlap = iou(boxes[clear], other[0]) * (class_ids[clear, None] == other[2][None, :])
    if not overlap.size:
        return [(0.0, 1.0)] * int(clear.sum())
    partner = overlap.argmax(axis=1)
    return list(zip(overlap.max(axis=1), np.abs(scores[clear] - other[1][partner]), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_a_reader_finds_what_we_find(name, scenes, files, ours, tmp_path):
    """Class, place and score of every clear detection, and no other clear ones.

    Boxes differ by our voting and by readers' whole pixels, of digits 24 pixels long; scores by
    kernels. MediaPipe's suppression of two outputs does not look at classes: of two digits that
    overlap one goes.
    """
    images = [example.image_path for example in scenes]
    theirs = read(name, files[READERS[name].form], images, tmp_path)
    assert len(theirs) == len(ours) == 12
    found = [
        pair for mine, other in zip(ours, theirs, strict=True) for pair in matches(mine, other)
    ]
    assert len(found) > 30
    lost = sum(place < 0.7 for place, _ in found)
    assert lost <= (0.06 * len(found) if name == "MediaPipe, two outputs" else 0)
    assert max(change for place, change in found if place >= 0.7) < 0.1
    back = [pair for mine, other in zip(ours, theirs, strict=True) for pair in matches(other, mine)]
    assert all(place >= 0.7 for place, _ in back)
    for _, scores, class_ids in theirs:
        assert class_ids.dtype == np.int64
        assert name == "OpenCV" or (np.diff(scores) <= 0).all()  # Frigate stops at the first low


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["float", "int8"])
@pytest.mark.parametrize("name", [name for name in OTHERS if READERS[name].form is not None])
def test_a_tiny_file_of_each_kind(name, kind, tiny_models, tmp_path):
    """A float net takes uint8 pixels as well: a red cell, and a green one at the rim."""
    files = exported(tiny_models / f"tiny_{kind}.tflite", tmp_path)
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:16, 32:] = (255, 0, 0)
    pixels[16:, :16] = (0, 200, 0)
    Image.fromarray(pixels).save(tmp_path / "cells.png")
    file = files[READERS[name].form]
    ((boxes, scores, class_ids),) = read(name, file, [tmp_path / "cells.png"], tmp_path)
    assert class_ids[:2].tolist() == [0, 1]
    assert scores[:2] == pytest.approx([0.98, 0.90], abs=0.02)
    # In pixels; the green box reaches 2 pixels below the picture, where some readers cut it off.
    found = boxes[:2] * [48, 32, 48, 32]
    found[1, 3] = min(found[1, 3], 32)
    np.testing.assert_allclose(found, [(36, 2, 44, 18), (4, 18, 12, 32)], atol=1)


def test_the_label_map_is_read_right_by_both():
    names = ("2 euro", "1 euro", "stop sign")
    wanted = dict(enumerate(names))
    assert frigate_labels(label_map(names)) == wanted
    assert pycoral_labels(label_map(names)) == wanted
    # What a plain list would have become, in silence:
    plain = "".join(f"{name}\n" for name in names[:2])
    assert frigate_labels(plain) == pycoral_labels(plain) == {2: "euro", 1: "euro"}


def test_a_reader_that_is_not_installed_leaves_its_row_blank():
    rows = [
        Row("edge_runtime", "a.tflite", "ai-edge-litert 2.3.0", True, None, 0.8663, 0.9891, 2.5),
        Row("MediaPipe", "a_postprocess.tflite"),
        Row("OpenCV", "a_postprocess.tflite", opens=False, error="it does not know it"),
    ]
    machine = {"board": None, "cpu": "a CPU", "platform": "", "cores": 2, "governor": None}
    report = ReadersReport("", {**machine, "interpreter": "x"}, {"images": 3}, rows)
    lines = format_readers(report).splitlines()
    assert lines[0] == "3 pictures; a CPU, 2 cores, x"
    assert lines[3].split() == [
        *("edge_runtime", "ai-edge-litert", "2.3.0", "yes"),
        *("86.63", "98.91", "2.50"),
    ]
    assert lines[4].split() == ["MediaPipe"]
    assert lines[5].split() == ["OpenCV", "no"]
    assert lines[6] == "OpenCV: it does not know it"


@pytest.mark.slow
def test_the_command(scenes, tmp_path, capsys):
    data = scenes[0].image_path.parent.parent
    given = [SHIPPED, "--data", data, "--limit", 3, "--latency-rounds", 1, "--out", tmp_path]
    assert main(list(map(str, given))) == 0
    report = json.loads((tmp_path / "readers.json").read_text())
    assert [row["reader"] for row in report["rows"]] == list(READERS)
    assert report["data"] == {"root": "digits", "split": "test", "images": 3}
    assert {"cpu", "date", "interpreter"} <= set(report["machine"])
    rows = {row["reader"]: row for row in report["rows"]}
    for name in ("edge_runtime", "LiteRT", "Frigate, LiteRT", "pycoral, LiteRT"):
        assert rows[name]["opens"] and rows[name]["ap50"] > 0.8 and rows[name]["ms"] > 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "readers.json")
