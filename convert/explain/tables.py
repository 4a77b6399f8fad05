"""What `convert.explain` has measured, as tables for people."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from convert.tables import align
from edge_runtime.media.atomic import atomic_path
from edge_runtime.system.machine import one_line

BLOCKS = 10  # of the ranking; explain.json has all


def format_explanation(report: dict) -> str:
    """Conditions, a row for each layer, what each block wins back, the AP, and the advice."""
    data, calibration = report["data"], report["calibration"]
    head = [
        one_line(report["machine"]),
        f"ranges: {calibration['ranges']}; {calibration['images']} calibration pictures of split "
        f"'{calibration['split']}', seed {calibration['seed']}",
        f"errors on {data['pictures']}, AP on {data['ap_pictures']} pictures of split "
        f"'{data['split']}'",
        "SNR in dB and error in int8 steps (0.29 is the rounding of the output alone): alone with "
        "only this layer in int8, whole in the int8 net",
    ]
    parts = ["\n".join(head), _units(report["units"]), _blocks(report), _ap(report["ap"])]
    return "\n\n".join([*filter(None, parts), f"advice: {report['advice']['line']}"])


def _units(units: Sequence[dict]) -> str:
    rows = [["layer", "range", "met", "saturated", "SNR alone", "whole", "error alone", "whole"]]
    for unit in units:
        snr, error = unit["snr_db"], unit["rmse_steps"]
        rows.append(
            [
                unit["name"],
                "float" if unit["range"] is None else _span(unit["range"]),
                _span(unit["met"]),
                _share(unit["saturated"]),
                _number(snr["local"], ".1f"),
                _number(snr["total"], ".1f"),
                _number(error["local"], ".2f"),
                _number(error["total"], ".2f"),
            ]
        )
    return align(rows, left=(0,))


def _blocks(report: dict) -> str:
    """The ranking. Errors in hundredths: of scores their change, of boxes 1 - IoU."""
    outputs, ap = report["outputs"], report["ap"]
    if outputs["int8"] is None:
        return ""
    rows = [["in float", "score error", "box error", "won back", "noise", "AP won back", "noise"]]
    rows.append(["nothing", *(f"{100 * outputs['int8'][key]:.2f}" for key in ("scores", "boxes"))])
    for part, name in (("activations", "all weights"), ("weights", "all activations")):
        rows.append([name, *(f"{100 * outputs[part][key]:.2f}" for key in ("scores", "boxes"))])
    for block in report["blocks"][:BLOCKS]:
        gained = ap.get(block["name"], {"gain": None, "noise": None})
        row = [block["name"], *(f"{100 * block[key]:.2f}" for key in ("scores", "boxes"))]
        row += [f"{100 * block['gain']:+.2f}", f"{100 * block['noise']:.2f}"]
        row += [_points(gained["gain"], "+.2f"), _points(gained["noise"], ".2f")]
        rows.append(row)
    rows = [row + [""] * (len(rows[0]) - len(row)) for row in rows]
    more = len(report["blocks"]) - BLOCKS
    rest = f"\nand {more} more blocks in explain.json" if more > 0 else ""
    return (
        "errors of detections against float, in hundredths (change of a score; 1 - IoU of a box), "
        "noise: one standard error\n" + align(rows, left=(0,)) + rest
    )


def _ap(aps: dict) -> str:
    rows = [["", "AP", "against int8", "noise"]]
    names = {"float": "float", "int8": "int8", "file": "int8 file itself"}
    for key, name in names.items():
        if key in aps:
            ap = aps[key]
            gain = "" if key == "int8" else _points(ap["gain"], "+.2f")
            noise = "" if key == "int8" else _points(ap["noise"], ".2f")
            rows.append([name, _points(ap["ap"], ".2f"), gain, noise])
    return align(rows, left=(0,))


def _span(ends: Sequence[float]) -> str:
    return f"{ends[0]:.4g} .. {ends[1]:.4g}"


def _share(value: float) -> str:
    return "" if value == 0 else f"{100 * value:.2g}%"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else f"{value:{form}}"


def _points(value: float | None, form: str) -> str:
    return "" if value is None else f"{100 * value + 0.0:{form}}"


PLOTTED_BLOCKS = 15  # of the ranking


def draw_explanation(report: dict, path: Path) -> None:
    """Errors along the net, saturation, and what each block would win back, as a PNG."""
    from matplotlib.figure import Figure  # the object interface needs no display

    figure = Figure(figsize=(13, 9), layout="constrained")
    errors, saturation, blocks = figure.subplots(3, 1, height_ratios=(1.3, 0.7, 1.2))
    figure.suptitle("\n".join(textwrap.wrap(report["advice"]["line"], 130)), fontsize=11)
    _draw_errors(errors, report["units"])
    _draw_saturation(saturation, report["units"])
    _draw_blocks(blocks, report)
    for axes in (errors, saturation, blocks):
        axes.grid(alpha=0.3, axis="y")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100)


def _draw_errors(axes, units: list[dict]) -> None:
    for key, name in (("local", "this layer alone in int8"), ("total", "the whole net in int8")):
        values = [unit["snr_db"][key] for unit in units]
        places = [place for place, value in enumerate(values) if value is not None]
        axes.plot(places, [values[place] for place in places], ".-", label=name)
    axes.set(ylabel="SNR, dB (higher is better)", title="Error of each layer's output")
    axes.legend(frameon=False, ncols=2)
    axes.set_xlim(-1, len(units))
    axes.tick_params(labelbottom=False)


def _draw_saturation(axes, units: list[dict]) -> None:
    shares = [100 * unit["saturated"] for unit in units]
    axes.bar(range(len(units)), shares, color="C3")
    axes.set(ylabel="%", title="Values outside the layer's int8 range", xlim=(-1, len(units)))
    axes.set_ylim(0, max(1.0, 1.1 * max(shares)))
    every = max(1, -(-len(units) // 50))
    names = [unit["name"] for unit in units]
    ticks = range(0, len(units), every)
    axes.set_xticks(ticks, [names[tick] for tick in ticks], rotation=90, fontsize=7)


def _draw_blocks(axes, report: dict) -> None:
    rows = report["blocks"][:PLOTTED_BLOCKS]
    places = range(len(rows))
    gains = [100 * row["gain"] for row in rows]
    # Three standard errors, as convert/explain/diagnosis.py asks for.
    axes.bar(places, gains, yerr=[300 * row["noise"] for row in rows], capsize=3, ecolor="0.4")
    axes.set_xticks(places, [row["name"] for row in rows], rotation=30, ha="right", fontsize=8)
    title = "Error of the detections that a block in float wins back (bars: three standard errors)"
    if report["outputs"]["int8"] is not None:
        title += f"; of {100 * sum(report['outputs']['int8'].values()):.2f} in all"
    axes.set(ylabel="hundredths", title=title)
