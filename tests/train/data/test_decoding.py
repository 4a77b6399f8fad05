"""Pictures that cannot be decoded are left out before the work, and what decoded is remembered."""

import json
import warnings

import pytest

from tests.train.data.voc_folder import make_voc
from train.data import decoding
from train.data.dataset import DataWarning, load_voc
from train.data.decoding import cache_path, drop_undecodable


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "FOLDER", tmp_path / "cache")


@pytest.fixture
def reads(monkeypatch):
    """Names of the pictures that are decoded from now on."""
    names = []
    read = decoding.read_image

    def noted(path):
        names.append(path.name)
        return read(path)

    monkeypatch.setattr(decoding, "read_image", noted)
    return names


def dataset(tmp_path, count=20):
    for number in range(count):
        make_voc(tmp_path / "set", stem=f"p{number:02}")
    return load_voc(tmp_path / "set", "train")


def truncate(tmp_path, stem):
    path = tmp_path / f"set/JPEGImages/{stem}.png"
    path.write_bytes(path.read_bytes()[:60])


def ids(dataset):
    return [example.image_id for example in dataset]


def test_a_sound_split_is_left_as_it_is(tmp_path):
    whole = dataset(tmp_path)
    assert drop_undecodable(whole) is whole


def test_a_bad_picture_is_left_out_and_named(tmp_path):
    whole = dataset(tmp_path)
    truncate(tmp_path, "p03")
    (tmp_path / "set/JPEGImages/p07.png").unlink()
    with pytest.warns(DataWarning) as caught:
        left = drop_undecodable(whole)
    assert ids(left) == [name for name in ids(whole) if name not in ("p03", "p07")]
    assert (left.split, left.class_names, left.root) == ("train", ("cat",), whole.root)
    truncated, missing = sorted((str(warning.message) for warning in caught), reverse=True)
    assert "p03.png cannot be read as a picture (" in missing + truncated
    for message in (truncated, missing):
        assert message.endswith("; left out: 18 of 20 pictures of split 'train' are left")
    assert "no picture at" in missing + truncated


def test_what_decoded_is_not_decoded_again(tmp_path, reads):
    whole = dataset(tmp_path)
    truncate(tmp_path, "p03")
    with pytest.warns(DataWarning):
        drop_undecodable(whole)
    assert sorted(reads) == [f"p{number:02}.png" for number in range(20)]
    reads.clear()
    make_voc(tmp_path / "set", stem="p20")  # new
    path = tmp_path / "set/JPEGImages/p05.png"
    path.write_bytes(path.read_bytes() + b"\0")  # changed
    with pytest.warns(DataWarning, match="p03"):
        assert len(drop_undecodable(load_voc(tmp_path / "set", "train"))) == 20
    assert sorted(reads) == ["p03.png", "p05.png", "p20.png"]  # a mended one would be taken back


def test_the_cache_belongs_to_a_folder(tmp_path, reads):
    drop_undecodable(dataset(tmp_path))
    path = cache_path(tmp_path / "set")
    assert path.parent == tmp_path / "cache"
    assert path.stem.startswith("set-") and len(path.stem) == len("set-") + 8
    content = json.loads(path.read_text())
    size = (tmp_path / "set/JPEGImages/p00.png").stat().st_size
    assert len(content["decoded"]) == 20
    assert content["decoded"]["JPEGImages/p00.png"][0] == size
    (tmp_path / "other").mkdir()
    assert cache_path(tmp_path / "other/set") != path
    assert cache_path(tmp_path / "other/../set") == path


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"pillow": "0", "decoded": {}}', "\xff", '{"decoded": 1}']
)
def test_a_damaged_cache_is_no_error(tmp_path, reads, content):
    whole = dataset(tmp_path, 2)
    path = cache_path(tmp_path / "set")
    path.parent.mkdir()
    path.write_bytes(content.encode("latin-1"))
    assert drop_undecodable(whole) is whole
    assert len(reads) == 2
    assert drop_undecodable(whole) is whole
    assert len(reads) == 2  # it has been written anew


def test_a_damaged_entry_is_no_error(tmp_path, reads):
    whole = dataset(tmp_path, 2)
    drop_undecodable(whole)
    path = cache_path(tmp_path / "set")
    content = json.loads(path.read_text())
    content["decoded"]["JPEGImages/p00.png"] = ["a", 1]
    path.write_text(json.dumps(content))
    assert drop_undecodable(whole) is whole
    assert len(reads) == 4


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(decoding, "FOLDER", tmp_path / "file/cache")
    whole = dataset(tmp_path, 2)
    assert drop_undecodable(whole) is whole


def test_more_than_a_tenth_is_a_broken_copy(tmp_path):
    whole = dataset(tmp_path)
    truncate(tmp_path, "p01")
    truncate(tmp_path, "p02")
    with pytest.warns(DataWarning):
        assert len(drop_undecodable(whole)) == 18  # a tenth
    truncate(tmp_path, "p03")
    message = "got 3 of the 20 of split 'train'.*broken copy.*copy or unpack it again.*p01.png"
    with pytest.raises(ValueError, match=message):
        drop_undecodable(whole)


def test_no_picture_left(tmp_path):
    whole = dataset(tmp_path, 1)
    truncate(tmp_path, "p00")
    with pytest.raises(ValueError, match="got 1 of the 1 of split 'train'"):
        drop_undecodable(whole)


def test_many_bad_pictures_are_counted_rather_than_listed(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "NAMED", 1)
    whole = dataset(tmp_path)
    truncate(tmp_path, "p01")
    truncate(tmp_path, "p02")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        drop_undecodable(whole)
    first, rest = (str(warning.message) for warning in caught)
    assert "p01.png" in first
    assert rest.startswith("1 more pictures cannot be decoded")
