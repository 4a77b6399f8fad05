import re
import warnings
from pathlib import Path

import pytest

from tests.downloads import downloaded
from tests.train.data.damaged_voc import (
    BOX,
    GOOD_BOXES,
    add,
    add_line,
    line_of,
    make_damaged,
    picture_of,
    tree_digest,
)
from tests.train.data.voc_folder import HEIGHT, WIDTH, edit
from train.data.__main__ import main
from train.data.dataset import DataWarning, load_dataset, open_data
from train.data.formats.registry import read_folder
from train.data.lint.checks import check_folder
from train.data.lint.findings import KINDS
from train.data.lint.repair import repair
from train.data.lint.survey import survey_folder
from train.data.readiness import load_splits
from train.data.systematic import find_systematic

# Kinds that the damaged folder cannot have: of a list of classes, other formats, the whole set.
ELSEWHERE = {
    *("unknown-class", "unused-class", "bad-labels", "no-split", "malformed-labels"),
    *("not-normalized", "unknown-image", "duplicate-image", "malformed-table"),
    *("missing-cell", "malformed-row", "contradictory-size", "contradictory-rows"),
    *("normalized-boxes", "corner-size-boxes", "systematic-flaw", "training-stops"),
    "no-test",
}
# Annotation, the text on the line of its flaw, kind, severity.
ANNOTATION_FLAWS = [
    ("point", "<bndbox>", "no-area", "warning"),
    ("inverted", "<bndbox>", "inverted-box", "warning"),
    ("edge", "<bndbox>", "box-over-edge", "warning"),
    ("slips", "<name>Platelet<", "misspelt-class", "warning"),
    ("slips", "<name>platlet<", "misspelt-class", "warning"),
    ("empty", "<annotation>", "empty-picture", "note"),
    ("nameless", "<object>", "missing-tag", "error"),
    ("cornerless", "<bndbox>", "missing-tag", "error"),
    ("wide", "<xmax>wide", "bad-number", "error"),
    ("small", "<size>", "size-scaled", "note"),
    ("squarish", "<size>", "size-mismatch", "error"),
    ("sizeless", "<size>", "missing-size", "note"),
    ("lost", "<annotation>", "missing-picture", "error"),
    ("torn", "</annotation>", "malformed-xml", "error"),
    ("bomb", "<!DOCTYPE", "malformed-xml", "error"),
    ("spare", "<annotation>", "unused-annotation", "note"),
]
SPLIT_FLAWS = [
    ("both", "leaked-id", "warning"),
    ("copy", "leaked-picture", "warning"),
    ("twin", "leaked-picture", "warning"),
    ("ghost", "missing-annotation", "error"),
]
PICTURE_FLAWS = [
    ("turned.jpg", "exif-turned", "note"),
    ("upside.jpg", "exif-ambiguous", "warning"),
    ("cut.png", "undecodable-picture", "warning"),
    ("lonely.png", "unannotated-picture", "note"),
    ("edge.png", "duplicate-picture", "note"),
]


def test_every_kind_of_damage_is_found_with_file_and_line(tmp_path):
    make_damaged(tmp_path)
    annotations, train = tmp_path / "Annotations", tmp_path / "ImageSets/Main/train.txt"
    expected = {
        (f"Annotations/{stem}.xml", line_of(annotations / f"{stem}.xml", text), kind, severity)
        for stem, text, kind, severity in ANNOTATION_FLAWS
    }
    expected |= {
        ("ImageSets/Main/train.txt", line_of(train, stem), kind, severity)
        for stem, kind, severity in SPLIT_FLAWS
    }
    expected |= {
        (f"JPEGImages/{name}", 0, kind, severity) for name, kind, severity in PICTURE_FLAWS
    }
    edge_again = len(train.read_text().splitlines()) - 1  # before the last, ghost
    outside, twice = annotations / "outside.xml", annotations / "twice.xml"
    huge, tiny = annotations / "huge.xml", annotations / "tiny.xml"
    expected |= {
        ("Annotations/outside.xml", line_of(outside, "<xmin>50") - 1, "box-outside", "warning"),
        ("Annotations/tiny.xml", line_of(tiny, "<xmin>0.1") - 1, "fraction-box", "warning"),
        (
            "Annotations/huge.xml",
            line_of(huge, "<xmax>1000000000") - 3,
            "impossible-box",
            "warning",
        ),
        # an object takes nine lines; the third repeats the first
        ("Annotations/twice.xml", line_of(twice, "<bndbox>") + 20, "duplicate-box", "warning"),
        ("ImageSets/Main/train.txt", edge_again, "duplicate-id", "error"),
        ("ImageSets/Main/none.txt", 0, "empty-split", "error"),
    }
    findings = check_folder(tmp_path)
    found = {(f.file, f.line, f.kind, f.severity) for f in findings}
    assert found == expected and len(findings) == len(expected)
    assert findings == sorted(findings)
    assert {f.kind for f in findings} == set(KINDS) - ELSEWHERE  # a new kind needs damage here


