"""The study of widths and sizes, from a report of which the right answer is known."""

import copy
import csv
import json
from types import SimpleNamespace

import pytest

from convert.benchmark.report import BenchmarkReport
from studies.width_and_size.__main__ import main
from studies.width_and_size.report import caption, combine, format_study, pareto_front

THRESHOLDS = {"score": 0.01, "iou": 0.45, "max_detections": 200}
# width, input → int8 AP, milliseconds, bytes
FIGURES = {
    (0.35, 160): (0.50, 2.0, 700_000),
    (0.35, 224): (0.60, 4.0, 710_000),
    (1.0, 160): (0.55, 5.0, 2_400_000),  # slower, larger and worse than the one before
    (1.0, 224): (0.70, 9.0, 2_410_000),
}


def model(variant, width, side):
    ap, ms, size = FIGURES[width, side]
    loss, slower = (0, 1) if variant == "int8" else (0.002, 1.5)
    return {
        "variant": variant,
        "file": f"{'ab'[width == 1.0]}{side}_{variant}.tflite",  # the name does not say the width
        "bytes": size if variant == "int8" else 3 * size,
        "threads": 2,
        "latency_ms": {
            "inference": {"median": slower * ms, "p90": slower * ms + 1},
            "end_to_end": {"median": slower * ms + 2, "p90": slower * ms + 3},
        },
        "ap": ap + loss,
        "ap50": ap + 0.2 + loss,
        **dict.fromkeys(("ap75", "ap_small", "ap_medium", "ap_large")),
        "ap_per_class": {"0": ap},
        "ap50_per_class": {"0": ap},
        "input_hw": [side, side],
        "training": {"command": "python -m train", "settings": {"alpha": width}},
    }


KINDS = ("float32", "dynamic", "int8")  # dynamic is not part of the study
REPORT = {
    "command": "python -m convert.benchmark b/a.tflite b/b.tflite --data 'my data'",
    "machine": {
        **{"board": "Raspberry Pi 9", "cpu": None, "platform": "Linux", "governor": None},
        **{"cores": 4, "interpreter": "litert 1", "date": "2030-01-02T03:04:05+00:00"},
    },
    "data": {"root": "digits", "split": "test", "images": 500, "boxes": 2150, "difficult": 0},
    "thresholds": {"latency": THRESHOLDS, "accuracy": THRESHOLDS},
    "models": [model(kind, *place) for kind in KINDS for place in reversed(FIGURES)],
}


@pytest.fixture(name="report")
def report_fixture():
    return copy.deepcopy(REPORT)


def find(report, kind, width, side):
    return next(
        m
        for m in report["models"]
        if m["variant"] == kind and m["input_hw"] == [side, side] and m["file"][0] == width
    )


def study(report):
    return combine(BenchmarkReport.from_json(report))


def test_pairs_by_width_and_size(report):
    found = study(report).to_json()
    rows = found["family"]
    assert [(row["width"], row["input_hw"][0]) for row in rows] == list(FIGURES)
    first = rows[0]
    assert first["files"] == ("a160_float32.tflite", "a160_int8.tflite")
    assert (first["int8_ap"], first["float32_ap"]) == (0.5, 0.502)
    assert first["ap_difference"] == pytest.approx(-0.002)
    assert (first["int8_ms"], first["float32_ms"], first["int8_end_to_end_ms"]) == (2, 3, 4)
    assert (first["int8_mb"], first["float32_mb"]) == pytest.approx((0.7, 2.1))
    assert (found["command"], found["machine"]) == (report["command"], report["machine"])
    assert found["threads"] == 2


def test_best_is_what_none_beats(report):
    best = [row.best_by for row in study(report).rows]
    assert best == ["latency, size", "latency, size", "", "latency, size"]


def test_front_by_hand():
    rows = [
        SimpleNamespace(cost=c, int8_ap=ap) for c, ap in ((3, 5), (1, 2), (1, 3), (2, 3), (4, 4))
    ]
    # At one cost the better; at one AP the cheaper.
    assert [(r.cost, r.int8_ap) for r in pareto_front(rows, "cost")] == [(1, 3), (3, 5)]


def test_a_few_bytes_do_not_make_a_front():
    rows = [
        SimpleNamespace(cost=c, int8_ap=ap) for c, ap in ((0.905832, 2), (0.905835, 3), (0.92, 4))
    ]
    assert [r.int8_ap for r in pareto_front(rows, "cost")] == [3, 4]


@pytest.mark.parametrize(
    "training",
    [
        {"command": "python -m train --out a --alpha 0.35 --epochs 4"},
        {"command": "python -m train --alpha=0.35 --out 'my file'", "settings": {}},
    ],
)
def test_width_of_an_older_record_is_what_was_typed(report, training):
    for kind in ("float32", "int8"):
        find(report, kind, "a", 160)["training"] = training
    assert study(report).rows[0].width == 0.35


