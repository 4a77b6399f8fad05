import pytest

from tests.train.data.formats.coco.reading import flaws_of, folder_flaws, one_picture, read
from tests.train.data.formats.coco_folder import (
    CAT_AND_DOG,
    add_picture,
    box,
    image,
    write_coco,
)


def test_classes_are_in_the_order_of_their_ids_gaps_or_not(tmp_path):
    names = {17: "cat", 2: "dog", 90: "ant", 5: "bee"}
    categories = [{"id": number, "name": name} for number, name in names.items()]
    folder = one_picture(tmp_path, [box(0, 7, 17), box(1, 7, 90), box(2, 7, 2)], None, categories)
    assert folder.classes.lines == ((12, "dog"), (11, "cat"), (13, "ant"))
    assert folder.notes == ("categories without a box, no classes then: bee",)


def test_files_that_number_classes_differently_agree_by_name(tmp_path):
    for split, names in (("train", ("dog", "cat")), ("val", ("ant", "cat", "dog"))):
        add_picture(tmp_path / split / f"{split}.png")
        categories = [{"id": number, "name": name} for number, name in enumerate(names)]
        rows = [box(number, 1, number) for number in range(len(names))]
        path = tmp_path / split / "_annotations.coco.json"
        write_coco(path, [image(1, f"{split}.png")], rows, categories)
    folder = read(tmp_path)
    assert folder.classes.names == ("dog", "cat", "ant")
    objects = folder.items["val"].annotation.objects
    assert [found.name for found in objects] == ["ant", "cat", "dog"] and not folder.flaws


def test_without_any_box_all_categories_are_classes(tmp_path):
    assert one_picture(tmp_path, []).classes.names == ("cat", "dog")
    assert one_picture(tmp_path, [], None, []).classes is None


@pytest.mark.parametrize(
    "row",
    [
        {"id": 3},
        {"name": "x"},
        {"id": 3, "name": ""},
        {"id": 3, "name": 5},
        {"id": 3, "name": "a\nb"},
        {"id": 3, "name": "a\ud800"},
        "x",
    ],
)
def test_a_category_without_id_or_name(tmp_path, row):
    folder = one_picture(tmp_path, [box(0, 7)], None, [*CAT_AND_DOG, row])
    assert folder_flaws(folder) == [("bad-labels", 11)]


def test_categories_that_stand_twice(tmp_path):
    same_name = [*CAT_AND_DOG, {"id": 3, "name": " cat"}]
    folder = one_picture(tmp_path, [box(0, 7), box(1, 7, 3)], None, same_name)
    assert folder_flaws(folder) == [("bad-labels", 12)]
    assert [found.name for found in folder.items["a"].annotation.objects] == ["cat", "cat"]
    assert folder.classes.names == ("cat",)
    same_id = [*CAT_AND_DOG, {"id": 1, "name": "cow"}]
    folder = one_picture(tmp_path, [box(0, 7), box(1, 7, 2)], None, same_id)
    assert folder_flaws(folder) == [("bad-labels", 12)]
    assert flaws_of(folder) == [("unknown-class", 6)]  # cat or cow?
    assert "'cat' on line 10 already, here 'cow'" in folder.items["a"].flaws[0].message
    assert [found.name for found in folder.items["a"].annotation.objects] == ["dog"]


def test_missing_background_and_unnamed_pictures(tmp_path):
    for name in ("a.png", "b.png", "other.png"):
        add_picture(tmp_path / name)
    rows = [image(1, "a.png"), image(2, "b.png"), image(3, "cam/lost.png")]
    write_coco(tmp_path / "a.json", rows, [box(1, 1), box(2, 3)])
    folder = read(tmp_path)
    assert list(folder.items) == ["a", "b", "cam/lost"]
    assert folder.items["b"].annotation.objects == ()
    lost = folder.items["cam/lost"]
    assert lost.image_path is None and lost.image_problem.startswith("has no picture cam/lost.png")
    assert len(lost.annotation.objects) == 1 and lost.annotation.line == 5
    assert folder.unannotated == (tmp_path / "other.png",)


def test_a_picture_of_the_same_name_is_not_taken_for_a_missing_one(tmp_path):
    add_picture(tmp_path / "cam1/0.png")
    write_coco(tmp_path / "a.json", [image(1, "cam1/0.png"), image(2, "cam2/0.png")], [box(1, 2)])
    folder = read(tmp_path)
    assert folder.items["cam1/0"].annotation.objects == ()
    assert folder.items["cam2/0"].image_path is None
    add_picture(tmp_path / "0.png")
    (tmp_path / "cam1/0.png").unlink()
    folder = read(tmp_path)  # one picture cannot be both
    problems = [folder.items[f"cam{n}/0"].image_problem for n in (1, 2)]
    assert "0.png could be that of cam2/0.png, too" in problems[0]
    assert "0.png could be that of cam1/0.png, too" in problems[1]
    assert folder.unannotated == (tmp_path / "0.png",)


def test_a_missing_picture_is_not_that_of_another_split_or_folder(tmp_path):
    for place in ("train/0.png", "valid/0.png", "valid/1.png"):
        add_picture(tmp_path / place)
    names = [image(0, "0.png"), image(1, "1.png")]
    write_coco(tmp_path / "train/_annotations.coco.json", names, [box(1, 1)])
    write_coco(tmp_path / "valid/_annotations.coco.json", names[:1], [])
    folder = read(tmp_path)
    (lost,) = [each for each in folder.items.values() if each.annotation.objects]
    assert lost.image_path is None and "has no picture 1.png" in lost.image_problem
    assert folder.unannotated == (tmp_path / "valid/1.png",)
    other = tmp_path / "cameras"
    for place in ("cam1/0.png", "cam2/0.png", "cam2/1.png"):
        add_picture(other / place)
    write_coco(other / "a.json", [image(0, "cam1/0.png"), image(1, "cam1/1.png")], [])
    assert read(other).items["cam1/1"].image_path is None


def test_our_own_splits_are_no_other_json(tmp_path):
    add_picture(tmp_path / "a.png")
    write_coco(tmp_path / "a.json", [image(1, "a.png")], [box(1, 1)])
    (tmp_path / "splits.json").write_text('{"version": 1, "seed": 0, "splits": {"train": ["a"]}}')
    assert not [note for note in read(tmp_path).notes if "left aside" in note]


def test_pictures_that_fit_alike_are_named(tmp_path):
    add_picture(tmp_path / "red/0.png")
    add_picture(tmp_path / "blue/0.png")
    write_coco(tmp_path / "a.json", [image(1, "0.png")], [])
    (item,) = read(tmp_path).items.values()
    assert item.image_path is None
    assert item.image_problem.startswith("blue/0.png and red/0.png fit both")
    add_picture(tmp_path / "0.png")
    (item,) = read(tmp_path).items.values()
    assert item.image_path == tmp_path / "0.png"  # beside the labels


def test_a_picture_of_another_split_is_none_of_this_one(tmp_path):
    add_picture(tmp_path / "val/a.png")
    write_coco(tmp_path / "train.json", [image(1, "a.png")], [])
    write_coco(tmp_path / "val.json", [image(1, "a.png")], [box(1, 1)])
    folder = read(tmp_path)
    assert folder.splits["train"].lines != folder.splits["val"].lines
    (lost,) = folder.splits["train"].lines.values()
    assert folder.items[lost].image_path is None
