import numpy as np
import pytest

from edge_runtime.detector.boxes import iou
from train.data import augment
from train.data.augment import (
    Augmentation,
    color_matrix,
    flip,
    flip_upside_down,
    photometric,
    random_crop,
    zoom_out,
)

COLORS = np.array([[250, 10, 10], [10, 250, 10], [10, 10, 250]])  # by class id
STILL = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0, "noise": 0}
EMPTY = np.zeros((0, 4), np.float32), np.zeros(0, np.int64)


def generator(seed=7):
    return np.random.default_rng(seed)


def scene(seed, height=90, width=160):
    """A gray picture with up to three rectangles that do not touch, their boxes and class ids."""
    rng = generator(seed)
    image = np.full((height, width, 3), 128, np.uint8)
    boxes, class_ids = [], rng.permutation(3)[: rng.integers(1, 4)]
    for column, class_id in enumerate(class_ids):  # each in a column of its own
        room = width // 3
        x_min, y_min = column * room + rng.integers(2, 15), rng.integers(0, height - 30)
        x_max, y_max = x_min + rng.integers(8, room - 16), y_min + rng.integers(8, 30)
        image[y_min:y_max, x_min:x_max] = COLORS[class_id]
        boxes.append([x_min / width, y_min / height, x_max / width, y_max / height])
    return image, np.array(boxes, np.float32), class_ids.astype(np.int64)


