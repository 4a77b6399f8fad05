"""Video files, drawn here frame by frame."""

import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image

from edge_runtime.sources.base import SourceError, SourceOptions
from edge_runtime.sources.factory import open_source
from tests.conftest import HANG, ROOT
from tests.edge_runtime.sources.numbered_video import BLUE, RED, draw, read_number, write_video

FRAMES = 12
# One red frame of 16x16 by `ffmpeg -f lavfi -i color=red:s=16x16 -frames:v 1 -c:v libaom-av1 …`.
AV1 = (
    "444b49460000200041563031100010001900000001000000010000000000000024000000000000000000000012000a"
    "0a000000019ff9fff3008032141000c000000280000000a98e6cb6aab1c6b68540"
)


def options(**others) -> SourceOptions:
    return SourceOptions(input_hw=(32, 48), **others)


def numbers(path, **others) -> list[int]:
    with open_source(str(path), options(**others)) as source:
        return [read_number(frame.image) for frame in source]


@pytest.fixture(autouse=True)
def _opencv():
    pytest.importorskip("cv2", exc_type=ImportError, reason="the extra `opencv` is not installed")


@pytest.mark.parametrize(
    ("name", "code"), [("a.mp4", "mp4v"), ("a.avi", "MJPG"), ("a.mkv", "mp4v")]
)
def test_every_frame_in_order(tmp_path, name, code):
    path = write_video(tmp_path / name, FRAMES, code=code)
    with open_source(str(path), options()) as source:
        assert not source.live and source.state == "running" and source.fps == 25
        frames = list(source)
        assert source.state == "ended"
    assert [read_number(frame.image) for frame in frames] == list(range(FRAMES))
    assert [frame.number for frame in frames] == list(range(FRAMES))
    assert source.dropped == 0


def test_red_stays_red(tmp_path):
    with open_source(str(write_video(tmp_path / "a.avi", 1)), options()) as source:
        (frame,) = source
    assert frame.hw == (64, 128) and frame.image.flags.c_contiguous
    assert np.abs(frame.image[10, 10].astype(int) - RED).max() < 16
    assert np.abs(frame.image[10, -10].astype(int) - BLUE).max() < 16


def write_pictures(path, frames=FRAMES):
    """A film of pictures without OpenCV, in the form that the suffix names; else JPEGs in a row."""
    first, *rest = (Image.fromarray(draw(number)) for number in range(frames))
    if path.suffix in (".gif", ".webp", ".png", ".tif"):
        more = {} if path.suffix == ".tif" else {"duration": 40, "loop": 0}
        first.save(path, save_all=True, append_images=rest, **more)
        return path
    with path.open("wb") as file:
        for picture in (first, *rest):
            picture.save(file, "JPEG", quality=95)
    return path


