"""Plain-text tables: columns set in line, average precision in points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def align(rows: Sequence[Sequence[str]], left: Sequence[int]) -> str:
    """Columns as wide as their widest cell; those in `left` are set left, numbers right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The same for a page of docs/, headings first."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def points(ap: float | None) -> str:
    """An average precision in [0, 1] in points (hundredths); blank where there is none."""
    return "" if ap is None else f"{_rounded(ap):.2f}"


def signed_points(difference: float | None) -> str:
    """A difference of average precisions, each in [0, 1], in points; blank where there is none."""
    return "" if difference is None else f"{_rounded(difference):+.2f}"


def _rounded(ap: float) -> float:
    return round(100 * ap, 2) + 0.0  # turns a rounded -0.0 into 0.0


def mean_and_spread(mean: float, spread: float, signed: bool = False) -> str:
    """`59.50 ± 0.40`, in points."""
    return f"{signed_points(mean) if signed else points(mean)} ± {points(spread)}"
