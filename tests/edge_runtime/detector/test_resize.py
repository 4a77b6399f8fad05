"""Resizers: each against a slow reference, and both by what must hold of any."""

import sys

import numpy as np
import pytest
from PIL import Image

from edge_runtime import Detector
from edge_runtime.detector.adapters.picture_input import PictureInput
from edge_runtime.detector.resize import (
    OPENCV,
    PILLOW,
    RESIZERS,
    find_resize,
    fitted_hw,
    letterbox,
    resize,
)
from tests.conftest import ROOT, needs_opencv

# (height, width): odd and even, square and thin, down to a pixel.
FRAMES = ((1, 1), (2, 1), (3, 700), (48, 64), (61, 83), (97, 211), (240, 427), (360, 640))
INPUTS = ((1, 1), (3, 1), (20, 30), (31, 60), (64, 64), (120, 160))


@pytest.fixture(scope="module")
def photograph():
    """720 x 1280."""
    with Image.open(ROOT / "docs/detections.jpg") as image:
        return np.asarray(image.convert("RGB").resize((1280, 720), Image.Resampling.BICUBIC))


def noise(hw):
    return np.random.default_rng(0).integers(0, 256, (*hw, 3), np.uint8)


def interpolated(pixels, side):
    """Linear interpolation along the first axis: the centers of pixels are at one half."""
    places = (np.arange(side) + 0.5) * len(pixels) / side - 0.5
    places = places.clip(0, len(pixels) - 1)
    below = np.floor(places).astype(int)
    above = np.minimum(below + 1, len(pixels) - 1)
    part = (places - below)[:, None, None]
    return (1 - part) * pixels[below] + part * pixels[above]


