import re

import pytest

from tests.train.data.formats.pictures import (
    add_picture,
    boxes_of,
    make_folder,
    read_with,
    splits_of,
)
from train.data.formats.csv_table import FORMAT
from train.data.formats.files import FolderFiles
from train.data.lint.findings import KINDS

HEADER = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
ROW = "a.jpg,40,20,cat,4,2,20,10\n"
BOX = (4, 2, 20, 10)


def read(root):
    return read_with(FORMAT, root)


def table(root, content, pictures=("a.jpg",), name="labels.csv", **more):
    return read(make_folder(root, {name: content} | more, pictures))


def only_flaw(folder):
    """The one flaw of a folder, of a picture or not, that the data check knows."""
    flaws = [flaw for item in folder.items.values() for flaw in item.flaws]
    (flaw,) = [*flaws, *(flaw for _, flaw in folder.flaws)]
    assert flaw.kind in KINDS
    assert bool(folder.flaws) == ("names no picture" in flaw.message)
    return flaw


def test_tensorflow_table(tmp_path):
    rows = "b.jpg,40,20,dog,0,0,40,20.5\n" + ROW + "b.jpg,40,20,cat,1,2,3,4\n"
    folder = table(tmp_path, HEADER + rows, ["a.jpg", "sub/b.jpg", "c.jpg"])
    assert (folder.format, folder.background, folder.classes) == ("CSV", False, None)
    assert folder.layout == "labels.csv: boxes in pixels"
    assert list(folder.items) == ["a", "sub/b"]
    assert boxes_of(folder, "sub/b") == [("dog", (0, 0, 40, 20.5)), ("cat", (1, 2, 3, 4))]
    item = folder.items["sub/b"]
    assert (item.path, item.image_path) == (tmp_path / "labels.csv", tmp_path / "sub/b.jpg")
    annotation = item.annotation
    assert (annotation.filename, annotation.size_wh) == ("b.jpg", (40, 20))
    assert (annotation.line, annotation.size_line) == (2, 2)
    assert [(one.number, one.box_line) for one in annotation.objects] == [(1, 2), (2, 4)]
    assert folder.unannotated == (tmp_path / "c.jpg",)  # no row says that it shows nothing
    assert (folder.splits, folder.flaws, folder.notes) == ({}, (), ())


@pytest.mark.parametrize(
    "content",
    [
        "image;label;x_min;y_min;x_max;y_max\na.jpg;cat;4;2;20;10\n",
        "xmax\tymax\txmin\tymin\tName\tImage Path\n20\t10\t4\t2\tcat\timages\\a.jpg\n",
        "path,x1,y1,x2,y2,category\n/home/me/images/a.jpg, 4, 2, 20, 10, cat\n",
        "img,xtl,ytl,xbr,ybr,class\na.jpg,4,2,20,10,cat\n",
        "image,x0,y0,x1,y1,label\na.jpg,4,2,20,10,cat\n",
        "image,startX,startY,endX,endY,label\na.jpg,4,2,20,10,cat\n",
        "filename,width,height,class,xmin,ymin,w,h\na.jpg,40,20,cat,4,2,16,8\n",
        ',FILE,LEFT,TOP,RIGHT,BOTTOM,LABEL_NAME\n0,a.jpg,4,2,20,10," cat"\n',
        'image_id,category,bbox\na,cat,"[4.0, 2, 16, 8.0]"\n',
        "file,label,xmin,ymin,width,height\na.jpg,cat,4,2,16,8\n",
        "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height\n"
        "cat,4,2,16,8,a.jpg,40,20\n",
        "cat,4,2,16,8,a.jpg,40,20\n",
        "\n\na.jpg,4,2,20,10,cat\r\n",
        "\r\rTRAIN,a.jpg,cat,.1,.1,,,.5,.5,,\r".replace("TRAIN", "UNASSIGNED"),
    ],
)
def test_columns_by_other_names_separators_and_orders(tmp_path, content):
    folder = table(tmp_path, content, ["images/a.jpg"])
    assert boxes_of(folder, "a") == [("cat", BOX)]
    assert (folder.splits, folder.flaws, folder.notes) == ({}, (), ())


def test_one_class_where_there_is_no_column_of_classes(tmp_path):
    content = 'image_id,width,height,bbox,source\na,40,20,"[4, 2, 16, 8]",x\n'
    folder = table(tmp_path, content)
    assert boxes_of(folder, "a") == [("object", BOX)]
    assert folder.notes == (
        f"{tmp_path}/labels.csv: has no column of classes; all its boxes are of the class 'object'",
    )


