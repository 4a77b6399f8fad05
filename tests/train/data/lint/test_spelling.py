import pytest

from train.data.lint.spelling import count_slips, find_misspelt


@pytest.mark.parametrize(
    ("counts", "labels", "wrong"),
    [
        ({"Cat": 1, "cat": 2}, None, {"Cat": "cat"}),
        ({"red cell": 5, "red_cell": 3}, None, {"red_cell": "red cell"}),
        ({"red cell": 5, "RedCell": 3}, None, {"RedCell": "red cell"}),
        ({"platelet": 20, "plaetlet": 1}, None, {"plaetlet": "platelet"}),
        ({"platelet": 19, "plaetlet": 1}, None, {}),  # not much rarer
        ({"platelet": 1, "plaetlet": 1}, ["platelet"], {"plaetlet": "platelet"}),
        ({"horse": 99, "house": 1}, ["horse", "house"], {}),  # both are meant
        ({"cat": 99, "car": 1}, None, {}),  # short words are neighbours by chance
        ({"type 1": 99, "type 2": 1}, None, {}),
        ({"grade a": 99, "grade b": 1}, None, {}),
        ({"0": 99, "1": 1}, None, {}),
        ({"tables": 1}, ["table", "cables"], {}),  # as near to one as to the other
    ],
)
def test_misspelt_names(counts, labels, wrong):
    assert find_misspelt(counts, labels) == wrong


def test_slips():
    assert [count_slips(a, "cell") for a in ("cell", "cel", "celll", "cekl", "clel", "")] == [
        *(0, 1, 1, 1, 1, 4)
    ]
