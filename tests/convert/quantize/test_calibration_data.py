import numpy as np
import pytest
from PIL import Image

from convert.quantize.calibration_data import (
    IMAGES_PER_CLASS,
    MIN_IMAGES,
    choose,
    class_counts,
    load_frames,
)
from edge_runtime.detector.preprocess import preprocess
from edge_runtime.detector.spec import AnchorLevel, DetectorSpec
from train.data.dataset import Example, VocDataset

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


def test_all_pictures_may_be_asked_for(tmp_path):
    assert len(choose(common(tmp_path, count=MIN_IMAGES), MIN_IMAGES, seed=0)) == MIN_IMAGES


@pytest.mark.parametrize(
    ("pictures", "rare", "asked", "message"),
    [
        (50, (1,), 51, "has 50 pictures, 51 .* lower --calibration-images to 50"),
        (50, (1,), MIN_IMAGES - 1, f"at least {MIN_IMAGES}.*got 19.*raise --calibration-images"),
        (MIN_IMAGES - 1, (1,), MIN_IMAGES, "has 19 pictures.*choose another"),
        (0, (), MIN_IMAGES, "has 0 pictures"),
        (50, (), MIN_IMAGES, "no picture of split 'train' holds rare"),
    ],
)
def test_unsuitable_splits_are_refused(tmp_path, pictures, rare, asked, message):
    with pytest.raises(ValueError, match=message):
        choose(common(tmp_path, pictures, rare), asked, seed=0)


def test_too_few_for_all_classes(tmp_path):
    names = tuple(f"class {number}" for number in range(30))
    dataset = make_dataset(tmp_path, [[number] for number in range(30)])
    dataset = VocDataset(tmp_path, "train", names, dataset.examples)
    with pytest.raises(ValueError, match="20 pictures cannot hold all 30 classes"):
        choose(dataset, 20, seed=0)


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
