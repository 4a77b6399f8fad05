"""Unread YOLOs: what a YOLO is that is no detector, or leaves open what its numbers mean."""

from __future__ import annotations

from edge_runtime.detector.adapters.foreign_file import ForeignFile
from edge_runtime.detector.adapters.trial_channels import other_channels
from edge_runtime.detector.adapters.yolo import ANCHORS, FINISHED, rows_fit, single_output

DETECT = "export a YOLO that was trained with task detect"
SUPPRESSED_YOLO = (
    "a YOLO with suppression inside by TensorFlow's operators",
    "export it without, a YOLOv5 without --nms and --agnostic-nms",
)


def other_ultralytics(file: ForeignFile) -> tuple[str, str] | None:
    """What an Ultralytics file is that is not read, and what to do; None for others."""
    metadata = file.ultralytics
    if metadata is None:
        return None
    if metadata.task not in ("", "detect"):
        cure = "export one that was trained with task detect"
        return f"an Ultralytics model for {metadata.task}", cure
    if metadata.transformer:
        return "an RT-DETR of Ultralytics", "export a YOLO"
    return SUPPRESSED_YOLO if len(file.outputs) == 4 else None


def other_yolo(file: ForeignFile) -> tuple[str, str] | None:
    """What an only output [1, A, B] looks like that is not a YOLO detector's."""
    sides = single_output(file)
    if sides is None:
        return None
    rows, channels = max(sides), min(sides)
    kind = "a model for poses, rotated boxes or masks, or one without its last steps"
    fitting = {"yolov8": 1, "yolov5": ANCHORS}
    fitting = {family: each for family, each in fitting.items() if rows_fit(file, rows, each)}
    finished = rows == sides[0] <= FINISHED and "yolov5" not in fitting
    if fitting and file.ultralytics is not None:
        count = len(file.ultralytics.names)
        return f"a YOLO of {channels} channels, which do not fit its {count} names ({kind})", DETECT
    if finished and channels == 6:
        return (
            "rows of 6 numbers that do not look like corners, score and class (an RT-DETR, or a "
            "YOLO of two classes)",
            "export a YOLO with its metadata; --as yolo-end-to-end or yolov8 reads it even so",
        )
    for family, anchors in fitting.items():
        others = other_channels(file, anchors)
        if others:
            return (
                f"a YOLO without names, {len(others)} of whose {channels} channels hold no scores "
                f"({kind})",
                DETECT if finished else f"{DETECT}; --as {family} reads it as a detector even so",
            )
    if not fitting and finished and channels > 6:
        return (
            f"rows of {channels} numbers, where finished detections have 6 (an end-to-end model "
            "for poses, rotated boxes or masks, or an RT-DETR)",
            DETECT,
        )
    return None


def transposed_yolo(file: ForeignFile) -> tuple[str, str] | None:
    """The same of [1, N, channels] without names, N as many as cells: classes may begin behind the
    box, or behind an objectness."""
    sides = single_output(file)
    if sides is None or file.ultralytics is not None or not 6 < sides[1] < sides[0]:
        return None
    rows, channels = sides
    if not rows_fit(file, rows, 1) or other_channels(file, 1):
        return None
    return (
        f"{rows} rows of {channels} numbers without names, which are a YOLOv8's transposed or have "
        "objectness before their classes (YOLOX, YOLOv6)",
        f"--as yolov8 reads {channels - 4} classes, --as yolov5 objectness and {channels - 5}",
    )