def test_retinanet_rows_with_background_and_classes(tmp_path):
    content = "img/a.jpg,4,2,20,10,cat\nimg/b.jpg,,,,,\nimg/a.jpg,0,0,1,1,dog\n"
    texts = {"classes.csv": "dog,0\ncat,1\n"}
    folder = table(tmp_path, content, ["img/a.jpg", "img/b.jpg"], "train.csv", **texts)
    assert boxes_of(folder, "a") == [("cat", BOX), ("dog", (0, 0, 1, 1))]
    assert folder.items["b"].annotation.objects == ()
    assert folder.items["b"].annotation.line == 2
    assert folder.classes.lines == ((1, "dog"), (2, "cat"))
    assert (folder.unannotated, splits_of(folder)) == ((), {"train": ["a", "b"]})


def test_automl_rows(tmp_path):
    content = (
        "TRAIN,gs://bucket/pets/a.jpg,cat,0.1,0.1,,,0.5,0.5,,\n"
        "VALIDATION,gs://bucket/pets/b.jpg,dog,0.5,0.1,0.9,0.1,0.9,0.5,0.5,0.5\n"
        "TEST,gs://bucket/pets/c.jpg,,,,,,,,,\n"
        "UNASSIGNED,gs://bucket/pets/d.jpg,cat,0,0,,,1,1,,\n"
    )
    pictures = [f"{name}.jpg" for name in "abcd"]
    folder = table(tmp_path, content, pictures, "all_data.csv")
    assert boxes_of(folder, "a") == [("cat", BOX)]
    assert boxes_of(folder, "b") == [("dog", (20, 2, 36, 10))]
    assert boxes_of(folder, "c") == []
    assert boxes_of(folder, "d") == [("cat", (0, 0, 40, 20))]
    assert folder.items["a"].annotation.size_wh == (40, 20)
    assert splits_of(folder) == {"train": ["a"], "val": ["b"], "test": ["c"]}
    assert folder.splits["val"].lines == {2: "b"}
    assert folder.splits["val"].path == tmp_path / "all_data.csv"


OPEN_IMAGES = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,"
    "IsDepiction,IsInside\n"
)


def test_open_images(tmp_path):
    def row(image, label, group):
        return f"{image},xclick,{label},1,0.1,0.5,0.1,0.5,0,0,{group},0,0\n"

    texts = {
        "oidv6-train-annotations-bbox.csv": OPEN_IMAGES
        + row("a1", "/m/01", 0)
        + row("elsewhere", "/m/01", 0)
        + row("a1", "/m/02", 1),
        "validation-annotations-bbox.csv": OPEN_IMAGES + row("b2", "/m/03", -1),
        "class-descriptions-boxable.csv": '/m/01,Cat\n/m/02,"Dog, small"\n',
        "train-images-boxable-with-rotation.csv": "ImageID,Subset,Rotation\na1,train,0\n",
    }
    make_folder(tmp_path, texts, ["train/a1.jpg", "b2.jpg"])
    add_picture(tmp_path / "b2.jpg", orientation=8)  # 20 x 40 upright
    folder = read(tmp_path)
    assert boxes_of(folder, "a1") == [("Cat", BOX), ("Dog, small", BOX)]
    assert [one.crowd for one in folder.items["a1"].annotation.objects] == [False, True]
    assert boxes_of(folder, "b2") == [("/m/03", (2, 4, 10, 20))]
    assert not folder.items["b2"].annotation.objects[0].crowd
    assert splits_of(folder) == {"train": ["a1"], "val": ["b2"]}
    assert list(folder.items) == ["a1", "b2"]
    assert folder.layout.endswith(": Open Images")
    described = tmp_path / "class-descriptions-boxable.csv"
    described.rename(tmp_path / "classes.csv")  # as FiftyOne calls it
    folder = read(tmp_path)
    assert boxes_of(folder, "a1") == [("Cat", BOX), ("Dog, small", BOX)]
    assert folder.classes is None  # it is no list in keras-retinanet's form
    assert folder.notes == (
        f"{tmp_path}/oidv6-train-annotations-bbox.csv: names 1 pictures that are not here, left "
        "aside as usual for a part of Open Images",
        f"{tmp_path}/validation-annotations-bbox.csv, line 2: 1 classes such as /m/03 have no "
        "name; add Open Images' class-descriptions file to the folder",
    )