def test_table_and_caption(report):
    found = study(report)
    head, table = format_study(found).split("\n\n")
    assert head.splitlines()[0] == "Raspberry Pi 9, 4 cores, litert 1, 2 threads, 2030-01-02"
    lines = table.splitlines()
    cells = "0.35 160 0.70 50.20 50.00 -0.20 70.20 70.00 3.00 2.00 3.00 4.00 latency, size"
    assert lines[1].split() == cells.split()
    text = caption(found)
    assert "digits, split test, 500 pictures; Raspberry Pi 9" in text
    assert text.endswith("python -m convert.benchmark (2 files) --data 'my data'")


def without(key, value=None):
    def change(report):
        find(report, "int8", "b", 160)[key] = value

    return change


def drop(*kinds):
    def change(report):
        report["models"] = [m for m in report["models"] if m["variant"] not in kinds]

    return change


def drop_one(report):
    report["models"].remove(find(report, "float32", "b", 224))


def double(report):
    twin = copy.deepcopy(find(report, "int8", "a", 160))
    report["models"].append({**twin, "file": "twin.tflite"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("float32", "int8"), "float32 and int8 files expected, got dynamic"),
        (drop("float32", "int8", "dynamic"), "expected, got none"),
        (drop("float32"), "got a160_int8.tflite alone"),
        (drop_one, "got b224_int8.tflite alone"),
        (double, "got a160_int8.tflite and twin.tflite"),
        (without("input_hw"), "b160_int8.tflite: input_hw expected"),
        (without("training"), r"b160_int8.tflite: .*\(alpha\) expected, got none"),
        (without("training", {"command": "python -m train"}), "b160_int8.tflite: .*alpha"),
        (without("training", {"command": "train --alpha x"}), "b160_int8.tflite: .*alpha"),
        (without("training", {"command": "train 'open"}), "b160_int8.tflite: .*alpha"),
        (without("latency_ms"), "b160_int8.tflite: latency_ms expected.*--latency-runs 0"),
        (without("ap"), "b160_int8.tflite: ap expected"),
    ],
)
def test_rows_that_do_not_make_a_study(report, change, message):
    change(report)
    with pytest.raises(ValueError, match=message):
        study(report)


def test_command_line(report, tmp_path, capsys):
    path, out = tmp_path / "report.json", tmp_path / "out"
    path.write_text(json.dumps(report))
    assert main([str(path), "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == str(out / "width_and_size.json")
    assert {file.name for file in out.iterdir()} == {
        "width_and_size.json",
        "width_and_size.csv",
        "width_and_size.png",
    }
    assert (out / "width_and_size.png").read_bytes().startswith(b"\x89PNG")
    assert len(json.loads((out / "width_and_size.json").read_text())["family"]) == 4
    with (out / "width_and_size.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (rows[0]["width"], rows[0]["int8_ap"], rows[2]["best_by"]) == ("0.35", "50.00", "")


def test_one_detector_is_drawn_too(report, tmp_path):
    report["models"] = [find(report, kind, "a", 160) for kind in ("float32", "int8")]
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report))
    assert main([str(path), "--out", str(tmp_path)]) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no report at"),
        ('{"command": "", "mod', "a report of convert expected, got "),
        ("[]", "another JSON file"),
        ('{"command": "", "data": {}, "models": []}', "it lacks 'machine'"),
        (json.dumps({**REPORT, "models": []}), "float32 and int8 files expected"),
        (json.dumps({**REPORT, "models": [{"variant": "int8"}]}), "it lacks 'file'"),
        (json.dumps({**REPORT, "data": {"disk": 1}}), "unexpected keyword argument 'disk'"),
    ],
)
def test_errors_are_one_line_and_earlier_results_stay(tmp_path, capsys, text, message):
    path, out = tmp_path / "report.json", tmp_path / "out"
    out.mkdir()
    (out / "width_and_size.json").write_text("earlier")
    if text is not None:
        path.write_text(text)
    assert main([str(path), "--out", str(out)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line
    assert [file.name for file in out.iterdir()] == ["width_and_size.json"]
    assert (out / "width_and_size.json").read_text() == "earlier"


def test_the_report_itself_is_not_replaced(report, tmp_path, capsys):
    path = tmp_path / "width_and_size.json"
    path.write_text(json.dumps(report))
    assert main([str(path), "--out", str(tmp_path)]) == 2
    assert "another name" in capsys.readouterr().err
    assert json.loads(path.read_text()) == report
