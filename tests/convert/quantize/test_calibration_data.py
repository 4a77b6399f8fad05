import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from convert.quantize.calibration_data import (
    IMAGES_PER_CLASS,
    choose,
    class_counts,
    draw,
    load_frames,
)
from edge_runtime.detector.preprocess import preprocess
from edge_runtime.detector.spec import AnchorLevel, DetectorSpec
from train.data.dataset import DataWarning, Example, VocDataset

NAMES = ("a", "b", "rare")
SPEC = DetectorSpec((8, 12), NAMES, (AnchorLevel(4, (0.5,), (1.0,)),))


def make_dataset(tmp_path, class_ids_per_picture):
    """Examples without pictures; the ids alone decide what is drawn."""
    examples = [
        Example(
            tmp_path / f"{number}.png",
            12,
            8,
            np.tile(np.array([0, 0, 1, 1], np.float32), (len(ids), 1)),
            np.array(ids, np.int64),
            np.zeros(len(ids), bool),
            str(number),
        )
        for number, ids in enumerate(class_ids_per_picture)
    ]
    return VocDataset(tmp_path, "train", NAMES, examples)


def common(tmp_path, count=300, rare=(7,)):
    return make_dataset(tmp_path, [[0, 1, 2] if n in rare else [0, 1] for n in range(count)])


@pytest.mark.parametrize("seed", range(5))
def test_a_rare_class_is_always_there(tmp_path, seed):
    dataset = common(tmp_path, rare=range(4, 11))
    chosen = choose(dataset, 20, seed)
    assert len({example.image_id for example in chosen}) == 20
    counts = class_counts(chosen, NAMES)
    assert counts["rare"] >= IMAGES_PER_CLASS
    assert counts["a"] == counts["b"] == 20


def test_the_only_picture_of_a_class_is_enough(tmp_path):
    chosen = choose(common(tmp_path), 20, seed=0)
    assert class_counts(chosen, NAMES)["rare"] == 1


def test_same_seed_same_pictures(tmp_path):
    dataset = common(tmp_path)
    first, again, other = (
        [example.image_id for example in choose(dataset, 50, seed)] for seed in (1, 1, 2)
    )
    assert first == again != other


def test_fewer_than_asked_for_are_all_taken(tmp_path):
    assert len(choose(common(tmp_path, count=30), 200, seed=0)) == 30


def test_an_empty_split_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected in split 'train', got none"):
        choose(common(tmp_path, 0, ()), 200, seed=0)


def test_more_classes_than_pictures(tmp_path):
    dataset = replace(
        make_dataset(tmp_path, [[number] for number in range(30)]),
        class_names=tuple(f"class {number}" for number in range(30)),
    )
    assert len(choose(dataset, 20, seed=0)) == 20


def with_pictures(dataset):
    for example in dataset:
        Image.new("RGB", (12, 8), "gray").save(example.image_path)
    return dataset


@pytest.mark.parametrize(
    ("pictures", "rare", "asked", "messages"),
    [
        (25, (1,), 200, []),
        (19, (1,), 200, ["on 19 pictures .* 20 .* 'train' has no more: add some"]),
        (25, (1,), 19, ["on 19 pictures .*; raise --calibration-images"]),
        (25, (), 25, ["sees no box of rare"]),
        (3, (), 3, ["on 3 pictures", "sees no box of rare"]),
    ],
)
def test_gaps_are_warned_of(tmp_path, pictures, rare, asked, messages):
    dataset = with_pictures(common(tmp_path, pictures, rare))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert len(draw(dataset, asked, seed=0)) == min(pictures, asked)
    assert len(caught) == len(messages)
    for warning, message in zip(caught, messages, strict=True):
        assert re.search(message, str(warning.message))


def test_a_bad_picture_is_replaced_by_another(tmp_path):
    dataset = with_pictures(common(tmp_path, 40))
    bad, *_ = choose(dataset, 25, seed=0)
    bad.image_path.write_bytes(b"no picture")
    with pytest.warns(DataWarning, match=f"{bad.image_id}.png cannot be read"):
        drawn = draw(dataset, 25, seed=0)
    assert len({example.image_id for example in drawn}) == 25
    assert bad.image_id not in {example.image_id for example in drawn}
    assert len(load_frames(drawn, SPEC)) == 25


def test_frames_are_what_the_device_sees(tmp_path):
    rng = np.random.default_rng(0)
    dataset = make_dataset(tmp_path, [[0], [1]])
    pictures = [rng.integers(0, 256, (40, 30, 3), np.uint8) for _ in range(2)]
    for example, pixels in zip(dataset.examples, pictures, strict=True):
        Image.fromarray(pixels).save(example.image_path)
    frames = load_frames(dataset.examples, SPEC)
    for frame, picture in zip(frames, pictures, strict=True):
        np.testing.assert_array_equal(preprocess(frame, SPEC), preprocess(picture, SPEC))


def test_missing_picture_is_found_before_the_conversion(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"0\.png"):
        load_frames(make_dataset(tmp_path, [[0]]).examples, SPEC)
