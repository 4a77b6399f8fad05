"""Mean and spread over seeds, from reports of which the right answer is known."""

import copy
import json
import math

import pytest

from convert.benchmark.report import BenchmarkReport
from studies.seeds.__main__ import combine, format_seeds, main


def report(seed, ap, int8_ap):
    def model(variant, value):
        classes = {"cat": value, "dog": value - 0.1}
        return {
            "variant": variant,
            "file": f"{seed}_{variant}.tflite",
            "bytes": 1000,
            "threads": 2,
            "latency_ms": None,
            "training": None,
            "ap": value,
            "ap50": value + 0.2,
            **dict.fromkeys(("ap75", "ap_small", "ap_medium", "ap_large")),
            "ap_per_class": classes,
            "ap50_per_class": classes,
        }

    thresholds = {"score": 0.01, "iou": 0.45, "max_detections": 200}

    return {
        "command": f"python -m convert {seed}.keras",
        "data": {"root": "pets", "split": "test", "images": 9, "boxes": 20, "difficult": 0},
        "machine": {},
        "thresholds": {"latency": thresholds, "accuracy": thresholds},
        "models": [model("float32", ap), model("int8", int8_ap)],
        "training": {
            "command": f"python -m train --out {seed}.keras --epochs 5 --seed {seed}",
            "seed": seed,
            "minutes": 10 + seed,
        },
    }


REPORTS = [report(0, 0.60, 0.59), report(1, 0.64, 0.64), report(2, 0.62, 0.60)]


def test_mean_and_spread():
    report = combine([BenchmarkReport.from_json(each) for each in REPORTS])
    combined = report.to_json()
    assert combined["models"] == REPORTS[0]["models"]  # the first is the model to show
    seeds = combined["seeds"]
    assert (seeds["seeds"], seeds["minutes"]) == ([0, 1, 2], [10, 11, 12])
    ap = seeds["variants"]["float32"]["ap"]
    assert ap["mean"] == pytest.approx(0.62)
    assert ap["spread"] == pytest.approx(math.sqrt(2 * 0.02**2 / 2))
    change = seeds["variants"]["int8"]["ap_difference"]
    assert change["values"] == pytest.approx([-0.01, 0, -0.02])
    assert change["mean"] == pytest.approx(-0.01)
    table = format_seeds(report)
    assert "62.00 ± 2.00" in table
    assert "-1.00 ± 1.00" in table


def changed(part, key, value):
    other = copy.deepcopy(REPORTS[1])
    other[part][key] = value
    return other


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (None, "two reports at least"),
        (REPORTS[0], "different seeds"),
        (changed("data", "split", "val"), "the same data"),
        (changed("training", "command", "python -m train --epochs 6 --seed 1"), "one recipe"),
        ({**REPORTS[1], "training": None}, "tell of their training"),
        ({**REPORTS[1], "models": REPORTS[1]["models"][:1]}, "the variants"),
    ],
)
def test_reports_that_do_not_belong_together(other, message):
    with pytest.raises(ValueError, match=message):
        combine([BenchmarkReport.from_json(each) for each in (REPORTS[0], other) if each])


def test_command_line(tmp_path, capsys):
    paths = []
    for number, each in enumerate(REPORTS):
        paths.append(tmp_path / f"{number}.json")
        paths[-1].write_text(json.dumps(each))
    out = tmp_path / "out"
    assert main([*map(str, paths), "--out", str(out)]) == 0
    assert "minutes of training 10, 11, 12" in capsys.readouterr().out
    assert json.loads((out / "report.json").read_text())["seeds"]["seeds"] == [0, 1, 2]
    assert (out / "seeds.png").read_bytes().startswith(b"\x89PNG")
    paths[0].write_text("{")
    assert main([*map(str, paths), "--out", str(out)]) == 2
    assert "a report of convert expected" in capsys.readouterr().err
    paths[0].write_text("[]")
    assert main([*map(str, paths), "--out", str(out)]) == 2
    assert "another JSON file" in capsys.readouterr().err
    assert main([str(out / "report.json"), str(paths[1]), "--out", str(out)]) == 2
    assert "another folder" in capsys.readouterr().err
