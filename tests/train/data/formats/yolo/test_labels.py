import re

import numpy as np
import pytest

from tests.train.data.formats.pictures import (
    add_picture,
    boxes_of,
    make_folder,
    read_with,
)
from tests.train.data.formats.yolo.reading import BOX, BOX_PX, flat, read
from train.data.formats.yolo import FORMAT
from train.data.lint.findings import KINDS
from train.data.systematic import find_systematic


def test_polygons_turned_boxes_confidences_and_poses(tmp_path):
    lines = (
        "0 0.1 0.2 0.5 0.1 0.3 0.7\n"  # a triangle
        "1 0.5 0 1 0.5 0.5 1 0 0.5\n"  # four corners
        f"0 {BOX} 0.87\n"
    )
    folder = read(flat(tmp_path / "plain", lines))
    assert boxes_of(folder, "a") == [
        ("cat", (4, 2, 20, 14)),
        ("dog", (0, 0, 40, 20)),
        ("cat", BOX_PX),
    ]
    assert folder.notes == (
        f"2 polygons were taken as the boxes around them (first: {tmp_path}/plain/a.txt, line 1)",
        "1 lines have a sixth number, taken as a confidence and left aside (first: "
        f"{tmp_path}/plain/a.txt, line 3)",
    )
    config = "train: .\nkpt_shape: [2, 3]\nnames: [cat]\n"
    pose = {"data.yaml": config, "a.txt": f"0 {BOX} 0.5 0.5 2 0.1 0.1 1\n0 {BOX}\n"}
    folder = read(make_folder(tmp_path / "pose", pose, ["a.jpg"]))
    assert boxes_of(folder, "a") == [("cat", BOX_PX)] * 2
    assert folder.notes[0].startswith("1 lines have key points")


def test_boxes_of_a_picture_that_is_stored_on_its_side(tmp_path):
    flat(tmp_path, f"0 {BOX}")
    add_picture(tmp_path / "a.jpg", orientation=6)
    folder = read(tmp_path)
    assert folder.items["a"].annotation.size_wh == (20, 40)
    assert boxes_of(folder, "a") == [("cat", (5, 16, 15, 24))]  # of 20 x 40
    add_picture(tmp_path / "a.jpg", orientation=3)
    assert boxes_of(read(tmp_path), "a") == [("cat", BOX_PX)]


def test_boxes_without_area_and_a_little_over_the_edge_stay(tmp_path):
    lines = "0 0.5 0.5 0 0\n0 0.99 0.5 0.1 1\n0 1.0000001 0.5 0.1 1\n"
    folder = read(flat(tmp_path, lines))
    assert folder.items["a"].flaws == ()
    boxes = [box for _, box in boxes_of(folder, "a")]
    # 0.99 * 40 = 39.6 and 40.000004, half a width of 0.1 is 2
    expected = [(20, 10, 20, 10), (37.6, 0, 41.6, 20), (38.000004, 0, 42.000004, 20)]
    np.testing.assert_allclose(boxes, expected)


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        ("0 0.5 0.5 0.2", "bad-number", r"object 2 expected .* 4 numbers .* got 3 after"),
        ("0", "bad-number", "got 0 after"),
        (f"0 {BOX} 0.1 0.1 0.1", "bad-number", "got 7 after"),
        ("0 0.5 0.5 wide 0.2", "bad-number", "object 2 expected a finite number, got 'wide'"),
        ("0 0.5 nan 0.1 0.2", "bad-number", "got 'nan'"),
        ("0 0.5 0.5 inf 0.2", "bad-number", "got 'inf'"),
        ("0 0.5 0.5 1e999 0.2", "bad-number", "got '1e999'"),
        ("0 0,5 0,5 0,1 0,2", "bad-number", "got '0,5'"),
        ("0 0.5 0.5 -0.1 0.2", "bad-number", "negative width or height, -0.1, 0.2"),
        (f"cat {BOX}", "bad-number", "expected a whole class number first, got 'cat'"),
        (f"0.5 {BOX}", "bad-number", "whole class number first, got '0.5'"),
        (f"2 {BOX}", "unknown-class", r"the class '2', but classes\.txt names 0 to 1"),
        (f"-1 {BOX}", "unknown-class", "the class '-1'"),
        ("0 20 10 8 4", "not-normalized", "expected fractions of the picture, 0 to 1, got '20'"),
        ("0 0.5 0.5 1.2 0.1", "not-normalized", r"got '1\.2'"),
        ("0 0.5 0.5 0.5 0.2 1.57", "bad-number", r"confidence, 0 to 1, .* got '1\.57', an angle"),
        ("0 0.1 0.1 0.9 0.1 0.5 99", "not-normalized", "got '99'"),
        (f"{'9' * 5000} {BOX}", "bad-number", "got '9{40}…'"),
    ],
)
def test_flaws_of_lines(tmp_path, line, kind, message):
    folder = read(flat(tmp_path, f"1.0 {BOX}\n\n{line}\n"))
    assert boxes_of(folder, "a") == [("dog", BOX_PX)]
    (flaw,) = folder.items["a"].flaws
    assert (flaw.kind, flaw.line, flaw.number) == (kind, 3, 2)
    assert flaw.kind in KINDS
    assert re.search(message, flaw.message), flaw.message


