"""Diagnosis: what to do about the loss, in one line, from what `convert.explain` has measured.

Causes come before cures: what is wrong with the input or the calibration pictures spoils every
layer behind it, and keeping one of those in float would only hide it.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import numpy as np

from convert.benchmark.report import minus
from convert.explain.report import Diagnosis, Explanation, Measured, Range, UnitReport
from convert.tables import points

LOSS = 0.003  # of AP in [0, 1]: less is not worth a slower file
SATURATED = 0.01  # of a layer's values: calibration on pictures of the same kind leaves 1e-5
STANDARD_ERRORS = 3  # of some 40 blocks, chance lifts the best one by two
WORTHWHILE = 0.1  # of the loss: who returns less than that returns everything, block by block
FLAT = 8  # of 255: where no picture has more contrast than that, nothing is on them
STRETCHED = 4.0  # times as wide as what the detections need: two of the eight bits are lost


def flat_frames(frames: Sequence[np.ndarray]) -> str | None:
    """Content of pictures without any contrast, in words; None if some picture has some.

    Args:
        frames: (H, W, 3) uint8 each.
    """
    ends = [(int(frame.min()), int(frame.max())) for frame in frames]
    if not ends or any(high - low >= FLAT for low, high in ends):
        return None
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    word = "black" if high < FLAT else "white" if low > 255 - FLAT else "of a single colour"
    return f"all {len(ends)} calibration pictures are {word} (pixels {low}..{high})"


def diagnose(report: Explanation) -> Diagnosis:
    """The first cause that explains the loss, with its cure."""
    for judge in (_input, _nothing_found, _flat, _small_loss, _saturating, _file, _one_block):
        line = judge(report)
        if line:
            return Diagnosis(judge.__name__.lstrip("_"), line)
    return Diagnosis("spread", _spread(report))


def loss(report: Explanation) -> float | None:
    """AP of float minus AP of int8, in [0, 1]: of the file, where one was given."""
    aps = report.measured.ap
    return minus(aps["float"].ap, aps.get("file", aps["int8"]).ap)


def _input(report: Explanation) -> str | None:
    wanted, got = report.measured.input.device, report.measured.input.range
    step = (wanted[1] - wanted[0]) / 255
    if max(abs(w - g) for w, g in zip(wanted, got, strict=True)) <= 0.6 * step:
        return None
    return (
        f"calibrate on what the device's preprocessing makes: the input's range is {_span(got)}, "
        f"the device delivers {_span(wanted)}"
    )


def _nothing_found(report: Explanation) -> str | None:
    if report.measured.outputs.int8 is not None:
        return None
    return (
        f"train longer: on hardly a picture does float or int8 give anything a score of "
        f"{report.measured.score_threshold:g}, so there is nothing to lose"
    )


def _flat(report: Explanation) -> str | None:
    words = report.calibration.flat
    if words is None:
        return None
    return f"calibrate on other pictures: {words}; {_saturation(_worst(report))}"


def _small_loss(report: Explanation) -> str | None:
    lost = loss(report)
    if lost is None or lost > LOSS:
        return None
    verb = "gains" if lost < 0 else "loses"
    noise = report.measured.ap["float"].noise
    margin = "" if noise is None else f" ± {points(noise)}"
    return f"nothing to do: int8 {verb} {_ap_points(abs(lost))}{margin}"


def _saturating(report: Explanation) -> str | None:
    worst = _worst(report)
    if worst.saturated < SATURATED:
        return None
    return f"calibrate on other pictures: {_saturation(worst)}"


def _one_block(report: Explanation) -> str | None:
    """The block that wins back most AP, if that is more than noise and worth its time."""
    lost, errors = loss(report), report.measured.outputs.int8
    found = []
    for block in report.measured.blocks:
        ap = report.measured.ap.get(block.name)
        sound = block.gain > STANDARD_ERRORS * block.noise
        large = errors is not None and block.gain >= WORTHWHILE * errors.sum
        if sound and large and block.name != "input":
            gained = None if ap is None else ap.gain
            if lost is None or (gained is not None and gained > LOSS / 2):
                found.append((gained or block.gain, block.name))
    if not found:
        return None
    gained, name = max(found)
    files = [report.model, "--data", report.data.root]
    command = shlex.join(["python", "-m", "convert", *files, "--keep-float", name])
    won = ""
    if lost is not None:
        won = f", which wins back {_ap_points(gained)} of {_ap_points(lost)} lost"
    return f"keep {name} in float: {command}{won}{_stretched(report.measured, name)}"


def _stretched(measured: Measured, name: str) -> str:
    """Why an output needs float: a range far wider than the other heads, or detections, need."""
    unit = next((unit for unit in measured.units if unit.name == name), None)
    if unit is None or unit.range is None:
        return ""
    parts = [u for u in measured.units if u.range_of == name and u.name != name]
    parts.sort(key=lambda part: -_width(part.met))
    needed = measured.needed.get(name)
    if parts[1:] and _width(parts[0].met) >= STRETCHED * _width(parts[1].met):
        rest = [part.met for part in parts[1:]]
        span = min(low for low, _ in rest), max(high for _, high in rest)
        who, enough = f" by {parts[0].name}", f"the others need only {_span(span)}"
    elif needed is not None and _width(unit.range) >= STRETCHED * _width(needed):
        who, enough = "", f"detections need only {_span(needed)}"
    else:
        return ""
    return f"; its range {_span(unit.range)} is stretched{who}, while {enough}"


def _file(report: Explanation) -> str | None:
    """A file that is worse than its ranges: made with uncorrected rounding, or of another model."""
    lost, aps = loss(report), report.measured.ap
    if lost is None or "file" not in aps:
        return None
    of_file, of_ranges = (
        minus(aps["int8"].ap, aps["file"].ap),
        minus(aps["float"].ap, aps["int8"].ap),
    )
    if of_file is None or of_ranges is None or of_file <= LOSS:
        return None
    return (
        f"convert again with python -m convert: the file loses {_ap_points(lost)}, int8 with the "
        f"same ranges and corrected rounding {_ap_points(of_ranges)}"
    )


def _spread(report: Explanation) -> str:
    lost = loss(report)
    what = "int8 changes scores and boxes" if lost is None else f"int8 loses {_ap_points(lost)}"
    return (
        f"train with rounding: python -m train … --qat --start-from {report.model}; {what}, and "
        "no block alone wins back a good part of it"
    )


def _worst(report: Explanation) -> UnitReport:
    return max(report.measured.units, key=lambda unit: unit.saturated)


def _saturation(unit: UnitReport) -> str:
    held = "" if unit.range is None else f"range {_span(unit.range)}, "
    return (
        f"{100 * unit.saturated:.0f}% of the values of {unit.name} saturate "
        f"({held}met {_span(unit.met)})"
    )


def _ap_points(ap: float) -> str:
    return f"{points(ap)} AP points"


def _width(ends: Range) -> float:
    return ends[1] - ends[0]


def _span(ends: Range) -> str:
    return f"[{ends[0]:.3g}, {ends[1]:.3g}]"
