"""Labels that `edge-runtime detect` writes, read by training and by pycocotools."""

import json

import numpy as np
from pycocotools.coco import COCO

from edge_runtime import Detections
from edge_runtime.exports.base import Job, Picture
from edge_runtime.exports.coco import CocoWriter
from edge_runtime.exports.voc import VocWriter
from train.data.formats.voc import read_annotation

PIXELS = np.zeros((50, 100, 3), np.uint8)
FOUND = Detections(np.array([[10, 5, 60.5, 30], [-4, 40, 20, 60]]), [0.75, 0.5], [1, 0], ("a", "b"))


def test_voc_files_are_read_back(tmp_path):
    writer = VocWriter(Job(["shots/7.jpg"], FOUND.class_names, tmp_path))
    writer.write(Picture(0, "shots/7.jpg", PIXELS, FOUND, {}))
    annotation = read_annotation(tmp_path / "7.xml")
    assert (annotation.filename, annotation.size_wh) == ("7.jpg", (100, 50))
    boxes = [(item.name, item.box_px, item.difficult) for item in annotation.objects]
    assert boxes == [("b", (10, 5, 60.5, 30), False), ("a", (0, 40, 20, 50), False)]


def test_coco_results_are_loaded(tmp_path, capsys):
    writer = CocoWriter(Job(["shots/7.jpg"], FOUND.class_names, tmp_path))
    writer.write(Picture(0, "shots/7.jpg", PIXELS, FOUND, {}))
    writer.finish()
    truth = {
        "images": [{"id": 7, "width": 100, "height": 50, "file_name": "7.jpg"}],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "annotations": [],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    results = COCO(str(tmp_path / "truth.json")).loadRes(str(tmp_path / "detections.json"))
    found = results.loadAnns(results.getAnnIds(imgIds=[7]))
    assert [(row["category_id"], row["bbox"]) for row in found] == [
        (2, [10, 5, 50.5, 25]),
        (1, [0, 40, 20, 10]),
    ]
