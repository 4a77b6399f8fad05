"""Figures of studies/ as docs/ shows them, and how they were reached."""

import csv
import json
from itertools import product

import pytest

from studies.resizers.report import page_table as resizers_table
from studies.small_sets.report import HEADINGS, read_cells, summary_rows
from studies.speed.report import page_table
from tests.conftest import ROOT

BCCD = ROOT / "studies" / "bccd"
FAMILY = ROOT / "studies" / "width_and_size"


def _section(page: str, heading: str) -> str:
    """A chapter of docs/, its lines as they are."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = text.partition(f"# {heading}\n")[2].partition("\n## ")[0]
    assert found, f"docs/{page} has no chapter {heading!r}"
    return found


def _prose(section: str) -> str:
    """The same on one line."""
    return " ".join(section.split())


def _day(date: str) -> str:
    return date[:10]


@pytest.fixture(scope="module")
def report():
    """Written by `make bccd`."""
    return json.loads((BCCD / "report.json").read_text(encoding="utf-8"))


def test_the_report_names_its_data_command_and_hardware(report):
    assert (report["data"]["root"], report["data"]["split"]) == ("BCCD", "test")
    assert (report["data"]["images"], report["training"]["images"]) == (72, 292)
    training = report["training"]
    assert training["split"] == "trainval"
    assert training["command"].startswith("python -m train --out build/bccd_0.keras")
    assert training["commit"] and "changes" not in training["commit"]
    assert training["machine"]["cpu"] and report["machine"]["cpu"]
    assert report["seeds"]["seeds"] == [0, 1, 2]
    assert max(report["seeds"]["minutes"]) <= 60
    assert "/" not in report["data"]["root"]


def test_the_pages_have_the_plain_converters_row():
    """Written by `make bccd-baseline`."""
    report = json.loads((BCCD / "baseline.json").read_text(encoding="utf-8"))
    said = _section("quantization.md", "Against the plain converter")
    models = {model["variant"]: model for model in report["models"]}
    compared = ["float32", "int8_converter", "int8"]
    assert list(models)[:3] == compared  # then int8's file for other tools
    for variant in compared:
        model = models[variant]
        error = f"{model['score_error']:.4f}" if "score_error" in model else ""
        assert (
            f"| {variant} | {100 * model['ap']:.2f} | {100 * model['ap50']:.2f} | {error} |" in said
        )
    machine, training = report["machine"], report["training"]
    where = f"{machine['cores']} cores of an {machine['cpu']}, {machine['interpreter']}"
    assert f"{where}, {_day(machine['date'])}" in _prose(said)
    assert f"({training['epochs']} epochs, {training['minutes']:.0f} minutes" in _prose(said)
    lost = [100 * (models["float32"]["ap"] - models[name]["ap"]) for name in compared[1:]]
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"it lost {lost[0]:.2f} AP and ours {lost[1]:.2f}" in readme


def test_the_page_has_the_blood_cells(report):
    said = _section("results.md", "Real pictures: blood cells")
    for variant, row in report["seeds"]["variants"].items():
        model = next(model for model in report["models"] if model["variant"] == variant)
        cells = [f"BCCD, {variant}", f"{model['bytes'] / 1e6:.2f}"]
        for key in ("ap", "ap50"):
            cells.append(f"{100 * row[key]['mean']:.2f} ± {100 * row[key]['spread']:.2f}")
        assert f"| {' | '.join(cells)} |" in said
    minutes = [f"{minutes:.0f}" for minutes in report["seeds"]["minutes"]]
    assert minutes[0] == minutes[1]
    words = f"{minutes[0]} minutes on one core of an Intel Xeon (seeds 0 and 1, side by side), "
    assert f"{words}{minutes[2]} on two (seed 2), {_day(report['machine']['date'])}" in _prose(said)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_logs_show_that_the_net_did_not_wait_for_pictures(report, seed):
    with (BCCD / f"training_{seed}.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert max(float(row["waiting"]) for row in rows) < 0.05
    minutes = sum(float(row["seconds"]) for row in rows) / 60
    assert minutes == pytest.approx(report["seeds"]["minutes"][seed], abs=0.1)


# The page's label → number of pictures, method, whether rounding was corrected, channels equalized.
CALIBRATIONS = {
    "1 picture": (1, "min-max", True, True),
    "10": (10, "min-max", True, True),
    "100": (100, "min-max", True, True),
    "500": (500, "min-max", True, True),
    "200: what `convert` does": (200, "min-max", True, True),
    "200, channels as trained": (200, "min-max", True, False),
    "200, channels as trained, weights to the nearest step": (200, "min-max", False, False),
    "200, mean of minima and maxima": (200, "mean of min-max", True, True),
    "200, 99.99 %": (200, "99.99 %", True, True),
    "200, 99.9 %": (200, "99.9 %", True, True),
    "200, least squares": (200, "least squares", True, True),
}


def test_the_page_has_the_calibration_study():
    said = _section("results.md", "Calibration study")
    reports = [
        json.loads((ROOT / "studies" / "calibration" / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("digits", "bccd")
    ]
    for label, wanted in CALIBRATIONS.items():
        cells = [label]
        for report in reports:
            reference, *found = report["rows"]
            keys = ("images", "method", "corrected", "equalized")
            rows = [row for row in found if tuple(row[key] for key in keys) == wanted]
            if not rows:  # blood cells have no 500 pictures to train with
                cells += ["", ""]
                continue
            changes = [f"{100 * (rows[0][key] - reference[key]):+.2f}" for key in ("ap", "ap50")]
            cells += [f"{rows[0]['score_error']:.4f}", ", ".join(changes)]
        assert f"| {' | '.join(cells)} |" in said
    assert len(CALIBRATIONS) == max(len(report["rows"]) for report in reports) - 1
    for report in reports:
        machine = report["machine"]
        cpu = machine["cpu"] if "AMD" in machine["cpu"] else "Intel Xeon"
        cores = f"{machine['cores']} core{'s' * (machine['cores'] > 1)}"
        where = f"{cores} of an {cpu}, {machine['interpreter']}"
        assert f"{where}, {_day(machine['date'])}" in _prose(said)


def test_the_page_has_the_soak():
    said = _section("operations.md", "Soak test")
    soak = json.loads((ROOT / "studies" / "soak" / "soak.json").read_text(encoding="utf-8"))
    assert soak["complaints"] == [] and soak["command"] == "make soak MINUTES=30"
    labels = {
        "mb": ("memory, MB", ".2f"),
        "camera_mb": ("memory of the camera's process, MB", ".2f"),
        "descriptors": ("file descriptors", ".0f"),
        "threads": ("threads", ".0f"),
        "latency_ms": ("capture to result, ms", ".2f"),
        "fps": ("frames a second", ".2f"),
    }
    for key, (label, form) in labels.items():
        moved = soak["drift"][key]
        assert f"| {label} | {moved['first']:{form}} | {moved['last']:{form}} |" in said
    assert f"{len(soak['accidents'])} accidents; of {soak['mqtt']['delivered']} events" in said
    assert soak["command"] in _prose(said)
    assert soak["mqtt"]["received_once"] >= soak["mqtt"]["delivered"]


def test_the_page_has_the_widths_and_sizes():
    said = _section("results.md", "Width and input size")
    prose = _prose(said)
    found = json.loads((FAMILY / "width_and_size.json").read_text(encoding="utf-8"))
    rows = found["family"]
    widths, sizes = (0.35, 0.5, 0.75, 1.0), ("160", "224", "300")
    assert [(row["width"], row["input"]) for row in rows] == list(product(widths, sizes))
    for row in rows:
        cells = [f"{row['width']}", row["input"], f"{row['int8_mb']:.2f}"]
        cells += [f"{100 * row[key]:.2f}" for key in ("float32_ap", "int8_ap", "int8_ap50")]
        cells += [f"{row['int8_ms']:.2f} ({row['int8_ms_p90']:.2f})", row["best_by"]]
        assert f"| {' | '.join(cells)} |" in said
    # One budget for all, and none of it spent on the test split.
    recipes = [row["training"]["settings"] | {"alpha": 0, "input_size": 0} for row in rows]
    assert all(recipe == recipes[0] for recipe in recipes)
    assert (recipes[0]["train_split"], recipes[0]["epochs"]) == ("family", 1)
    assert {row["training"]["images"] for row in rows} == {4000}
    assert "then 4000 at its own size" in prose
    assert found["data"]["split"] == "test" and found["machine"]["cpu"]
    assert _day(found["machine"]["date"]) in prose
    assert f"int8 loses {-100 * min(row['ap_difference'] for row in rows):.2f} points" in prose
    report = ROOT / "studies" / "network" / "mobilenet_v2_report.json"
    models = json.loads(report.read_text(encoding="utf-8"))["models"]
    before = next(model for model in models if model["variant"] == "float32")
    assert f"scenes and has an AP of {100 * before['ap']:.2f}" in prose
    minutes = [row["training"]["minutes"] + _minutes_of_width(row["width"]) for row in rows]
    assert f"{min(minutes):.0f} to {max(minutes):.0f} minutes of training" in prose


def _minutes_of_width(width):
    return sum(float(row["seconds"]) for row in _epochs_of_family(f"training_{width}")) / 60


def _epochs_of_family(name):
    with (FAMILY / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    return rows


def test_what_is_said_of_hard_negatives_was_measured():
    said = " ".join((ROOT / "train" / "model" / "loss.py").read_text(encoding="utf-8").split())
    figures = [
        f"{float(_epochs_of_family(name)[epoch]['val_ap']):.3f}".removeprefix("0")
        for epoch in (1, 3)
        for name in ("training_0.5", "hardest_0.5")
    ]
    words = "AP of {} after 16000 scenes, {} with the hardest, and {} against {} after 32000"
    assert words.format(*figures) in said


def test_the_page_has_the_readers_of_exported_files():
    """Written by `make readers`."""
    said = _section("export.md", "Measured")
    found = json.loads((ROOT / "studies" / "readers" / "readers.json").read_text(encoding="utf-8"))
    rows = {row["reader"]: row for row in found["rows"]}
    assert all(row["opens"] for row in rows.values())
    for row in rows.values():
        cells = [row["reader"], row["version"], "yes"]
        cells += [f"{100 * row['ap']:.2f}", f"{100 * row['ap50']:.2f}", f"{row['ms']:.2f}"]
        assert f"| {' | '.join(cells)} |" in said
    ours, theirs = rows["edge_runtime"], rows["LiteRT"]
    assert ours["ap"] - theirs["ap"] <= 0.015  # our box voting
    assert abs(ours["ap50"] - theirs["ap50"]) <= 0.001
    machine = found["machine"]
    assert found["data"] == {"root": "digits", "split": "test", "images": 500}
    assert f"{machine['cores']} cores of an {machine['cpu']}" in _prose(said)
    assert _day(machine["date"]) in _prose(said)


def test_small_sets_are_those_of_the_json():
    cells = read_cells(ROOT / "studies/small_sets/small_sets.json")
    section = _section("results.md", "Small sets")
    for line in (HEADINGS, *summary_rows(cells)):
        assert f"| {' | '.join(line)} |" in section
    assert {cell.flags for cell in cells} == {""}  # untouched
    assert all(_day(cell.date) in section for cell in cells)


def test_the_shorter_preset_is_that_of_the_json():
    section = _section("results.md", "The network")
    small = ROOT / "studies/small_sets"
    (full,) = (
        cell
        for cell in read_cells(small / "small_sets.json")
        if (cell.data, cell.seed, cell.start) == ("BCCD", 0, "ImageNet")
    )
    (short,) = read_cells(small / "short.json")
    assert short.flags == "--preset fpnlite_short"
    assert (short.data, short.seed, short.start) == (full.data, full.seed, full.start)
    for name, cell in (("fpnlite", full), ("fpnlite_short", short)):
        figures = (cell.float32_ap50, cell.float32_ap, cell.int8_ap50, cell.int8_ap)
        line = " | ".join([name, *(f"{100 * figure:.2f}" for figure in figures)])
        assert f"| {line} |" in section


def test_what_is_said_of_late_mining_was_measured():
    said = _section("results.md", "Small sets")
    with (ROOT / "studies/small_sets/mining.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    gains = []
    for start, late in zip(rows[::2], rows[1::2], strict=True):
        assert (start["mining_from"], late["mining_from"]) == ("0", "0.35")
        cells = [start[key] for key in ("set", "input", "epochs", "seed")]
        assert cells == [late[key] for key in ("set", "input", "epochs", "seed")]
        before, now = (100 * float(row["best_val_ap"]) for row in (start, late))
        gains.append(now - before)
        assert f"| {' | '.join(cells)} | {before:.2f} | {now:.2f} | {gains[-1]:+.2f} |" in said
    assert f"| {sum(gains) / len(gains):+.2f} |" in said
    ap50 = [100 * float(row["its_val_ap50"]) for row in rows]
    assert f"AP50 is a draw, {(sum(ap50[1::2]) - sum(ap50[::2])) / len(gains):+.2f} in" in said
    path = ROOT / "studies/small_sets/late_mining.json"
    (cell,) = json.loads(path.read_text(encoding="utf-8"))["cells"]
    figures = (100 * cell[key] for key in ("float32_ap", "float32_ap50"))
    assert "an AP of {:.2f} and an AP50 of {:.2f} only".format(*figures) in _prose(said)


def test_the_page_has_the_speed_of_the_runtime():
    """Written by `make bench`."""
    said = _section("results.md", "Speed of the runtime")
    found = json.loads((ROOT / "studies" / "speed" / "speed.json").read_text(encoding="utf-8"))
    assert page_table(found["rows"]) in said
    machine = found["machine"]
    where = f"{machine['cores']} cores of an {machine['cpu']}, {machine['interpreter']}"
    assert f"{where}, one thread, {_day(machine['date'])}" in _prose(said)
    assert found["command"] == "python -m studies.speed --pictures build/data/digits/JPEGImages"
    assert {point["axis"].split(",")[0] for point in found["growth"]} == {
        "anchors",
        "classes",
        "kept detections",
        "threads",
    }


def test_the_stages_of_a_faster_net_are_those_of_the_logs():
    said = _section("results.md", "The network")
    for stage, name in (("256 pixels", "_256"), ("320 pixels", ""), ("int8", "_qat")):
        cells = []
        for log in (f"studies/network/mobilenet_v2{name}.csv", f"models/digits{name}.csv"):
            with (ROOT / log).open(newline="", encoding="utf-8") as file:
                rows = [row for row in csv.DictReader(file) if row["val_ap"]]
            # The first stage ends in the middle of its schedule; of the others the best is kept.
            kept = rows[-1] if name == "_256" else max(rows, key=lambda row: float(row["val_ap"]))
            ap, ap50 = (100 * float(kept[key]) for key in ("val_ap", "val_ap50"))
            cells.append(f"{ap:.2f} ({ap50:.2f})")
        assert f"{stage} | {' | '.join(cells)} |" in said


def test_the_page_has_the_resizers():
    """Written by `make resizers`."""
    said = _section("results.md", "Resizers")
    found = json.loads((ROOT / "studies/resizers/resizers.json").read_text(encoding="utf-8"))
    rows, machine = found["rows"], found["machine"]
    assert resizers_table(rows) in said
    where = f"{machine['cores']} cores of an {machine['cpu']}, {machine['interpreter']}"
    assert f"{where}, {_day(machine['date'])}" in _prose(said)
    assert {row["split"] for row in rows} == {"val", "test"}
    # Of a set once, not of each of its detectors.
    both = {(row["data"], row["split"]): (row["larger_in_both"], row["pictures"]) for row in rows}
    larger, pictures = map(sum, zip(both["kangaroo", "val"], both["kangaroo", "test"], strict=True))
    assert f"Only those of kangaroo, {larger} of {pictures}, are more than twice" in _prose(said)
    assert not any(count for (data, _), (count, _) in both.items() if data != "kangaroo")
