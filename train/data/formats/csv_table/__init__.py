"""Tables of boxes, a row a box: TensorFlow's and Roboflow's CSV, Open Images, keras-retinanet,
AutoML.
"""

from __future__ import annotations

import csv
from functools import partial
from itertools import islice
from pathlib import Path

from train.data.annotation import MalformedLabels
from train.data.formats.base import Format, Recognized
from train.data.formats.csv_table.columns import Columns, find_columns, parse_row
from train.data.formats.csv_table.folder import read_folder
from train.data.formats.files import FolderFiles
from train.data.formats.text import read_lines

_COUNTED_ROWS = 20_000


def _recognize(files: FolderFiles) -> Recognized | None:
    tables = []
    for path in files.with_suffix(".csv", ".tsv"):
        columns = find_columns(path)
        if columns:
            tables.append((path, columns))
    if not tables:
        return None
    tables.sort(key=lambda table: (len(files.parts(table[0])), table[0]))
    pictures = sum(_count_pictures(files, path, columns) for path, columns in tables)
    return Recognized(max(1, pictures), partial(read_folder, files, tables))


def _count_pictures(files: FolderFiles, path: Path, columns: Columns) -> int:
    """Pictures of a table, those that are here if any are; of a long one an estimate."""
    names, read = set(), 0
    try:
        for number, line in islice(read_lines(path), _COUNTED_ROWS):
            read += len(line.encode()) + 1
            if number == columns.header_line:
                continue
            try:
                names.add(parse_row(line, columns.delimiter)[columns.image])
            except (csv.Error, IndexError):
                continue
    except MalformedLabels:
        pass  # reading says so
    here = sum(files.find_path(name, path)[0] is not None for name in names)
    share = max(1.0, path.stat().st_size / max(1, read))
    return min(round((here or len(names)) * share), max(len(files.images), len(names)))


FORMAT = Format("CSV", _recognize)
