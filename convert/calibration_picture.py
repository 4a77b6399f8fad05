"""The picture of `python -m studies.calibration`."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.media.atomic import atomic_path


def draw_study(report: dict, path: Path) -> None:
    """What int8 costs against the number of pictures, and by method, as a PNG."""
    from matplotlib.figure import Figure  # the object interface needs no display

    reference, *rows = report["rows"]
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    counts, methods = figure.subplots(1, 2, width_ratios=(1, 1.4))
    plain = [row for row in rows if row["method"] == "min-max" and row["corrected"]]
    plain.sort(key=lambda row: row["images"])
    for key, name in (("ap", "AP"), ("ap50", "AP50")):
        changes = [100 * (row[key] - reference[key]) for row in plain]
        counts.plot([row["images"] for row in plain], changes, marker="o", label=name)
    counts.set(xscale="log", xlabel="calibration pictures", ylabel="points against float32")
    counts.set_xticks([row["images"] for row in plain], [str(row["images"]) for row in plain])
    counts.set_title("min-max ranges, rounding corrected")
    counts.legend(frameon=False)
    usual = max(row["images"] for row in rows if row["method"] != "min-max")
    compared = [row for row in rows if row["images"] == usual]
    names = [
        row["method"] + ("" if row["corrected"] else "\nrounded to nearest") for row in compared
    ]
    bars = methods.barh(names, [row["score_error"] for row in compared], color="C2")
    labels = [f"{100 * (row['ap'] - reference['ap']):+.2f} AP" for row in compared]
    methods.bar_label(bars, labels, padding=3)
    methods.set(xlabel="RMS error of scores", title=f"{usual} pictures, by method")
    methods.margins(x=0.2)
    methods.invert_yaxis()
    for axes in (counts, methods):
        axes.grid(alpha=0.3)
    counts.axhline(0, color="gray", lw=1)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
