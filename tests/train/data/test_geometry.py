import warnings

import numpy as np
import pytest
from PIL import Image

from tests.downloads import failed_inputs
from tests.edge_runtime.media.exif import chunk, oriented, save_png, tiff
from tests.train.data.voc_folder import HEIGHT, WIDTH, edit, make_voc
from train.data.dataset import DataWarning, load_dataset, plain_warnings, read_image
from train.data.formats.voc import write_annotation
from train.data.lint.checks import check_folder


@pytest.mark.parametrize(
    ("box", "message", "left"),
    [
        ((4, 2, 4, 10), r"cat \(4, 2, 4, 10\) has no area; skipped", None),
        ((4, 2, 20, 2), "has no area; skipped", None),
        ((20, 2, 4, 10), "has no area; skipped", None),  # inverted
        ((40, 0, 50, 10), "is outside the 40x20 picture; skipped", None),  # touches the edge only
        ((0, -9, 10, -1), "is outside the 40x20 picture; skipped", None),
        ((-4, 5, 20, 30), "leaves the 40x20 picture; clipped", [0, 0.25, 0.5, 1]),
        ((-40, 0, 80, 20), "leaves the 40x20 picture; clipped", [0, 0, 1, 1]),  # by a side: just so
        ((-41, 0, 20, 20), "reaches far out of the 40x20 picture; skipped", None),
        ((4, 2, 1e9, 1e9), "reaches far out of the 40x20 picture; skipped", None),
    ],
)
def test_flawed_boxes_are_named(tmp_path, box, message, left):
    make_voc(tmp_path, [box, (0, 0, 20, 10)])
    with pytest.warns(DataWarning, match=rf"a\.xml: box .*{message}"):
        boxes = load_dataset(tmp_path, "train")[0].boxes
    expected = [[0, 0, 0.5, 0.5]] if left is None else [left, [0, 0, 0.5, 0.5]]
    np.testing.assert_allclose(boxes, expected)


@pytest.mark.parametrize("size", [(80, 40), (20, 10), (61, 30), (13, 7)])  # rounded, the last two
def test_boxes_of_a_picture_resized_after_labelling_are_scaled(tmp_path, size):
    make_voc(tmp_path, [(0, 0, size[0], size[1] / 2)], size=size)
    example = load_dataset(tmp_path, "train")[0]
    assert (example.width, example.height) == (WIDTH, HEIGHT)
    np.testing.assert_allclose(example.boxes, [[0, 0, 1, 0.5]])


@pytest.mark.parametrize("size", [(40, 30), (20, 40), (80, 80)])
def test_a_size_of_another_ratio_is_refused(tmp_path, size):
    make_voc(tmp_path, size=size)
    message = rf"a\.xml, line 3: .* of {size[0]}x{size[1]}, but a\.png is 40x20, of another ratio"
    with pytest.raises(ValueError, match=message):
        load_dataset(tmp_path, "train")


@pytest.mark.parametrize(
    ("old", "new"), [("<width>40</width>", ""), ("<width>40<", "<width>0<"), ("size>", "sighs>")]
)
def test_a_missing_size_is_read_from_the_picture(tmp_path, old, new):
    edit(make_voc(tmp_path), old, new)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(load_dataset(tmp_path, "train")[0].boxes, [[0.1, 0.1, 0.5, 0.5]])


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("drawn_on_stored", [True, False])
def test_boxes_and_pixels_agree_under_exif_orientation(tmp_path, orientation, drawn_on_stored):
    stored = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    stored[2:6, 4:20] = 0
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = make_voc(tmp_path)
    (tmp_path / "JPEGImages/a.png").unlink()
    picture = tmp_path / "JPEGImages/a.jpg"
    Image.fromarray(stored).save(picture, exif=exif, quality=95, subsampling=0)
    upright = read_image(picture)
    sideways = orientation >= 5
    assert upright.shape[:2] == ((WIDTH, HEIGHT) if sideways else (HEIGHT, WIDTH))
    ys, xs = np.nonzero(upright[..., 0] < 128)
    expected = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
    if sideways and drawn_on_stored:  # a tool that ignored the note; only then does the size tell
        write_annotation(path, "a.jpg", WIDTH, HEIGHT, np.array([[4, 2, 20, 6]]), ["cat"])
    else:
        height, width = upright.shape[:2]
        write_annotation(path, "a.jpg", width, height, np.array([expected]), ["cat"])
    example = load_dataset(tmp_path, "train")[0]
    size_wh = (example.width, example.height)
    assert size_wh == upright.shape[1::-1]
    np.testing.assert_allclose(example.boxes[0] * (size_wh * 2), expected, atol=1e-4)


def test_an_undecodable_picture_is_named(tmp_path):
    make_voc(tmp_path)
    picture = tmp_path / "JPEGImages/a.png"
    picture.write_bytes(picture.read_bytes()[:60])  # header whole: only the pixels are missing
    load_dataset(tmp_path, "train")
    with pytest.raises(ValueError, match=r"a\.png cannot be read as a picture"):
        read_image(picture)
    picture.write_text("no picture")
    unreadable = r"a\.png cannot be read as a picture \(not of a known.*; left out"
    with pytest.warns(DataWarning, match=unreadable), pytest.raises(ValueError, match="none of"):
        load_dataset(tmp_path, "train")
    make_voc(tmp_path, stem="b")
    with pytest.warns(DataWarning, match=unreadable):
        assert [example.image_id for example in load_dataset(tmp_path, "train")] == ["b"]


def test_commands_show_a_warning_as_one_line(monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)  # put back afterwards
    plain_warnings()
    flaw = DataWarning("file.xml: a flaw")
    assert warnings.formatwarning(flaw, DataWarning, "code.py", 3) == "warning: file.xml: a flaw\n"


def test_sixteen_bit_pictures_are_refused_not_turned_white(tmp_path):
    ramp = np.linspace(0, 65535, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH).astype(np.uint16)
    make_voc(tmp_path)
    path = tmp_path / "JPEGImages/a.png"
    Image.fromarray(ramp).save(path, format="PNG")
    with pytest.raises(ValueError, match=rf"{path.name}.*8 bits a channel expected"):
        read_image(path)
    make_voc(tmp_path, stem="b")
    with pytest.warns(DataWarning, match=rf"{path.name}.*8 bits a channel expected"):
        load_dataset(tmp_path, "train")


def test_boxes_fit_a_png_whose_exif_stands_after_the_pixels(tmp_path):
    """Drawn on the upright 20x40 picture: as stored, it is 40x20."""
    path = make_voc(tmp_path)
    picture = tmp_path / "JPEGImages/a.png"
    save_png(picture, chunk(b"eXIf", tiff(oriented(6))))
    write_annotation(path, "a.png", HEIGHT, WIDTH, np.array([[12, 0, 20, 16]]), ["cat"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        example = load_dataset(tmp_path, "train")[0]
    assert (example.width, example.height) == (HEIGHT, WIDTH)
    np.testing.assert_allclose(example.boxes, [[0.6, 0, 1, 0.4]])
    assert (read_image(picture)[:16, 12:] == (220, 30, 30)).all()


def test_a_picture_that_once_had_wrong_boxes():
    root = failed_inputs("data", "png_exif_after_pixels")
    example = load_dataset(root, "train")[0]
    assert (example.width, example.height) == (150, 200)
    np.testing.assert_allclose(example.boxes * (150, 200, 150, 200), [[90, 30, 130, 90]], atol=1e-4)
    red = read_image(example.image_path)[30:90, 90:130].reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(red, [217, 31, 31], atol=2)
    assert "exif-turned" in {finding.kind for finding in check_folder(root)}
