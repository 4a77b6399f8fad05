from train.data.lint.leaks import find_leaks, main_splits


def test_leaks_spare_splits_that_belong_together():
    splits = {
        **{"train": ["a", "b"], "val": ["c"], "trainval": ["a", "b", "c"], "test": ["d"]},
        **{"cat_train": ["a"], "cat_trainval": ["a", "c"], "cat_val": ["c"]},
        **{"all": ["a", "b", "c", "d"], "test_small": ["d"]},
    }
    assert find_leaks(splits, {}) == []
    assert main_splits(splits) == ["train", "val", "test"]
    folds = {"fold1_train": ["a"], "fold1_val": ["b"], "fold2_train": ["b"], "fold2_val": ["a"]}
    assert find_leaks(folds, {}) == []


def test_leaks_stay_in_test_then_in_val():
    splits = {"train": ["a", "b", "x"], "val": ["b", "c"], "trainval": ["a", "b", "x", "c"]}
    splits["test"] = ["c", "y"]
    leaks = find_leaks(splits, {"x": "same", "y": "same"})
    assert [(leak.split, leak.image_id, leak.kept_split, leak.implied) for leak in leaks] == [
        ("train", "b", "val", False),
        ("train", "x", "test", False),
        ("trainval", "c", "test", True),
        ("trainval", "x", "test", True),
        ("val", "c", "test", False),
    ]
