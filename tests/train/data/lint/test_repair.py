import csv
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
    make_damaged,
    picture_of,
    tree_digest,
)
from train.data.__main__ import main
from train.data.dataset import DataWarning, load_dataset, read_image
from train.data.formats.voc import read_annotation
from train.data.lint.checks import check_folder
from train.data.lint.repair import repair
from train.data.lint.survey import survey_folder


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
