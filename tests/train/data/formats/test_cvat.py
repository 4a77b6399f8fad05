import re

import pytest

from tests.train.data.formats.pictures import boxes_of, make_folder, read_with, splits_of
from train.data.formats.cvat import FORMAT
from train.data.formats.registry import read_folder
from train.data.lint.findings import KINDS

BOX = (4, 2, 20, 10)
SHAPE = '<box label="cat" occluded="0" xtl="4.00" ytl="2.00" xbr="20.00" ybr="10.00" z_order="0"/>'
META = """<version>1.1</version>
<meta><task><labels>
<label><name>dog</name></label><label><name>cat</name></label><label><name>sun</name></label>
<label><name>head</name><parent>dog</parent></label>
</labels></task></meta>
"""


def image(name, *shapes, **more):
    keys = {"id": 0, "name": name, "width": 40, "height": 20, **more}
    attributes = " ".join(f'{key}="{value}"' for key, value in keys.items())
    return f"<image {attributes}>\n" + "\n".join(shapes) + "\n</image>\n"


def xml(*images, meta=META):
    start = f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n{meta}'
    return start + "".join(images) + "</annotations>\n"


def read(root, text, pictures=("images/a.jpg",)):
    return read_with(FORMAT, make_folder(root, {"annotations.xml": text}, pictures))


@pytest.mark.parametrize(
    ("drawn", "box"),
    [
        (SHAPE, BOX),
        (SHAPE.replace("/>", ' rotation="0.00"/>'), BOX),
        # around the center (12, 6), half sides 8 and 4: a quarter turn swaps them
        (SHAPE.replace("/>", ' rotation="90.00"/>'), (8, -2, 16, 14)),
        (SHAPE.replace("/>", ' rotation="270"/>'), (8, -2, 16, 14)),
        (SHAPE.replace("/>", ' rotation="180"/>'), BOX),
        # 12 / sqrt(2) is 8.485281
        (SHAPE.replace("/>", ' rotation="45"/>'), (3.514719, -2.485281, 20.485281, 14.485281)),
        ('<polygon label="cat" points="4.00,6.00;12.00,2.00;20.00,10.00"/>', BOX),
        ('<ellipse label="cat" cx="12" cy="6" rx="8" ry="4"/>', BOX),
        ('<ellipse label="cat" cx="12" cy="6" rx="4" ry="8" rotation="90"/>', BOX),
        ('<mask label="cat" rle="3, 125" left="4" top="2" width="16" height="8"/>', BOX),
    ],
)
def test_a_shape_becomes_the_box_around_it(tmp_path, drawn, box):
    folder = read(tmp_path, xml(image("a.jpg", SHAPE.replace("cat", " dog "), drawn)))
    assert folder.format == "CVAT"
    assert boxes_of(folder, "a") == [("dog", BOX), ("cat", box)]
    annotation = folder.items["a"].annotation
    assert (annotation.filename, annotation.size_wh, annotation.line) == ("a.jpg", (40, 20), 8)
    assert [one.box_line for one in annotation.objects] == [9, 10]
    assert folder.classes.names == ("dog", "cat")  # in the task's order, without the unused sun


@pytest.mark.parametrize(
    ("drawn", "kind", "said"),
    [
        ('<points label="cat" points="4,2"/>', "missing-tag", "a shape with an area.*got <points>"),
        ('<polyline label="cat" points="4,2;20,10"/>', "missing-tag", "draw a rectangle instead"),
        ('<skeleton label="cat"><points label="1"/></skeleton>', "missing-tag", "got <skeleton>"),
        ('<cuboid label="cat" xtl1="4"/>', "missing-tag", "got <cuboid>"),
        (SHAPE.replace('"cat"', '" "'), "missing-tag", "object 2 of a.jpg has no label"),
        (SHAPE.replace('xbr="20.00"', ""), "bad-number", 'numbers in xtl.*got .xtl="4.00"'),
        (SHAPE.replace("20.00", "nan"), "bad-number", "numbers in xtl"),
        (SHAPE.replace("/>", ' rotation="x"/>'), "bad-number", "numbers in xtl"),
        ('<polygon label="cat" points="4,2;20,10"/>', "bad-number", "at least 3 pairs"),
        ('<polygon label="cat" points="4,2;20,10;1"/>', "bad-number", "at least 3 pairs"),
        ('<polygon label="cat" points=""/>', "bad-number", "at least 3 pairs"),
    ],
)
def test_flaws_of_shapes(tmp_path, drawn, kind, said):
    item = read(tmp_path, xml(image("a.jpg", SHAPE, drawn))).items["a"]
    assert [one.box_px for one in item.annotation.objects] == [BOX]
    (flaw,) = item.flaws
    assert (flaw.kind, flaw.number, flaw.line) == (kind, 2, 10)
    assert flaw.kind in KINDS
    assert re.search(said, flaw.message), flaw.message