def test_messages_name_what_is_wrong(tmp_path):
    make_damaged(tmp_path)
    said = {(Path(f.file).stem, f.kind): str(f) for f in check_folder(tmp_path)}
    point = said["point", "no-area"]
    assert "box platelet (4, 2, 4, 2) has no area" in point and "xml:11: warning:" in point
    assert "training skips the box, --fix removes it" in point
    assert "outside the 40x20 picture" in said["outside", "box-outside"]
    assert "says 80x40, but small.png is 40x20, of the same ratio" in said["small", "size-scaled"]
    assert "says 40x30, but squarish.png is 40x20" in said["squarish", "size-mismatch"]
    assert (
        "orientation 6); the boxes were drawn on the picture as stored"
        in said["turned", "exif-turned"]
    )
    assert "got a DTD or entities" in said["bomb", "malformed-xml"]
    findings = check_folder(tmp_path)
    leaked = [f.message for f in findings if f.kind == "leaked-picture"]
    assert leaked == [
        "copy has the very pixels of seen of test",
        "twin is byte for byte good of val",
    ]


def test_labels_make_strangers_errors(tmp_path):
    path = add(tmp_path, "a", [BOX, (0, 0, 4, 4), (5, 5, 9, 9)], ["platelet", "Platelet", "dog"])
    add(tmp_path, "spare", names=["dog"], splits=())
    (tmp_path / "labels.txt").write_text("platelet\nant\nplatelet\n")
    found = [(f.file, f.line, f.kind, f.severity) for f in check_folder(tmp_path)]
    assert found == [
        ("Annotations/a.xml", line_of(path, "Platelet"), "misspelt-class", "error"),
        ("Annotations/a.xml", line_of(path, "dog"), "unknown-class", "error"),
        ("Annotations/spare.xml", 1, "unused-annotation", "note"),
        ("Annotations/spare.xml", 9, "unknown-class", "warning"),  # in no split: never read
        ("labels.txt", 2, "unused-class", "note"),
        ("labels.txt", 3, "bad-labels", "error"),
    ]


def test_a_malformed_file_in_no_split_does_not_stop_training(tmp_path):
    add(tmp_path, "a")
    add(tmp_path, "spare", splits=()).write_text("no XML")
    assert [(f.kind, f.severity) for f in check_folder(tmp_path)] == [("malformed-xml", "warning")]
    assert len(load_dataset(tmp_path, "train")) == 1


def test_splits_that_the_folder_does_not_give_are_made_but_not_written(tmp_path):
    for number in range(12):
        add(tmp_path, f"p{number}", splits=())
    before = tree_digest(tmp_path)
    findings = check_folder(tmp_path)
    assert [(f.kind, f.severity) for f in findings] == [("no-split", "note")]
    assert tree_digest(tmp_path) == before


def test_a_set_of_which_no_splits_can_be_made(tmp_path):
    add(tmp_path, "a", splits=())
    (finding,) = check_folder(tmp_path)
    assert (finding.kind, finding.severity) == ("no-split", "error")
    assert "too few" in finding.message


FRACTIONS = (0.1, 0.1, 0.5, 0.5)
CORNER_AND_SIZE = [(20, 2, 10, 8), (30, 10, 5, 6), (4, 3, 20, 10), (25, 5, 12, 4)]

