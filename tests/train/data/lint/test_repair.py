import csv
import shutil
import warnings

import numpy as np
import pytest
from PIL import Image

from edge_runtime.media.images import read_header
from tests.edge_runtime.media.exif import (
    ASCII,
    ORIENTATION,
    SIGNED_RATIONAL,
    exif,
    field,
    oriented,
    save_jpeg,
)
from tests.train.data.damaged_voc import (
    BOX,
    add,
    add_line,
    edit,
    line_of,
    make_damaged,
    picture_of,
    tree_digest,
)
from train.data.__main__ import main
from train.data.dataset import DataWarning, load_dataset, open_data, read_image
from train.data.formats.voc import read_annotation
from train.data.lint.checks import check_folder
from train.data.lint.repair import repair
from train.data.lint.survey import survey_folder
from train.data.splits import splits_path, write_splits


@pytest.fixture(scope="module")
def repaired(tmp_path_factory):
    """(damaged folder, repaired copy, digest of the damaged one before, changes)."""
    root = tmp_path_factory.mktemp("set") / "damaged"
    make_damaged(root)
    before = tree_digest(root)
    out = root.with_name("out")
    return root, out, before, repair(survey_folder(root), out)


def test_the_original_is_untouched_and_the_rest_copied_byte_for_byte(repaired):
    root, out, before, _ = repaired
    assert tree_digest(root) == before
    for name in ("README.txt", "Annotations/good.xml", "JPEGImages/good.png"):
        assert (out / name).read_bytes() == (root / name).read_bytes()
        assert not (out / name).samefile(root / name)
    assert sorted(path.name for path in root.parent.iterdir()) == ["damaged", "out"]


def test_nothing_is_left_to_find_but_notes(repaired):
    left = check_folder(repaired[1])
    assert {(f.file, f.kind) for f in left} == {
        ("Annotations/empty.xml", "empty-picture"),
        ("Annotations/nameless.xml", "empty-picture"),
        ("Annotations/wide.xml", "empty-picture"),
        ("Annotations/spare.xml", "unused-annotation"),
        ("JPEGImages/squarish.png", "unannotated-picture"),
        ("Annotations/copy.xml", "unused-annotation"),
        ("Annotations/twin.xml", "unused-annotation"),
        ("JPEGImages/lonely.png", "unannotated-picture"),
        ("JPEGImages/torn.png", "unannotated-picture"),
        ("JPEGImages/bomb.png", "unannotated-picture"),
        ("JPEGImages/edge.png", "duplicate-picture"),
    }


def test_the_copy_loads_without_a_warning(repaired):
    _, out, _, _ = repaired
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        splits = {split: load_dataset(out, split) for split in ("train", "val", "test", "trainval")}
    for dataset in splits.values():
        assert dataset.class_names == ("cell", "platelet")
        for example in dataset:
            assert read_image(example.image_path).shape[1::-1] == (example.width, example.height)
    ids = {split: [example.image_id for example in data] for split, data in splits.items()}
    assert ids["test"] == ["both", "seen"] and ids["val"] == ["good"]
    assert not {"both", "copy", "twin", "ghost", "lost", "cut", "torn"} & set(ids["train"])
    assert sorted(ids["trainval"]) == sorted(ids["train"] + ids["val"])
    assert not (out / "ImageSets/Main/none.txt").exists()


def test_boxes_names_and_sizes_are_mended(repaired):
    _, out, _, _ = repaired
    found = {path.stem: read_annotation(path) for path in (out / "Annotations").glob("*.xml")}
    boxes = {stem: [item.box_px for item in a.objects] for stem, a in found.items()}
    assert boxes["point"] == boxes["outside"] == boxes["inverted"] == [BOX]
    assert boxes["edge"] == [(0, 5, 20, 20)]
    assert boxes["twice"] == [BOX, BOX]  # of two classes
    assert boxes["cornerless"] == [(0, 0, 3, 3)] and boxes["nameless"] == []
    assert {item.name for item in found["slips"].objects} == {"platelet"}
    assert found["small"].size_wh == found["sizeless"].size_wh == (40, 20)