def test_tables_in_folders_of_splits(tmp_path):
    texts = {
        "train/_annotations.csv": HEADER + ROW,
        "valid/_annotations.csv": HEADER + ROW.replace("cat", "dog"),
    }
    folder = read(make_folder(tmp_path, texts, ["train/a.jpg", "valid/a.jpg"]))
    assert boxes_of(folder, "train/a") == [("cat", BOX)]
    assert boxes_of(folder, "valid/a") == [("dog", BOX)]
    assert splits_of(folder) == {"train": ["train/a"], "val": ["valid/a"]}


def test_tables_of_splits_whose_pictures_have_the_same_names(tmp_path):
    texts = {
        "train_labels.csv": HEADER + ROW,
        "test_labels.csv": HEADER + ROW.replace("cat", "dog") + ROW.replace("a.jpg", "b.jpg"),
    }
    pictures = ["images/train/a.jpg", "images/test/a.jpg", "images/train/b.jpg"]
    folder = read(make_folder(tmp_path, texts, pictures))
    assert boxes_of(folder, "images/train/a") == [("cat", BOX)]
    assert boxes_of(folder, "images/test/a") == [("dog", BOX)]
    assert folder.items["b"].image_path is None  # b.jpg of train/ is another picture
    assert splits_of(folder) == {"train": ["images/train/a"], "test": ["images/test/a", "b"]}
    assert folder.unannotated == (tmp_path / "images/train/b.jpg",)


def test_splits_of_a_column_and_of_the_pictures_folders(tmp_path):
    content = "image,label,xmin,ymin,xmax,ymax,split\n" + "".join(
        f"{name}.jpg,cat,4,2,20,10,{split}\n"
        for name, split in [("a", "valid"), ("b", "train"), ("c", ""), ("d", "fold1")]
    )
    folder = table(tmp_path / "column", content, [f"{name}.jpg" for name in "abcd"])
    assert splits_of(folder) == {"train": ["b"], "val": ["a"], "fold1": ["d"]}
    content = HEADER + ROW + ROW.replace("a.jpg", "test/a.jpg")
    folder = table(
        tmp_path / "folder", content.replace("\na.jpg", "\ntrain/a.jpg"), ["train/a.jpg"]
    )
    assert splits_of(folder) == {"train": ["a"]}


def test_a_picture_in_two_tables(tmp_path):
    texts = {
        "all.csv": HEADER + ROW + ROW.replace("a.jpg", "b.jpg"),
        "train.csv": HEADER + ROW,
        "val.csv": HEADER + ROW.replace("a.jpg", "b.jpg").replace("20,10", "21,10"),
    }
    folder = read(make_folder(tmp_path, texts, ["a.jpg", "b.jpg"]))
    assert boxes_of(folder, "a") == boxes_of(folder, "b") == [("cat", BOX)]
    assert splits_of(folder) == {"train": ["a"], "val": ["b"]}
    assert folder.items["a"].flaws == ()
    (flaw,) = folder.items["b"].flaws
    assert (flaw.kind, flaw.line) == ("contradictory-rows", 3)
    assert "has other boxes on line 2 and so on of val.csv" in flaw.message


def test_pictures_that_are_missing_or_not_clear(tmp_path):
    content = HEADER + ROW + ROW.replace("a.jpg", "x/gone.jpg") + ROW.replace("a.jpg", "b.jpg")
    folder = table(tmp_path, content, ["a.jpg", "s/b.jpg", "t/b.jpg"])
    gone = folder.items["x/gone"]
    assert gone.image_path is None
    assert gone.image_problem == "there is no picture x/gone.jpg; add it or remove the line"
    assert boxes_of(folder, "x/gone") == [("cat", BOX)]
    assert "s/b.jpg and t/b.jpg fit both" in folder.items["b"].image_problem
    assert len(folder.unannotated) == 2


@pytest.mark.parametrize("start", ["", "/home/me/pets/", "C:\\pets\\", "images/"])
def test_one_picture_is_not_taken_for_two(tmp_path, start):
    rows = ROW.replace("a.jpg", f"{start}cam1/0.jpg") + ROW.replace("cat", "dog").replace(
        "a.jpg", f"{start}cam2/0.jpg"
    )
    for name, content in (
        ("one", HEADER + rows),
        ("other", HEADER + "".join(rows.splitlines(True)[::-1])),
    ):
        folder = table(tmp_path / name, content, ["images/cam2/0.jpg"])
        assert boxes_of(folder, "cam2/0") == [("dog", BOX)]
        (lost,) = set(folder.items) - {"cam2/0"}
        assert boxes_of(folder, lost) == [("cat", BOX)]
        assert folder.items[lost].image_path is None
        assert f"there is no picture {start}cam1/0.jpg" in folder.items[lost].image_problem