# Corners (10, 4, 30, 16) and so on, written as width and height.
CORNERS_AS_SIZE = [(10, 4, 40, 20), (20, 10, 58, 28), (12, 6, 40, 25), (15, 9, 53, 26)]
# Right ones, of which each reading but one puts some outside of their 40x20 picture.
RIGHT = [(16, 4, 36, 16), (1, 1, 7, 9), (30, 12, 40, 20), (2, 10, 12, 20), (20, 0, 30, 8)]
CORNERS_AS_YOLO = [(x - X / 2, y - Y / 2, x + X / 2, y + Y / 2) for x, y, X, Y in RIGHT]
SIZES = [(X - x, Y - y) for x, y, X, Y in RIGHT]
CORNERS_AS_CENTERS = [
    (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    for (x, y, _, _), (w, h) in zip(RIGHT, SIZES, strict=True)
]
CENTERS_AS_CORNERS = [
    (x + w / 2, y + h / 2, X + w / 2, Y + h / 2)
    for (x, y, X, Y), (w, h) in zip(RIGHT, SIZES, strict=True)
]
Y_FIRST = [(y, x, Y, X) for x, y, X, Y in RIGHT]
MIXED = [(30, 5, 60, 15), (35, 2, 70, 9), (50, 0, 60, 10), (4, 2, 20, 10)]


@pytest.mark.parametrize(
    ("boxes", "kind", "said"),
    [
        ([FRACTIONS] * 3, "normalized-boxes", "3 of 3 boxes lie below one pixel"),
        ([FRACTIONS] * 4 + GOOD_BOXES, "normalized-boxes", "4 of 34 boxes lie below one pixel"),
        (CORNER_AND_SIZE, "corner-size-boxes", "3 of 4 boxes have swapped corners"),
        (CORNERS_AS_SIZE, "corner-size-boxes", "3 of 4 boxes leave their pictures, and 4 fit"),
        (CORNERS_AS_YOLO, "corner-size-boxes", "5 of 5 boxes leave their .*, and 5 fit if .* corn"),
        (CORNERS_AS_CENTERS, "systematic-flaw", "3 of 5 boxes .* are the corner, where the center"),
        (CENTERS_AS_CORNERS, "systematic-flaw", "3 of 5 boxes .* are the center, where the corner"),
        (Y_FIRST, "systematic-flaw", "3 of 5 boxes leave .*, and 5 fit if x and y are exchanged"),
        ([(50, 0, 60, 10)] * 2 + [(70, 0, 80, 9)], "systematic-flaw", "lie outside their pictures"),
        ([(n, 2, n, 9) for n in range(9)], "systematic-flaw", "of 9 boxes 9 have no area"),
        (MIXED, "systematic-flaw", "of 4 boxes 2 leave their pictures, 1 lie outside"),
    ],
)
def test_most_boxes_wrong_in_one_way_are_one_finding(tmp_path, boxes, kind, said):
    add(tmp_path / "set", "a", boxes)
    findings = check_folder(tmp_path / "set")
    assert [(f.kind, f.severity) for f in findings if f.kind != "no-split"] == [(kind, "error")]
    assert re.search(said, findings[0].message), findings[0].message
    with pytest.raises(ValueError, match=said):
        load_dataset(tmp_path / "set", "train")
    assert main(["convert", str(tmp_path / "set"), str(tmp_path / "out"), "--to", "yolo"]) == 2
    with pytest.raises(ValueError, match="--fix cannot tell"):
        repair(survey_folder(tmp_path / "set"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_percent_of_large_pictures_are_one_finding(tmp_path):
    boxes = [(x, y, x + 15.5, y + 20) for x in range(0, 81, 20) for y in range(0, 81, 20)]
    add(tmp_path, "a", boxes, size=(WIDTH * 10, HEIGHT * 10))
    flaw = find_systematic(read_folder(tmp_path))
    assert flaw is not None and "25 boxes reaches beyond pixel 100" in flaw.message
    add(tmp_path, "b", [(0, 0, 101, 50)], size=(WIDTH * 10, HEIGHT * 10))
    assert find_systematic(read_folder(tmp_path)) is None  # they may lie so


def test_boxes_that_leave_their_pictures_on_all_sides_are_drawn_so(tmp_path):
    over = [(-3, 2, 9, 12), (2, -3, 12, 9), (WIDTH - 9, 2, WIDTH + 3, 12), (2, 20, 12, HEIGHT + 3)]
    add(tmp_path, "a", [*over, *GOOD_BOXES])
    assert find_systematic(read_folder(tmp_path)) is None


@pytest.mark.parametrize(
    "over",
    [
        [(x, 12, x + 6, HEIGHT + 3) for x in range(2, 30, 2)],  # feet below the picture
        [(x, -3, x + 6, 9) for x in range(2, 30, 2)],
        [(WIDTH - 9, y, WIDTH + 4, y + 6) for y in range(12)],
    ],
)
def test_boxes_that_leave_their_pictures_on_one_side_are_drawn_so(tmp_path, over):
    add(tmp_path, "a", [*over, *GOOD_BOXES])
    assert find_systematic(read_folder(tmp_path)) is None


def test_one_object_in_a_corner_of_large_pictures_is_not_in_percent(tmp_path):
    add(tmp_path, "a", [(30, 20, 95, 85)] * 25, size=(WIDTH * 10, HEIGHT * 10))
    assert find_systematic(read_folder(tmp_path)) is None


def whole_set(root):
    """Twelve pictures with given splits that can be trained on."""
    for number in range(12):
        split = ("train", "val", "test")[max(0, number - 9)]
        add(root, f"p{number:02}", [BOX, GOOD_BOXES[number]], ["cell", "platelet"], [split])
    return root


def leave(root):
    pass


def share_a_picture(root):
    add_line(root, "val", "p00")


def add_an_unused_class(root):
    (root / "labels.txt").write_text("cell\nplatelet\nunicorn\n")


def keep_a_class_from_train(root):
    edit(root / "Annotations/p10.xml", "<name>cell<", "<name>rare<")


def make_val_difficult(root):
    path = root / "Annotations/p10.xml"
    path.write_text(path.read_text().replace("<difficult>0<", "<difficult>1<"))


def drop_val(root):
    (root / "ImageSets/Main/val.txt").unlink()


def empty_train(root):
    for number in range(10):
        add(root, f"p{number:02}", [], splits=())


def cut_a_picture(root):
    path = picture_of(root, "p03")
    path.write_bytes(path.read_bytes()[:200])


def cut_two_pictures(root):
    cut_a_picture(root)
    path = picture_of(root, "p04")
    path.write_bytes(path.read_bytes()[:200])


def cut_the_only_one_of_a_class(root):
    edit(root / "Annotations/p03.xml", "<name>cell<", "<name>rare<")
    edit(root / "Annotations/p10.xml", "<name>cell<", "<name>rare<")
    cut_a_picture(root)


@pytest.mark.parametrize(
    ("damage", "starts"),
    [
        (leave, True),
        (share_a_picture, False),
        (add_an_unused_class, False),
        (keep_a_class_from_train, False),
        (make_val_difficult, False),
        (drop_val, True),  # one is made
        (empty_train, False),
        (cut_a_picture, True),
        (cut_two_pictures, False),  # more than a tenth: a broken copy
        (cut_the_only_one_of_a_class, False),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_check_and_training_agree_on_whether_it_can_start(tmp_path, damage, starts):
    root = whole_set(tmp_path / "set")
    damage(root)
    assert main(["check", str(root)]) == (0 if starts else 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        if starts:
            assert len(load_splits(open_data(root), "train", "val").training) > 5
        else:
            with pytest.raises(ValueError):
                load_splits(open_data(root), "train", "val")


def test_a_few_swapped_corners_are_slips(tmp_path):
    add(tmp_path, "a", [(20, 10, 4, 2), *GOOD_BOXES])
    assert [f.kind for f in check_folder(tmp_path)] == ["inverted-box"]


def test_bccd():
    findings = check_folder(downloaded("bccd", "BCCD"))
    assert [(f.file, f.line, f.kind) for f in findings] == [
        ("Annotations/BloodImage_00338.xml", 163, "no-area"),
        ("Annotations/BloodImage_00343.xml", 55, "no-area"),
    ]
