"""The SSD paper's augmentation: what happens, how often, and that boxes follow the pixels."""

import numpy as np
import pytest

from edge_runtime.detector.boxes import iou
from train.__main__ import _parser
from train.config import SSD_DEFAULTS, TrainConfig
from train.data import ssd_augment
from train.data.augment import Augmentation
from train.data.ssd_augment import SsdAugmentation, augmentation_of, expand
from train.settings import setting_values

BOX = np.array([[0.25, 0.5, 0.5, 0.75]], np.float32)


def picture(height=80, width=120):
    """Gray, the box's pixels red."""
    image = np.full((height, width, 3), 90, np.uint8)
    image[height // 2 : height * 3 // 4, width // 4 : width // 2] = (250, 10, 10)
    return image


def red_box(image):
    """Where the red pixels are, as xyxy fractions."""
    rows, columns = np.nonzero((image[..., 0] > 200) & (image[..., 1] < 60))
    height, width = image.shape[:2]
    low, high = (columns.min(), rows.min()), (columns.max() + 1, rows.max() + 1)
    return np.array([*low, *high]) / [width, height, width, height]


@pytest.mark.parametrize("seed", range(5))
def test_expanded_pixels_keep_their_number_and_boxes_follow(seed):
    image, boxes = expand(picture(), BOX, np.random.default_rng(seed), 4)
    assert 80 <= image.shape[0] <= 320
    np.testing.assert_allclose(boxes[0], red_box(image), atol=1e-6)
    assert int(((image[..., 0] > 200) & (image[..., 1] < 60)).sum()) == 30 * 20


def test_a_huge_picture_is_expanded_to_a_bounded_canvas(monkeypatch):
    monkeypatch.setattr(ssd_augment, "CANVAS_PIXELS", 20_000)
    image, boxes = expand(picture(400, 600), BOX, np.random.default_rng(0), 4)
    assert image.shape[0] * image.shape[1] < 22_000
    assert iou(boxes, red_box(image)[None].astype(np.float32))[0, 0] > 0.8


def augmented(count, **changes):
    recipe = TrainConfig(**{**SSD_DEFAULTS, **changes})
    augment = augmentation_of(recipe)
    assert isinstance(augment, SsdAugmentation)
    for seed in range(count):
        rng = np.random.default_rng(seed)
        yield augment.geometric(picture(), BOX, np.array([3]), rng)


def test_boxes_follow_through_all_of_it():
    kept = 0
    for image, boxes, class_ids in augmented(200):
        assert boxes.shape == (len(class_ids), 4)
        if len(boxes):  # an object stays if its center does, whatever is cut off
            kept += 1
            np.testing.assert_allclose(boxes[0], red_box(image), atol=2e-2)
    assert kept == 200  # every window shows an object


def test_probabilities_are_the_papers(monkeypatch):
    """Half are expanded; one of seven is not cropped; with both off only flips are left."""
    grown = [image.shape[0] > 80 for image, _, _ in augmented(400, crop=0.0)]
    assert 0.4 < np.mean(grown) < 0.6
    wanted = []
    monkeypatch.setattr(
        ssd_augment,
        "random_crop",
        lambda *sample, min_ious, **limits: wanted.append(min_ious) or sample[:3],
    )
    list(augmented(700, zoom_out=0.0))
    assert 0.8 < len(wanted) / 700 < 0.9
    assert set(wanted) == {(0.0,), (0.1,), (0.3,), (0.5,), (0.7,), (0.9,)}
    flipped = [boxes[0, 0] > 0.4 for _, boxes, _ in augmented(400, crop=0.0, zoom_out=0.0)]
    assert 0.4 < np.mean(flipped) < 0.6


def test_each_color_changes_by_itself(monkeypatch):
    seen = []
    monkeypatch.setattr(
        ssd_augment, "photometric", lambda image, rng, **strengths: seen.append(strengths) or image
    )
    augment = augmentation_of(TrainConfig(**SSD_DEFAULTS))
    for seed in range(200):
        augment.photometric(picture(), np.random.default_rng(seed))
    changes = np.array([[bool(row[name]) for name in ("brightness", "hue")] for row in seen])
    assert (np.abs(changes.mean(axis=0) - 0.5) < 0.1).all()
    assert abs((changes[:, 0] & changes[:, 1]).mean() - 0.25) < 0.1
    assert not any(row["noise"] for row in seen)


def test_the_house_stays_as_it_was():
    assert type(augmentation_of(TrainConfig())) is Augmentation
    with pytest.raises(ValueError, match="--crop and --zoom-out are 1 together at most"):
        TrainConfig(crop=0.9, zoom_out=0.5)


def test_the_recipe_sets_defaults_and_flags_override_them():
    given = ["--data", "d", "--out", "o.keras", "--recipe", "ssd", "--learning-rate", "0.01"]
    config = TrainConfig(**setting_values(_parser(given).parse_args(given), TrainConfig))
    expected = {**SSD_DEFAULTS, "learning_rate": 0.01}
    assert {name: getattr(config, name) for name in expected} == expected
    plain = given[:4]
    assert (
        TrainConfig(**setting_values(_parser(plain).parse_args(plain), TrainConfig))
        == TrainConfig()
    )
