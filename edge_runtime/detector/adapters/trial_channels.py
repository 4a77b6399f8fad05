"""Trial channels: what the channels of a YOLO's only output can be, by its trial on noise.

A YOLO for poses, rotated boxes or masks has a detector's channels and more behind them: keypoints,
an angle, weights of masks. Its shape is that of a detector of so many more classes; its numbers are
not. A score lies in [0, 1], and noise looks like nothing: in two public detectors no class has a
mean above .001 over all cells. A keypoint is near its cell, and cells are all over the picture: a
mean of .5, or pixels; an angle that no object turned is pi / 4, or in YOLO26 any number. Weights of
masks and boxes that are not decoded have both signs.
"""

from __future__ import annotations

from edge_runtime.detector.adapters.base import SCORE_SLACK
from edge_runtime.detector.adapters.foreign_file import ForeignFile
from edge_runtime.detector.adapters.yolo import rows_fit, single_output
from edge_runtime.detector.model_facts import TensorFacts

BOX = 4  # channels of a box, in front of all others
# Of a class over all cells. Networks of random numbers whose scores were spread out come to .3.
MOST_MEAN = 0.35
# Some cell is surer than this that it does not see a class, even of a network before its training.
SURELY_NONE = 0.005
# No activation goes below 0, which a quantised output stands for exactly; an angle of YOLO26 does.
BELOW_NONE = 1e-3
FILLED = -1.0  # class, or all numbers, of a row without a detection


def other_channels(file: ForeignFile, anchors: int) -> list[int]:
    """Channels behind the box that hold no scores; [] where nothing tells, or nothing is odd.

    Args:
        anchors: of a cell. With more than one the file is a YOLOv5, whose scores of classes are
            trained only where an object is: elsewhere they may be anything in [0, 1].
    """
    sides = single_output(file)
    if sides is None or not rows_fit(file, max(sides), anchors):
        return []
    return [
        number
        for number, (low, mean, high) in enumerate(_channels(file, file.outputs[0]))
        if number >= BOX
        and (
            low < -BELOW_NONE
            or high > 1 + SCORE_SLACK
            or (anchors == 1 and (mean > MOST_MEAN or low > SURELY_NONE))
        )
    ]


def has_corners(file: ForeignFile, output: TensorFacts) -> bool:
    """False where the first four channels of [1, K, 4 or more] are not two corners: mean sizes of
    less than nothing in both directions.

    An RT-DETR's finished detections are center and size, and their pictures were stretched.
    """
    means = [mean for _, mean, _ in _columns(file, output)[:BOX]]
    return not means or means[0] <= means[2] or means[1] <= means[3]


def can_be_score_and_class(file: ForeignFile) -> bool:
    """False where the last two columns of an only output [1, K, 6] are not a score and the number
    of a class: makers differ in the order of the six.

    Rows that hold no detection may be filled up with a class of -1, with a score of -1 or without.
    Quantised class numbers are whole to half a step of the output.
    """
    columns = _columns(file, file.outputs[0])
    if not columns or file.trial is None:
        return True
    slack = file.trial.outputs[file.outputs[0].index].step / 2
    (least, _, most), (low, _, high) = columns[-2:]
    filled = abs(low - FILLED) <= slack
    is_score = least >= -BELOW_NONE or (filled and abs(least - FILLED) <= slack)
    is_class = low >= -slack or filled
    whole = all(abs(number - round(number)) <= slack for number in (low, high))
    return is_score and most <= 1 + SCORE_SLACK and is_class and whole


def tells_classes(file: ForeignFile) -> bool:
    """True where the last of six columns is one of class numbers, and not of scores of 0 and 1."""
    columns = _columns(file, file.outputs[0])
    return bool(columns) and can_be_score_and_class(file) and columns[-1][2] >= 1


def has_known_columns(file: ForeignFile) -> bool:
    """True where the trial tells what each column of an only output [K, columns] holds."""
    return bool(_columns(file, file.outputs[0]))


def _columns(file: ForeignFile, output: TensorFacts) -> tuple[tuple[float, float, float], ...]:
    """(low, mean, high) of each column of [1, K, columns]; () without a trial, and of so few rows
    that they were taken for the channels."""
    channels = _channels(file, output)
    return channels if len(channels) == output.shape[-1] else ()


def _channels(file: ForeignFile, output: TensorFacts) -> tuple[tuple[float, float, float], ...]:
    """(low, mean, high) of each; () without a trial."""
    return () if file.trial is None else file.trial.outputs[output.index].channels
