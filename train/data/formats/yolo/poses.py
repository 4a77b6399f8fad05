"""Key points after a YOLO box where no `kpt_shape` says that there are any."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from train.data.annotation import MalformedLabels
from train.data.formats.numbers import finite_number
from train.data.formats.text import read_lines

_BOX = 4
_SLACK = 1e-3  # labels are rounded


def find_pose_numbers(labels: Iterable[Path]) -> int:
    """Numbers that follow the box in a set's longer lines; 0 where those may be polygons.

    One line alone could be either: of a small polygon, too, the first two corners, read as a
    center and a size, make a box around the others. So all longer lines must be of one length and
    be boxes around points, x y or x y visibility, and of most the size, read as a corner, must
    lie outside of the box, where a polygon's second corner hardly is.

    Raises: OSError.
    """
    count = outside = lines = 0
    for path in labels:
        try:
            for _, text in read_lines(path):
                values = [finite_number(word) for word in text.split()[1:]]
                if len(values) <= _BOX + 1:
                    continue
                numbers = [value for value in values if value is not None]
                same = count in (0, len(values)) and len(numbers) == len(values)
                if not same or not _holds_points(numbers):
                    return 0
                count = len(values)
                lines += 1
                outside += not _is_inside(numbers[:_BOX], numbers[2], numbers[3])
        except MalformedLabels:
            continue  # reading the file says so
    return count - _BOX if lines and 2 * outside > lines else 0


def _holds_points(numbers: Sequence[float]) -> bool:
    box, rest = numbers[:_BOX], numbers[_BOX:]
    if len(rest) % 2 == 0 and all(
        _is_inside(box, x, y) for x, y in zip(rest[::2], rest[1::2], strict=True)
    ):
        return True
    if len(rest) % 3:
        return False
    points = zip(rest[::3], rest[1::3], rest[2::3], strict=True)
    return all(
        shown in (0, 1, 2) and (_is_inside(box, x, y) or x == y == shown == 0)
        for x, y, shown in points
    )


def _is_inside(box: Sequence[float], x: float, y: float) -> bool:
    center_x, center_y, width, height = box
    return abs(x - center_x) <= width / 2 + _SLACK and abs(y - center_y) <= height / 2 + _SLACK
