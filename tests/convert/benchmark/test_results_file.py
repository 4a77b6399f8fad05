"""Results of other detectors: their ids matched with pictures and classes, their figures kept."""

import json
from pathlib import Path

import numpy as np
import pytest

from convert.benchmark.results_file import (
    match_results,
    read_annotations,
    read_results,
)
from train.data.dataset import DataWarning, Example

CLASSES = ("cat", "dog")


def example(name, width=200, height=100):
    none = np.zeros(0, bool)
    boxes = np.zeros((0, 4), np.float32)
    return Example(Path(name), width, height, boxes, np.zeros(0, int), none, Path(name).stem)


EXAMPLES = [example("a/000007.jpg"), example("a/street.jpg")]


def row(image_id, category_id, bbox=(20, 10, 100, 50), score=0.5):
    return {"image_id": image_id, "category_id": category_id, "bbox": bbox, "score": score}


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def test_a_plain_list_by_the_numbers_and_names_of_files(tmp_path):
    rows = [row(7, 2), row(7, 1, score=0.9), row("street.jpg", 1), row("street", 2)]
    results = read_results(write(tmp_path / "other.json", rows))
    assert (results.name, results.figures) == ("other", {})
    with pytest.warns(DataWarning, match="taken as 1 cat, 2 dog"):
        first, second = match_results(results, EXAMPLES, CLASSES)
    boxes, scores, class_ids = first
    np.testing.assert_allclose(boxes, [[0.1, 0.1, 0.6, 0.6]] * 2)
    np.testing.assert_allclose(scores, [0.9, 0.5])  # best first
    assert class_ids.tolist() == [0, 1]
    assert second[2].tolist() == [0, 1]


def test_an_object_brings_figures_and_names_of_classes(tmp_path):
    content = {
        "name": "Faster R-CNN",
        "inference_ms": 812,
        "peak_memory_mb": 1900.5,
        "categories": [{"id": 17, "name": "Dog"}, {"id": 18, "name": "bird"}],
        "results": [row(7, 17), row(7, 18)],
    }
    results = read_results(write(tmp_path / "rcnn.json", content))
    assert results.name == "Faster R-CNN"
    assert results.figures == {"inference_ms": 812.0, "peak_memory_mb": 1900.5}
    with pytest.warns(DataWarning, match="1 results of classes that the data do not have"):
        first, second = match_results(results, EXAMPLES, CLASSES)
    assert (first[2].tolist(), second[2].tolist()) == ([1], [])
    assert second[0].shape == (0, 4)


def test_ids_of_an_annotation_file(tmp_path):
    annotations = {
        "images": [{"id": 3, "file_name": "images/street.jpg"}],
        "categories": [{"id": 0, "name": "pets"}, {"id": 4, "name": "dog"}],
    }
    ids = read_annotations(write(tmp_path / "instances.json", annotations))
    results = read_results(write(tmp_path / "other.json", [row(3, 4)]))
    first, second = match_results(results, EXAMPLES, CLASSES, ids)
    assert (first[2].tolist(), second[2].tolist()) == ([], [1])


TWINS = [example("a/1.jpg"), example("b/1.jpg"), example("c/2.jpg")]


def test_pictures_of_one_name_are_told_apart_by_their_folders(tmp_path):
    images = [{"id": 1, "file_name": "a/1.jpg"}, {"id": 2, "file_name": "c\\2.jpg"}]
    content = {"images": images, "categories": [{"id": 1, "name": "cat"}]}
    ids = read_annotations(write(tmp_path / "instances.json", content))
    results = read_results(write(tmp_path / "other.json", [row(1, 1), row(2, 1)]))
    found = match_results(results, TWINS, CLASSES, ids)
    assert [len(scores) for _, scores, _ in found] == [1, 0, 1]
    content["images"][0]["file_name"] = "1.jpg"
    ids = read_annotations(write(tmp_path / "instances.json", content))
    with pytest.raises(ValueError, match=r"one picture for '1\.jpg' of the annotations expected"):
        match_results(results, TWINS, CLASSES, ids)


def test_a_name_that_two_pictures_have_is_nobodys(tmp_path):
    results = read_results(write(tmp_path / "other.json", [row("1.jpg", "cat"), row(2, "cat")]))
    with pytest.warns(DataWarning, match="results in 1 pictures"):
        found = match_results(results, TWINS, CLASSES)
    assert [len(scores) for _, scores, _ in found] == [0, 0, 1]


def test_results_in_other_pictures_are_left_out(tmp_path):
    results = read_results(write(tmp_path / "other.json", [row(7, "cat"), row(8, "cat")]))
    with pytest.warns(DataWarning, match="results in 1 pictures that are not measured"):
        first, _ = match_results(results, EXAMPLES, CLASSES)
    assert first[2].tolist() == [0]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row(99, "cat")], "image ids such as 99.*--results-annotations"),
        ([row(7, "bird")], "classes cat, dog expected, got category ids bird"),
    ],
)
def test_what_fits_nothing_is_refused(tmp_path, rows, said):
    results = read_results(write(tmp_path / "other.json", rows))
    with pytest.raises(ValueError, match=said):
        match_results(results, EXAMPLES, CLASSES)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"images": []}, 'object with one under "results"'),
        (7, "a list of COCO results expected"),
        ([{"image_id": 1}], "entry 0 with image_id, category_id, bbox and score"),
        ([row(7, 1, bbox="1234")], "entry 0 with a bbox"),
        ({"results": [], "inference_ms": 10**400}, 'below 1e.09 expected as "inference_ms"'),
        ([row(7, 1), row(7, 1, score=1.5)], r"entry 1 with a bbox .* a score in \[0, 1\]"),
        ([row(7, 1, bbox=[1, 2, 3])], "entry 0 with a bbox"),
        ([row(7, 1, bbox=[1, 2, -3, 4])], "entry 0 with a bbox"),
        ([row(7, 1, bbox=[1, 2, float("nan"), 4])], "entry 0 with a bbox"),
        ([row(None, 1)], "whole number or text expected as image_id of entry 0"),
        ([row(7, True)], "whole number or text expected as category_id of entry 0"),
        ({"results": [], "inference_ms": 0}, 'above 0 and below 1e.09 expected as "inference_ms"'),
        ({"results": [], "size_mb": "9"}, 'expected as "size_mb"'),
        ({"results": [], "categories": [{"id": 1}]}, 'a list of {"id", "name"} expected'),
    ],
)
def test_files_of_another_kind_are_named(tmp_path, content, said):
    with pytest.raises(ValueError, match=said):
        read_results(write(tmp_path / "other.json", content))


def test_no_json_is_named(tmp_path):
    path = tmp_path / "other.json"
    path.write_text("[" * 100_000)
    with pytest.raises(ValueError, match="JSON expected"):
        read_results(path)
    with pytest.raises(FileNotFoundError, match="no file"):
        read_results(tmp_path / "missing.json")