def extents(image, class_id):
    """xyxy in pixels of the rectangle of one class."""
    near = np.abs(image.astype(int) - COLORS[class_id]).max(axis=2) < 60  # half-blended counts
    rows, columns = (np.flatnonzero(near.any(axis=axis)) for axis in (1, 0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def assert_boxes_follow_pixels(image, boxes, class_ids, tolerance):
    height, width = image.shape[:2]
    assert (image.dtype, boxes.dtype, class_ids.dtype) == (np.uint8, np.float32, np.int64)
    assert ((boxes >= 0) & (boxes <= 1)).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    for box, class_id in zip(boxes * [width, height, width, height], class_ids, strict=True):
        np.testing.assert_allclose(extents(image, class_id), box, atol=tolerance)


@pytest.mark.parametrize("seed", range(50))
def test_boxes_follow_the_pixels(seed):
    image, boxes, class_ids = scene(seed)
    assert_boxes_follow_pixels(image, boxes, class_ids, 1e-4)
    assert_boxes_follow_pixels(*flip(image, boxes), class_ids, 1e-4)
    assert_boxes_follow_pixels(*flip_upside_down(image, boxes), class_ids, 1e-4)
    rng = generator(seed)
    assert_boxes_follow_pixels(*random_crop(image, boxes, class_ids, rng), 1e-4)
    assert_boxes_follow_pixels(*zoom_out(image, boxes, rng), class_ids, 1.01)
    canvas = zoom_out(image, boxes, rng, canvas_hw=(128, 96))
    assert canvas[0].shape == (128, 96, 3)
    assert_boxes_follow_pixels(*canvas, class_ids, 1.01)
    assert (image == scene(seed)[0]).all()  # nothing is changed in place
    assert (boxes == scene(seed)[1]).all()


@pytest.mark.parametrize("input_hw", [None, (128, 96)])
def test_all_of_it_together(input_hw):
    for seed in range(50):
        parts = *scene(seed), generator(seed), input_hw
        augmentation = Augmentation(max_zoom=2, vertical_flip=0.5)
        image, boxes, class_ids = augmentation.geometric(*parts)
        # An enlarged crop blurs its edges over several pixels: a source pixel is up to 5 of these.
        assert_boxes_follow_pixels(image, boxes, class_ids, 1.01 if input_hw is None else 3)
        assert input_hw in (None, image.shape[:2])


def test_flip_by_hand():
    image, boxes = flip(np.array([[[0, 1, 2], [3, 4, 5]]]), np.array([[0, 0.25, 0.5, 1]]))
    assert image.tolist() == [[[3, 4, 5], [0, 1, 2]]]
    assert boxes.tolist() == [[0.5, 0.25, 1, 1]]


def test_crops_have_the_wanted_size_and_shape():
    image, class_ids = np.zeros((400, 600, 3), np.uint8), np.array([0])
    boxes = np.array([[0.3, 0.4, 0.36, 0.46]], np.float32)
    cuts = [random_crop(image, boxes, class_ids, generator(s), min_side=0.4)[0] for s in range(50)]
    height, width = np.array([cut.shape[:2] for cut in cuts]).T / [[400], [600]]
    assert min(height.min(), width.min()) >= 0.4 - 1 / 400  # rounded to a pixel
    assert ((width / height >= 0.5) & (width / height <= 2)).all()
    assert np.std(width) > 0.05  # they do differ
    assert (height < 1).mean() > 0.9  # and small objects do not keep a picture from being cut


@pytest.mark.parametrize("least", [0.1, 0.5, 0.7])
def test_a_crop_overlaps_an_object_as_much_as_asked(least):
    y, x = np.mgrid[:200, :300]
    image = np.stack([x % 256, y, x // 256], axis=2).astype(np.uint8)  # a pixel says where it was
    boxes = np.array([[0.1, 0.2, 0.7, 0.8], [0.8, 0.8, 0.9, 0.9]], np.float32)
    found = []
    for seed in range(50):
        cut, *_ = random_crop(image, boxes, np.array([0, 1]), generator(seed), min_ious=(least,))
        if cut.shape == image.shape:
            continue
        first, last = cut[0, 0].astype(int), cut[-1, -1].astype(int)
        corners = first[0] + first[2] * 256, first[1], last[0] + last[2] * 256 + 1, last[1] + 1
        window = np.array([corners]) / [300, 200, 300, 200]
        found.append(iou(window, boxes).max())
    assert min(found) >= least
    assert len(found) > 30


def test_a_crop_keeps_what_is_mostly_in_it():
    boxes = np.array([[0.2, 0.2, 0.4, 0.4]], np.float32)
    windows = {
        (0, 0, 1, 1): True,
        (0, 0, 0.29, 1): False,  # centre outside
        (0, 0, 0.31, 1): True,  # 55%
        (0, 0, 0.31, 0.31): False,  # centre inside, but only 30%
        (0, 0, 0.33, 0.33): True,  # 42%
    }
    kept = augment._kept(boxes, np.array(list(windows)), min_visible=0.4)
    assert kept[:, 0].tolist() == list(windows.values())


def test_zoom_out_sizes_and_border():
    image, boxes = np.full((60, 80, 3), (200, 100, 50), np.uint8), np.array([[0, 0, 1, 1]])
    for seed in range(50):
        result, moved = zoom_out(image, boxes, generator(seed), max_zoom=3)
        assert result.shape == image.shape
        assert (result == (200, 100, 50)).all()  # the border has the mean color
        side = moved[0, 2:] - moved[0, :2]
        assert ((side >= 1 / 3 - 0.02) & (side <= 1)).all()
    same, unmoved = zoom_out(*scene(1)[:2], generator(), max_zoom=1)
    assert (same == scene(1)[0]).all()
    np.testing.assert_allclose(unmoved, scene(1)[1], atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 300, 3), (300, 2, 3), (40, 60, 3)])
def test_pictures_without_boxes_and_of_any_size(shape):
    image = np.zeros(shape, np.uint8)
    for seed in range(30):
        result, boxes, class_ids = Augmentation()(image, *EMPTY, generator(seed), (32, 48))
        assert (result.shape, result.dtype) == ((32, 48, 3), np.uint8)
        assert (boxes.shape, boxes.dtype, class_ids.shape) == ((0, 4), np.float32, (0,))
        assert flip(image, EMPTY[0])[1].shape == (0, 4)


def test_boxes_too_small_to_see_are_dropped():
    image, class_ids = np.zeros((50, 50, 3), np.uint8), np.array([0, 1])
    boxes = np.array([[0.3, 0.3, 0.3005, 0.5], [0.3, 0.3, 0.5, 0.5]], np.float32)
    _, kept, kept_ids = Augmentation(crop=0).geometric(image, boxes, class_ids, generator())
    assert (len(kept), kept_ids.tolist()) == (1, [1])


def test_the_same_generator_gives_the_same_result():
    for seed in range(20):
        first, second = (Augmentation()(*scene(1), generator(seed), (64, 64)) for _ in range(2))
        assert all((mine == theirs).all() for mine, theirs in zip(first, second, strict=True))


def test_photometric_changes_pixels_only():
    image = scene(2)[0]
    results = [photometric(image, generator(seed)) for seed in range(20)]
    assert {(result.shape, result.dtype) for result in results} == {(image.shape, image.dtype)}
    assert len({result.tobytes() for result in [image, *results]}) == 21


@pytest.mark.parametrize("name", STILL)
def test_each_strength_works_by_itself(name):
    image = scene(2)[0]
    strengths = {**STILL, name: getattr(Augmentation(), name)}
    assert (photometric(image, generator(), **strengths) != image).any()


def test_no_strength_is_the_identity():
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    assert (photometric(image, generator(), **STILL) == image).all()
    assert (Augmentation(color=0).photometric(image, generator()) == image).all()
    assert (Augmentation(color=1, **STILL).photometric(image, generator()) == image).all()
    np.testing.assert_allclose(color_matrix(0, 1, 1, 0), np.eye(3, 4), atol=1e-12)


@pytest.mark.parametrize(
    ("strengths", "pixel", "expected"),
    [
        ((20, 1, 1, 0), (10, 100, 200), (30, 120, 220)),
        ((0, 0.5, 1, 0), (28, 128, 228), (78, 128, 178)),  # mid gray stays
        ((0, 1, 0, 0), (255, 0, 0), (76.245,) * 3),  # gray of BT.601's brightness
        ((0, 1, 1, 120), (255, 0, 0), (0, 255, 0)),  # a third of a turn: red to green
        ((0, 1.5, 0.5, 77), (128, 128, 128), (128, 128, 128)),  # gray has no color to change
    ],
)
def test_color_matrix_by_hand(strengths, pixel, expected):
    np.testing.assert_allclose(color_matrix(*strengths) @ [*pixel, 1], expected, atol=1e-9)


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match=r"--horizontal-flip is 0 to 1, got 1\.5"):
        Augmentation(horizontal_flip=1.5)
    with pytest.raises(ValueError, match="gets one of them"):
        Augmentation(crop=0.7, zoom_out=0.4)
    with pytest.raises(ValueError, match=r"--max-zoom is 1 to 100, or 0 for .*, got 0\.5"):
        Augmentation(max_zoom=0.5)
