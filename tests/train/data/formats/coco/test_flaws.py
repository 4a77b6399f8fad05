import re

import pytest

from tests.train.data.formats.coco.reading import flaws_of, folder_flaws, one_picture, read
from tests.train.data.formats.coco_folder import (
    BOX,
    CAT_AND_DOG,
    HEIGHT,
    WIDTH,
    add_picture,
    box,
    coco_text,
    image,
)
from train.data.__main__ import main
from train.data.annotation import MalformedLabels


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('"id": 7', '"id" 7', r"line 3, column 7: expected JSON, got: Expecting ':'"),
        ("}\n],", "},\n],", r"line 4, column 1: expected JSON, got: Expecting value"),
        ('],\n"annotations"', ']\n"annotations"', r"line 5, column 1: expected ',' or '}'"),
        (
            "{\n",
            "{\ninfo: 1,\n",
            r"line 2, column 1: expected a key in double quotes, got 'info: 1,'",
        ),
        ("\n]\n}", '\n],\n"images": []}', r"line 13, .*'images' again \(line 2 has it\)"),
        ("\n]\n}\n", "\n]\n}\nx", r"line 14, column 1: expected nothing behind the last '}'"),
        ('"file_name": "a.png"', f'"x": {"[" * 100_000}', r"line 3, .*nested less deep"),
        ('"id": 7', f'"id": {"7" * 5000}', r"line 3, .*expected usual numbers"),
        ('"a.png"', '"a\npng"', r"line 3, .*Invalid control character"),
    ],
)
def test_broken_json_is_named_with_line_and_column(tmp_path, old, new, where):
    text = coco_text([image(7, "a.png")], [box(1, 7), box(2, 7)])
    assert old in text
    (tmp_path / "a.json").write_text(text.replace(old, new, 1))
    with pytest.raises(MalformedLabels, match=rf"a\.json, {where}") as raised:
        read(tmp_path)
    assert raised.value.line == int(where.split()[1].strip(","))
    assert not raised.value.reason.startswith(str(tmp_path))


def test_a_file_cut_off_or_in_another_encoding(tmp_path):
    text = coco_text([image(7, "a.png")], [box(1, 7)])
    for end, where in ((50, "line 3, "), (text.index('"bbox"'), "line 6, "), (-3, "line 11, ")):
        (tmp_path / "a.json").write_text(text[:end])
        with pytest.raises(MalformedLabels, match=rf"a\.json, {where}.*export or copy it again"):
            read(tmp_path)
    (tmp_path / "a.json").write_bytes(text.replace('"cat"', '"größe"').encode("latin-1"))
    with pytest.raises(ValueError, match=r"a\.json, line 9: expected text in UTF-8"):
        read(tmp_path)


def test_boxes_flags_and_sizes(tmp_path):
    annotations = [
        box(1, 7, 1, [4, 2, 16, 8], iscrowd=1),
        box(2, 7, 2, [0.5, 0, 1.25, 2.5], ignore=1, iscrowd=0),
        box(3, 7, 2, None, segmentation=[[4, 2, 9, 3, 20, 10], [5, 6, 30, 7, 6, 9]]),
        box(4, 7, 2, [], segmentation=[4, 2, 20, 2, 20, 10]),
    ]
    folder = one_picture(tmp_path, annotations)
    annotation = folder.items["a"].annotation
    assert [found.box_px for found in annotation.objects] == [
        (4, 2, 20, 10),
        (0.5, 0, 1.75, 2.5),
        (4, 2, 30, 10),
        (4, 2, 20, 10),
    ]
    assert [found.crowd for found in annotation.objects] == [True, False, False, False]
    assert [found.difficult for found in annotation.objects] == [False, True, False, False]
    assert [found.number for found in annotation.objects] == [1, 2, 3, 4]
    assert [found.box_line for found in annotation.objects] == [6, 7, 8, 9]
    assert annotation.size_wh == (WIDTH, HEIGHT) and annotation.filename == "a.png"
    assert annotation.line == annotation.size_line == 3


@pytest.mark.parametrize("size", [{"width": 0}, {"height": "20"}, {"width": None}, {"height": -1}])
def test_an_unusable_size_is_no_reason_to_stop(tmp_path, size):
    folder = one_picture(tmp_path, [box(1, 7)], [image(7, "a.png", **size)])
    assert folder.items["a"].annotation.size_wh is None and not folder.flaws


def test_finite_but_impossible_boxes_are_left_to_the_checks(tmp_path):
    boxes = [[4, 2, -3, 8], [1e9, 2, 3, 4], [4, 2, 0, 8]]
    folder = one_picture(tmp_path, [box(n, 7, 1, part) for n, part in enumerate(boxes)])
    assert [found.box_px for found in folder.items["a"].annotation.objects] == [
        (4, 2, 1, 10),  # swapped corners
        (1e9, 2, 1e9 + 3, 6),
        (4, 2, 4, 10),
    ]


