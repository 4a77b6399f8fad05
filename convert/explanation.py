"""All that `convert.explain` measures of one detector."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from convert.explain.ap_by_block import measure_ap
from convert.explain.layer_errors import measure
from convert.explain.output_errors import SCORE_THRESHOLD, gain
from convert.explain.switchable_net import SwitchedNet
from convert.quantize import calibration_data as representative
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.spec import DetectorSpec
from train.data.dataset import Example
from train.quantization.calibrate import pixel_range
from train.quantization.simulated_net import INPUT, Quantization

AP_OF_BEST = 3  # blocks whose AP is measured: it takes many pictures


def explain(
    model: keras.Model,
    spec: DetectorSpec,
    quantization: Quantization,
    examples: Sequence[Example],
    limit: int = 32,
    ap_limit: int = 200,
    detector: Detector | None = None,
) -> dict:
    """Measure what int8 costs a detector and where.

    Args:
        model: the float Keras detector.
        quantization: its ranges and corrections, see train/quantization/simulated_net.py.
        examples: pictures that calibration has not seen; the first `limit` for the errors, the
            first `ap_limit` for the AP.
        detector: of a real int8 file, whose AP is measured beside.

    Returns: the measured part of the report, ready for JSON.
    """
    net = SwitchedNet(model, quantization)
    found = measure(net, representative.load_frames(examples[:limit], spec), spec)
    blocks = []
    if not found.baseline.empty:
        for name, errors in found.returned.items():
            won, noise = gain(found.baseline, errors)
            row = {"name": name, "units": found.blocks[name], "gain": won, "noise": noise}
            blocks.append({**row, **errors.mean()})
    blocks.sort(key=lambda block: -block["gain"])
    best = {block["name"]: block["units"] for block in blocks[:AP_OF_BEST] if block["gain"] > 0}
    return {
        "thresholds": {"score": SCORE_THRESHOLD},
        "ranges": {name: list(ends) for name, ends in net.ranges.items()},
        "input": {"range": list(net.ranges[INPUT]), "device": list(pixel_range(spec))},
        "units": [unit.summary() for unit in found.units],
        "outputs": {
            "int8": None if found.baseline.empty else found.baseline.mean(),
            **{part: None if e.empty else e.mean() for part, e in found.parts.items()},
        },
        "needed": {name: list(ends) for name, ends in found.needed.items()},
        "blocks": blocks,
        "ap": measure_ap(net, best, examples[:ap_limit], spec, detector),
    }
