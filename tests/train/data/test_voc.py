import numpy as np
import pytest

from tests.downloads import downloaded
from tests.train.data.voc_folder import HEIGHT, WIDTH, edit, make_voc
from train.data.dataset import DataWarning, load_dataset, read_image
from train.data.formats.voc import read_annotation, write_annotation


def test_reads_boxes_classes_and_flags(tmp_path):
    path = make_voc(tmp_path, [(4, 2, 20, 10), (0, 0, 40, 20)], ["dog", "cat"])
    edit(
        path,
        "<difficult>0</difficult>\n    <bndbox>\n      <xmin>4<",
        "<difficult>1</difficult>\n    <bndbox>\n      <xmin>4<",
    )
    dataset = load_dataset(tmp_path, "train")
    example = dataset[0]
    assert (len(dataset), dataset.box_count, dataset.split) == (1, 2, "train")
    assert dataset.class_names == ("cat", "dog")
    assert dataset.class_counts() == {"cat": 1, "dog": 1}
    assert (example.width, example.height, example.image_id) == (WIDTH, HEIGHT, "a")
    np.testing.assert_allclose(example.boxes, [[0.1, 0.1, 0.5, 0.5], [0, 0, 1, 1]])
    assert example.boxes.dtype == np.float32 and example.class_ids.dtype == np.int64
    assert example.class_ids.tolist() == [1, 0]
    assert example.difficult.tolist() == [True, False]
    pixels = read_image(example.image_path)
    assert pixels.shape == (HEIGHT, WIDTH, 3) and pixels.dtype == np.uint8
    assert pixels[0, 0].tolist() == [200, 10, 30]


def test_a_picture_without_boxes_is_an_example(tmp_path):
    make_voc(tmp_path)
    make_voc(tmp_path, [], stem="empty")
    example = load_dataset(tmp_path, "train")[1]
    assert example.boxes.shape == (0, 4) and example.boxes.dtype == np.float32
    assert example.class_ids.shape == (0,) and example.difficult.dtype == bool


def test_annotation_round_trip_keeps_fractions_and_refuses_uneven_lists(tmp_path):
    path = tmp_path / "a.xml"
    write_annotation(path, "a & b.jpg", 40, 20, np.array([[1, 2.5, 3, 4]]), ["<odd> name"])
    annotation = read_annotation(path)
    assert (annotation.filename, annotation.size_wh) == ("a & b.jpg", (40, 20))
    assert annotation.objects[0].name == "<odd> name"
    assert annotation.objects[0].box_px == (1, 2.5, 3, 4)
    with pytest.raises(ValueError, match="1 boxes and 2 names"):
        write_annotation(path, "a.jpg", 40, 20, np.array([[1, 2, 3, 4]]), ["x", "y"])


def test_class_names_from_labels_file_from_all_annotations_or_given(tmp_path):
    make_voc(tmp_path, names=["cat"])
    make_voc(tmp_path, names=["ant"], stem="b")
    (tmp_path / "ImageSets/Main/test.txt").write_text("a\n")
    (tmp_path / "ImageSets/Main/train.txt").write_text("b\n")
    # "ant" is in no picture of the split "test", yet counts: ids must agree between splits
    assert load_dataset(tmp_path, "test").class_names == ("ant", "cat")
    assert load_dataset(tmp_path, "test")[0].class_ids.tolist() == [1]
    (tmp_path / "labels.txt").write_text("cat\nant\n\n")
    assert load_dataset(tmp_path, "train").class_names == ("cat", "ant")
    assert load_dataset(tmp_path, "test", ["dog", "cat"])[0].class_ids.tolist() == [1]
    with pytest.raises(
        ValueError, match=r"a\.xml, line 9: got the class 'cat', expected one of dog, ant"
    ):
        load_dataset(tmp_path, "test", ["dog", "ant"])
    with pytest.raises(ValueError, match="different class names"):
        load_dataset(tmp_path, "train", ["cat", "cat"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("</size>", "", r"a\.xml, line \d+: expected well-formed XML"),
        ("<name>cat</name>", "", r"a\.xml, line 8: object 1 has no <name>"),
        ("<ymin>2</ymin>", "", r"a\.xml, line 11: object 1 has no <ymin>"),
        ("<xmax>20<", "<xmax>wide<", r"a\.xml, line 14: object 1 .*<xmax>, got 'wide'"),
        ("<xmax>20<", "<xmax>nan<", r"a\.xml, line 14: object 1 .*<xmax>, got 'nan'"),
        ("annotation>", "html>", r"root tag <annotation>, got <html>"),
    ],
)
def test_malformed_annotations_are_refused(tmp_path, old, new, message):
    make_voc(tmp_path, stem="b")
    edit(make_voc(tmp_path), old, new)
    with pytest.raises(ValueError, match=message):
        load_dataset(tmp_path, "train")