def test_a_picture_that_two_paths_fit_in_part_goes_to_none(tmp_path):
    texts = {
        "train.csv": HEADER + ROW.replace("a.jpg", "/x/cam1/0.jpg"),
        "val.csv": HEADER + ROW.replace("a.jpg", "/x/cam2/0.jpg"),
    }
    folder = read(make_folder(tmp_path, texts, ["0.jpg"]))
    assert [item.image_path for item in folder.items.values()] == [None, None]
    problems = [item.image_problem for item in folder.items.values()]
    assert "0.jpg could be that of /x/cam2/0.jpg, too" in problems[0]
    assert "0.jpg could be that of /x/cam1/0.jpg, too" in problems[1]
    assert splits_of(folder) == {"train": ["x/cam1/0"], "val": ["x/cam2/0"]}
    assert folder.unannotated == (tmp_path / "0.jpg",)


def test_a_picture_that_is_spelled_in_two_ways_is_one(tmp_path):
    rows = ROW + ROW.replace("a.jpg", ".\\images\\a.jpg").replace("cat", "dog")
    folder = table(tmp_path, HEADER + rows, ["images/a.jpg"])
    assert boxes_of(folder, "a") == [("cat", BOX), ("dog", BOX)]


def test_a_picture_in_two_tables_of_a_split_counts_once(tmp_path):
    texts = {
        "train.csv": HEADER + ROW + ROW.replace("a.jpg", "b.jpg"),
        "train_labels.csv": HEADER + ROW,
    }
    folder = read(make_folder(tmp_path, texts, ["a.jpg", "b.jpg"]))
    assert folder.splits["train"].lines == {2: "a", 3: "b"}


def test_small_numbers_in_a_table_of_pixels_stay_pixels(tmp_path):
    folder = table(tmp_path, HEADER + "a.jpg,40,20,cat,0.1,0.1,0.5,0.5\n")
    assert boxes_of(folder, "a") == [("cat", (0.1, 0.1, 0.5, 0.5))]


@pytest.mark.parametrize(
    ("row", "kind", "message"),
    [
        ("a.jpg,40,20,cat,4,2,wide,10", "bad-number", "expected a finite number in xmax, got 'wid"),
        ("a.jpg,40,20,cat,4,nan,20,10", "bad-number", "in ymin, got 'nan'"),
        ("a.jpg,40,20,cat,4,2,1e999,10", "bad-number", "in xmax, got '1e999'"),
        ("a.jpg,40,20,cat,4,,20,10", "missing-cell", "has no ymin"),
        ("a.jpg,40,20,cat,4,2,20", "missing-cell", "has no ymax"),
        ("a.jpg,40,20,,4,2,20,10", "missing-cell", "has a box and no class"),
        (",40,20,cat,4,2,20,10", "missing-cell", "names no picture in filename"),
        ("a.jpg,40,20,cat,4,2,20,10,9", "malformed-row", "expected 8 cells, got 9"),
        ('a.jpg,40,20,"cat,4,2,20,10', "malformed-row", "expected cells separated by ','"),
        (f"a.jpg,40,20,{'x' * 131073},4,2,20,10", "malformed-row", "field larger than"),
        ("a.jpg,41,20,cat,4,2,20,10", "contradictory-size", "41x20 of a picture that is 40x20"),
    ],
)
def test_flaws_of_rows(tmp_path, row, kind, message):
    content = HEADER + ROW + f"\n{row}\n" + ROW.replace("4,2", "5,2")
    folder = table(tmp_path, content)
    boxes = [box for _, box in boxes_of(folder, "a")]
    assert boxes[0] == BOX and boxes[-1] == (5, 2, 20, 10)
    assert len(boxes) == 2
    flaw = only_flaw(folder)
    assert (flaw.kind, flaw.line) == (kind, 4)
    assert re.search(message, flaw.message), flaw.message


