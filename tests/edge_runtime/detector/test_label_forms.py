"""Label files in the forms that datasets and networks keep their names in."""

from __future__ import annotations

import json

import pytest

from edge_runtime.detector.labels import parse_labels, read_labels

TWO = ("cat", "dog")
GAP = ("cat", "class 1", "dog")
COCO = {"categories": [{"id": 1, "name": "cat"}, {"id": 3, "name": "dog"}], "images": []}


@pytest.mark.parametrize(
    ("text", "count", "names"),
    [
        (json.dumps(TWO, indent=1), None, TWO),
        (json.dumps({"0": "cat", "1": "dog"}), None, TWO),
        (json.dumps({"1": "cat", "2": "dog"}), 2, TWO),
        (json.dumps({"cat": 0, "dog": 1}, indent=1), 2, TWO),
        (json.dumps({"model_type": "x", "id2label": {"0": "cat", "1": "dog"}}), 2, TWO),
        (json.dumps([{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}]), None, TWO),
        (json.dumps(COCO), None, GAP),
        (json.dumps(COCO), 3, GAP),
        (json.dumps(COCO), 2, TWO),  # COCO's 90 numbers, and a network of its 80 classes
        ("['cat', 'dog']", 2, TWO),
        (str({"stride": 32, "names": {0: "cat", 1: "dog"}}), 2, TWO),
    ],
)
def test_literals(text, count, names):
    assert parse_labels(text, count).names == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("path: x\nnames:\n  0: cat  # tabby\n  1: 'dog'\nnc: 2\n", TWO),
        ("nc: 2\nnames:\n- cat\n- dog\n\ndownload: |\n  names: none\n", TWO),
        ("names: ['cat', \"dog\"]  # two\nnc: 2", TWO),
        ("names: [cat,\n        dog]\n", TWO),
        ("names: {0: cat, 1: dog}\n", TWO),
        ("names:\n  - 'red, green'\n  - a\n", ("red, green", "a")),
    ],
)
def test_yaml_of_a_dataset(text, names):
    found = parse_labels(text, None).names
    assert found == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("id,name\n0,cat\n1,dog\n", TWO),
        ("name;id\r\ndog;1\r\ncat;0\r\n", TWO),
        ("id\tsupercategory\tname\n1\tpet\tcat\n2\tpet\tdog", TWO),
        ("0,cat\n1,dog", TWO),
        ('0,"cat, small"\n1,dog', ("cat, small", "dog")),
        ("cat,0\ndog,1", TWO),
        ("cup,7\nmug,3", ("cup,7", "mug,3")),  # numbers that do not rise are part of the names
        ("cat, small\ndog, big", ("cat, small", "dog, big")),
        ("0. cat\n1. dog", TWO),
        ("0 - cat\n1 - dog", TWO),
        ("0=cat\n1=dog", TWO),
    ],
)
def test_tables_and_numbered_lines(text, names):
    assert parse_labels(text, 2).names == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("item: {\n id: 1\n name: 'cat'\n}\nitem: {\n id: 2\n name: 'dog'\n}", TWO),
        ("item { name: '{cat}' id: 1 }\nitem { id: 2 name: 'dog' }", ("{cat}", "dog")),
        ("item { id: 1 name: 'id: 7' }\nitem { id: 2 name: 'dog' }", ("id: 7", "dog")),
        (
            "item { id: 1 keypoints { id: 9 name: 'nose' } name: 'cat' } item {id: 2 name: 'dog'}",
            TWO,
        ),
        ("# item { id: 3 name: 'old' }\nitem { id: 1 name: 'cat' } item {id: 2 name: 'dog'}", TWO),
        (
            "item { id: 0 name: 'background' } item {id: 1 name: 'cat'} item {id: 2 name: 'dog'}",
            TWO,
        ),
    ],
)
def test_label_maps(text, names):
    assert parse_labels(text, 2).names == names


@pytest.mark.parametrize("first", ["???", "background", "unlabeled", "BG", "_background_"])
@pytest.mark.parametrize("count", [2, 3, None])
def test_a_background_with_a_number_is_left_out_where_the_model_does_not_count_it(first, count):
    found = parse_labels(f"0 {first}\n1 cat\n2 dog", count)
    assert found.names[-2:] == TWO and len(found.names) == (2 if count == 2 else 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item { id: 1 name: 'cat' }\nitem { id: 2 name: 'it's' }", "2 whole items .*, got 1"),
        ("item { id: 1 name: 'cat' }\nitem { id: 1 name: 'dog' }", "two for 1"),
        (json.dumps({"format": "litert", "labels": []}), "class names expected"),
        (json.dumps({"format": "litert", "nc": 2}), "numbers and names, got others"),
        ("[[1, 2], [3, 4]]", "numbers and names, got others"),
        ("names:\nnc: 2", "class names expected"),
    ],
)
def test_forms_without_names(text, message):
    with pytest.raises(ValueError, match=message):
        parse_labels(text, 2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_of_windows(encoding, tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes("Käse\r\ndog\r\n".encode(encoding))
    assert read_labels(path, 2).names == ("Käse", "dog")
    path.write_bytes("Käse\r\ndog\r\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"labels\.txt: class names in UTF-8.* save it as UTF-8"):
        read_labels(path, 2)
