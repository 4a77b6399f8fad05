"""Families of detector files: their names for `--as`, and a line on each for people.

Apart from their adapters, which take as long to import as NumPy: a command's help and a file of
this project need the names alone.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """A family of detector files.

    Attributes:
        name: as `--as` takes it.
        description: one line for people.
    """

    name: str
    description: str

    def __str__(self) -> str:
        return f"{self.name}: {self.description}"


OWN = Family("own", "an SSD of this project, with its spec inside")
POST_PROCESSED = Family("post-processed", "SSD or EfficientDet, duplicates suppressed inside")
MEDIAPIPE = Family("mediapipe", "raw boxes and scores, anchors in DETECTOR_METADATA")
YOLO_END_TO_END = Family("yolo-end-to-end", "YOLO26, or suppression inside, [1, K, 6]")
YOLO_V5 = Family("yolov5", "YOLOv5 with objectness, [1, N, 5 + C]")
YOLO_V8 = Family("yolov8", "Ultralytics YOLOv8 or YOLO11, [1, 4 + C, N]")

# By the name that `--as` takes.
FAMILIES = {
    family.name: family
    for family in (OWN, POST_PROCESSED, MEDIAPIPE, YOLO_END_TO_END, YOLO_V5, YOLO_V8)
}
