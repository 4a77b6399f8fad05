"""Label files in the forms that people have, and Ultralytics' metadata."""

from __future__ import annotations

import json

import pytest

from edge_runtime.detector.labels import parse_labels, read_labels
from edge_runtime.detector.ultralytics_metadata import read_ultralytics


@pytest.mark.parametrize(
    ("text", "count", "names"),
    [
        ("cat\ndog\n", None, ("cat", "dog")),
        ("\ufeffcat\r\ndog".removeprefix("\ufeff"), 2, ("cat", "dog")),
        ("???\ncat\ndog", None, ("cat", "dog")),
        ("???\ncat\ndog", 2, ("cat", "dog")),
        ("???\ncat\ndog", 3, ("class 0", "cat", "dog")),  # the model counts it
        ("background\ncat", 1, ("cat",)),
        ("background\ncat", 2, ("background", "cat")),
        ("background\ncat", None, ("cat",)),
        ("bg\ncat", None, ("cat",)),
        ("bgr chip\ncat", None, ("bgr chip", "cat")),
        ("cat\n???\ndog\nN/A\nowl", None, ("cat", "class 1", "dog", "class 3", "owl")),
        ("cat\n\ndog", None, ("cat", "class 1", "dog")),
        ("\ncat\ndog", 3, ("class 0", "cat", "dog")),  # as ??? in front
        ("\n \r\ncat\r\ndog\r\n", 4, ("class 0", "class 1", "cat", "dog")),
        ("\n\ncat\ndog", 3, ("cat", "dog")),
        ("\n\ncat\ndog", 2, ("cat", "dog")),
        ("\ncat\ndog", None, ("cat", "dog")),
        ("\n0 cat\n1 dog", 3, ("cat", "dog")),
        ("0 cat\n1 dog", None, ("cat", "dog")),
        ("0:cat\n1: traffic light", None, ("cat", "traffic light")),
        ("0  cat\n3  dog", 4, ("cat", "class 1", "class 2", "dog")),
        ("1 cat\n2 dog", 2, ("cat", "dog")),  # from 1, and the model has as many
        ("1 cat\n2 dog", None, ("cat", "dog")),
        ("1 cat\n2 dog", 3, ("class 0", "cat", "dog")),
        ("1 euro\n2 euro\n50 cent", None, ("1 euro", "2 euro", "50 cent")),
        ("1 cent\n2 euro", 2, ("cent", "euro")),  # as a numbered list is written
        ("0 1 cent\n1 2 euro", 2, ("1 cent", "2 euro")),
        ("1 cent\n2 euro\n5 pound", 3, ("1 cent", "2 euro", "5 pound")),  # numbers of no class
        ("1 cent\n2 euro\n5 pound", 6, ("class 0", "cent", "euro", "class 3", "class 4", "pound")),
        ("2 euro\n50 cent\n1 euro", None, ("2 euro", "50 cent", "1 euro")),
        ("3d printer\ncat", None, ("3d printer", "cat")),
        ("item {\n id: 1\n name: 'cat'\n}\nitem { name: \"dog\" id: 3 }", 3, None),
        ("item { id: 2 name: '/m/0k' display_name: 'it\\'s' }", None, ("class 0", "it's")),
    ],
)
def test_forms(text, count, names):
    names = ("cat", "class 1", "dog") if names is None else names
    assert parse_labels(text, count).names == names


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("1 cent\n2 euro", True),
        ("0 cent\n1 euro", False),
        ("1 cent\n1 euro", False),
        ("1: cent\n2: euro", False),
        ("cent\neuro", False),
    ],
)
def test_numbers_that_might_be_part_of_the_names_are_said(text, warned, tmp_path, caplog):
    path = tmp_path / "labels.txt"
    path.write_text(text)
    read_labels(path, 2)
    said = (
        "'1 cent' names a class 'cent'; where they belong to the names, number the lines: 0 1 cent"
    )
    assert (said in caplog.text) == warned and bool(caplog.records) == warned


def test_names_are_one_short_line():
    labels = parse_labels("a\x00\x1b[31m\tb" + "c" * 500 + "\ndog", None)
    assert labels.names[0].startswith("a [31m bc") and len(labels.names[0]) == 100
    metadata = read_ultralytics({"m.json": json.dumps({"names": ["a\nb", "\n"]})})
    assert metadata.names == ("a b", "class 1")


def test_gaps_are_said_to_be_unused():
    labels = parse_labels("cat\n???\nclass 1\n\n", None)
    assert labels.names == ("cat", "class 1", "class 1")
    assert labels.unused == frozenset()  # one of that name is a class
    assert parse_labels("cat\n???\ndog", None).unused == {"class 1"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "class names expected, got none"),
        ("???\n???", "class names expected, got none"),
        ("item { id: 1 }", "items with an id and a name"),
        ("item { id: 999999999 name: 'a' }", "class numbers below"),
    ],
)
def test_files_without_names(text, message):
    with pytest.raises(ValueError, match=message):
        parse_labels(text, None)


def test_a_file_of_another_kind_is_named(tmp_path):
    for content in (b"\x89PNG\xff\xfe", b"a\n" * 1_000_000):
        (tmp_path / "x.png").write_bytes(content)
        with pytest.raises(ValueError, match=r"x\.png: class names in UTF-8, one a line, expected"):
            read_labels(tmp_path / "x.png", None)


NAMES = {0: "cat", 1: "it's a dog"}


@pytest.mark.parametrize(
    ("member", "text"),
    [
        ("temp_meta.txt", str({"task": "detect", "names": NAMES, "imgsz": [224, 224]})),
        ("metadata.json", json.dumps({"task": "detect", "names": NAMES, "end2end": True})),
        ("meta.txt", str({"stride": 32, "names": list(NAMES.values())})),
        ("metadata.json", json.dumps({"task": "detect", "names": str(NAMES), "end2end": True})),
    ],
)
def test_ultralytics(member, text):
    found = read_ultralytics({"README.txt": "hello", member: text})
    assert found.names == ("cat", "it's a dog")
    assert found.task == ("" if member == "meta.txt" else "detect")
    assert found.end_to_end == (member == "metadata.json")


def test_ultralytics_with_suppression_inside_says_so_among_its_arguments():
    text = str({"names": NAMES, "args": {"batch": 1, "nms": True}, "end2end": False})
    assert read_ultralytics({"temp_meta.txt": text}).end_to_end is True


@pytest.mark.parametrize(
    "text",
    [
        "{'names': __import__('os').getcwd()}",
        "{'names': {0: 'a', 2: 'b'}}",  # a number is missing
        "{'names': {}}",
        "{'names': 'cat'}",
        "{'names': [" + "[" * 5000 + "]" * 5000 + "]}",
        "{'names': " + "-" * 50000 + "1}",
        '{"names": ' + "[" * 100000,
        "{",
        "names: cat",
    ],
)
def test_what_is_no_metadata_is_none(text):
    assert read_ultralytics({"temp_meta.txt": text}) is None


def test_a_literal_that_would_keep_pythons_parser_busy_is_not_parsed():
    small, large = ("{" + "1<" * count + "1: 2}" for count in (10, 300_000))
    with pytest.MonkeyPatch.context() as patch:
        parsed = []
        patch.setattr("ast.literal_eval", lambda text: parsed.append(text))
        for text in (small, large):
            assert read_ultralytics({"meta.txt": text}) is None
    assert parsed == [small]
