import numpy as np
import pytest
from PIL import ImageFont

from edge_runtime import Detections
from edge_runtime.media.draw import class_color, draw_detections, text_mask
from tests.edge_runtime.media.fonts import forget_fonts

NAMES = ("cat", "a name that is longer than a small picture is wide", "Übergang")
SIZES = [(64, 64), (240, 320), (2000, 3000), (40, 3), (1, 1)]


@pytest.fixture(params=["scalable font", "bitmap font", "no FreeType"])
def font(request, monkeypatch):
    """Pillow from 10.1 on; before; and built without FreeType."""
    if request.param != "scalable font":
        old = (
            ImageFont.load_default_imagefont()
            if hasattr(ImageFont, "load_default_imagefont")
            else ImageFont.load_default()
        )

        def load_default(**arguments):
            if arguments:
                raise TypeError("load_default() got an unexpected keyword argument 'size'")
            return old

        monkeypatch.setattr(ImageFont, "load_default", load_default)
    if request.param == "no FreeType":

        def truetype(*_):
            raise ImportError("The _imagingft C module is not installed")

        monkeypatch.setattr(ImageFont, "truetype", truetype)
    forget_fonts()
    yield
    forget_fonts()


def some(boxes, class_ids=None):
    count = len(boxes)
    return Detections(
        np.reshape(boxes, (-1, 4)), np.full(count, 0.5), class_ids or [0] * count, NAMES
    )


@pytest.mark.usefixtures("font")
@pytest.mark.parametrize("frame_hw", SIZES)
def test_any_size_and_any_place(frame_hw):
    height, width = frame_hw
    frame = np.full((height, width, 3), 90, np.uint8)
    boxes = [
        (0, 0, width, height),
        (-5, -5, 3, 3),
        (width - 1, height - 1, width + 9, height + 9),
        (width / 2, height / 2, width / 2, height / 2),
    ]
    drawn = draw_detections(frame, some(boxes, [0, 1, 2, 0]))
    assert drawn.shape == frame.shape and drawn.dtype == np.uint8
    assert (frame == 90).all(), "the caller's frame was drawn on"
    assert (drawn != 90).any()


def test_box_lies_on_its_outermost_pixels():
    frame = np.zeros((100, 200, 3), np.uint8)
    drawn = draw_detections(frame, some([(120, 50, 180, 80)]))
    rows, columns = np.nonzero((drawn == class_color(0)).all(axis=2)[50:])
    assert (rows.min() + 50, rows.max() + 50) == (50, 79)
    assert (columns.min(), columns.max()) == (120, 179)
    assert (drawn[60:70, 130:170] == 0).all(), "the box was filled"


def test_nothing_found_draws_nothing():
    frame = np.full((20, 30, 3), 7, np.uint8)
    np.testing.assert_array_equal(draw_detections(frame, some([])), frame)


def test_labels_do_not_cover_each_other():
    frame = np.zeros((240, 320, 3), np.uint8)
    names = ("one", "two")
    boxes = [(50, 50, 150, 150), (52, 52, 152, 152)]
    drawn = draw_detections(frame, Detections(boxes, [0.9, 0.8], [0, 1], names))
    for class_id in (0, 1):
        area = (drawn == class_color(class_id)).all(axis=2).sum()
        assert area > 400, "a label's ground should be whole"


@pytest.mark.usefixtures("font")
def test_text_grows_with_the_picture():
    small, large = (text_mask("cat 0.97", height) for height in (11, 71))
    assert small.height < 20 and 5 < large.height / small.height < 8
    assert small.getextrema()[1] > 128 and large.getextrema() == (0, 255)


@pytest.mark.usefixtures("font")
@pytest.mark.parametrize("text", ["Übergang", "猫", "é" * 3, "\N{GRINNING FACE}"])
def test_letters_that_a_font_lacks_raise_nothing(text):
    assert text_mask(text, 20).getextrema()[1] > 0


def test_colors_are_distinct():
    colors = np.asarray([class_color(class_id) for class_id in range(16)], int)
    apart = np.abs(colors[:, None] - colors[None]).sum(axis=2) + 1000 * np.eye(16, dtype=int)
    assert apart.min() > 40
    assert class_color(3) == class_color(np.int64(3))


def test_wrong_frame_is_refused():
    with pytest.raises(ValueError, match="converts grey"):
        draw_detections(np.zeros((4, 4), np.uint8), some([]))
