"""Quantization error, unit by unit: measured on the simulated int8 net.

QuantizationDebugger (tf.lite.experimental) compares layers of a file that the converter itself has
calibrated, and puts NumericVerify operators into it; our files' ranges come from outside, so it
would explain another file. ai-edge-quantizer's `compare_model` runs two finished files and averages
its metrics over pictures; it cannot round one layer alone, nor return one to float without a new
file for each. So units are computed here with the very layers that the converter exports, and
what the simulation says is checked against the real file (`convert.explain --int8`, and tests).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import keras
import numpy as np
from tqdm import tqdm

from convert.explain.ap_by_block import measure_ap
from convert.explain.output_errors import SCORE_THRESHOLD, OutputErrors, Outputs, gain
from convert.explain.report import (
    BlockReport,
    InputReport,
    LocalAndTotal,
    Measured,
    OutputsReport,
    UnitReport,
)
from convert.explain.switchable_net import SwitchableNet
from convert.quantize import calibration_data
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.preprocess import pixel_range, preprocess
from edge_runtime.detector.spec import DetectorSpec
from train.data.dataset import Example
from train.quantization.fused_ops import group_by_block
from train.quantization.simulated_net import INPUT, Quantization

BATCH = 4  # pictures; three nets' tensors of each are in memory at once


@dataclass
class UnitErrors:
    """One row of the table: what rounding does to a unit's output. Sums over all values seen.

    Attributes:
        name: of the unit, or INPUT.
        range_name: whose range its output has: its own, or a concatenation's.
        range: (low, high) in int8; None where it stays in float.
        met: smallest and largest value of the float net.
        saturated: values outside the range by more than half a step.
        signal, local, total: squares of the float values; of the errors with this unit alone
            rounded (weights, bias as corrected, output); of the errors in the whole int8 net.
    """

    name: str
    range_name: str
    range: tuple[float, float] | None
    met: tuple[float, float] = (np.inf, -np.inf)
    count: int = 0
    saturated: int = 0
    signal: float = 0.0
    local: float = 0.0
    total: float = 0.0

    @property
    def step(self) -> float | None:
        return None if self.range is None else (self.range[1] - self.range[0]) / 255

    def add(self, exact: np.ndarray, alone: np.ndarray, whole: np.ndarray) -> None:
        self.met = min(self.met[0], float(exact.min())), max(self.met[1], float(exact.max()))
        self.count += exact.size
        if self.range is not None and self.step is not None:
            low, high = self.range[0] - self.step / 2, self.range[1] + self.step / 2
            self.saturated += int(np.count_nonzero((exact < low) | (exact > high)))
        self.signal += _squares(exact)
        self.local += _squares(alone - exact)
        self.total += _squares(whole - exact)

    def summary(self) -> UnitReport:
        return UnitReport(
            self.name,
            self.range_name,
            self.range,
            self.met,
            self.saturated / self.count,
            LocalAndTotal(self._snr(self.local), self._snr(self.total)),
            LocalAndTotal(self._rmse_steps(self.local), self._rmse_steps(self.total)),
        )

    def _rmse_steps(self, squares: float) -> float | None:
        return float(np.sqrt(squares / self.count)) / self.step if self.step else None

    def _snr(self, noise: float) -> float | None:
        return float(10 * np.log10(self.signal / noise)) if noise > 0 and self.signal > 0 else None


@dataclass
class NetErrors:
    """Errors of the int8 net and of its variants, as `measure` sums them up.

    Attributes:
        units: in order of computing, the picture first.
        blocks: names of the units by block.
        baseline: of the int8 net against float.
        returned: of the int8 net with one block in float, by block.
        parts: of the int8 net with only "weights" or only "activations" rounded.
        needed: (low, high) of each output on the anchors that matter, by the unit that rounds it.
    """

    units: list[UnitErrors]
    blocks: Mapping[str, list[str]]
    baseline: OutputErrors
    returned: dict[str, OutputErrors] = field(default_factory=dict)
    parts: dict[str, OutputErrors] = field(default_factory=dict)
    needed: dict[str, tuple[float, float]] = field(default_factory=dict)


def measure(net: SwitchableNet, frames: Sequence[np.ndarray], spec: DetectorSpec) -> NetErrors:
    """Errors of every unit, and of the outputs with each block returned to float.

    Args:
        frames: (input_h, input_w, 3) uint8 each, at least 2, not those of the calibration.
    """
    names = [unit.name for unit in net.units]
    rows = {
        name: UnitErrors(name, owner, net.ranges.get(owner))
        for name, owner in ((name, net.range_names[name]) for name in (INPUT, *names))
    }
    blocks = {INPUT: [INPUT], **group_by_block(names)}
    result = NetErrors(list(rows.values()), blocks, OutputErrors(spec))
    steps = len(blocks) + 4
    for images, bar in _batches(frames, spec, steps):
        with net.switched(weights=False, outputs=False):
            exact, reference = net.observe(images), net.run(images)
        _add_units(net, rows, exact, net.observe_alone(images), net.observe(images))
        bar.update(2 * len(images))
        rounded = net.run(images)
        chosen = result.baseline.choose(reference, rounded)
        result.baseline.add(reference, rounded, chosen)
        _widen(result.needed, net.output_ops, reference, chosen)
        for part in ("weights", "activations"):
            with net.switched(weights=part == "weights", outputs=part == "activations"):
                errors = result.parts.setdefault(part, OutputErrors(spec))
                errors.add(reference, net.run(images), chosen)
            bar.update(len(images))
        for block, members in blocks.items():
            with net.switched(members):
                errors = result.returned.setdefault(block, OutputErrors(spec))
                errors.add(reference, net.run(images), chosen)
            bar.update(len(images))
    return result


def _add_units(
    net: SwitchableNet,
    rows: Mapping[str, UnitErrors],
    exact: Mapping[str, np.ndarray],
    alone: Mapping[str, np.ndarray],
    whole: Mapping[str, np.ndarray],
) -> None:
    for name, row in rows.items():
        # A part of a concatenation is rounded there; here it is shown with what that costs.
        row.add(exact[name], *(net.round(found[name], row.range_name) for found in (alone, whole)))


def _widen(
    needed: dict[str, tuple[float, float]],
    owners: Mapping[str, str],
    outputs: Outputs,
    chosen: np.ndarray,
) -> None:
    for output, values in outputs.items():
        name = owners[output]
        picked = values[chosen]
        if picked.size:
            low, high = needed.get(name, (0.0, 0.0))
            needed[name] = min(low, float(picked.min())), max(high, float(picked.max()))


def _batches(
    frames: Sequence[np.ndarray], spec: DetectorSpec, steps: int
) -> Iterator[tuple[np.ndarray, tqdm]]:
    total = steps * len(frames)
    with tqdm(total=total, desc="errors of layers", leave=False, disable=None) as bar:
        for start in range(0, len(frames), BATCH):
            part = frames[start : start + BATCH]
            yield np.concatenate([preprocess(frame, spec) for frame in part]), bar


def _squares(values: np.ndarray) -> float:
    return float(np.square(values, dtype=np.float64).sum())


AP_OF_BEST = 3  # blocks whose AP is measured: it takes many pictures


def explain(
    model: keras.Model,
    spec: DetectorSpec,
    quantization: Quantization,
    examples: Sequence[Example],
    limit: int = 32,
    ap_limit: int = 200,
    detector: Detector | None = None,
) -> Measured:
    """Measure what int8 costs a detector and where.

    Args:
        model: the float Keras detector.
        quantization: its ranges and corrections, see train/quantization/simulated_net.py.
        examples: pictures that calibration has not seen; the first `limit` for the errors, the
            first `ap_limit` for the AP.
        detector: of a real int8 file, whose AP is measured beside.
    """
    net = SwitchableNet(model, quantization)
    errors = measure(net, calibration_data.load_frames(examples[:limit], spec), spec)
    blocks = _rank_blocks(errors)
    best = {block.name: block.units for block in blocks[:AP_OF_BEST] if block.gain > 0}
    return Measured(
        score_threshold=SCORE_THRESHOLD,
        ranges=net.ranges,
        input=InputReport(net.ranges[INPUT], pixel_range(spec)),
        units=[unit.summary() for unit in errors.units],
        outputs=OutputsReport(
            int8=errors.baseline.mean(),
            weights=errors.parts["weights"].mean(),
            activations=errors.parts["activations"].mean(),
        ),
        needed=errors.needed,
        blocks=blocks,
        ap=measure_ap(net, best, examples[:ap_limit], spec, detector),
    )


def _rank_blocks(errors: NetErrors) -> list[BlockReport]:
    """Blocks by what they win back in float, most first; none where nothing was found."""
    blocks = []
    for name, returned in errors.returned.items():
        left = returned.mean()
        if left is not None and not errors.baseline.empty:
            won, noise = gain(errors.baseline, returned)
            units = errors.blocks[name]
            blocks.append(BlockReport(name, units, won, noise, left.scores, left.boxes))
    return sorted(blocks, key=lambda block: -block.gain)