@pytest.mark.parametrize("name", ["test.mjpeg", "a.mjpg", "a.jpg", "a", "a.gif", "a.webp", "a.png"])
def test_a_film_of_pictures_needs_no_opencv(tmp_path, name, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    path = write_pictures(tmp_path / name)
    with open_source(str(path), options()) as source:
        assert source.fps == pytest.approx(25)
        frames = list(source)
    assert [read_number(frame.image) for frame in frames] == list(range(FRAMES))
    assert [frame.number for frame in frames] == list(range(FRAMES))
    assert np.abs(frames[0].image[10, 10].astype(int) - RED).max() < 40  # WebP blurs


@pytest.mark.parametrize("name", ["test.mjpeg", "a.gif", "a.tif"])
def test_a_film_of_pictures_in_a_loop_and_at_its_own_pace(tmp_path, name):
    path = write_pictures(tmp_path / name, 3)
    with open_source(str(path), options(loop=True, rotate=180)) as source:
        frames = iter(source)
        seen = [next(frames) for _ in range(7)]
        source.close()
        assert list(frames) == []
    turned = [read_number(frame.image[::-1, ::-1]) for frame in seen]
    assert turned == [0, 1, 2, 0, 1, 2, 0]
    with open_source(str(path), options(realtime=True)) as source:
        assert source.live and 1 <= len(list(source)) + source.dropped <= 3


def test_a_film_of_pictures_that_is_cut_off(tmp_path):
    path = write_pictures(tmp_path / "test.mjpeg")
    path.write_bytes(path.read_bytes()[:-500])
    with open_source(str(path), options()) as source:
        assert len(list(source)) == FRAMES - 1 and source.dropped == 1


def test_a_film_that_was_interrupted_and_one_without_a_decoder(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\xff\xffmdat" + bytes(1000))
    with pytest.raises(SourceError, match="interrupted lacks its index"):
        open_source(str(path), options()).open()
    path = tmp_path / "film.ivf"
    path.write_bytes(bytes.fromhex(AV1))
    try:
        open_source(str(path), options()).open()
    except SourceError as error:  # a system's own OpenCV may have a decoder
        assert "film.ivf is a film in AV1, for which this OpenCV has no decoder" in str(error)


@pytest.mark.parametrize(("rotate", "red"), [(90, (10, -10)), (270, (-10, 10))])
def test_sideways(tmp_path, rotate, red):
    path = write_video(tmp_path / "a.avi", 1)
    with open_source(str(path), options(rotate=rotate)) as source:
        (frame,) = source
    assert frame.hw == frame.image.shape[:2] == (128, 64) and frame.image.flags.c_contiguous
    assert np.abs(frame.image[red].astype(int) - RED).max() < 16


def test_mirrored(tmp_path):
    path = write_video(tmp_path / "a.avi", 1)
    with open_source(str(path), options(mirror=True)) as source:
        (frame,) = source
    assert np.abs(frame.image[10, -10].astype(int) - RED).max() < 16


def test_upside_down(tmp_path):
    path = write_video(tmp_path / "a.avi", 1)
    with open_source(str(path), options(rotate=180)) as source:
        (frame,) = source
    assert np.abs(frame.image[-10, -10].astype(int) - RED).max() < 16
    assert frame.image.flags.c_contiguous


def test_a_phone_held_upright(tmp_path):
    path = write_video(tmp_path / "a.mp4", 1, code="mp4v")
    with open_source(str(path), options()) as source:
        (lying,) = source
    film = bytearray(path.read_bytes())
    matrix = film.index(b"tkhd") + 44  # a quarter turn clockwise, in 16.16 and 2.30 fixed point
    turn = [0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30]
    film[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in turn)
    path.write_bytes(film)
    with open_source(str(path), options()) as source:
        (upright,) = source
    assert upright.hw == (128, 64)
    assert (upright.image == np.rot90(lying.image, -1)).all()


def test_a_loop_begins_again(tmp_path):
    path = write_video(tmp_path / "a.mp4", 3, code="mp4v")
    with open_source(str(path), options(loop=True)) as source:
        frames = iter(source)
        seen = [next(frames) for _ in range(8)]
        source.close()
        assert list(frames) == []
    assert [read_number(frame.image) for frame in seen] == [0, 1, 2, 0, 1, 2, 0, 1]
    assert [frame.number for frame in seen] == list(range(8))


@pytest.mark.parametrize("name", ["with space.avi", "größe.avi", "12:30:00 %d.avi"])
def test_odd_names(tmp_path, name, monkeypatch):
    write_video(tmp_path / "a.avi", 2).rename(tmp_path / name)
    assert numbers(tmp_path / name) == [0, 1]
    monkeypatch.chdir(tmp_path)
    assert numbers(name) == [0, 1]


@pytest.mark.parametrize("name", ["a.avi", "a.mkv"])
def test_a_film_cut_off_ends_where_the_damage_is(tmp_path, name, caplog):
    path = write_video(tmp_path / name, 40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    seen = numbers(path)
    assert 5 < len(seen) < 30 and seen[:-1] == list(range(len(seen) - 1))
    assert "cut off or damaged" in caplog.text and name in caplog.text


def test_a_whole_film_is_not_called_cut_off(tmp_path, caplog):
    assert len(numbers(write_video(tmp_path / "a.avi", 40))) == 40
    assert caplog.text == ""


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("kind", ["text", "empty", "cut off", "without frames"])
def test_no_frame_at_all(tmp_path, kind, loop):
    path = tmp_path / "film.mp4"
    if kind == "without frames":
        path = write_video(tmp_path / "film.avi", 0)
    elif kind == "cut off":
        write_video(path, FRAMES, code="mp4v")
        path.write_bytes(path.read_bytes()[:1000])
    else:
        path.write_text("no film\n" * 100 if kind == "text" else "")
    with pytest.raises(SourceError, match=r"film\.\w+ is no video that OpenCV can read"):
        open_source(str(path), options(loop=loop)).open()


def test_opencv_and_ffmpeg_keep_quiet(tmp_path):
    (tmp_path / "film.mp4").write_text("no film")
    code = (
        "import sys\nfrom edge_runtime.sources.base import SourceError, SourceOptions\n"
        "from edge_runtime.sources.factory import open_source\n"
        "try: open_source(sys.argv[1], SourceOptions((32, 48))).open()\n"
        "except SourceError as error: print(error)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "film.mp4")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG)
    assert "film.mp4 is no video" in done.stdout and done.stderr == ""


def test_a_film_that_vanishes_ends_a_loop(tmp_path):
    path = write_video(tmp_path / "a.avi", 2)
    with open_source(str(path), options(loop=True)) as source:
        frames = iter(source)
        next(frames)
        path.unlink()
        with pytest.raises(SourceError, match=r"a\.avi is no video"):
            list(frames)


def test_a_film_without_a_whole_frame(tmp_path):
    path = write_video(tmp_path / "a.avi", 3)
    film = path.read_bytes()
    parts = film.split(b"00dc")
    path.write_bytes(b"00dc".join(parts[:1] + [p[:4] + bytes(len(p) - 4) for p in parts[1:]]))
    for loop in (False, True):
        with (
            pytest.raises(SourceError, match=r"a\.avi"),
            open_source(str(path), options(loop=loop)) as source,
        ):
            list(source)


def test_a_slow_reader_of_a_live_film_sees_the_newest(tmp_path):
    path = write_video(tmp_path / "a.avi", 50, fps=100)
    seen = []
    with open_source(str(path), options(realtime=True)) as source:
        assert source.live and source.fps is None
        for frame in source:
            assert read_number(frame.image) == frame.number
            seen.append(frame.number)
            time.sleep(0.06)
    assert seen[0] == 0 and seen == sorted(set(seen))
    assert source.dropped > 0 and source.dropped + len(seen) == 50


def test_a_live_film_keeps_the_rate_that_is_wanted(tmp_path):
    path = write_video(tmp_path / "a.avi", 50, fps=100)
    with open_source(str(path), options(realtime=True, max_fps=10)) as source:
        seen = [frame.number for frame in source]
    # A machine that is busy may let some pass, which are counted.
    assert len(seen) <= 5 and seen[0] == 0 and (source.dropped or seen == [0, 10, 20, 30, 40])


def test_closing_ends_the_wait_of_a_live_film(tmp_path):
    path = write_video(tmp_path / "a.avi", 5, fps=1)
    source = open_source(str(path), options(realtime=True, loop=True))
    source.open()
    first = threading.Event()
    reader = threading.Thread(target=lambda: [first.set() for _ in source])
    reader.start()
    assert first.wait(10)
    source.close()
    reader.join(10)
    assert not reader.is_alive()


def test_closing_while_another_thread_reads(tmp_path):
    path = write_video(tmp_path / "a.avi", 5)
    for _ in range(20):
        source = open_source(str(path), options(loop=True))
        source.open()
        reader = threading.Thread(target=lambda source=source: list(source))
        reader.start()
        source.close()
        source.close()
        reader.join(10)
        assert not reader.is_alive()


@pytest.mark.parametrize("pace", [[], ["--realtime"], ["--max-fps", "5"]])
def test_interrupted_in_a_loop(tmp_path, pace):
    path = write_video(tmp_path / "a.mp4", 30, code="mp4v")
    command = [sys.executable, "-m", "edge_runtime", "run", str(ROOT / "models/digits_int8.tflite")]
    command += ["--threads", "1", "--source", str(path), "--loop", *pace]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as process:
        try:
            for _ in range(3):
                assert process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, noise = process.communicate(timeout=HANG)
        finally:
            process.kill()
    assert process.returncode == 0, noise
    assert "terminate called" not in noise and "Traceback" not in noise


def test_without_opencv_the_extra_is_named(tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    path.write_text("")
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match=r"pip install 'opencv-python.*\(the extra `opencv`\)"):
        open_source(str(path), options()).open()


def test_pages_that_cannot_be_read_are_said(tmp_path, caplog):
    pages = [Image.new("RGB", (40, 30), color) for color in ("red", "blue")]
    deep = Image.fromarray(np.zeros((30, 40), np.uint16))
    pages[0].save(tmp_path / "x.tif", save_all=True, append_images=[deep, pages[1]])
    with open_source(str(tmp_path / "x.tif"), options()) as video:
        assert len(list(video)) == 2 and video.dropped == 1
    assert "x.tif: 1 of 3 frames are damaged" in caplog.text
