"""Rows of the bench: what is measured against what, and the goal."""

from __future__ import annotations

from dataclasses import dataclass

from studies.speed.interleaved import Contest, Measure, Spread


@dataclass(frozen=True)
class Task:
    """A row that is still to be measured.

    Attributes:
        name: of both sides: "X against Y".
        goal: that the row's figure shall not exceed; reach, where `higher` is better.
        measure: does it, in about so many seconds.
        unit: of the figure: "x" is the ratio of the two sides.
    """

    name: str
    goal: float
    measure: Measure
    unit: str = "x"
    higher: bool = False


@dataclass(frozen=True)
class Row:
    """A measured row: its figure, and both sides in seconds (megabytes for a memory).

    Attributes:
        met: whether the median reaches the goal.
    """

    name: str
    unit: str
    goal: float
    figure: Spread
    ours: Spread
    theirs: Spread
    rounds: int
    met: bool

    @classmethod
    def of(cls, task: Task, found: Contest) -> Row:
        figure = found.ratio
        met = figure.median >= task.goal if task.higher else figure.median <= task.goal
        return cls(
            task.name, task.unit, task.goal, figure, found.ours, found.theirs, found.rounds, met
        )