def test_turned_pictures_are_upright_with_their_boxes(repaired):
    root, out, _, _ = repaired
    for stem in ("turned", "upside"):
        with Image.open(out / f"JPEGImages/{stem}.jpg") as image:
            assert 0x0112 not in image.getexif()
        before, after = (read_image(folder / f"JPEGImages/{stem}.jpg") for folder in (root, out))
        assert before.shape == after.shape
        # noise is what JPEG keeps worst; any other way to turn it would differ by 80
        assert np.abs(before.astype(int) - after).mean() < 12
    turned = read_annotation(out / "Annotations/turned.xml")
    assert turned.size_wh == (20, 40)
    assert turned.objects[0].box_px == (10, 4, 18, 20)  # (4, 2, 20, 10), a quarter clockwise


@pytest.mark.parametrize(
    "fields",
    [
        [oriented(6), field(0x011A, SIGNED_RATIONAL, 1, b"\xff\xff\xff\xff\0\0\0\0")],
        [field(ORIENTATION, ASCII, 2, b"6\0")],
    ],
)
def test_odd_exif_does_not_keep_a_picture_from_being_turned(tmp_path, fields):
    root = tmp_path / "set"
    path = add(root, "a", size=(20, 40))
    picture_of(root, "a").unlink()
    edit(path, "a.png", "a.jpg")
    save_jpeg(root / "JPEGImages/a.jpg", exif(*fields))
    changes = repair(survey_folder(root), tmp_path / "out")
    assert "turned upright from EXIF orientation 6, coded again" in [c.change for c in changes]
    assert read_header(tmp_path / "out/JPEGImages/a.jpg") == ((20, 40), 1)
    upright = read_image(tmp_path / "out/JPEGImages/a.jpg").astype(int)
    assert np.abs(upright - read_image(root / "JPEGImages/a.jpg")).mean() < 4


def test_every_change_is_logged(repaired):
    _, out, _, changes = repaired
    with (out / "changes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["change"] for row in rows] == [change.change for change in changes]
    log = {(row["file"], row["kind"]): row for row in rows}
    assert log["Annotations/point.xml", "no-area"]["line"] == "11"
    assert log["Annotations/edge.xml", "box-over-edge"]["change"].endswith("(0, 5, 20, 20)")
    assert "renamed 'Platelet' to 'platelet'" in [row["change"] for row in rows]
    assert log["ImageSets/Main/train.txt", "leaked-id"]["change"] == "dropped both: stays in test"
    assert log["JPEGImages/cut.png", "undecodable-picture"]["change"] == "left out"
    # each damaged file that check names is in the log, but for what --fix keeps
    cured = {f.file for f in check_folder(repaired[0]) if f.fix != "keeps it"}
    assert cured <= {row["file"] for row in rows}


def test_other_tags_comments_and_split_columns_stay(tmp_path):
    root = tmp_path / "set"
    path = add(root, "a", [BOX, (4, 2, 4, 2)])
    edit(path, "<filename>", "<!-- by hand --><owner>me</owner><filename>")
    (root / "ImageSets/Main/train.txt").write_text("a  1\nghost -1\n")
    repair(survey_folder(root), tmp_path / "out")
    text = (tmp_path / "out/Annotations/a.xml").read_text()
    assert "<!-- by hand --><owner>me</owner>" in text and text.count("<object>") == 1
    assert (tmp_path / "out/ImageSets/Main/train.txt").read_text() == "a  1\n"


def test_labels_are_mended_and_strangers_left(tmp_path, capsys):
    root, out = tmp_path / "set", tmp_path / "out"
    add(root, "a", [BOX, (0, 0, 4, 4)], ["platelet", "dog"])
    add(root, "v", [BOX], splits=["val"])
    add(root, "t", [BOX], splits=["test"])
    (root / "labels.txt").write_text("platelet\nplatelet\n")
    assert main(["check", str(root), "--fix", str(out)]) == 1
    assert "1 error left" in capsys.readouterr().out
    assert (out / "labels.txt").read_text() == "platelet\n"
    assert [f.kind for f in check_folder(out)] == ["unknown-class"]
    (root / "labels.txt").write_text("")
    assert main(["check", str(root), "--fix", str(tmp_path / "second")]) == 0
    assert not (tmp_path / "second/labels.txt").exists()


def test_boxes_are_clipped_as_training_clips_them(tmp_path):
    root = tmp_path / "set"
    add(root, "a", [(-4, 5, 20.5, 30), BOX], size=(80, 40))
    repair(survey_folder(root), tmp_path / "out")
    with pytest.warns(DataWarning):
        before = load_dataset(root, "train")[0].boxes
    np.testing.assert_allclose(load_dataset(tmp_path / "out", "train")[0].boxes, before)


def test_where_the_copy_may_go(tmp_path, capsys):
    root = tmp_path / "set"
    add(root, "a", [(4, 2, 4, 2), BOX])
    add(root, "v", splits=["val"])
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    for out, message in [(tmp_path / "full", "holds something"), (root / "out", "outside")]:
        assert main(["check", str(root), "--fix", str(out)]) == 2
        assert message in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["check", str(root), "--fix", str(tmp_path / "empty"), "--json"]) == 0
    assert '"changes": 1' in capsys.readouterr().out


