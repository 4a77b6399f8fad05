"""Folders to which a camera uploads, look by look."""

import io
import os
import time
from pathlib import Path

import pytest
from PIL import Image

from edge_runtime.sources import watched
from edge_runtime.sources.base import SourceOptions
from edge_runtime.sources.factory import open_source
from edge_runtime.sources.watched import WatchedImages
from tests.edge_runtime.runs import Clock


def jpeg(level=200, wh=(40, 30)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", wh, (level, 0, 0)).save(file, "JPEG", quality=95)
    return file.getvalue()


def write(path: Path, data=None, when=None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jpeg() if data is None else data)
    if when is not None:
        os.utime(path, (when, when))


class Looks:
    """In place of the event that is waited on between two looks: does one thing a look."""

    def __init__(self, source, steps):
        self._source = source
        self._steps = iter(steps)
        self._over = False

    def wait(self, seconds):
        step = next(self._steps, self._source.close)
        if step is not None:
            step()

    def is_set(self):
        return self._over

    def set(self):
        self._over = True


def watch(text, *steps, **options) -> tuple[list, WatchedImages]:
    """Frames, and the source, that looked once, and once more after each step."""
    source = open_source(str(text), SourceOptions((32, 48), watch=True, **options))
    assert type(source) is WatchedImages and not source.live and source.fps is None
    with source:
        source._closing = Looks(source, steps)
        return list(source), source


def names(frames) -> list[str]:
    return [Path(frame.name).name for frame in frames]


def test_new_pictures_only_each_once(tmp_path):
    write(tmp_path / "old.jpg")
    steps = [lambda: write(tmp_path / "new.jpg"), None, None, None]
    frames, source = watch(tmp_path, *steps)
    assert names(frames) == ["new.jpg"] and source.dropped == 0
    assert frames[0].hw == (30, 40) and frames[0].number == 0


def test_an_empty_folder_is_none_to_complain_of(tmp_path):
    frames, source = watch(tmp_path, None)
    assert frames == [] and source.state == "closed"


def test_in_the_order_in_which_they_were_written(tmp_path):
    now = time.time()

    def upload():
        for name, when in (("b.jpg", now - 3), ("a.jpg", now - 2), ("10.jpg", now), ("9.jpg", now)):
            write(tmp_path / name, when=when)

    frames, _ = watch(tmp_path, upload, None, None)
    assert names(frames) == ["b.jpg", "a.jpg", "9.jpg", "10.jpg"]
    assert [frame.number for frame in frames] == [0, 1, 2, 3]
    assert frames[0].time == pytest.approx(now - 3, abs=0.01)
    assert frames[1].captured_at - frames[0].captured_at == pytest.approx(1, abs=0.5)


def test_a_file_that_grows_is_left_until_it_is_whole(tmp_path):
    data, path = jpeg(), tmp_path / "new.jpg"
    now = time.time()
    parts = [data[:200], data[:400], data]
    steps = [lambda i=i, part=part: write(path, part, now + i) for i, part in enumerate(parts)]
    frames, source = watch(tmp_path, *steps)
    assert frames == []
    frames, source = watch(tmp_path / "*.jpg", lambda: write(path, data, now + 9), None, None)
    assert names(frames) == ["new.jpg"] and source.dropped == 0


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_written_anew_at_every_look(tmp_path, replaced):
    def write_anew(level):
        path = tmp_path / ("other" if replaced else "last.jpg")
        write(path, jpeg(level).ljust(2000, b"\0"), when=1e9 + level)
        path.replace(tmp_path / "last.jpg")

    frames, _ = watch(tmp_path, *(lambda n=n: write_anew(n * 20) for n in range(8)))
    seen = [round(float(frame.image[..., 0].mean()) / 20) for frame in frames]
    assert seen == [3, 4, 5, 6, 7] and not any((frame.image[..., 1] > 20).any() for frame in frames)


def test_a_row_that_grows_for_long_is_left_until_it_is_whole(tmp_path):
    data = b"".join(map(jpeg, (0, 80, 160)))
    ends = [*range(60, len(data), 60), len(data)]
    steps = [lambda end=end: write(tmp_path / "a.jpg", data[:end]) for end in ends]
    frames, source = watch(tmp_path, *steps, None, None)
    assert len(frames) == 3 and source.dropped == 0


def test_an_upload_that_pauses_is_no_damage(tmp_path, monkeypatch, caplog):
    clock, data, path = Clock(), jpeg(), tmp_path / "new.jpg"
    monkeypatch.setattr(watched.time, "monotonic", clock)
    now = time.time()

    def go_on():
        clock.now += 20
        write(path, data, now + 1)

    steps = [lambda: write(path, data[:300], now), None, None, go_on, None, None]
    frames, source = watch(tmp_path, *steps)
    assert names(frames) == ["new.jpg"] and source.dropped == 0 and caplog.text == ""


def test_damage_is_said_once_and_holds_up_nothing(tmp_path, monkeypatch, caplog):
    clock, path = Clock(), tmp_path / "1.jpg"
    monkeypatch.setattr(watched.time, "monotonic", clock)

    def later():
        clock.now += watched.DAMAGED_SECONDS

    def upload():
        write(path, jpeg()[:300])
        write(tmp_path / "2.jpg")

    frames, source = watch(tmp_path, upload, None, None, later, later, later)
    assert names(frames) == ["2.jpg"] and source.dropped == 1
    assert sum("1.jpg" in record.getMessage() for record in caplog.records) == 1


def test_deleted_ones_and_other_files_do_no_harm(tmp_path, caplog):
    def upload():
        write(tmp_path / "gone.jpg")
        write(tmp_path / "kept.jpg")
        write(tmp_path / ".kept.jpg.part")
        write(tmp_path / "kept.txt", b"text")

    steps = [upload, (tmp_path / "gone.jpg").unlink, None, (tmp_path / "kept.jpg").unlink, None]
    frames, source = watch(tmp_path, *steps)
    assert names(frames) == ["kept.jpg"] and source.dropped == 0 and caplog.text == ""


def test_the_same_name_again_is_news_and_a_disk_that_comes_back_is_not(tmp_path):
    path, now = tmp_path / "folder" / "latest.jpg", time.time()
    write(path, when=now - 10)
    aside = tmp_path / "aside"
    steps = [
        lambda: path.parent.rename(aside),
        None,
        lambda: aside.rename(path.parent),
        None,
        lambda: write(path, jpeg(90), now),
        None,
        None,
    ]
    frames, _ = watch(path.parent, *steps)
    assert names(frames) == ["latest.jpg"] and abs(int(frames[0].image[0, 0, 0]) - 90) < 4


def test_a_single_file_that_is_written_again_and_again(tmp_path):
    path, now = tmp_path / "latest.jpg", time.time()
    write(path, when=now - 10)
    steps = []
    for second in range(3):
        steps += [lambda s=second: write(path, jpeg(60 + 60 * s), now + s), None]
    frames, _ = watch(path, *steps)
    assert [round(int(frame.image[0, 0, 0]) / 60) for frame in frames] == [1, 2, 3]


def test_new_folders_below_a_pattern(tmp_path):
    steps = [lambda: write(tmp_path / "2026-11-26" / "001" / "a.jpg"), None, None]
    frames, _ = watch(tmp_path / "**" / "*.jpg", *steps)
    assert names(frames) == ["a.jpg"]


def test_turned(tmp_path):
    frames, _ = watch(tmp_path, lambda: write(tmp_path / "a.jpg"), None, None, rotate=90)
    assert frames[0].hw == (40, 30)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("usb:0", {}, "--watch is for a folder to which pictures are written, got usb:0"),
        ("film.mp4", {}, "--watch is for a folder"),
        (".", {"loop": True}, "--watch waits for new pictures, --loop shows old ones again"),
    ],
)
def test_what_does_not_fit(tmp_path, monkeypatch, text, options, message):
    monkeypatch.chdir(tmp_path)
    Path("film.mp4").write_bytes(b"")
    with pytest.raises(ValueError, match=message):
        open_source(text, SourceOptions((32, 48), watch=True, **options))
