"""Agreement of two readers, counted by hand, and the study's command on files that are here."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from convert.export.exporter import export
from convert.export.forms import OPENCV
from convert.export.source import open_source
from edge_runtime.media.images import read_image
from studies.agreement.__main__ import main, views
from studies.agreement.match import Agreement, compare
from studies.agreement.report import Row, cells
from tests.conftest import ROOT

BOX = (0.1, 0.1, 0.5, 0.5)


def found(*rows):
    boxes, scores, class_ids = zip(*rows, strict=True) if rows else ((), (), ())
    return np.reshape(boxes, (-1, 4)), np.asarray(scores, float), np.asarray(class_ids, int)


@pytest.mark.parametrize(
    ("one", "other", "agreement"),
    [
        ([(BOX, 0.9, 1)], [(BOX, 0.89, 1)], Agreement(1, 1, 2)),
        ([(BOX, 0.9, 1)], [(BOX, 0.87, 1)], Agreement(1, 1, 0)),  # another score
        ([(BOX, 0.9, 1)], [(BOX, 0.9, 2)], Agreement(1, 1, 0)),  # another class
        ([(BOX, 0.9, 1)], [((0.1, 0.1, 0.5, 0.51), 0.9, 1)], Agreement(1, 1, 0)),  # IoU .976
        ([(BOX, 0.9, 1)], [((0.1, 0.1, 0.5, 0.505), 0.9, 1)], Agreement(1, 1, 2)),  # IoU .988
        ([(BOX, 0.9, 1)], [], Agreement(1, 0, 0)),
        ([], [], Agreement()),
        ([(BOX, 0.31, 1)], [(BOX, 0.295, 1)], Agreement(1, 0, 1)),  # one is below what counts
        ([(BOX, 0.28, 1)], [(BOX, 0.28, 1)], Agreement()),
        ([(BOX, 0.9, 1), ((0, 1, 0.1, 1), 0.9, 1)], [(BOX, 0.9, 1)], Agreement(1, 1, 2)),
        ([(BOX, 0.9, 1)] * 2, [(BOX, 0.9, 1)], Agreement(2, 1, 2)),  # a partner serves one
    ],
)
def test_counts(one, other, agreement):
    assert compare(found(*one), found(*other)) == agreement


def test_the_share():
    assert Agreement(2, 1, 2).share == pytest.approx(2 / 3) and Agreement().share is None
    assert Agreement(2, 1, 2) + Agreement(1, 1, 2) == Agreement(3, 2, 4)


def test_views_are_whole_pictures_first_then_parts(tmp_path):
    pixels = np.zeros((10, 20, 3), np.uint8)
    pixels[:, :5] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels[:, :10]).save(tmp_path / "b.png")
    out = tmp_path / "views"
    out.mkdir()
    paths = views(tmp_path, 6, out)
    images = [read_image(path) for path in paths]
    sizes = [image.shape[1::-1] for image in images]
    assert sizes == [(20, 10), (10, 10)] * 2 + [(20, 7), (10, 7)]
    mirrored = images[2]
    assert mirrored[:, -5:].min() == 255 and not mirrored[:, :-5].any()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"pictures .* expected in .*, got none"):
        views(tmp_path / "empty", 1, out)


@pytest.mark.slow
def test_the_command(tmp_path, monkeypatch, capsys):
    """An exported file against the operator inside it, and one that does not open."""
    source = open_source(ROOT / "models" / "digits_int8.tflite")
    (four, *_) = export(source, [OPENCV], tmp_path / "files")
    shutil.copy(ROOT / "docs" / "detections.jpg", tmp_path / "files")
    (tmp_path / "files" / "broken.tflite").write_bytes(b"no such file")
    monkeypatch.setenv("MODELS_DIR", f"{tmp_path / 'files'}:{tmp_path / 'missing'}")
    assert main(["--pictures", "2", "--out", str(tmp_path)]) == 0
    rows = json.loads((tmp_path / "agreement.json").read_text())["rows"]
    assert [row["file"] for row in rows] == ["broken.tflite", four.name]
    assert "not a TFLite file" in rows[0]["error"] and str(tmp_path) not in rows[0]["error"]
    assert rows[1]["family"] == "post-processed" and rows[1]["detections"] > 10
    assert rows[1]["agreed"] == 1 and rows[1]["agreed_as_is"] is None
    assert "100.0" in capsys.readouterr().out
    monkeypatch.setenv("MODELS_DIR", str(tmp_path / "missing"))
    assert main(["--out", str(tmp_path)]) == 2
    assert "MODELS_DIR=folder expected" in capsys.readouterr().err


def test_the_page_has_the_rows_of_the_report():
    """Written by `make agreement`."""
    report = json.loads((ROOT / "studies" / "agreement" / "agreement.json").read_text("utf-8"))
    page = (ROOT / "docs" / "foreign_detectors.md").read_text("utf-8")
    rows = [Row(**row) for row in report["rows"]]
    assert rows and not any(row.error for row in rows)
    for row in rows:
        assert f"| {' | '.join(cells(row))} |".replace("  ", " ") in page, row.file
    apart = [row.file for row in rows if row.agreed is not None and row.agreed < 0.99]
    assert apart == ["yolo11n_320_int8_ultralytics8.3.200.tflite"]  # NaN in LiteRT, see the page
    assert report["machine"]["date"][:10] in page
