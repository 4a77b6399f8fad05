"""TFLite metadata that are unusual count as absent; only those that are damaged are refused."""

from __future__ import annotations

import logging

import pytest

from edge_runtime.detector.tflite_metadata import read_metadata
from tests.edge_runtime.detector.metadata_files import Info, make_decoding, make_metadata


def read(info):
    (found,) = read_metadata(make_metadata([info], [])).inputs
    return found


@pytest.mark.parametrize(
    ("mean", "std"),
    [([127.5], [0]), ([0, 0, 0], [1, 1, 0]), ([0], [-1]), ([float("nan")], [1]), ([0, 0], [1, 1])],
)
def test_a_mean_and_std_that_mean_nothing(mean, std, caplog):
    found = read(Info("image", mean=mean, std=std))
    assert (found.mean, found.std) == ((), ())
    assert "mean nothing and are left aside" in caplog.text


def test_options_of_normalization_without_numbers(caplog):
    with caplog.at_level(logging.WARNING):
        found = read(Info("image", normalized=True))
    assert (found.mean, found.std) == ((), ())
    assert not caplog.records


@pytest.mark.parametrize(
    ("order", "kind", "expected"),
    [
        ((1, 0, 3, 2), 1, (1, 0, 3, 2)),
        ((1, 0, 3, 2), 0, None),  # unknown
        ((0, 1, 2, 3), 2, None),  # a corner and a size
        ((0, 1, 2), 1, None),
    ],
)
def test_boxes_of_another_kind_than_boundaries(order, kind, expected, caplog):
    assert read(Info("location", box_order=order, box_kind=kind)).box_order == expected
    assert ("left aside" in caplog.text) == (expected is None)


@pytest.mark.parametrize("fixed", [True, False])
def test_anchors_of_another_kind(fixed):
    buffer = make_metadata([], [], make_decoding([(0.5, 0.5, 0.2, 0.4)], fixed=fixed))
    assert (read_metadata(buffer).decoding is not None) == fixed
