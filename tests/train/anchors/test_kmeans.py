from pathlib import Path

import numpy as np
import pytest

from edge_runtime.detector.anchors import make_anchors
from edge_runtime.detector.boxes import cxcywh_to_xyxy, iou
from edge_runtime.detector.spec import AnchorLevel, DetectorSpec
from tests.downloads import downloaded
from train.anchors.coverage import (
    best_anchor_iou,
    best_shape_iou,
    format_table,
    reach_by_class,
    unreachable_classes,
)
from train.anchors.kmeans import box_sizes_px, fit_levels, fit_spec
from train.anchors.plot import anchor_sizes_px
from train.data.dataset import DetectionDataset, Example, load_dataset
from train.model.presets import PRESETS

STRIDES = (8, 16, 32, 64)
LEVELS = (AnchorLevel(8, (0.1, 0.2), (0.5, 2)), AnchorLevel(32, (0.4,), (1,)))


def dataset_of(boxes, class_ids, class_names=("a", "b")):
    example = Example(
        Path("a.png"),
        100,
        100,
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(class_ids, np.int64),
        np.zeros(len(class_ids), bool),
        "a",
    )
    return DetectionDataset(Path("made"), "train", class_names, [example])


def random_boxes(rng, count, centers_px, spread, input_hw):
    """Boxes about some sizes (K, 2) in pixels, anywhere in the picture, as (count, 4) xyxy."""
    size = np.asarray(centers_px)[rng.integers(0, len(centers_px), count)]
    size = size * np.exp(rng.normal(0, spread, (count, 2))) / input_hw[::-1]
    low = rng.random((count, 2)) * np.maximum(1 - size, 0)
    return np.concatenate([low, np.minimum(low + size, 1)], axis=1).astype(np.float32)


def brute_force(boxes, spec):
    return iou(boxes, cxcywh_to_xyxy(make_anchors(spec))).max(axis=1)


@pytest.mark.parametrize("input_hw", [(320, 320), (192, 320), (320, 192)])
def test_two_clusters_are_found(input_hw):
    rng = np.random.default_rng(0)
    wanted = np.array([[20, 30], [90, 45]])  # sizes of 24.5 and 63.6 pixels
    sizes = np.repeat(wanted, 40, axis=0) * np.exp(rng.normal(0, 0.02, (80, 2)))
    levels = fit_levels(sizes, (8, 16), input_hw, per_level=1)
    assert [level.stride for level in levels] == [8, 16]
    np.testing.assert_allclose(anchor_sizes_px(levels, input_hw), wanted, rtol=0.02)
    shorter = min(input_hw)
    assert levels[0].sizes[0] == pytest.approx(np.sqrt(600) / shorter, rel=0.02)
    assert levels[1].aspect_ratios[0] == pytest.approx(2, rel=0.03)


def test_sizes_are_those_of_the_stretched_picture():
    box = np.float32([[0.25, 0.5, 0.5, 1]])  # square in a picture twice as wide as high
    np.testing.assert_allclose(box_sizes_px(box, (100, 100)), [[25, 50]])
    np.testing.assert_allclose(box_sizes_px(box, (100, 200)), [[50, 50]])


def test_a_fitted_anchor_covers_its_box_in_a_wide_input():
    spec = DetectorSpec((64, 192), ("a",), LEVELS[:1])
    (anchor,) = make_anchors(spec)[[0]]  # stride 8, row 0, column 0
    boxes = np.repeat(cxcywh_to_xyxy(anchor[None] + np.float32([0.5, 0.5, 0, 0])), 2, axis=0)
    fitted = fit_spec(dataset_of(boxes, [0, 0], ("a",)), spec, per_level=2)
    np.testing.assert_allclose(fitted.levels[0].sizes, [0.1])  # one shape, so one anchor
    np.testing.assert_allclose(fitted.levels[0].aspect_ratios, [0.5])
    np.testing.assert_allclose(best_shape_iou(boxes, fitted), 1, atol=1e-3)


def test_a_box_goes_to_the_coarsest_level_that_it_is_three_strides_large_on():
    sizes = np.array([[5, 5], [47, 47], [48, 48], [95, 95], [500, 500]], float)
    levels = fit_levels(sizes, (8, 16, 32), (500, 500), per_level=1)
    expected = [np.sqrt(5 * 47), np.sqrt(48 * 95), 500]
    np.testing.assert_allclose([level.sizes[0] * 500 for level in levels], expected, rtol=1e-3)


@pytest.mark.parametrize("size", [4, 60, 110, 400])  # below, between and above what the maps fit
def test_levels_are_sorted_and_none_is_empty(size):
    rng = np.random.default_rng(1)
    sizes = size * np.exp(rng.normal(0, 0.1, (50, 2)))
    sizes = np.concatenate([sizes, [[20, 25], [22, 22]]])
    levels = fit_levels(sizes, STRIDES, (320, 320), per_level=3)
    assert [level.stride for level in levels] == list(STRIDES)
    assert all(1 <= len(level) <= 3 for level in levels)
    flat = [size for level in levels for size in level.sizes]
    assert flat == sorted(flat)


def test_the_fit_depends_on_the_seed_only():
    sizes = np.random.default_rng(2).uniform(10, 200, (300, 2))
    first = fit_levels(sizes, STRIDES, (320, 320), seed=1)
    assert first == fit_levels(sizes, STRIDES, (320, 320), seed=1)


