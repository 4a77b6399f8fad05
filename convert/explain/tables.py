"""The explanation as tables for people and as plots."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from convert.explain.report import (
    ApReport,
    BlockReport,
    DetectionErrors,
    Diagnosis,
    Explanation,
    Measured,
    Range,
    UnitReport,
)
from convert.tables import align, points, signed_points
from edge_runtime.media.atomic import atomic_path
from edge_runtime.system.machine import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLOCKS = 10  # of the ranking; explain.json has all


def format_explanation(report: Explanation, diagnosis: Diagnosis) -> str:
    """Conditions, a row for each layer, what each block wins back, the AP, and the advice."""
    data, calibration, measured = report.data, report.calibration, report.measured
    head = [
        one_line(report.machine),
        f"ranges: {calibration.ranges}; {calibration.images} calibration pictures of split "
        f"'{calibration.split}', seed {calibration.seed}",
        f"errors on {data.pictures}, AP on {data.ap_pictures} pictures of split '{data.split}'",
        "SNR in dB and error in int8 steps (0.29 is the rounding of the output alone): alone with "
        "only this layer in int8, whole in the int8 net",
    ]
    parts = ["\n".join(head), _units(measured.units), _blocks(measured), _ap(measured.ap)]
    return "\n\n".join([*filter(None, parts), f"advice: {diagnosis.line}"])


def _units(units: Sequence[UnitReport]) -> str:
    rows = [["layer", "range", "met", "saturated", "SNR alone", "whole", "error alone", "whole"]]
    for unit in units:
        rows.append(
            [
                unit.name,
                "float" if unit.range is None else _span(unit.range),
                _span(unit.met),
                _share(unit.saturated),
                _number(unit.snr_db.local, ".1f"),
                _number(unit.snr_db.total, ".1f"),
                _number(unit.rmse_steps.local, ".2f"),
                _number(unit.rmse_steps.total, ".2f"),
            ]
        )
    return align(rows, left=(0,))


def _blocks(measured: Measured) -> str:
    """The ranking. Errors in hundredths: of scores their change, of boxes 1 - IoU."""
    if measured.outputs.int8 is None:
        return ""
    rows = [["in float", "score error", "box error", "won back", "noise", "AP won back", "noise"]]
    rows += [
        [name, *_errors(errors), *[""] * 4]
        for name, errors in (
            ("nothing", measured.outputs.int8),
            ("all weights", measured.outputs.activations),
            ("all activations", measured.outputs.weights),
        )
    ]
    for block in measured.blocks[:BLOCKS]:
        ap = measured.ap.get(block.name, ApReport(None, None, None))
        won_back = [signed_points(block.gain), points(block.noise)]
        row = [block.name, *_errors(block), *won_back, signed_points(ap.gain), points(ap.noise)]
        rows.append(row)
    more = len(measured.blocks) - BLOCKS
    rest = f"\nand {more} more blocks in explain.json" if more > 0 else ""
    return (
        "errors of detections against float, in hundredths (change of a score; 1 - IoU of a box), "
        "noise: one standard error\n" + align(rows, left=(0,)) + rest
    )


def _errors(errors: DetectionErrors | BlockReport | None) -> list[str]:
    return ["", ""] if errors is None else [points(errors.scores), points(errors.boxes)]


def _ap(aps: Mapping[str, ApReport]) -> str:
    rows = [["", "AP", "against int8", "noise"]]
    names = {"float": "float", "int8": "int8", "file": "int8 file itself"}
    for key, name in names.items():
        if key in aps:
            ap = aps[key]
            gain = "" if key == "int8" else signed_points(ap.gain)
            noise = "" if key == "int8" else points(ap.noise)
            rows.append([name, points(ap.ap), gain, noise])
    return align(rows, left=(0,))


def _span(ends: Range) -> str:
    return f"{ends[0]:.4g} .. {ends[1]:.4g}"


def _share(value: float) -> str:
    return "" if value == 0 else f"{100 * value:.2g}%"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else f"{value:{form}}"


PLOTTED_BLOCKS = 15  # of the ranking


def draw_explanation(report: Explanation, diagnosis: Diagnosis, path: Path) -> None:
    """Errors along the net, saturation, and what each block would win back, as a PNG."""
    from matplotlib.figure import Figure  # slow to load; the object interface needs no display

    figure = Figure(figsize=(13, 9), layout="constrained")
    errors, saturation, blocks = figure.subplots(3, 1, height_ratios=(1.3, 0.7, 1.2))
    figure.suptitle("\n".join(textwrap.wrap(diagnosis.line, 130)), fontsize=11)
    _draw_errors(errors, report.measured.units)
    _draw_saturation(saturation, report.measured.units)
    _draw_blocks(blocks, report.measured)
    for axes in (errors, saturation, blocks):
        axes.grid(alpha=0.3, axis="y")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100)


def _draw_errors(axes: Axes, units: Sequence[UnitReport]) -> None:
    ratios = {
        "this layer alone in int8": [unit.snr_db.local for unit in units],
        "the whole net in int8": [unit.snr_db.total for unit in units],
    }
    for label, values in ratios.items():
        known = [(place, value) for place, value in enumerate(values) if value is not None]
        axes.plot([place for place, _ in known], [value for _, value in known], ".-", label=label)
    axes.set(ylabel="SNR, dB (higher is better)", title="Error of each layer's output")
    axes.legend(frameon=False, ncols=2)
    axes.set_xlim(-1, len(units))
    axes.tick_params(labelbottom=False)


def _draw_saturation(axes: Axes, units: Sequence[UnitReport]) -> None:
    shares = [100 * unit.saturated for unit in units]
    axes.bar(range(len(units)), shares, color="C3")
    axes.set(ylabel="%", title="Values outside the layer's int8 range", xlim=(-1, len(units)))
    axes.set_ylim(0, max(1.0, 1.1 * max(shares)))
    ticks = range(0, len(units), max(1, -(-len(units) // 50)))
    axes.set_xticks(ticks, [units[tick].name for tick in ticks], rotation=90, fontsize=7)


def _draw_blocks(axes: Axes, measured: Measured) -> None:
    rows = measured.blocks[:PLOTTED_BLOCKS]
    places = range(len(rows))
    gains = [100 * row.gain for row in rows]
    # Three standard errors, as convert/explain/diagnosis.py asks for.
    axes.bar(places, gains, yerr=[300 * row.noise for row in rows], capsize=3, ecolor="0.4")
    axes.set_xticks(places, [row.name for row in rows], rotation=30, ha="right", fontsize=8)
    title = "Error of the detections that a block in float wins back (bars: three standard errors)"
    if measured.outputs.int8 is not None:
        title += f"; of {points(measured.outputs.int8.sum)} in all"
    axes.set(ylabel="hundredths", title=title)
