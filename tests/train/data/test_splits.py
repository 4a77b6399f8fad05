import random
import shutil

import pytest

from tests.train.data.split_items import make_items, numbered
from train.data.splits import SplitItem, make_splits


def sizes(made):
    return {name: len(ids) for name, ids in made.splits.items()}


def place_of(made):
    return {image_id: name for name, ids in made.splits.items() for image_id in ids}


def test_without_splits_a_hundred_pictures_are_70_15_15(tmp_path):
    items = make_items(tmp_path, numbered(100))
    made = make_splits(items, {})
    assert sizes(made) == {"train": 70, "val": 15, "test": 15}
    assert sorted(place_of(made)) == [item.image_id for item in items]
    assert made.notes[0] == "Splits made from its pictures: train 70, val 15, test 15."


@pytest.mark.parametrize(
    ("count", "expected"), [(40, (24, 8, 8)), (10, (6, 2, 2)), (5, (3, 1, 1)), (3, (1, 1, 1))]
)
def test_small_sets_give_a_larger_share_to_val_and_test_and_say_so(tmp_path, count, expected):
    made = make_splits(make_items(tmp_path, numbered(count)), {})
    assert tuple(sizes(made).values()) == expected
    assert f"A score on {expected[1]} picture" in " ".join(made.notes)


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_pictures_for_three_splits_are_refused(tmp_path, count):
    with pytest.raises(ValueError, match=r"which is too few: .* would be empty; add pictures"):
        make_splits(make_items(tmp_path, numbered(count)), {})


def test_no_pictures_and_ids_that_come_twice_are_refused(tmp_path):
    with pytest.raises(ValueError, match="got none; check the folder"):
        make_splits([], {})
    item = SplitItem("a", tmp_path / "a.jpg", {})
    with pytest.raises(ValueError, match="got a more than once"):
        make_splits([item, item], {})


def test_splits_depend_on_the_seed_but_neither_on_the_order_nor_on_the_place(tmp_path):
    counts = numbered(30) | numbered(10, "dog", "q")
    items = make_items(tmp_path / "one", counts)
    made = make_splits(items, {}, seed=3)
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    moved = [
        SplitItem(item.image_id, tmp_path / "other" / item.image_path.name, item.class_counts)
        for item in items
    ]
    random.Random(0).shuffle(moved)
    assert make_splits(moved, {}, seed=3) == made
    assert make_splits(items, {}, seed=4).splits != made.splits


def test_rare_classes_and_background_come_into_all_splits_in_like_shares(tmp_path):
    counts = numbered(60) | numbered(20, "dog", "q") | numbered(3, "owl", "r")
    counts |= {f"bare{number:02}": {} for number in range(17)}
    made = make_splits(make_items(tmp_path, counts), {})
    assert all(abs(sizes(made)[name] - 15) <= 1 for name in ("val", "test"))
    found = {
        name: [sum(image_id.startswith(start) for image_id in ids) for start in "pqrb"]
        for name, ids in made.splits.items()
    }
    assert found["train"][2] == found["val"][2] == found["test"][2] == 1
    for name in ("val", "test"):  # 15 % of 60, 20 and 17: 9, 3 and 2.55
        assert found[name][0] in (8, 9, 10) and found[name][1] in (2, 3, 4)
        assert found[name][3] in (2, 3)


def test_pictures_of_many_classes_do_not_make_val_and_test_small(tmp_path):
    classes = [f"c{number}" for number in range(10)]
    counts = {f"full{number:02}": dict.fromkeys(classes, 1) for number in range(20)}
    counts |= {f"one{number:02}": {classes[number % 10]: 1} for number in range(80)}
    made = make_splits(make_items(tmp_path, counts), {})
    assert sizes(made) == {"train": 70, "val": 15, "test": 15}
    for name in ("val", "test"):  # 15 % of 20 is 3
        assert 2 <= sum(image_id.startswith("full") for image_id in made.splits[name]) <= 4


def test_many_boxes_in_one_picture_are_one_picture_of_the_class(tmp_path):
    counts = numbered(20)
    counts["p00"] = {"cat": 5000}
    made = make_splits(make_items(tmp_path, counts), {})
    assert sizes(made) == {"train": 12, "val": 4, "test": 4}


def test_a_class_of_one_picture_goes_to_train_and_the_others_say_that_they_lack_it(tmp_path):
    counts = {**numbered(9), "x": {"cat": 1, "owl": 2, "elk": 0}}
    for seed in range(5):
        made = make_splits(make_items(tmp_path, counts), {}, seed)
        assert "x" in made.splits["train"]
        assert "val has no box of owl: too few pictures have one." in made.notes
        assert "elk" not in " ".join(made.notes)


def test_classes_that_would_leave_train_none_for_a_split_are_refused(tmp_path):
    counts = {"a": {"cat": 1}, "b": {"dog": 1}, "c": {"owl": 1}, "d": {"elk": 1}}
    with pytest.raises(ValueError, match=r"too many hold the only boxes of a class"):
        make_splits(make_items(tmp_path, counts), {})


def test_pictures_that_look_alike_stay_together(tmp_path):
    copies = {f"p{number:02}": f"p{number - 1:02}" for number in range(1, 40, 2)}
    made = make_splits(make_items(tmp_path, numbered(40), copies), {})
    place = place_of(made)
    assert all(place[image_id] == place[copied] for image_id, copied in copies.items())
    assert sizes(made) == {"train": 24, "val": 8, "test": 8}
    assert (
        "40 pictures are identical or near-identical to others: 20 groups, each kept together."
        in made.notes
    )


