"""What the report says in words."""

from dataclasses import replace

import pytest

from convert.benchmark import html as page
from convert.benchmark.report import Percentiles


@pytest.mark.parametrize(
    ("times", "accuracies", "sentence"),
    [
        (
            (10.0, 4.0),
            (0.5, 0.498),
            "int8 against float32: -0.20 AP and -0.20 AP50 points, 2.0 times smaller and 2.50 "
            "times as fast.",
        ),
        (
            (4.0, 10.0),
            (0.5, 0.5),
            "int8 against float32: +0.00 AP and +0.00 AP50 points, 2.0 times smaller and 2.50 "
            "times as slow.",
        ),
        (
            (None, None),
            (0.5, 0.6),
            "int8 against float32: +10.00 AP and +10.00 AP50 points, 2.0 times smaller.",
        ),
        ((1.0, 1.0), (None, None), ""),
    ],
)
def test_summary(comparison, times, accuracies, sentence):
    rows = {row.variant: row for row in comparison.report.models}
    models = tuple(
        replace(
            rows[variant],
            bytes=size,
            latency_ms=time and {"inference": Percentiles(time, time)},
            accuracy=replace(rows[variant].accuracy, ap=accuracy, ap50=accuracy),
        )
        for variant, size, time, accuracy in zip(
            ("float32", "int8"), (200, 100), times, accuracies, strict=True
        )
    )
    report = replace(comparison.report, models=models)
    assert page.summarize_loss(report) == ([sentence] if sentence else [])


def test_facts_of_a_nested_record():
    values = {"seed_of": 0, "board": None, "machine": {"a_b": "x"}, "list": [1, 2.5], "part": 1 / 3}
    assert page.facts(values) == [
        ("seed of", "0"),
        ("machine: a_b", "x"),
        ("list", "1, 2.5"),
        ("part", "0.333333"),
    ]
