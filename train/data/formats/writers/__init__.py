"""Writers of labelled folders: the name that `convert --to` takes → what writes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from train.data.formats.writers.coco import write_coco
from train.data.formats.writers.selection import Kept
from train.data.formats.writers.voc import write_voc
from train.data.formats.writers.yolo import write_yolo
from train.data.labeled_folder import LabeledFolder

WRITERS: dict[str, Callable[[LabeledFolder, Path], Kept]] = {
    "voc": write_voc,
    "coco": write_coco,
    "yolo": write_yolo,
}
