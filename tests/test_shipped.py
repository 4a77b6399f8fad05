"""The models in models/: the int8 file is what `make convert` makes of the Keras file."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from convert.variants import VARIANTS
from convert.verify import read_model
from edge_runtime import Detector, read_spec
from edge_runtime.detector.anchors import make_anchors
from edge_runtime.detector.boxes import iou
from edge_runtime.detector.calibration_record import read_calibration
from edge_runtime.detector.postprocess import decode_outputs
from edge_runtime.detector.preprocess import preprocess
from train.data.dataset import load_dataset, read_image
from train.digits.__main__ import write_digits
from train.quantization.learnt_ranges import read_ranges

pytestmark = pytest.mark.slow

MODELS = Path(__file__).resolve().parents[1] / "models"
KERAS, INT8 = MODELS / "digits.keras", MODELS / "digits_int8.tflite"
QAT = MODELS / "digits_qat.keras"  # what the int8 file is made of


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """The first scenes of the test split: a scene depends on seed, split and number only."""
    root = tmp_path_factory.mktemp("data") / "digits"
    write_digits(root, {"test": 12}, workers=1)
    return load_dataset(root, "test").examples


@pytest.fixture(scope="module")
def int8_detections(scenes):
    detector = Detector(INT8)
    return [detector.detect(read_image(example.image_path)) for example in scenes]


def test_both_files_carry_the_same_spec():
    assert read_spec(KERAS) == read_spec(INT8) == read_spec(QAT)
    assert read_spec(INT8).class_names == tuple("0123456789")


def test_the_keras_file_is_at_most_8_mb():
    assert KERAS.stat().st_size <= 8_000_000


def test_int8_sees_what_float_sees(scenes, int8_detections):
    """Every clear detection of one has its partner in the other: class, place and score."""
    import keras

    spec = read_spec(KERAS)
    model = keras.saving.load_model(QAT, compile=False)
    images = np.concatenate([preprocess(read_image(e.image_path), spec) for e in scenes])
    outputs = model.predict_on_batch(images)
    clear = 0
    for row, (example, ours) in enumerate(zip(scenes, int8_detections, strict=True)):
        boxes, scores, class_ids = decode_outputs(
            outputs["logits"][row],
            outputs["offsets"][row],
            make_anchors(spec),
            spec.variances,
            score_threshold=0.3,
            iou_threshold=0.45,
            max_detections=100,
        )
        pixels = boxes * np.array([example.width, example.height] * 2)
        overlap = iou(ours.boxes, pixels) * (ours.class_ids[:, None] == class_ids[None, :])
        for number in np.flatnonzero(ours.scores >= 0.7):
            partner = overlap[number].argmax()
            assert overlap[number, partner] > 0.8, f"{example.image_id}: {ours.to_dicts()[number]}"
            assert scores[partner] == pytest.approx(ours.scores[number], abs=0.2)
            clear += 1
        for number in np.flatnonzero(scores >= 0.7):
            assert overlap[:, number].max() > 0.8, f"{example.image_id}: {class_ids[number]} lost"
    assert clear > 2 * len(scenes)


def test_int8_finds_most_digits(scenes, int8_detections):
    found = total = 0
    for example, ours in zip(scenes, int8_detections, strict=True):
        pixels = example.boxes * np.array([example.width, example.height] * 2)
        overlap = iou(pixels, ours.boxes) * (example.class_ids[:, None] == ours.class_ids)
        found += int((overlap > 0.5).any(axis=1).sum())
        total += len(pixels)
    assert found / total > 0.85


@pytest.mark.parametrize("stage", ["digits_256", "digits", "digits_qat"])
def test_the_logs_of_the_training_ship_with_the_model(stage):
    lines = (MODELS / f"{stage}.csv").read_text(encoding="utf-8").splitlines()
    assert {"epoch", "loss", "val_ap", "val_ap50"} <= set(lines[0].split(","))
    assert len(lines) >= (4 if stage == "digits_qat" else 11)


@pytest.fixture(scope="module")
def report():
    """Written by `make convert`; its int8 row must be of the very file that ships."""
    return json.loads((MODELS / "digits_report.json").read_text(encoding="utf-8"))


def test_the_report_keeps_what_the_project_promises(report):
    assert report["data"]["split"] == "test"
    assert report["data"]["images"] == 500
    models = {model["variant"]: model for model in report["models"]}
    made = [name for name in VARIANTS if name != "int8_mixed"]
    assert list(models) == [*made, "int8_qat_postprocess"]
    float32, int8, learnt = (models[name] for name in ("float32", "int8", "int8_qat"))
    assert learnt["bytes"] == INT8.stat().st_size
    assert float32["ap50"] >= 0.975
    assert float32["ap"] >= 0.84
    assert int8["ap"] >= float32["ap"] - 0.003
    assert int8["ap50"] >= float32["ap50"] - 0.002
    assert learnt["ap"] >= float32["ap"] - 0.001


def test_our_rounding_errs_less_than_the_converters(report):
    error = {model["variant"]: model.get("score_error") for model in report["models"]}
    assert error["int8"] < error["int8_converter"]


def test_int8_stands_what_float_stands(report):
    """Dark, flat, blurred, noisy and compressed pictures: no more lost than on clean ones + 0.5."""
    rows = {row["condition"]: row for row in report["robustness"]}
    assert {"clean", "darkened x0.3", "darkened x0.5"} < set(rows)
    assert [name for name, row in rows.items() if not row["passes"]] == []


def test_the_int8_file_has_the_ranges_that_were_learnt():
    ranges = read_ranges(QAT)
    graph = read_model(INT8).subgraphs[0]
    scales = [
        float(t.quantization.scale[0])
        for t in graph.tensors
        if t.quantization is not None and t.quantization.scale is not None
    ]
    for name, (low, high) in ranges.items():
        assert np.isclose(scales, (high - low) / 255, rtol=1e-4).any(), name
    assert read_calibration(INT8).images == 8000


def test_the_readme_table_is_the_report(report):
    readme = (MODELS.parent / "README.md").read_text(encoding="utf-8")
    for model in report["models"]:
        row = next(
            line for line in readme.splitlines() if line.startswith(f"| {model['variant']} |")
        )
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        sizes = [f"{100 * model[f'ap_{size}']:.2f}" for size in ("small", "medium", "large")]
        assert cells[1:] == [
            f"{model['bytes'] / 1e6:.2f}",
            *(f"{100 * model[key]:.2f}" for key in ("ap", "ap50", "ap75")),
            " / ".join(sizes),
            f"{model['score_error']:.4f}" if "score_error" in model else "",
            *(milliseconds(model["latency_ms"][key]) for key in ("inference", "end_to_end")),
            f"{model['peak_memory'] / 1e6:.0f}",
        ]
    machine = report["machine"]
    prose = " ".join(readme.split())
    assert f"desktop: {machine['cores']} cores of an {machine['cpu']}, " in prose
    assert f"{machine['interpreter']}, {machine['date'][:10]}" in prose


def milliseconds(latency):
    return f"{latency['median']:.2f} ({latency['p90']:.2f})"


def test_what_is_said_of_the_training_is_in_its_logs():
    page = (MODELS.parent / "docs" / "results.md").read_text(encoding="utf-8")
    prose = " ".join(page.split())
    first, second, third = (read_log(stage) for stage in ("digits_256", "digits", "digits_qat"))
    words = (
        f"from {point(first[-1]['val_ap50'])} to {point(second[1]['val_ap50'])} within two epochs"
    )
    assert words in prose
    assert f"validation AP reached {point(max(row['val_ap'] or '0' for row in second))}" in prose
    assert f"reached an AP of {point(max(row['val_ap'] for row in third))} on" in prose
    assert f"{len(first)} epochs at 256" in prose and f"{len(second)} epochs at 320" in prose
    assert f"{len(third)} epochs of quantization-aware" in prose


def read_log(stage):
    with (MODELS / f"{stage}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def point(number):
    return f"{float(number):.3f}".removeprefix("0")
