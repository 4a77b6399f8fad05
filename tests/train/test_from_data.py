"""Settings from the data: epochs, crops and anchors by the pictures and their objects."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from train.config import TrainConfig
from train.data.dataset import DetectionDataset, Example
from train.from_data import as_begun, check_sizes, fit_anchors, settle
from train.model.presets import PRESETS


def dataset(sides, pictures=100):
    """Each picture has one box of each (width, height) in `sides`, fractions of the picture."""
    wh = np.asarray(sides, np.float32).reshape(-1, 2)
    boxes = np.concatenate([0.5 - wh / 2, 0.5 + wh / 2], axis=1)
    ids, none = np.zeros(len(wh), np.int64), np.zeros(len(wh), bool)
    example = Example(Path("a.jpg"), 100, 100, boxes, ids, none, "a")
    return DetectionDataset(Path("set"), "train", ("cat",), [example] * pictures)


@pytest.mark.parametrize(
    ("pictures", "epochs", "every"),
    [(100, 240, 9), (114, 211, 8), (10, 400, 16), (2000, 12, 1), (8000, 12, 1)],
)
def test_few_pictures_are_seen_more_often(pictures, epochs, every):
    settled = settle(TrainConfig(), dataset([(0.5, 0.5)], pictures))
    assert (settled.config.epochs, settled.config.validate_every) == (epochs, every)
    assert f"--epochs {epochs}: {pictures} pictures" in settled.reasons[0]


@pytest.mark.parametrize(
    ("sides", "min_crop", "max_zoom"),
    [
        ([(0.1, 0.2), (0.5, 0.4)], 0.5, 1.5),  # √0.2 = 45 % of the side
        ([(0.1, 0.2), (0.3, 0.3)], 0.3, 2.5),
        ([], 0.3, 2.5),
    ],
)
def test_large_objects_are_cropped_and_shrunk_less(sides, min_crop, max_zoom):
    config = settle(TrainConfig(), dataset(sides)).config
    assert (config.min_crop, config.max_zoom) == (min_crop, max_zoom)


def test_what_is_given_stays():
    given = TrainConfig(
        epochs=7,
        validate_every=3,
        min_crop=0.8,
        max_zoom=4.0,
        input_size=96,
        batch_size=4,
        warmup_epochs=0.5,
    )
    assert settle(given, dataset([(0.5, 0.5)])) == type(settle(given, dataset([])))(given, ())


def test_an_interrupted_training_keeps_what_was_chosen_for_it():
    begun = asdict(settle(TrainConfig(), dataset([(0.5, 0.5)], 100)).config)
    again = settle(as_begun(TrainConfig(), begun), dataset([(0.1, 0.1)], 99)).config
    assert asdict(again) == begun
    assert as_begun(TrainConfig(epochs=3), begun).epochs == 3
    assert as_begun(TrainConfig(), {}) == TrainConfig()


@pytest.mark.parametrize(
    ("side", "chosen"),
    [(0.5, 320), (0.0626, 320), (0.0624, 384), (0.0521, 384), (0.052, 448), (0.01, 448)],
)
def test_small_objects_get_a_larger_input(side, chosen):
    """At the size chosen 20 pixels of an object, the largest size for the smallest ones."""
    config = settle(TrainConfig(), dataset([(side, side)])).config
    assert config.input_size == chosen


def test_presets_of_one_size_keep_it():
    for given in (TrainConfig(preset="digits"), TrainConfig(preset="ssdlite")):
        assert settle(given, dataset([(0.01, 0.01)])).config.input_size == 0


@pytest.mark.parametrize(
    ("pictures", "batch", "warmup"), [(5, 5, 50), (16, 8, 25), (80, 8, 5), (400, 8, 1)]
)
def test_few_pictures_make_small_batches_and_a_long_warm_up(pictures, batch, warmup):
    """Of 50 steps at least, and an epoch."""
    config = settle(TrainConfig(), dataset([(0.5, 0.5)], pictures)).config
    assert (config.batch_size, config.warmup_epochs) == (batch, warmup)


def test_warm_up_ends_in_the_first_quarter():
    assert settle(TrainConfig(epochs=8), dataset([(0.5, 0.5)], 16)).config.warmup_epochs == 2


def test_objects_smaller_than_a_cell_are_refused():
    spec = PRESETS["fpnlite"].spec(("cat",), (320, 320))  # its finest map has stride 8
    check_sizes(spec, dataset([(0.01, 0.01), (0.026, 0.026)]))
    with pytest.raises(ValueError, match=r"got 6.4 pixels for the largest of 100.*size 832"):
        check_sizes(spec, dataset([(0.02, 0.02)]))


def test_anchors_are_fitted_where_the_presets_miss_boxes():
    spec = PRESETS["fpnlite"].spec(("cat",))
    square = dataset([(0.2, 0.2), (0.4, 0.4)], 40)
    assert fit_anchors(spec, square, 0) == (spec, ())
    wide = dataset([(0.6, 0.04), (0.5, 0.05), (0.3, 0.02)], 40)
    fitted, (said,) = fit_anchors(spec, wide, 0)
    assert fitted.levels != spec.levels
    assert said.endswith("they reach 66.7% of them, the preset's 0.0%")
    few = dataset([(0.6, 0.04)], 3)  # fewer boxes than anchors
    assert fit_anchors(spec, few, 0) == (spec, ())