def test_given_splits_are_kept_and_pictures_in_none_are_left_out(tmp_path):
    items = make_items(tmp_path, numbered(5))
    given = {"train": ["p02", "p00"], "val": ["p03"], "test": ["p01"], "cat_val": ["p03"]}
    made = make_splits(items, given)
    assert made.splits == {name: tuple(ids) for name, ids in given.items()}
    assert made.notes == (
        "Left out, for being in no split of the data set (cat_val, test, train, val): 1 picture.",
    )


def test_a_missing_test_is_taken_from_train_not_from_val(tmp_path):
    items = make_items(tmp_path, numbered(30))
    train = [f"p{number:02}" for number in reversed(range(20))]
    given = {"train": train, "val": ["p29", "p25"]}
    made = make_splits(items, given)
    assert list(made.splits) == ["train", "val", "test"]
    assert made.splits["val"] == ("p29", "p25")
    assert len(made.splits["test"]) == 4  # 20 % of 20
    assert made.splits["train"] == tuple(i for i in train if i not in made.splits["test"])
    assert made.notes[0] == (
        "The data set has no test: made from its train, leaving train 16, test 4."
    )
    assert made.notes[1].endswith("in no split of the data set (train, val): 8 pictures.")


def test_val_and_test_are_taken_from_a_lone_train(tmp_path):
    made = make_splits(make_items(tmp_path, numbered(20)), {"train": list(numbered(20))})
    assert sizes(made) == {"train": 12, "val": 4, "test": 4}


def test_twins_of_a_given_test_stay_in_train(tmp_path):
    copies = {f"p{number:02}": f"t{number:02}" for number in range(10)}
    items = make_items(tmp_path, {**numbered(10, prefix="t"), **numbered(20)}, copies)
    given = {"train": list(numbered(20)), "test": list(numbered(10, prefix="t"))}
    for seed in range(3):
        made = make_splits(items, given, seed)
        assert made.splits["test"] == tuple(given["test"])
        assert not copies.keys() & set(made.splits["val"]) and len(made.splits["val"]) == 4
        assert (
            "In train in spite of looking like one of the given val or test: 10 pictures."
            in made.notes
        )


def test_train_is_what_no_split_has_but_no_twins_of_val_or_test(tmp_path):
    items = make_items(tmp_path, numbered(10), {"p05": "p00"})
    given = {"val": ["p00", "p01"], "test": ["p02"]}
    made = make_splits(items, given)
    assert made.splits["train"] == ("p03", "p04", "p06", "p07", "p08", "p09")
    assert (made.splits["val"], made.splits["test"]) == (("p00", "p01"), ("p02",))
    assert "Left out, for looking like one of the given val or test: 1 picture." in made.notes
    with pytest.raises(ValueError, match="expected pictures for train, got none besides the 3"):
        make_splits(items[:3], given)
    with pytest.raises(ValueError, match="that do not look like one of the given val and test"):
        make_splits([items[0], items[1], items[2], items[5]], given)


def test_a_lone_test_leaves_the_rest_to_train_and_val(tmp_path):
    made = make_splits(make_items(tmp_path, numbered(25)), {"test": list(numbered(5))})
    assert sizes(made) == {"train": 16, "val": 4, "test": 5}
    assert made.splits["test"] == ("p00", "p01", "p02", "p03", "p04")


def test_trainval_is_divided_and_loses_only_a_made_test(tmp_path):
    items = make_items(tmp_path, numbered(25))
    trainval, test = [f"p{number:02}" for number in range(20)], ["p20", "p21"]
    made = make_splits(items, {"trainval": trainval, "test": test})
    assert sizes(made) == {"train": 16, "val": 4, "test": 2, "trainval": 20}
    assert {*made.splits["train"], *made.splits["val"]} == set(trainval)
    alone = make_splits(items, {"trainval": trainval})
    assert sizes(alone) == {"train": 12, "val": 4, "test": 4, "trainval": 16}
    assert not set(alone.splits["test"]) & set(alone.splits["trainval"])
    whole = make_splits(items, {"trainval": trainval, "val": trainval[:5], "test": test})
    assert whole.splits["train"] == tuple(trainval[5:])


def test_splits_of_other_names_are_kept_with_a_warning_of_what_val_and_test_took(tmp_path):
    everything = list(numbered(20))
    made = make_splits(make_items(tmp_path, numbered(20)), {"cat_train": everything})
    assert sizes(made) == {"train": 12, "val": 4, "test": 4, "cat_train": 20}
    assert made.splits["cat_train"] == tuple(everything)
    assert any(note.startswith("cat_train is kept as it is and has 4 pict") for note in made.notes)


def test_given_splits_that_are_empty_or_name_unknown_pictures_are_refused(tmp_path):
    items = make_items(tmp_path, numbered(4))
    with pytest.raises(ValueError, match=r"'test': expected image ids, got none; fill it"):
        make_splits(items, {"train": ["p00"], "test": []})
    with pytest.raises(ValueError, match=r"'val': got p77, expected ids of its labelled pictures"):
        make_splits(items, {"train": ["p00"], "val": ["p01", "p77"]})