def halved_then_linear(frame, input_hw):
    """What the OpenCV resizer is to do, in float64, each pass rounded to a half up."""
    while frame.shape[:2] != input_hw:
        for axis in (0, 1):
            side, target = frame.shape[axis], input_hw[axis]
            frame = np.moveaxis(frame, axis, 0)
            frame = interpolated(frame, side // 2 if side > 2 * target else target)
            frame = np.moveaxis(frame, 0, axis)
        frame = np.floor(frame + 0.5)
    return frame


@needs_opencv
@pytest.mark.parametrize("input_hw", INPUTS, ids=str)
@pytest.mark.parametrize("frame_hw", FRAMES, ids=str)
def test_opencv_halves_and_interpolates(frame_hw, input_hw):
    """Within two steps of grey, less than one on the average: it cuts where it could round."""
    got = find_resize(OPENCV)(noise(frame_hw), input_hw)
    assert got.dtype == np.uint8 and got.shape == (*input_hw, 3)
    difference = np.abs(got - halved_then_linear(noise(frame_hw), input_hw))
    assert difference.max() <= 2 and difference.mean() < 1


@needs_opencv
def test_opencv_halves_by_the_mean_of_two_by_two():
    frame = noise((48, 80))
    blocks = frame.reshape(24, 2, 40, 2, 3).astype(int).sum(axis=(1, 3))
    got = find_resize(OPENCV)(frame, (24, 40))
    assert np.abs(got - (blocks + 2) // 4).max() <= 1  # Arm's may round otherwise


@pytest.mark.parametrize("input_hw", [(900, 700), (400, 1279), (320, 320), (97, 211), (64, 64)])
def test_pillow_interpolates_from_the_whole_picture(photograph, input_hw):
    """Other makers' readers that use Pillow see these very pixels."""
    plain = Image.fromarray(photograph).resize(input_hw[::-1], Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(resize(photograph, input_hw), np.asarray(plain))


@pytest.fixture(params=[PILLOW, pytest.param(OPENCV, marks=needs_opencv)])
def resizer(request):
    return find_resize(request.param)


def test_a_frame_of_the_right_size_is_passed_on(resizer):
    frame = noise((20, 30))
    assert resizer(frame, (20, 30)) is frame


def test_views_and_frames_that_are_read_only(resizer):
    frame = noise((40, 60))
    frame.flags.writeable = False
    for view in (frame[::-1], frame[:, ::2, ::-1], frame.swapaxes(0, 1)):
        np.testing.assert_array_equal(resizer(view, (9, 8)), resizer(view.copy(), (9, 8)))


def test_flat_pictures_stay_flat(resizer):
    for level in (0, 1, 127, 255):
        assert (resizer(np.full((301, 1000, 3), level, np.uint8), (33, 40)) == level).all()


def test_each_side_is_stretched_by_itself(resizer):
    frame = np.zeros((40, 20, 3), np.uint8)
    frame[20:] = 255  # the lower half
    small = resizer(frame, (4, 10))
    assert small.shape == (4, 10, 3)
    assert small[0].max() == 0 and small[-1].min() == 255


def test_shrinking_averages(resizer):
    frame = np.indices((64, 64)).sum(axis=0) % 2 * 255  # a chessboard: aliasing would give 0 or 255
    small = resizer(np.repeat(frame[:, :, None], 3, axis=2).astype(np.uint8), (4, 4))
    assert small.min() >= 120 and small.max() <= 135


@pytest.mark.parametrize(
    ("picture_hw", "input_hw", "fitted"),
    [
        ((100, 200), (64, 64), (32, 64)),
        ((200, 100), (64, 64), (64, 32)),
        ((20, 10), (64, 64), (64, 32)),  # made larger as well
        ((64, 96), (64, 96), (64, 96)),
        ((1000, 3), (64, 64), (64, 1)),
        ((1080, 1920), (640, 640), (360, 640)),
    ],
)
def test_a_picture_of_one_factor_just_fits(picture_hw, input_hw, fitted):
    assert fitted_hw(picture_hw, input_hw) == fitted


def test_letterbox_is_the_picture_between_bars():
    frame = np.full((10, 30, 3), 7, np.uint8)
    boxed = letterbox(frame, (31, 60), 114)
    # 20 x 60: of the 11 rows that are left, the odd one lies below.
    assert (boxed[5:25] == 7).all() and (boxed[:5] == 114).all() and (boxed[25:] == 114).all()
    upright = letterbox(frame.swapaxes(0, 1), (60, 31), 0)
    assert (upright[:, 5:25] == 7).all() and not upright[:, 25:].any()
    assert letterbox(frame, (20, 60), 114).min() == 7  # no bars where none are needed


@needs_opencv
def test_a_detector_resizes_as_it_is_told(tiny_models, photograph):
    detector = Detector(tiny_models / "tiny_int8.tflite", 1)
    assert detector.resizer == PILLOW
    tensors = {}
    for name in RESIZERS:
        detector.resizer = name
        tensors[name] = detector.preprocess(photograph)
        expected = find_resize(name)(photograph, detector.input_hw).astype(int) - 128
        np.testing.assert_array_equal(tensors[name][0], expected)
    assert (tensors[PILLOW] != tensors[OPENCV]).any()
    again = Detector(tiny_models / "tiny_int8.tflite", 1, resizer=OPENCV)
    np.testing.assert_array_equal(again.preprocess(photograph), tensors[OPENCV])


@pytest.mark.parametrize("pad", [None, 114])
def test_another_makers_input_is_resized_as_it_is_told(photograph, pad):
    told = []

    def resize(frame, hw):
        told.append(hw)
        return np.full((*hw, 3), 7, np.uint8)

    tensor = PictureInput((64, 64), lambda pixels: pixels, pad=pad).prepare(photograph, resize)
    assert told == [(64, 64) if pad is None else (36, 64)]
    assert (tensor[0, 14:50] == 7).all() and (tensor[0, 0] == (pad or 7)).all()


def test_another_name_is_refused(tiny_models):
    with pytest.raises(ValueError, match="a resizer of pillow, opencv expected, got 'cv2'"):
        Detector(tiny_models / "tiny_int8.tflite", 1, resizer="cv2")


def test_without_opencv_the_cure_is_named_and_the_resizer_stays(tiny_models, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    detector = Detector(tiny_models / "tiny_int8.tflite", 1)
    with pytest.raises(ImportError, match=r"cv2 is not installed.*opencv"):
        detector.resizer = OPENCV
    assert detector.resizer == PILLOW
    assert detector.preprocess(noise((100, 100))).shape[0] == 1
