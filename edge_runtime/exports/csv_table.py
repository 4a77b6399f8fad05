"""CSV export: one table, a row a detection."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from edge_runtime.exports.base import Job, Picture, Writer, check_different, number_text
from edge_runtime.media.atomic import atomic_path
from edge_runtime.standard_streams import write_data

FILE_NAME = "detections.csv"
COLUMNS = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax", "score")


class CsvWriter(Writer):
    """Rows to stdout as soon as their picture is done, else to FILE_NAME in the job's folder.

    A picture without detections has no row.
    """

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        check_different(job.images, [Path(image).name for image in job.images], "one file name")
        self._text = io.StringIO()
        self._table = csv.writer(self._text, lineterminator="\n")
        self._table.writerow(COLUMNS)

    def write(self, picture: Picture) -> None:
        name = Path(picture.path).name
        for label in picture.labels():
            corners = map(number_text, label.box)
            score = f"{label.score:.4f}"
            row = (name, picture.width, picture.height, label.name, *corners, score)
            self._table.writerow(row)
        if self.job.folder is None:
            self._print()

    def finish(self) -> None:
        if self.job.folder is None:
            self._print()
        else:
            with atomic_path(self.job.folder / FILE_NAME) as temporary:
                temporary.write_text(self._text.getvalue(), encoding="utf-8")

    def _print(self) -> None:
        write_data(self._text.getvalue())
        self._text.seek(0)
        self._text.truncate()
