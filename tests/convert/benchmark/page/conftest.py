"""A comparison of tiny files, as `convert` hands it to the page."""

import dataclasses
import shutil

import numpy as np
import pytest
from PIL import Image

from convert.benchmark.run import run_benchmark
from tests.tiny_model import CELL_BOX
from train.data.formats.voc import write_annotation


@pytest.fixture(scope="module", name="models")
def models_fixture(tiny_models, tmp_path_factory):
    """variant → file; float16 is a copy of float32."""
    folder = tmp_path_factory.mktemp("models")
    paths = {name: folder / f"tiny_{name}.tflite" for name in ("float32", "float16", "int8")}
    for name, path in paths.items():
        source = "tiny_int8.tflite" if name == "int8" else "tiny_float.tflite"
        shutil.copyfile(tiny_models / source, path)
    return paths


@pytest.fixture(scope="module", name="dataset")
def dataset_fixture(tmp_path_factory):
    """A VOC folder: three pictures of 144x64, three times as wide as the tiny model's input."""
    root = tmp_path_factory.mktemp("cells")
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    (root / "ImageSets/Main/test.txt").write_text("a\nb\nc\n")
    for column, image_id in enumerate("abc"):
        frame = np.zeros((64, 144, 3), np.uint8)
        boxes = []
        for x, color in ((column, (255, 0, 0)), ((column + 1) % 3, (0, 255, 0))):
            frame[:32, 48 * x : 48 * x + 48] = color
            boxes.append(np.array(CELL_BOX) * (3, 2, 3, 2) + (48 * x, 0, 48 * x, 0))
        Image.fromarray(frame).save(root / f"JPEGImages/{image_id}.png")
        path = root / f"Annotations/{image_id}.xml"
        write_annotation(path, f"{image_id}.png", 144, 64, np.array(boxes), ["red", "green"])
    return root


@pytest.fixture(scope="module", name="comparison")
def comparison_fixture(models, dataset):
    paths = list(models.values())
    got = run_benchmark(paths, dataset, latency_runs=1, command="a", robustness=True)
    # Some doubt in int8, so that there is a difference to show.
    second = got.matches[1]
    boxes, scores, class_ids = second.found[1]
    found = (second.found[0], (boxes, scores * np.float32(0.5), class_ids))
    doubtful = dataclasses.replace(second, found=found, scores=second.scores * np.array([1, 0.5]))
    return dataclasses.replace(got, matches=[got.matches[0], doubtful, got.matches[2]])
