"""The explanation's report: explain.json as dataclasses.

Accuracy is average precision in [0, 1], None where there is no ground truth. A range is
(low, high).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

Range = tuple[float, float]
Json = dict[str, Any]


@dataclass(frozen=True)
class DataSummary:
    """What errors (`pictures`) and AP (`ap_pictures`) were measured on."""

    root: str
    split: str
    pictures: int
    ap_pictures: int


@dataclass(frozen=True)
class Calibration:
    """Where the ranges come from.

    Attributes:
        ranges: in words, or the file.
        split, images, seed: of the calibration pictures.
        flat: what is on them where none has any contrast, in words.
        equalized: whether the net's channels were, see convert/quantize/equalization.py: ranges
            are of such a net, or of the net as trained.
    """

    ranges: str
    split: str
    images: int
    seed: int
    flat: str | None
    equalized: bool = False


@dataclass(frozen=True)
class LocalAndTotal:
    """With this unit alone in int8, and in the whole int8 net; None where there is no value."""

    local: float | None
    total: float | None


@dataclass(frozen=True)
class UnitReport:
    """What rounding does to a unit's output.

    Attributes:
        name: of the unit, or "input".
        range_of: whose range the output has: its own, or a concatenation's.
        range: in int8; None where it stays in float.
        met: smallest and largest value of the float net.
        saturated: share of the values outside the range by more than half a step.
        snr_db: signal-to-noise ratio in dB.
        rmse_steps: RMS error in steps of the range.
    """

    name: str
    range_of: str
    range: Range | None
    met: Range
    saturated: float
    snr_db: LocalAndTotal
    rmse_steps: LocalAndTotal

    @classmethod
    def from_json(cls, content: Json) -> UnitReport:
        return cls(
            content["name"],
            content["range_of"],
            None if content["range"] is None else _pair(content["range"]),
            _pair(content["met"]),
            content["saturated"],
            LocalAndTotal(**content["snr_db"]),
            LocalAndTotal(**content["rmse_steps"]),
        )


@dataclass(frozen=True)
class DetectionErrors:
    """Mean errors against float, each in [0, 1]: change of a score; 1 - IoU of a box."""

    scores: float
    boxes: float

    @property
    def sum(self) -> float:
        return self.scores + self.boxes


@dataclass(frozen=True)
class OutputsReport:
    """Of the int8 net, and of it with only weights or only activations rounded.

    None where hardly a picture has an anchor that matters.
    """

    int8: DetectionErrors | None
    weights: DetectionErrors | None
    activations: DetectionErrors | None


@dataclass(frozen=True)
class BlockReport:
    """The int8 net with one block of units in float.

    Attributes:
        gain: by how much the sum of the errors falls.
        noise: its standard error over pictures.
        scores, boxes: the errors that are left, as in DetectionErrors.
    """

    name: str
    units: list[str]
    gain: float
    noise: float
    scores: float
    boxes: float


@dataclass(frozen=True)
class ApReport:
    """Average precision of a variant of the net.

    Attributes:
        gain: against int8.
        noise: standard error of the gain; None where there are too few pictures.
    """

    ap: float | None
    gain: float | None
    noise: float | None


@dataclass(frozen=True)
class InputReport:
    """The input's range, and that of the pixels that the device delivers."""

    range: Range
    device: Range


@dataclass(frozen=True)
class Measured:
    """The measured part of the report.

    Attributes:
        score_threshold: of the anchors that matter; "thresholds" in the JSON.
        ranges: by name of the unit.
        units: in order of computing, the input first.
        needed: range of each output on the anchors that matter, by the unit that rounds it.
        blocks: the one that gains most first.
        ap: of "float", "int8", "file" and the best blocks.
    """

    score_threshold: float
    ranges: Mapping[str, Range]
    input: InputReport
    units: list[UnitReport]
    outputs: OutputsReport
    needed: Mapping[str, Range]
    blocks: list[BlockReport]
    ap: Mapping[str, ApReport]


@dataclass(frozen=True)
class Diagnosis:
    """What to do about the loss: "cause" is a word, "line" says what and why."""

    cause: str
    line: str


@dataclass(frozen=True)
class Explanation:
    """explain.json, but for the diagnosis that is made of it.

    Attributes:
        machine: of `edge_runtime.system.machine.describe_machine`.
        model: path of the .keras file.
        int8: name of the explained .tflite file, if one was given.
    """

    command: str
    machine: dict[str, str | int | None]
    model: str
    int8: str | None
    data: DataSummary
    calibration: Calibration
    measured: Measured

    def to_json(self, diagnosis: Diagnosis) -> Json:
        content = asdict(self)
        measured = content.pop("measured")
        thresholds = {"thresholds": {"score": measured.pop("score_threshold")}}
        return {**content, **thresholds, **measured, "advice": asdict(diagnosis)}

    @classmethod
    def from_json(cls, content: Json) -> tuple[Explanation, Diagnosis]:
        """The explanation and its diagnosis. Raises: KeyError, TypeError for another object."""
        outputs, given = content["outputs"], content["input"]
        measured = Measured(
            content["thresholds"]["score"],
            {name: _pair(ends) for name, ends in content["ranges"].items()},
            InputReport(_pair(given["range"]), _pair(given["device"])),
            [UnitReport.from_json(unit) for unit in content["units"]],
            OutputsReport(**{key: e and DetectionErrors(**e) for key, e in outputs.items()}),
            {name: _pair(ends) for name, ends in content["needed"].items()},
            [BlockReport(**block) for block in content["blocks"]],
            {name: ApReport(**ap) for name, ap in content["ap"].items()},
        )
        explanation = cls(
            content["command"],
            content["machine"],
            content["model"],
            content["int8"],
            DataSummary(**content["data"]),
            Calibration(**content["calibration"]),
            measured,
        )
        return explanation, Diagnosis(**content["advice"])


def _pair(ends: list[float]) -> Range:
    low, high = ends
    return low, high
