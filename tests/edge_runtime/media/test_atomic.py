import errno
import stat

import pytest

from edge_runtime.media.atomic import atomic_path, remove_leftovers


def test_new_file_appears(tmp_path):
    path = tmp_path / "new" / "file.json"
    with atomic_path(path) as temporary:
        assert temporary.suffix == ".json" and temporary.parent == path.parent
        temporary.write_text("done")
        assert not path.exists()
    assert path.read_text() == "done"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.json"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o400


def fail_half_way(path):
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyError("stop")


def test_error_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(KeyError):
        fail_half_way(path)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.txt"]


def test_unwritable_folder_is_named(tmp_path):
    # Not a folder without rights: root, as in a container, may write into any.
    blocker = tmp_path / "regular"
    blocker.write_text("")
    with pytest.raises(OSError, match=r"cannot write into .*regular.*choose another folder"):
        fail_half_way(blocker / "file.txt")


def test_leftovers_of_killed_writers_go_and_nothing_else(tmp_path):
    names = [".file.abcd1234.json", "file.json", ".other.abcd1234.json", ".file.json"]
    for name in names:
        (tmp_path / name).write_text("")
    remove_leftovers(tmp_path / "file.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


def test_a_full_disk_is_said_with_the_files_name(tmp_path):
    """As `write` says it, which knows no name; an error that has one keeps it."""
    path = tmp_path / "a.json"
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match=r"cannot write .*a\.json \(No space left on device\)") as e:
        fail(path, full)
    assert e.value.errno == errno.ENOSPC
    named = OSError(errno.ENOSPC, "No space left on device", "other")
    with pytest.raises(OSError, match="device: 'other'"):
        fail(path, named)
    assert list(tmp_path.iterdir()) == []


def fail(path, error):
    with atomic_path(path):
        raise error
