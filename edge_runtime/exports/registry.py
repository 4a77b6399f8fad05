"""Export registry: every file format that `detect` writes."""

from __future__ import annotations

from edge_runtime.exports.base import Writer
from edge_runtime.exports.coco import CocoWriter
from edge_runtime.exports.csv_table import CsvWriter
from edge_runtime.exports.json_lines import JsonLinesWriter
from edge_runtime.exports.voc import VocWriter
from edge_runtime.exports.yolo import YoloWriter

# In the order of `detect --help`; the first is the default.
FORMATS: dict[str, type[Writer]] = {
    "json": JsonLinesWriter,
    "voc": VocWriter,
    "yolo": YoloWriter,
    "coco": CocoWriter,
    "csv": CsvWriter,
}
