"""Names of data sets: plain, of one folder, and of one process at a time."""

from pathlib import Path

import pytest

from convert.mine.files import claimed, plain, plain_name


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("my set", "my_set"),
        ("it's $x (1);", "it_s__x__1__"),
        ('a"b\n', "a_b_"),
        ("größe-2.1", "größe-2.1"),
        ("-rf", "rf"),
        ("...", "mine"),
        ("x" * 300, "x" * 60),
        ("\udcff", "mine"),  # a name that is no UTF-8
    ],
)
def test_a_name_is_one_plain_word(folder, name):
    assert plain_name(Path("/data", folder)) == name


def test_a_named_data_yaml_is_called_by_its_folder(tmp_path):
    (tmp_path / "data.yaml").touch()
    assert plain_name(tmp_path / "data.yaml") == tmp_path.name.replace("[", "_").replace("]", "_")


def test_a_given_name_is_no_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("LICENSE").touch()
    assert plain("LICENSE") == "LICENSE"
    assert plain("../my set") == "my_set"


def name_of(data, build):
    with claimed(data, "set", build) as (files, _):
        files.model.touch()
        return files.name


def test_a_folder_that_is_called_digits_leaves_theirs_to_the_digits(tmp_path):
    with claimed(tmp_path, "digits", tmp_path / "build") as (files, _):
        assert files.name.startswith("digits-") and len(files.name) == 15
    assert not list((tmp_path / "build").iterdir())


def test_two_folders_of_one_name_have_files_of_their_own(tmp_path, capsys):
    first, second = tmp_path / "a" / "set", tmp_path / "b" / "set"
    first.mkdir(parents=True)
    second.mkdir(parents=True)
    build = tmp_path / "build"
    assert name_of(first, build) == "set"
    other = name_of(second, build)
    assert other.startswith("set-") and len(other) == 12
    assert (name_of(first, build), name_of(second, build)) == ("set", other)
    assert len(list(build.glob("*.data"))) == 2
    assert not capsys.readouterr().out
    first.rename(tmp_path / "moved")  # then its name is that of the set at its new place
    assert name_of(tmp_path / "moved", build) == "set"
    assert f"is of {first}, which is no longer there" in capsys.readouterr().out


def test_other_pictures_of_a_name_whose_folder_is_gone_have_files_of_their_own(tmp_path):
    """As on a disk that is not plugged in: what was trained there is not to be overwritten."""
    first, second = tmp_path / "a" / "set", tmp_path / "b" / "set"
    first.mkdir(parents=True)
    second.mkdir(parents=True)
    assert name_of(first, tmp_path / "build") == "set"
    first.rmdir()
    assert name_of(second, tmp_path / "build").startswith("set-")


@pytest.mark.parametrize("file", ["set.keras", "set.resume.npz", "set/report.json"])
def test_files_that_are_no_data_set_s_are_left_alone(tmp_path, file):
    """Such as those of `make train`, or of `python -m train --out build/set.keras`."""
    data, build = tmp_path / "set", tmp_path / "build"
    data.mkdir()
    (build / file).parent.mkdir(parents=True)
    (build / file).touch()
    assert name_of(data, build).startswith("set-")
    assert not (build / "set.data").exists()


def test_no_conversion_writes_into_the_pictures(tmp_path):
    """Where they lie in build/ themselves."""
    data = tmp_path / "build" / "set"
    data.mkdir(parents=True)
    with claimed(data, "set", tmp_path / "build") as (files, _):
        assert files.converted != data and files.name.startswith("set-")


def test_a_folder_s_name_may_end_in_a_blank(tmp_path):
    (tmp_path / "set").mkdir()
    data = tmp_path / "set "
    data.mkdir()
    assert [name_of(data, tmp_path / "build") for _ in range(2)] == ["set"] * 2


def test_the_claim_of_one_that_begins_at_this_moment_stays(tmp_path):
    build = tmp_path / "build"
    (tmp_path / "other").mkdir()
    with claimed(tmp_path, "set", build) as (_, claim):
        claim.truncate(0)  # locked, its data not yet written
        assert name_of(tmp_path / "other", build).startswith("set-")
        assert (build / "set.data").exists()


def test_a_second_one_at_the_same_time_is_refused(tmp_path):
    busy = pytest.raises(ValueError, match=r"another `make mine` is at work on .*; wait for it")
    with claimed(tmp_path, "set", tmp_path / "build"), busy:
        name_of(tmp_path, tmp_path / "build")
    assert name_of(tmp_path, tmp_path / "build") == "set"
