"""Class scores: whether the channels of a YOLO can be scores of classes, by its trial on noise.

A YOLO for poses, rotated boxes or masks has a detector's channels and more behind them: keypoints,
an angle, weights of masks. Its shape is that of a detector of so many more classes; its numbers are
not. A score lies in [0, 1], and noise looks like nothing: in two public detectors no class has a
mean above .001 over all cells. A keypoint is near its cell, and cells are all over the picture: a
mean of .5, or pixels; an angle that no object turned is pi / 4. Weights of masks and boxes that are
not decoded have both signs.
"""

from __future__ import annotations

from edge_runtime.detector.adapters.base import SCORE_SLACK
from edge_runtime.detector.adapters.foreign_file import ForeignFile
from edge_runtime.detector.adapters.yolo import rows_fit, single_output

BOX = 4  # channels of a box, in front of all others
# Of a class over all cells. Networks of random numbers whose scores were spread out come to .3.
MOST_MEAN = 0.35


def other_channels(file: ForeignFile, anchors: int) -> list[int]:
    """Channels behind the box that hold no scores; [] where nothing tells, or nothing is odd.

    Args:
        anchors: of a cell. With more than one the file is a YOLOv5, whose scores of classes are
            trained only where an object is: elsewhere they may be anything in [0, 1].
    """
    sides = single_output(file)
    if sides is None or file.trial is None or not rows_fit(file, max(sides), anchors):
        return []
    channels = file.trial.outputs[file.outputs[0].index].channels
    most_mean = MOST_MEAN if anchors == 1 else 1 + SCORE_SLACK
    return [
        number
        for number, (low, mean, high) in enumerate(channels)
        if number >= BOX and (low < -SCORE_SLACK or high > 1 + SCORE_SLACK or mean > most_mean)
    ]
