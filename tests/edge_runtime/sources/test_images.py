"""Pictures as a source, and which source a path means."""

import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_runtime.media.images import read_image
from edge_runtime.sources.base import SourceError, SourceOptions
from edge_runtime.sources.factory import open_source
from edge_runtime.sources.images import Images
from edge_runtime.sources.video import Video

OPTIONS = SourceOptions(input_hw=(32, 48))


def save(path: Path, color=(200, 0, 0), wh=(40, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", wh, color).save(path)
    return path


def names(text: str, **options) -> list[str]:
    with open_source(text, SourceOptions(input_hw=(32, 48), **options)) as source:
        return [Path(frame.name).name for frame in source]


@pytest.fixture
def folder(tmp_path):
    for name in ("10.png", "2.png", "1.png", "b/3.png", "b/c/20.png"):
        save(tmp_path / name)
    return tmp_path


def test_folder_in_the_order_of_counting(folder):
    assert names(str(folder)) == ["1.png", "2.png", "10.png"]


def test_frames_say_where_they_come_from(tmp_path):
    red = save(tmp_path / "red.png")
    with open_source(str(red), OPTIONS) as source:
        assert not source.live
        (frame,) = source
    assert frame.hw == (30, 40) and frame.number == 0 and frame.name == str(red)
    assert (frame.image == (200, 0, 0)).all()
    assert source.state == "closed"


def test_pattern(folder):
    assert names(f"{folder}/*.png") == ["1.png", "2.png", "10.png"]
    assert names(f"{folder}/1*.png") == ["1.png", "10.png"]
    assert names(f"{folder}/b*/*.png") == ["3.png"]


def test_pattern_through_all_folders(folder):
    assert names(f"{folder}/**/*.png") == ["1.png", "2.png", "10.png", "3.png", "20.png"]


def test_links_lead_to_no_picture_twice(folder):
    """Two links to a folder above would give 2**40 paths."""
    (folder / "below").mkdir(exist_ok=True)
    for name in ("up", "round"):
        (folder / "below" / name).symlink_to(folder)
    (folder / "below" / "loop.png").symlink_to("loop.png")
    (folder / ".hidden").mkdir()
    shutil.copy(folder / "1.png", folder / ".hidden" / "1.png")
    for pattern in ("**/*.png", "**/**/*.png", "**"):
        assert names(f"{folder}/{pattern}") == ["1.png", "2.png", "10.png", "3.png", "20.png"]


def test_pattern_in_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert names("~/b/*.png") == ["3.png"]


def test_a_name_that_looks_like_a_pattern(tmp_path):
    save(tmp_path / "shot [1].png")
    save(tmp_path / "shot 1.png")
    assert names(str(tmp_path / "shot [1].png")) == ["shot [1].png"]


def test_odd_names_are_sorted(tmp_path):
    odd = ("²x.png", "a\u0661.png", "straße 7.png", "x.png", "7.png")
    for name in odd:
        save(tmp_path / name)
    assert sorted(names(str(tmp_path))) == sorted(odd)


def test_others_in_the_folder_are_named(folder, caplog):
    (folder / "labels.xml").write_text("<annotation/>")
    (folder / ".hidden").write_text("")
    assert names(str(folder)) == ["1.png", "2.png", "10.png"]
    assert "1 files skipped" in caplog.text and "labels.xml" in caplog.text
    assert ".hidden" not in caplog.text


@pytest.mark.parametrize("text", ["*.jpg", "nowhere/*.png", "b/c"])
def test_no_picture(folder, text):
    (folder / "b" / "c" / "20.png").unlink()
    with pytest.raises(SourceError, match=r"no picture in .*; their names end in \.bmp"):
        open_source(str(folder / text), OPTIONS).open()


def test_a_folder_of_videos_says_so(tmp_path):
    (tmp_path / "clip.mp4").write_text("")
    with pytest.raises(SourceError, match=r"only clip\.mp4.*name one video by itself"):
        open_source(str(tmp_path), OPTIONS).open()


def test_a_broken_picture_is_counted_and_the_others_go_on(folder, caplog):
    (folder / "2.png").write_bytes(b"no picture")
    with open_source(str(folder), OPTIONS) as source:
        frames = list(source)
    assert [frame.number for frame in frames] == [0, 2]
    assert source.dropped == 1
    assert "2.png cannot be read as a picture" in caplog.text


def test_a_broken_picture_is_logged_once_in_a_loop(folder, caplog):
    (folder / "2.png").write_bytes(b"no picture")
    with open_source(str(folder), SourceOptions((32, 48), loop=True)) as source:
        frames = iter(source)
        seen = [Path(next(frames).name).name for _ in range(5)]
        source.close()
        assert list(frames) == []
    assert seen == ["1.png", "10.png", "1.png", "10.png", "1.png"]
    assert source.dropped == 2
    assert sum(record.levelno == logging.WARNING for record in caplog.records) == 1


def test_a_loop_looks_again_each_round(folder, caplog, monkeypatch):
    with open_source(str(folder), SourceOptions((32, 48), loop=True)) as source:
        frames = iter(source)

        def take(count):
            return [Path(next(frames).name).name for _ in range(count)]

        assert take(4) == ["1.png", "2.png", "10.png", "1.png"]
        save(folder / "3.png")
        (folder / "10.png").unlink()
        assert take(4) == ["2.png", "1.png", "2.png", "3.png"]
        waits = []

        def wait(seconds):
            waits.append(seconds)
            if len(waits) == 3:
                save(folder / "new.png")

        monkeypatch.setattr(source._closing, "wait", wait)
        for name in ("1.png", "2.png", "3.png"):
            (folder / name).unlink()
        assert take(2) == ["new.png", "new.png"]
        source.close()
        assert list(frames) == []
    assert source.dropped == 0 and len(waits) == 3
    assert [record.getMessage()[:13] for record in caplog.records] == ["no picture in"]


@pytest.mark.parametrize("loop", [False, True])
def test_nothing_but_broken_pictures(tmp_path, loop):
    (tmp_path / "1.png").write_bytes(b"no picture")
    with (
        open_source(str(tmp_path), SourceOptions((32, 48), loop=loop)) as source,
        pytest.raises(SourceError, match="not one picture of it can be read"),
    ):
        list(source)


@pytest.mark.parametrize(
    ("options", "corner"),
    [
        ({"rotate": 180}, (slice(20, 30), slice(30, 40))),
        ({"rotate": 90}, (slice(0, 10), slice(20, 30))),
        ({"rotate": 270}, (slice(30, 40), slice(0, 10))),
        ({"mirror": True}, (slice(0, 10), slice(30, 40))),
        ({"rotate": 90, "mirror": True}, (slice(0, 10), slice(0, 10))),
    ],
)
def test_turned(tmp_path, options, corner):
    picture = np.zeros((30, 40, 3), np.uint8)
    picture[:10, :10] = (200, 0, 0)
    Image.fromarray(picture).save(tmp_path / "1.png")
    with open_source(str(tmp_path), SourceOptions((32, 48), **options)) as source:
        (frame,) = source
    assert (frame.image[corner] == (200, 0, 0)).all() and frame.image.sum() == 10 * 10 * 200
    assert frame.image.flags.c_contiguous and frame.hw == frame.image.shape[:2]


def test_every_picture_of_an_animation_in_a_folder(folder):
    pictures = [Image.new("RGB", (40, 30), (level, 0, 0)) for level in (0, 90, 180)]
    more = {"save_all": True, "append_images": pictures[1:]}
    pictures[0].save(folder / "2.png", **more)
    pictures[0].save(folder / "3.gif", **more)
    assert names(str(folder)) == ["1.png", *["2.png"] * 3, *["3.gif"] * 3, "10.png"]
    assert names(f"{folder}/*.gif") == ["3.gif"] * 3


def test_which_source(tmp_path):
    save(tmp_path / "1.png").rename(tmp_path / "picture_without_suffix")
    (tmp_path / "clip.MP4").write_text("")
    (tmp_path / "unknown").write_text("")
    one, other = (Image.new("RGB", (4, 4), colour) for colour in ("red", "blue"))
    one.save(tmp_path / "moves.gif", save_all=True, append_images=[other])
    (tmp_path / "test.mjpeg").write_bytes(b"")
    kinds = {
        "moves.gif": Video,
        "test.mjpeg": Video,
        "picture_without_suffix": Images,
        "clip.MP4": Video,
        "unknown": Video,
        ".": Images,
    }
    for name, kind in kinds.items():
        assert type(open_source(str(tmp_path / name), OPTIONS)) is kind


@pytest.mark.parametrize(
    "text", ["nowhere.mp4", "usb0", "no/where", "udp://u:secret@host:1", "u:secret@host/x",
             "rstp://u:secret@host/x?y=[1]", "rtsp:/u:secret@h", "host:554/x?u=a&p=secret"]
)  # fmt: skip
def test_nothing_there(text):
    with pytest.raises(FileNotFoundError, match=r"a source is picamera2\[:N\], usb:N") as caught:
        open_source(text, OPTIONS)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "a source expected, got nothing"),
        ("{}", {"realtime": True}, "--realtime is for video files, got pictures"),
        ("{}", {"size_wh": (640, 480)}, "--size is for picamera2 and usb:N"),
        ("rtsp://host/x", {"size_wh": (640, 480)}, "--size is for picamera2 and usb:N"),
        ("usb:0", {"loop": True}, "--loop is for files, got usb:0"),
        ("rtsp://u:secret@host/x", {"realtime": True}, r"--realtime is .* rtsp://host;"),
    ],
)
def test_options_that_do_not_fit(tmp_path, text, options, message):
    with pytest.raises(ValueError, match=message):
        open_source(text.format(tmp_path), SourceOptions((32, 48), **options))


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every folder"
)
def test_a_folder_that_may_not_be_read(folder):
    folder.chmod(0)
    try:
        with pytest.raises(OSError, match="Permission denied"):
            open_source(str(folder), OPTIONS).open()
    finally:
        folder.chmod(0o700)


def test_a_picture_that_memory_is_too_small_for_is_one_that_cannot_be_read(
    folder, caplog, monkeypatch
):
    def read(path):
        if path.endswith("10.png"):
            raise MemoryError
        return read_image(path)

    monkeypatch.setattr("edge_runtime.sources.images.read_image", read)
    seen = names(str(folder))
    assert seen and "10.png" not in seen
    assert "10.png: too little memory" in caplog.text
