"""The walk over a folder: names and links that no reader can use."""

import os
import sys

import pytest

from tests.train.data.formats.pictures import make_folder
from train.data.formats.files import FolderFiles
from train.data.formats.registry import read_folder

LABELS = {"a.txt": "0 0.5 0.5 0.5 0.2", "classes.txt": "cat\n"}


def test_links_to_nowhere_are_left_out(tmp_path):
    make_folder(tmp_path, LABELS, ["a.jpg"])
    for name in ("b.jpg", "b.txt", "b.xml", "b.json", "b.csv", "data.yaml", "folder"):
        (tmp_path / name).symlink_to(tmp_path / "nowhere" / name)
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    folder = read_folder(tmp_path)
    assert (list(folder.items), folder.notes) == (["a"], ())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_not_utf_8_are_left_out_and_named(tmp_path):
    make_folder(
        tmp_path, LABELS | {"sub/b.txt": "", "caf\u00e9.txt": ""}, ["a.jpg", "caf\u00e9.jpg"]
    )
    (tmp_path / "sub").rename(tmp_path / os.fsdecode(b"\xe9"))
    (tmp_path / os.fsdecode(b"c\xe9.jpg")).touch()
    files = FolderFiles(tmp_path)
    names = [path.name for path in files.paths]
    assert names == ["a.jpg", "a.txt", "caf\u00e9.jpg", "caf\u00e9.txt", "classes.txt"]
    (note,) = read_folder(tmp_path).notes
    assert note == (
        f"{tmp_path}: names that are not UTF-8 are left out, 2 of them, such as b'c\\xe9.jpg', "
        "b'\\xe9'; rename them"
    )
