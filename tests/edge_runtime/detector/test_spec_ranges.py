"""Numbers of a spec are refused out of their ranges before anything is made of them."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from edge_runtime.detector.spec import DetectorSpec, SpecError
from tests.tiny_model import SPEC

NAN, INF = float("nan"), float("inf")
LEVEL = {"stride": 16, "sizes": [0.5], "aspect_ratios": [1.0]}


def text(**values) -> str:
    return json.dumps({**json.loads(SPEC.to_json()), **values})


def level(**values) -> list[dict]:
    return [{**LEVEL, **values}]


NUMBERS = ("pixel_mean", "pixel_scale")
NO_NUMBERS = (1e300, -1e300, 10**400, True, "128", None, [1.0])


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", NO_NUMBERS)
def test_a_number_is_in_its_range(name, value):
    with pytest.raises(SpecError, match=rf"{name} must be a number from"):
        DetectorSpec.from_json(text(**{name: value}))


@pytest.mark.parametrize("name", ["sizes", "aspect_ratios"])
@pytest.mark.parametrize("value", [*NO_NUMBERS, 0, -1])
def test_a_levels_numbers_are_in_their_ranges(name, value):
    with pytest.raises(SpecError, match=rf"{name} must be numbers from"):
        DetectorSpec.from_json(text(levels=level(**{name: [value]})))


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("name", ["pixel_mean", "version", "input_hw"])
def test_what_json_does_not_have_is_refused_wherever_it_stands(name, value):
    with pytest.raises(SpecError, match=r"not a JSON object: -?(NaN|Infinity) is no number"):
        DetectorSpec.from_json(text(**{name: value}))


@pytest.mark.parametrize(
    "values",
    [
        {"input_hw": [10**9, 10**9]},
        {"input_hw": [4097, 32]},
        {"input_hw": [32.0, 48]},
        {"input_hw": [True, 48]},
        {"input_hw": "32"},
        {"class_names": "red"},
        {"class_names": ["x" * 1001]},
        {"class_names": [["red"]]},
        {"levels": level(stride=True)},
        {"levels": level(stride=2**40)},
        {"levels": level(stride=16.0)},
        {"levels": level(sizes=[0.5] * 2000, aspect_ratios=[1.0] * 2000)},
        {"levels": {"0": LEVEL}},
        {"levels": "abc"},
        {"levels": [LEVEL] * 5000},
        {"variances": 0.1},
        {"variances": [0.1, 1e300]},
        {"version": 1e300},
        {"version": True},
        {"class_names": ["red\nblue"]},
        {"class_names": ["\ud800"]},
        {"class_names": ["\x1b[2J"]},
        {"levels": [{**LEVEL, "more": 1}]},
        {"levels": [None]},
        {"score_tensor": ["softmax_logits"]},
    ],
    ids=lambda values: json.dumps(values)[:40],
)
def test_a_field_that_is_none_is_refused_in_a_short_message(values):
    with pytest.raises(SpecError) as raised:
        DetectorSpec.from_json(text(**values))
    assert len(str(raised.value)) < 400


def test_a_name_that_comes_twice_is_refused():
    for where in ('"version"', '"stride"'):
        twice = SPEC.to_json().replace(where, f"{where}: 1, {where}", 1)
        with pytest.raises(SpecError, match=r"not a JSON object: '\w+' comes twice"):
            DetectorSpec.from_json(twice)


def test_anchors_are_counted_before_they_are_made():
    many = {"stride": 1, "sizes": [0.5] * 64, "aspect_ratios": [1.0] * 64}
    tracemalloc.start()
    try:
        with pytest.raises(SpecError, match="1000000 anchors at most expected, got 64000000"):
            DetectorSpec.from_json(text(input_hw=[1000, 1000], levels=[many]))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert SPEC.num_anchors == 6


@pytest.mark.parametrize(
    "bad",
    ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000],
    ids=["lists", "objects"],
)
def test_deep_nesting_is_refused(bad):
    with pytest.raises(SpecError, match="nested too deep"):
        DetectorSpec.from_json(bad)
    with pytest.raises(SpecError, match="nested too deep"):
        DetectorSpec.from_json(SPEC.to_json().replace("128.0", bad))


def test_an_integer_of_thousands_of_digits_is_refused():
    for digits in (400, 4000, 6000):  # Python itself refuses to read more than 4,300
        with pytest.raises(SpecError, match=r"number (from|of too many digits)") as raised:
            DetectorSpec.from_json(SPEC.to_json().replace("128.0", "9" * digits))
        assert len(str(raised.value)) < 400