def test_a_copy_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    root, out = tmp_path / "set", tmp_path / "out"
    add(root, "a")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("train.data.lint.repair.shutil.copyfile", fail)
    with pytest.raises(OSError, match="disk full"):
        repair(survey_folder(root), out)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_set_of_which_nothing_would_be_left(tmp_path):
    root = tmp_path / "set"
    add(root, "a")
    add_line(root, "train", "ghost")
    picture_of(root, "a").write_text("no picture")
    with pytest.raises(ValueError, match="got none in any split"):
        repair(survey_folder(root), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def add_noise(path, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 40, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def move(root, stem, place):
    """Put annotation and picture of a stem into a sub-folder of the standard layout's folders."""
    for path in (root / f"Annotations/{stem}.xml", picture_of(root, stem)):
        target = path.parent / place / path.name
        target.parent.mkdir(exist_ok=True)
        path.rename(target)


def log_of(out):
    """(file, line, kind, change) of each row of the log."""
    with (out / "changes.csv").open(newline="", encoding="utf-8") as file:
        return [tuple(row.values()) for row in csv.DictReader(file)]


def test_files_in_sub_folders_are_mended_where_they_lie(tmp_path):
    root, out = tmp_path / "set", tmp_path / "out"
    add(root, "a", [BOX, (30, 2, 70, 10)], splits=())
    add(root, "turned", splits=())
    with Image.open(picture_of(root, "turned")) as image:
        tags = Image.Exif()
        tags[0x0112] = 6
        image.save(picture_of(root, "turned"), exif=tags)
    for stem in ("a", "turned"):
        move(root, stem, "cam1")
        add_line(root, "train", f"cam1/{stem}")
    repair(survey_folder(root), out)
    boxes = [item.box_px for item in read_annotation(out / "Annotations/cam1/a.xml").objects]
    assert boxes == [BOX, (30, 2, 40, 10)]
    assert read_header(out / "JPEGImages/cam1/turned.png") == ((20, 40), 1)
    assert [example.image_id for example in load_dataset(out, "train")] == ["cam1/a", "cam1/turned"]


def test_splits_by_folders_in_the_standard_layout(tmp_path):
    root, out = tmp_path / "set", tmp_path / "out"
    for stem, split in (("a", "train"), ("b", "train"), ("c", "train"), ("v", "val")):
        add(root, stem, [BOX, (4, 2, 4, 2)] if stem == "c" else [BOX], splits=())
        move(root, stem, split)
    copied = (root / "JPEGImages/val/v.png").read_bytes()
    for stem in "bc":  # pictures that val has as well
        (root / f"JPEGImages/train/{stem}.png").write_bytes(copied)
    (root / "Annotations/train/b.xml").write_text("<annotation><object>")
    changes = repair(survey_folder(root), out)
    assert [(change.file, change.kind, change.change) for change in changes] == [
        ("Annotations/train/b.xml", "malformed-xml", "left out"),
        (
            "Annotations/train/c.xml",
            "leaked-picture",
            "left out: the same picture stays in val as v",
        ),
        ("Annotations/train/c.xml", "no-area", "box platelet (4, 2, 4, 2) removed"),
    ]
    found = {
        split: [one.image_id for one in load_dataset(out, split)] for split in ("train", "val")
    }
    assert found == {"train": ["a"], "val": ["v"]}


def other_layout(root, **boxes):
    """VOC in annots/ and images/, so that a repair converts it; a picture for each keyword."""
    for stem, corners in boxes.items():
        add(root, stem, corners, splits=())
    (root / "Annotations").rename(root / "annots")
    (root / "JPEGImages").rename(root / "images")
    (root / "ImageSets/Main").rmdir()
    (root / "ImageSets").rmdir()


def test_a_folder_in_another_layout_is_mended_as_the_findings_say(tmp_path, capsys):
    root, out = tmp_path / "set", tmp_path / "out"
    other_layout(root, a=[BOX, (30, 12, 25, 5)], b=[BOX, (50, 2, 60, 10)], c=[BOX], d=[BOX] * 2)
    for stem in "efghi":
        shutil.copyfile(root / "annots/a.xml", root / f"annots/{stem}.xml")
        edit(root / f"annots/{stem}.xml", "<xmax>25<", "<xmax>35<")
        edit(root / f"annots/{stem}.xml", "<ymax>5<", "<ymax>15<")
        add_noise(root / f"images/{stem}.png", ord(stem))
    edit(root / "annots/a.xml", "<name>platelet", "<name>Platelet")
    (root / "annots/c.xml").write_text("<annotation><object>")
    assert main(["check", str(root), "--fix", str(out)]) == 0
    assert "6 changes, listed in" in capsys.readouterr().out
    assert read_annotation(out / "Annotations/a.xml").objects[1].box_px == (25, 5, 30, 12)
    assert {item.name for item in read_annotation(out / "Annotations/a.xml").objects} == {
        "platelet"
    }
    assert (out / "labels.txt").read_text() == "platelet\n"
    assert not (out / "not_kept.csv").exists()
    name_line = str(line_of(root / "annots/a.xml", "Platelet"))
    log = log_of(out)
    assert [(file, kind) for file, _, kind, _ in log] == [
        ("Annotations/d.xml", "duplicate-box"),
        ("annots/a.xml", "misspelt-class"),
        ("annots/a.xml", "misspelt-class"),
        ("annots/a.xml", "inverted-box"),
        ("annots/b.xml", "box-outside"),
        ("annots/c.xml", "malformed-labels"),
    ]
    assert log[1][1] == name_line and log[1][3] == "renamed 'Platelet' to 'platelet'"
    assert log[3][3] == "box Platelet (30, 12, 25, 5) becomes (25, 5, 30, 12)"
    assert log[4][3] == "box platelet (50, 2, 60, 10) removed"


OWN_SPLITS = {"train": [f"p{n}" for n in range(4, 12)], "val": ["p0", "p1"], "test": ["p2", "p3"]}


@pytest.mark.parametrize("standard", [True, False])
@pytest.mark.parametrize("inside", [True, False])
def test_splits_that_were_made_go_along(tmp_path, monkeypatch, standard, inside):
    root, out = tmp_path / "set", tmp_path / "out"
    stems = [stem for ids in OWN_SPLITS.values() for stem in ids]
    boxes = {stem: [BOX, (4, 2, 20, 11), (1, 1, 9, 9), (30, 2, 70, 10)] for stem in stems}
    if standard:
        for stem in stems:
            add(root, stem, boxes[stem], splits=())
    else:
        other_layout(root, **boxes)
    path = root / "splits.json"
    if not inside:  # as for a folder that cannot be written to
        path = tmp_path / "elsewhere.json"
        usual = splits_path

        def find(folder):
            return path if folder == root else usual(folder)

        for module in ("lint.repair", "formats.writers.kept_splits", "splits.settle"):
            monkeypatch.setattr(f"train.data.{module}.splits_path", find)
    write_splits(path, OWN_SPLITS, 0)
    repair(survey_folder(root), out)
    back = open_data(out, write=False).splits
    assert {name: sorted(ids) for name, ids in back.items()} == {
        name: sorted(ids) for name, ids in OWN_SPLITS.items()
    }


def test_without_made_splits_the_copy_has_none(tmp_path):
    root, out = tmp_path / "set", tmp_path / "out"
    other_layout(root, **{f"p{n}": [BOX] for n in range(12)})
    repair(survey_folder(root), out)
    assert list((out / "ImageSets/Main").iterdir()) == []
    assert not (root / "splits.json").exists() and not (out / "splits.json").exists()