def test_an_entity_bomb_is_refused(tmp_path):
    path = make_voc(tmp_path)
    bomb = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]>'
    path.write_text(f"{bomb}<annotation><filename>&y;</filename></annotation>")
    with pytest.raises(ValueError, match=r"a\.xml: expected plain XML, got a DTD"):
        load_dataset(tmp_path, "train")


def test_the_picture_is_found_by_stem_then_by_filename(tmp_path):
    edit(make_voc(tmp_path), "<filename>a.png<", "<filename>other.png<")
    picture = tmp_path / "JPEGImages/a.png"
    assert load_dataset(tmp_path, "train")[0].image_path == picture
    moved = picture.rename(picture.with_name("other.png"))
    assert load_dataset(tmp_path, "train")[0].image_path == moved
    moved.unlink()
    with pytest.raises(ValueError, match=r"a\.xml, line 1: has no picture a\.jpg .*other\.png"):
        load_dataset(tmp_path, "train")


def test_split_files(tmp_path):
    make_voc(tmp_path)
    make_voc(tmp_path, stem="with space")
    main = tmp_path / "ImageSets/Main"
    (main / "cat_val.txt").write_text("a  -1\n\n")  # as VOC's per-class files
    assert [example.image_id for example in load_dataset(tmp_path, "train")] == ["a", "with space"]
    assert [example.image_id for example in load_dataset(tmp_path, "cat_val")] == ["a"]
    with pytest.raises(ValueError, match="the folder has: cat_val, train"):
        load_dataset(tmp_path, "test")
    for name, text, message in [
        ("empty", "\n", "got an empty file"),
        ("twice", "a\na\n", "'a' 2 times"),
        ("lost", "b\n", r"lost\.txt, line 1: expected an annotation for 'b'"),
    ]:
        (main / f"{name}.txt").write_text(text)
        with pytest.raises(ValueError, match=message):
            load_dataset(tmp_path, name)


def test_a_folder_above_the_set_will_do_but_not_above_two(tmp_path):
    make_voc(tmp_path / "VOC2012")
    assert [example.image_id for example in load_dataset(tmp_path, "train")] == ["a"]
    make_voc(tmp_path / "VOC2007")
    with pytest.raises(ValueError, match="expected one data set, got 2: VOC2007, VOC2012"):
        load_dataset(tmp_path, "train")
    with pytest.raises(ValueError, match="no such folder"):
        load_dataset(tmp_path / "missing", "train")


def test_bccd():
    root = downloaded("bccd", "BCCD")
    with pytest.warns(DataWarning, match="has no area; skipped") as caught:
        splits = [load_dataset(root, split) for split in ("trainval", "test")]
    assert sum(len(split) for split in splits) == 364
    assert sum(split.box_count for split in splits) == 4886
    assert len(caught) == 2  # the two boxes of the 4888 that are a point
    assert splits[0].class_names == ("Platelets", "RBC", "WBC")
    assert read_image(splits[1][0].image_path).shape == (480, 640, 3)