@pytest.mark.parametrize(
    ("content", "line", "kind", "message"),
    [
        ('file,class,bbox\na.jpg,cat,"[4, 2, 16]"\n', 2, "bad-number", "expected .x, y, width, h"),
        ('file,class,bbox\na.jpg,cat,"[4, 2, -1, 8]"\n', 2, "bad-number", "negative width"),
        ("cat,4,2,16,-8,a.jpg,40,20\n", 1, "bad-number", "negative width or height in x, y, w"),
        ("file,class,bbox\na.jpg,cat,[4, 2, 16, 8]\n", 2, "malformed-row", "put quotes around"),
        ("a.jpg,4,2,20,10,cat\na.jpg,4,2,20,x,cat\n", 2, "bad-number", "in y2, got 'x'"),
        ("TRAIN,a.jpg,cat,4,2,,,20,10,,\n", 1, "not-normalized", "0 to 1, got 20"),
        ("TRAIN,a.jpg,cat,0.1,0.1,,,0.2,,,\n", 1, "missing-cell", "has no y3"),
        (OPEN_IMAGES + "a,x,cat,1,4,20,2,10,0,0,0,0,0\n", 2, "not-normalized", "got 20"),
    ],
)
def test_flaws_of_other_tables(tmp_path, content, line, kind, message):
    flaw = only_flaw(table(tmp_path, content))
    assert (flaw.kind, flaw.line) == (kind, line)
    assert re.search(message, flaw.message), flaw.message


def test_flaws_count_the_rows_of_their_picture(tmp_path):
    content = HEADER + ROW + ROW.replace("a.jpg", "b.jpg") + ROW.replace(",20,cat", ",20,")
    folder = table(tmp_path, content, ["a.jpg", "b.jpg"])
    assert [flaw.number for flaw in folder.items["a"].flaws] == [2]


def test_encodings(tmp_path):
    folder = table(tmp_path, b"\xef\xbb\xbf" + (HEADER + ROW).encode())
    assert boxes_of(folder, "a") == [("cat", BOX)]
    folder = table(tmp_path, (HEADER + ROW.replace("cat", "caf\u00e9")).encode("utf-16"))
    assert boxes_of(folder, "a") == [("caf\u00e9", BOX)]
    latin = (HEADER + ROW + ROW.replace("cat", "caf\u00e9") + ROW).encode("latin-1")
    with pytest.raises(ValueError, match=r"labels\.csv, line 3: .*0xe9; save it as UTF-8"):
        table(tmp_path, latin)


def test_a_picture_that_cannot_be_opened_keeps_its_place(tmp_path):
    make_folder(tmp_path, {"labels.csv": "TRAIN,a.jpg,cat,0,0,,,1,1,,\n", "a.jpg": "no picture"})
    item = read(tmp_path).items["a"]
    assert item.image_path == tmp_path / "a.jpg"
    assert (item.annotation.size_wh, item.annotation.objects) == (None, ())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("classes.csv", "name,id\ncat,0\ndog,0\n", r"classes\.csv, line 3: .* got 'dog' and '0'"),
        ("classes.csv", "cat,0\ndog,1,2\n", r"classes\.csv, line 2: expected two cells, got 3"),
        ("class-descriptions.csv", '/m/1,"Cat\n', r"class-descriptions\.csv, line 1: unexpected"),
        ("classes.txt", "\n", r"classes\.txt: expected a class name a line, got an empty file"),
    ],
)
def test_malformed_lists_of_classes(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=message):
        table(tmp_path, HEADER + ROW, **{name: content})


def test_recognition(tmp_path):
    def labels(root, texts, pictures=()):
        found = FORMAT.recognize(FolderFiles(make_folder(root, texts, pictures)))
        return found and found.labels

    assert labels(tmp_path / "one", {"a.csv": HEADER + ROW + ROW}, ["a.jpg"]) == 1
    assert labels(tmp_path / "lost", {"a.csv": HEADER + ROW + "b.jpg,1,1,x,1,1,1,1"}) == 2
    others = {
        "results.csv": "epoch, train/box_loss, lr\n0, 0.1, 0.2\n",
        "classes.csv": "cat,0\n",
        "empty.csv": "",
        "torn.csv": '"a,b',
        "points.csv": "a.jpg,1,2\n",
        "center.csv": "file,x,y,w,h,class\na.jpg,4,2,20,10,cat\n",  # corner or center: unknown
        "masks.csv": "MaskPath,ImageID,LabelName,BoxXMin,BoxXMax,BoxYMin,BoxYMax\n",
    }
    assert labels(tmp_path / "others", others, ["a.jpg"]) is None
