"""What `convert.explain` has measured, as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from convert.benchmark.report import align
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