@pytest.mark.parametrize(
    ("row", "kind", "message"),
    [
        (box(1, 7, 1, [4, 2, 16]), "bad-number", r"four numbers, .* got \[4, 2, 16\]"),
        (box(1, 7, 1, [4, 2, 16, "8"]), "bad-number", "four numbers"),
        (box(1, 7, 1, [4, 2, 16, True]), "bad-number", "four numbers"),
        (box(1, 7, 1, [4, 2, 16, float("nan")]), "bad-number", "four numbers"),
        (box(1, 7, 1, [float("-inf"), 2, 16, 8]), "bad-number", "four numbers"),
        (box(1, 7, 1, [1e308, 2, 1e308, 8]), "bad-number", "four numbers"),
        (box(1, 7, 1, [10**400, 2, 3, 8]), "bad-number", "four numbers"),
        (box(1, 7, 1, {"x": 1}), "bad-number", "four numbers"),
        (box(1, 7, 1, None), "missing-tag", 'no "bbox", nor a polygon'),
        (box(1, 7, 1, None, segmentation={"counts": "x"}), "missing-tag", 'no "bbox"'),
        (box(1, 7, 1, None, segmentation=[[4, 2, 9]]), "bad-number", "expected polygons"),
        (box(1, 7, 1, None, segmentation=[[4, 2, 9, 3, 5, "x"]]), "bad-number", "polygons"),
        (box(1, 7, 3), "unknown-class", 'among "categories", got 3'),
        (box(1, 7, [1]), "unknown-class", 'among "categories"'),
        (box(1, 7, None), "missing-tag", 'no "category_id"'),
    ],
)
def test_a_bad_annotation_is_a_flaw_of_its_picture(tmp_path, row, kind, message):
    folder = one_picture(tmp_path, [box(0, 7), row, box(2, 7)])
    (flaw,) = folder.items["a"].flaws
    assert (flaw.kind, flaw.line, flaw.number) == (kind, 7, 2)
    assert re.search(message, flaw.message)
    assert [found.number for found in folder.items["a"].annotation.objects] == [1, 3]
    assert not folder.flaws


@pytest.mark.parametrize(
    ("row", "kind", "message"),
    [
        (box(1, 8), "unknown-image", 'among "images", got 8'),
        (box(1, True), "unknown-image", "got True"),
        ({"id": 1, "bbox": BOX}, "unknown-image", 'an "image_id"'),
        ("text", "unknown-image", "an \"image_id\", got 'text'"),
    ],
)
def test_an_annotation_of_no_image(tmp_path, row, kind, message):
    folder = one_picture(tmp_path, [box(0, 7), row])
    ((path, flaw),) = folder.flaws
    assert (path.name, flaw.kind, flaw.line) == ("annotations.json", kind, 7)
    assert message in flaw.message
    assert len(folder.items["a"].annotation.objects) == 1


def test_the_check_knows_every_kind_of_flaw(tmp_path, capsys):
    annotations = [box(0, 7), box(1, 9), box(2, 7, 9), box(3, 7, 1, [1]), {"image_id": 7}]
    categories = [*CAT_AND_DOG, {"id": 2, "name": "x"}]
    one_picture(tmp_path, annotations, [image(7, "a.png"), image(7, "a.png"), {}], categories)
    assert main(["check", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    for line, kind in (
        (4, "duplicate-image"),
        (5, "unknown-image"),
        (9, "unknown-image"),
        (10, "unknown-class"),
        (11, "bad-number"),
        (12, "missing-tag"),
        (17, "bad-labels"),
    ):
        assert re.search(rf"annotations\.json:{line}: .*\[{kind};", printed), (line, kind)


@pytest.mark.parametrize(
    "row",
    [
        {"id": 8},
        {"file_name": "b.png"},
        {"id": None, "file_name": "b.png"},
        {"id": 8, "file_name": ""},
        {"id": 8, "file_name": "../"},
        {"id": 8, "file_name": 5},
        {"id": 8, "file_name": "b\0.png"},
        {"id": 8, "file_name": "b\udc80.png"},
        ["b.png"],
    ],
)
def test_an_image_without_id_or_name(tmp_path, row):
    folder = one_picture(tmp_path, [box(0, 7)], [image(7, "a.png"), row])
    assert folder_flaws(folder) == [("unknown-image", 4)] and list(folder.items) == ["a"]


def test_ids_may_be_texts_and_numbers_alike(tmp_path):
    folder = one_picture(
        tmp_path,
        [box(0, 7.0), box(1, "7", "1"), box(2, "x1", "k")],
        [image(7, "a.png"), image("x1", "b.png")],
        [*CAT_AND_DOG, {"id": "k", "name": "kea"}],
    )
    assert len(folder.items["a"].annotation.objects) == 2 and not folder.flaws
    assert [found.name for found in folder.items["b"].annotation.objects] == ["kea"]
    assert folder.classes.names == ("cat", "kea")  # nothing is a dog


def test_one_id_for_two_pictures_makes_both_unusable(tmp_path):
    add_picture(tmp_path / "b.png")
    folder = one_picture(tmp_path, [box(0, 7)], [image(7, "a.png"), image(7, "b.png")])
    for image_id, line, other in (("a", 3, "line 4, b.png"), ("b", 4, "line 3, a.png")):
        item = folder.items[image_id]
        assert item.annotation is None and item.malformed.line == line
        assert other in item.malformed.reason and item.image_path.stem == image_id
    assert folder.classes.names == ("cat", "dog") and not folder.flaws


def test_a_picture_that_stands_twice(tmp_path):
    folder = one_picture(tmp_path, [box(0, 7)], [image(7, "a.png"), image(7, "a.png")])
    assert folder_flaws(folder) == [("duplicate-image", 4)]
    assert len(folder.items["a"].annotation.objects) == 1
    rows = [image(7, "a.png"), image(8, "./a.png")]
    folder = one_picture(tmp_path, [box(0, 7), box(1, 8), box(2, 8, 5)], rows)
    assert folder_flaws(folder) == [("duplicate-image", 4)]
    assert [found.number for found in folder.items["a"].annotation.objects] == [1, 2]
    assert flaws_of(folder) == [("unknown-class", 9)] and folder.items["a"].flaws[0].number == 3