@pytest.mark.parametrize("name", ["fpnlite", "ssdlite", "digits"])
@pytest.mark.parametrize("input_hw", [(320, 320), (192, 320)])
def test_the_nearest_cell_is_enough(name, input_hw):
    boxes = random_boxes(np.random.default_rng(3), 60, [[15, 20], [60, 40]], 0.6, input_hw)
    boxes = np.concatenate([boxes, np.float32([[0, 0, 0.01, 0.02], [0.95, 0.9, 1, 1]])])
    boxes = np.concatenate([boxes, np.float32([[0, 0, 1, 1], [0.4, 0.4, 0.6, 0.6]])])
    spec = PRESETS[name].spec(("a",), input_hw)
    np.testing.assert_allclose(best_anchor_iou(boxes, spec), brute_force(boxes, spec), atol=1e-4)
    assert (best_shape_iou(boxes, spec) >= best_anchor_iou(boxes, spec) - 1e-4).all()


def test_the_table_against_numbers_by_hand():
    # 2 x 2 cells, anchors a quarter of the input: centres at 1/4 and 3/4, sides 1/2.
    spec = DetectorSpec((64, 64), ("a", "b", "unused"), (AnchorLevel(32, (0.5,), (1,)),))
    boxes = [
        [0, 0, 0.5, 0.5],  # a: the anchor itself
        [0, 0, 0.5, 0.25],  # a: half of it, IoU 0.5 exactly
        [0.25, 0.25, 0.75, 0.75],  # b: a quarter in common with each, (1/16) / (7/16)
    ]
    data = dataset_of(boxes, [0, 0, 1], spec.class_names)
    a, b, every = reach_by_class(data, spec)
    assert (a.name, a.count, a.share, a.shape_share) == ("a", 2, 1, 1)
    assert a.mean_iou == pytest.approx(0.75)
    assert (b.name, b.count, b.share, b.shape_share) == ("b", 1, 0, 1)
    assert b.mean_iou == pytest.approx(1 / 7)
    assert (every.name, every.count) == ("all", 3)
    assert every.share == pytest.approx(2 / 3)
    assert every.mean_iou == pytest.approx((1 + 1 / 2 + 1 / 7) / 3)
    lines = format_table([a, b, every], [a, b, every]).splitlines()
    assert lines[3].split() == ["b", "1", "0.143", "0.143", "0.0%", "0.0%", "100.0%", "100.0%"]
    assert unreachable_classes(data, spec) == [("b", 0.0)]
    assert unreachable_classes(data, spec, share=0) == []


@pytest.mark.parametrize("seed", range(6))
def test_the_fit_is_never_worse_than_the_preset(seed):
    rng = np.random.default_rng(seed)
    before = PRESETS["fpnlite"].spec(("a", "b"), (256, 320) if seed % 2 else None)
    centers = np.exp(rng.uniform(np.log(15), np.log(150), (5, 2)))
    boxes = random_boxes(rng, 400, centers, 0.15, before.input_hw)
    data = dataset_of(boxes, rng.integers(0, 2, 400))
    after = fit_spec(data, before)
    assert len(make_anchors(after)) <= len(make_anchors(before)) / 2
    old, new = reach_by_class(data, before)[-1], reach_by_class(data, after)[-1]
    assert new.mean_iou > old.mean_iou
    assert new.share >= old.share


def test_sizes_that_cannot_be_fitted():
    with pytest.raises(ValueError, match=r"at least 12 boxes .* got 11"):
        fit_levels(np.full((11, 2), 9.0), STRIDES, (320, 320))
    with pytest.raises(ValueError, match="at least 1, got 0"):
        fit_levels(np.full((11, 2), 9.0), STRIDES, (320, 320), per_level=0)
    with pytest.raises(ValueError, match=r"\(M, 2\) .* got \(11, 4\)"):
        fit_levels(np.full((11, 4), 9.0), STRIDES, (320, 320))
    for bad in (0, -1, np.nan, np.inf):
        sizes = np.full((20, 2), 9.0)
        sizes[7, 1] = bad
        with pytest.raises(ValueError, match=r"positive widths and heights expected, got .* row 7"):
            fit_levels(sizes, STRIDES, (320, 320))


def test_a_split_without_boxes_is_refused():
    data = dataset_of([], [])
    spec = PRESETS["fpnlite"].spec(data.class_names)
    for ask in (reach_by_class, unreachable_classes, fit_spec):
        with pytest.raises(ValueError, match="boxes expected in the split 'train', got none"):
            ask(data, spec)


@pytest.mark.filterwarnings("ignore::train.data.dataset.DataWarning")  # one box of BCCD has no area
def test_platelets_of_bccd_come_into_reach():
    root = downloaded("bccd", "BCCD")
    train, held_out = load_dataset(root, "train"), load_dataset(root, "test")
    for name, least in (("fpnlite", 0.97), ("ssdlite", 0.38)):
        before = PRESETS[name].spec(train.class_names)
        after = fit_spec(train, before)
        for data in (train, held_out):  # fitted to one, better on both
            old = {row.name: row for row in reach_by_class(data, before)}
            new = {row.name: row for row in reach_by_class(data, after)}
            assert new["Platelets"].share >= old["Platelets"].share + 0.01
            assert new["Platelets"].share >= least
            assert new["all"].mean_iou >= old["all"].mean_iou + 0.03
        assert [row[0] for row in unreachable_classes(train, after)] == (
            ["Platelets"] if name == "ssdlite" else []
        )