def test_one_picture_for_the_entries_of_two_subsets_has_no_boxes_that_anyone_knows(tmp_path):
    text = xml(image("a.jpg", SHAPE, subset="Train"), image("a.jpg", SHAPE, subset="Test"))
    item = read(tmp_path, text).items["a"]
    assert item.annotation is None and "expected a.jpg in one split" in str(item.malformed)


def test_a_task_that_is_half_done_gives_way_to_what_was_exported_from_it(tmp_path):
    names = [f"p{number}" for number in range(9)]
    entries = [image(f"{name}.jpg", *[SHAPE] * (name < "p3")) for name in names]
    texts = {"annotations.xml": xml(*entries), "classes.txt": "cat\n"}
    texts |= {f"labels/{name}.txt": "0 0.5 0.5 0.2 0.2" for name in names[:3]}
    folder = read_folder(make_folder(tmp_path, texts, [f"images/{name}.jpg" for name in names]))
    assert folder.format == "YOLO"


def test_subsets_are_splits_and_tell_pictures_of_one_name(tmp_path):
    second = SHAPE.replace("20.00", "30.00")
    text = xml(
        image("a.jpg", SHAPE, subset="Train"),
        image("a.jpg", second, subset="Validation"),
        image("b.jpg", subset="Test"),
        image("c.jpg", '<tag label="good"/>', subset="Monday"),
    )
    names = ["Train/a.jpg", "Validation/a.jpg", "Test/b.jpg", "Monday/c.jpg", "Train/d.jpg"]
    folder = read(tmp_path, text, [f"images/{name}" for name in names])
    (train,), (val,) = (splits_of(folder)[split] for split in ("train", "val"))
    assert boxes_of(folder, train) == [("cat", BOX)]
    assert boxes_of(folder, val) == [("cat", (4, 2, 30, 10))]
    assert splits_of(folder)["test"] == ["b"] and boxes_of(folder, "b") == []
    assert folder.unannotated == (tmp_path / "images/Train/d.jpg",)
    notes = "\n".join(folder.notes)
    assert "1 pictures are in the subset 'Monday', which is no split" in notes
    assert "1 tags 'good' of whole pictures are left aside" in notes


def test_frames_have_no_suffix_and_a_lost_picture_is_said(tmp_path):
    text = xml(image("frame_000000", SHAPE), image("gone.jpg", SHAPE))
    folder = read(tmp_path, text, ["images/frame_000000.PNG"])
    assert folder.items["frame_000000"].image_path == tmp_path / "images/frame_000000.PNG"
    assert "has no picture gone.jpg" in folder.items["gone"].image_problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (xml('<track id="0" label="cat"/>'), r"line 8: .* CVAT for video; export .* for images"),
        (xml(), r"annotations\.xml: expected CVAT's <annotations> with <image> elements, got none"),
        (xml(image("a.jpg"))[:-20], r"annotations\.xml, line 10: expected well-formed XML"),
        (
            '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]>\n'
            "<annotations><image name='&e;'/></annotations>",
            "got a DTD or entities",
        ),
    ],
)
def test_files_of_no_use_are_refused_by_name(tmp_path, text, said):
    make_folder(tmp_path, {"annotations.xml": text}, ["a.jpg"])
    with pytest.raises(ValueError, match=said):
        read_folder(tmp_path)


def test_an_image_without_a_name_is_a_flaw_and_utf_16_is_read(tmp_path):
    text = xml(image("a.jpg", SHAPE), image("", SHAPE)).replace("utf-8", "utf-16")
    folder = read(tmp_path, b"\xff\xfe" + text.encode("utf-16-le"))
    assert boxes_of(folder, "a") == [("cat", BOX)]
    ((_, flaw),) = folder.flaws
    assert flaw.kind == "unknown-image" and flaw.line == 11