def test_encodings(tmp_path):
    flat(tmp_path, f"0 {BOX}\r\n1 {BOX}".encode("utf-16"))
    make_folder(tmp_path, {"classes.txt": b"\xef\xbb\xbfcafe\xcc\x81\ndog\n"})
    folder = read(tmp_path)
    assert folder.classes.names == ("caf\u00e9", "dog")  # composed
    assert len(boxes_of(folder, "a")) == 2
    make_folder(tmp_path, {"a.txt": b"0 0.5 0.5 0.5 0.5\n0 \xb5\n", "b.txt": f"0 {BOX}"})
    add_picture(tmp_path / "b.jpg")
    item = read(tmp_path).items["a"]
    assert item.annotation is None
    assert item.malformed.line == 2
    assert "expected text in UTF-8, got the byte 0xb5" in item.malformed.reason
    make_folder(tmp_path, {"classes.txt": "caf\u00e9\n".encode("latin-1")})
    with pytest.raises(ValueError, match=r"classes\.txt, line 1: expected text in UTF-8"):
        read(tmp_path)


def test_a_picture_that_cannot_be_opened_keeps_its_place(tmp_path):
    flat(tmp_path, f"0 {BOX}\n0 wrong\n")
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    item = read(tmp_path).items["a"]
    assert item.image_path == tmp_path / "a.jpg"
    assert (item.annotation.size_wh, item.annotation.objects) == (None, ())
    assert [flaw.line for flaw in item.flaws] == [2]


def test_two_label_files_that_fit_alike(tmp_path):
    texts = {"x/a.txt": f"0 {BOX}", "y/a.txt": f"1 {BOX}", "classes.txt": "cat\ndog"}
    item = read(make_folder(tmp_path, texts, ["p/a.jpg"])).items["p/a"]
    assert item.annotation is None
    assert item.malformed.reason == "x/a.txt and y/a.txt fit both; remove the wrong one"


def test_key_points_without_a_configuration_of_them(tmp_path):
    points = "0.4 0.45 0.6 0.55 0.5 0.5 0.4 0.45"  # all in 0.25 to 0.75, 0.4 to 0.6
    folder = read(flat(tmp_path / "two", f"0 {BOX} {points}\n1 {BOX}\n"))
    assert boxes_of(folder, "a") == [("cat", BOX_PX), ("dog", BOX_PX)]
    (note,) = folder.notes
    assert note.startswith("1 lines have key points after the box, left aside")
    triples = "0.4 0.45 2 0.6 0.55 1 0 0 0"
    folder = read(flat(tmp_path / "three", f"0 {BOX} {triples}\n"))
    assert boxes_of(folder, "a") == [("cat", BOX_PX)]
    assert folder.items["a"].flaws == ()
    # one line that is no box around its points, and one of another length
    for name, line in (("far", "0 0.5 0.5 0.1 0.1 " + points), ("short", f"0 {BOX} 0.5 0.5")):
        folder = read(flat(tmp_path / name, f"0 {BOX} {points}\n{line}\n"))
        assert folder.notes[0].startswith("2 polygons")


def test_small_polygons_are_no_key_points(tmp_path):
    # read as a box, center 0.5 0.5 and size 0.55 0.5 would hold the other corners
    folder = read(flat(tmp_path, "0 0.5 0.5 0.55 0.5 0.55 0.6 0.5 0.6\n"))
    assert boxes_of(folder, "a") == [("cat", (20, 10, 22, 12))]
    assert folder.notes[0].startswith("1 polygons")


def test_class_numbers_that_start_at_one_are_one_flaw_of_the_set(tmp_path):
    texts = {"classes.txt": "ant\nbee\n"}
    for number in range(4):
        texts[f"p{number}.txt"] = f"1 {BOX}\n2 {BOX}"
    folder = read_with(FORMAT, make_folder(tmp_path, texts, [f"p{n}.jpg" for n in range(4)]))
    flaw = find_systematic(folder)
    assert flaw is not None
    assert "no box has the first class, 'ant', and 4 boxes have a number beyond" in flaw.message
    (tmp_path / "p0.txt").write_text(f"0 {BOX}\n2 {BOX}")  # then it is a mistake in three files
    assert find_systematic(read_with(FORMAT, tmp_path)) is None


def test_label_files_by_other_names_than_the_pictures_are_one_flaw_of_the_set(tmp_path):
    texts = {"classes.txt": "ant\n"}
    texts |= {f"labels/p{number}.jpg.txt": f"0 {BOX}" for number in range(3)}
    texts |= {f"labels/q{number}.txt": f"0 {BOX}" for number in range(3)}
    pictures = [f"images/{letter}{number}.jpg" for letter in "pq" for number in range(3)]
    flaw = find_systematic(read_with(FORMAT, make_folder(tmp_path, texts, pictures)))
    assert flaw is not None
    assert "3 label files have no picture, such as p0.jpg.txt, and 3 pictures" in flaw.message
    (tmp_path / "labels/p0.jpg.txt").rename(tmp_path / "labels/p0.txt")  # the rest may be slips
    assert find_systematic(read_with(FORMAT, tmp_path)) is None


def test_label_files_left_over_beside_backgrounds_are_no_flaw_of_the_set(tmp_path):
    texts = {"classes.txt": "ant\n"}
    texts |= {f"labels/p{number}.txt": f"0 {BOX}" for number in range(13)}
    pictures = [f"images/p{number}.jpg" for number in range(3, 13)]
    backgrounds = [f"images/b{number}.jpg" for number in range(3)]
    folder = read_with(FORMAT, make_folder(tmp_path, texts, pictures + backgrounds))
    assert find_systematic(folder) is None


def test_a_label_file_of_two_pictures_is_said(tmp_path):
    texts = {"classes.txt": "ant\n", "labels/a.txt": f"0 {BOX}", "labels/b.txt": f"0 {BOX}"}
    pictures = ["images/a.jpg", "images/b.jpg", "images/b.png"]
    folder = read_with(FORMAT, make_folder(tmp_path, texts, pictures))
    (note,) = folder.notes
    assert note.startswith("1 label files belong to more than one picture, such as ")
    assert "labels/b.txt to " in note and "images/b.jpg and " in note
