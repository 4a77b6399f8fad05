"""Readiness of a data set: refused, with the cure, where no detector could come of it."""

import pytest

from tests.train.data.voc_folder import make_voc
from train.data import readiness
from train.data.dataset import DataWarning, open_data
from train.data.readiness import load_splits


@pytest.fixture(autouse=True)
def enough(monkeypatch):
    """Three pictures are not few here."""
    monkeypatch.setattr(readiness, "FEW_PICTURES", 3)


def write(root, split, **pictures):
    """A split; for each picture the names of its boxes. The first one is "train"."""
    train = root / "ImageSets/Main/train.txt"
    earlier = train.read_text() if train.exists() else ""
    for stem, names in pictures.items():
        make_voc(root, [(4, 2, 20, 10)] * len(names.split()), names.split(), stem)
    lines = "".join(f"{stem}\n" for stem in pictures)
    train.write_text(earlier)  # which make_voc has added to
    (root / f"ImageSets/Main/{split}.txt").write_text(lines)


def test_both_splits(tmp_path):
    write(tmp_path, "train", a="cat", b="dog", c="")
    write(tmp_path, "val", d="cat")
    training, validating = load_splits(open_data(tmp_path), "train", "val")
    assert (len(training), len(validating)) == (3, 1)
    assert load_splits(open_data(tmp_path), "train", "none").validating is None


def test_a_class_without_a_box_to_learn_from(tmp_path):
    write(tmp_path, "train", a="cat", b="cat", c="cat dog")
    write(tmp_path, "val", d="zebra zebra", e="cat")
    write(tmp_path, "test", f="zebra")
    (tmp_path / "labels.txt").write_text("cat\ndog\nzebra\nunicorn\n")
    with pytest.raises(ValueError) as caught:
        load_splits(open_data(tmp_path), "train", "val")
    message = str(caught.value)
    assert "of 2 of 4 classes" in message
    assert "zebra (val 2, test 1); unicorn (val 0, test 0); move or add pictures" in message


def test_a_class_whose_last_picture_is_bad(tmp_path):
    write(tmp_path, "train", **{f"p{number:02}": "cat" for number in range(10)}, z="dog")
    write(tmp_path, "val", v="dog")
    path = tmp_path / "JPEGImages/z.png"
    path.write_bytes(path.read_bytes()[:60])
    with (
        pytest.warns(DataWarning, match=r"z\.png"),
        pytest.raises(ValueError, match=r"dog \(val 1\)"),
    ):
        load_splits(open_data(tmp_path), "train", "val")


def test_no_boxes_at_all(tmp_path):
    write(tmp_path, "train", a="", b="", c="")
    write(tmp_path, "val", d="cat")
    with pytest.raises(ValueError, match="got none in the 3 pictures of split 'train'"):
        load_splits(open_data(tmp_path), "train", "val")


def test_few_pictures_are_warned_of_in_one_line(tmp_path):
    write(tmp_path, "train", a="cat", b="cat")
    write(tmp_path, "val", d="cat")
    with pytest.warns(DataWarning, match="'train' has 2 pictures to learn from") as caught:
        load_splits(open_data(tmp_path), "train", "val")
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)


def test_a_set_without_a_box_that_can_be_used(tmp_path):
    """As YOLO reads one whose list of classes is longer than what is labelled."""
    write(tmp_path, "train", a="", b="", c="")
    write(tmp_path, "val", d="")
    for classes in ("", "cat\ndog\n"):
        (tmp_path / "classes.txt").write_text(classes)
        with pytest.raises(ValueError, match="got none that can be used in its 4 pictures; label"):
            load_splits(open_data(tmp_path), "train", "val")
