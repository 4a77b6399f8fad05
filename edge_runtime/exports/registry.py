"""Export registry: every file format that `detect` writes."""

from __future__ import annotations

from importlib import import_module

from edge_runtime.exports.base import Writer

# Name → module and class, of which only the one that is asked for is loaded. In the order of
# `detect --help`; the first is the default.
FORMATS = {
    "json": ("json_lines", "JsonLinesWriter"),
    "voc": ("voc", "VocWriter"),
    "yolo": ("yolo", "YoloWriter"),
    "coco": ("coco", "CocoWriter"),
    "csv": ("csv_table", "CsvWriter"),
}


def find_writer(name: str) -> type[Writer]:
    """The writer of a format, a key of FORMATS."""
    module, writer = FORMATS[name]
    found: type[Writer] = getattr(import_module(f"edge_runtime.exports.{module}"), writer)
    return found
