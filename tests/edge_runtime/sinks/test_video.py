"""Videos with boxes: true speed, whole files, no file lost."""

import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from edge_runtime.sinks import disk, video
from edge_runtime.sinks.video import VideoSink
from tests.conftest import HANG, ROOT
from tests.edge_runtime.sinks.results import make_context, make_result

cv2 = pytest.importorskip("cv2", exc_type=ImportError, reason="the extra `opencv` is not installed")


def gray(level, hw=(120, 160)):
    return np.full((*hw, 3), level, np.uint8)


def run(path, results, context=None, **options):
    sink = VideoSink(path, **options)
    sink.open(context or make_context())
    for result in results:
        sink.write(result)
    sink.close()


def read(path):
    """Frames as RGB, and the frame rate."""
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        there, frame = capture.read()
        if not there:
            break
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    fps = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return frames, fps


def levels(path):
    """The gray of each frame, in steps of 20, from its lower right corner."""
    return [round(float(frame[-20:, -20:].mean()) / 20) for frame in read(path)[0]]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["seen.mp4", "seen.mkv", "seen.avi", "SEEN.MP4"])
def test_a_video_of_what_was_seen_in_its_colors(tmp_path, name):
    picture = gray(0)
    picture[:, :] = (200, 40, 20)
    path = tmp_path / "new" / name
    results = [make_result(n, ("red", "green"), at=n / 15, image=picture) for n in range(6)]
    run(path, results)
    frames, fps = read(path)
    assert (len(frames), fps) == (6, 15.0)
    assert names(path.parent) == [name]
    assert np.abs(frames[3][-20:, -20:].mean(axis=(0, 1)) - (200, 40, 20)).max() < 12
    side = frames[3][50:70, 20].mean(axis=0)  # the first box's left side is green
    assert side[1] > 150


def test_live_frames_are_repeated_and_left_out_by_their_time(tmp_path):
    # At 10 a second: 0, 0.05 (too early), 0.3 (after a gap), 0.4.
    times = [(1, 5.0), (2, 5.04), (3, 5.3), (4, 5.4)]
    results = [make_result(n, (), at=at, image=gray(20 * n)) for n, at in times]
    run(tmp_path / "a.mp4", results, fps=10)
    assert levels(tmp_path / "a.mp4") == [1, 1, 1, 3, 4]


def test_a_long_pause_is_left_out(tmp_path):
    times = [(1, 5.0), (2, 5.1), (3, 3605.1), (4, 3605.2), (5, 3605.4)]
    results = [make_result(n, (), at=at, image=gray(20 * n)) for n, at in times]
    run(tmp_path / "a.mp4", results, fps=10)
    assert levels(tmp_path / "a.mp4") == [1, 2, 3, 4, 4, 5]


def test_a_clock_that_begins_again_does_not_stop_the_video(tmp_path):
    results = [make_result(n, (), at=at) for n, at in enumerate([500.0, 500.1, 3.0, 3.1])]
    run(tmp_path / "a.mp4", results, fps=10)
    assert len(read(tmp_path / "a.mp4")[0]) == 4


def test_each_frame_of_a_recording_comes_once_however_fast_it_was_looked_at(tmp_path):
    results = [make_result(n, (), at=n / 1000, image=gray(20 * n)) for n in range(8)]
    run(tmp_path / "a.mp4", results, make_context(fps=29.97))
    assert levels(tmp_path / "a.mp4") == list(range(8))
    assert read(tmp_path / "a.mp4")[1] == pytest.approx(29.97, abs=0.001)


ODD_RATES = [66.667, 105.611, 239.129, 90000.0, 65.5351, 655.36, 1000.5, 0.0001, 23.976, 14.9925]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
@pytest.mark.parametrize("rate", ODD_RATES)
def test_a_recording_of_any_rate_keeps_each_frame(tmp_path, name, rate):
    results = [make_result(n, (), at=n / 1000, image=gray(20 * n)) for n in range(8)]
    run(tmp_path / name, results, make_context(fps=rate))
    assert levels(tmp_path / name) == list(range(8))


@pytest.mark.parametrize(
    ("rate", "suffix", "expected"),
    [
        (29.97, ".mp4", 29.97),
        (14.9925, ".mp4", 14.992),
        (65.535, ".mkv", 65.535),
        (66.667, ".mp4", 66.67),
        (66.667, ".avi", 66.67),
        (655.35, ".mp4", 655.35),
        (655.36, ".mp4", 655.4),
        (6553.55, ".mkv", 6554.0),
        (90000.0, ".mp4", 65535.0),
        (90000.0, ".avi", 600.0),
        (1e-9, ".mp4", 0.01),
    ],
)
def test_the_rate_that_a_file_can_say(rate, suffix, expected):
    assert video.encodable_fps(rate, suffix) == expected


def test_a_live_rate_that_is_rounded_keeps_true_speed(tmp_path):
    results = [make_result(n, (), at=n / 20, image=gray(20 * (n % 8))) for n in range(41)]
    run(tmp_path / "a.mp4", results, fps=105.611)
    frames, fps = read(tmp_path / "a.mp4")
    assert (len(frames) - 1) / fps == pytest.approx(2.0, abs=0.01)


def test_another_rate_for_a_recording_keeps_its_speed(tmp_path):
    results = [make_result(n, (), at=n / 1000, image=gray(20 * n)) for n in range(10)]
    run(tmp_path / "a.mp4", results, make_context(fps=20.0), fps=10)
    assert levels(tmp_path / "a.mp4") == [0, 2, 4, 6, 8]


def test_pictures_of_other_sizes_are_fitted_in(tmp_path):
    pictures = [gray(200), gray(200, (240, 80)), gray(200, (60, 80))]
    results = [make_result(n, (), image=picture) for n, picture in enumerate(pictures)]
    run(tmp_path / "a.avi", results, make_context(fps=1.0))
    frames, _ = read(tmp_path / "a.avi")
    assert [frame.shape for frame in frames] == [(120, 160, 3)] * 3
    assert frames[1][60, 80].min() > 180
    assert frames[1][60, 10].max() < 20  # a black margin
    assert frames[2][5, 5].min() > 180


def test_a_file_that_is_there_is_kept(tmp_path, caplog):
    path = tmp_path / "a.mp4"
    for level in (20, 40, 60):
        run(path, [make_result(0, (), image=gray(level))])
    assert names(tmp_path) == ["a-0001.mp4", "a-0002.mp4", "a.mp4"]
    assert [levels(tmp_path / name) for name in names(tmp_path)] == [[2], [3], [1]]
    assert "a.mp4 is there already and is kept: the video becomes" in caplog.text


def test_segments(tmp_path):
    results = [make_result(n, (), at=n / 10, image=gray(10 * n)) for n in range(14)]
    run(tmp_path / "a.mp4", results, fps=10, segment_minutes=0.01)  # six pictures
    assert names(tmp_path) == ["a-0001.mp4", "a-0002.mp4", "a-0003.mp4"]
    assert [len(read(tmp_path / name)[0]) for name in names(tmp_path)] == [6, 6, 2]
    (tmp_path / "a-0001.mp4").unlink()
    run(tmp_path / "a.mp4", results[:2], segment_minutes=1.0)
    assert names(tmp_path)[-1] == "a-0004.mp4"  # numbers are not used again


def test_larger_pictures_are_scaled_down(tmp_path):
    results = [make_result(n, ("green",), image=gray(90)) for n in range(3)]
    run(tmp_path / "a.mp4", results, make_context(fps=1.0), most_wh=(80, 80))
    frames, _ = read(tmp_path / "a.mp4")
    assert [frame.shape for frame in frames] == [(60, 80, 3)] * 3
    inks = np.abs(frames[1].astype(int) - 90).max(axis=2)
    assert inks[30, 10] > 40 > inks[50, 60]  # the box is where it was


def test_a_long_write_leaves_off_for_a_run_that_ends(tmp_path, monkeypatch):
    sink = VideoSink(tmp_path / "a.mp4", fps=10)
    sink.open(make_context())
    sink.write(make_result(0, (), at=0.0))
    written = []
    original = video.VideoFile.repeat

    def repeat(self, times, hurry=None):
        if hurry is not None:
            sink.hurry()  # comes while it repeats a frame for a gap of eight seconds
        original(self, times, hurry)
        written.append(times)

    monkeypatch.setattr(video.VideoFile, "repeat", repeat)
    sink.write(make_result(1, (), at=8.0))
    sink.close()
    assert len(read(tmp_path / "a.mp4")[0]) == 1 and names(tmp_path) == ["a.mp4"]


@pytest.mark.slow
def test_a_run_with_large_pictures_ends_in_good_order(tmp_path):
    film = tmp_path / "in.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter_fourcc(*"MJPG"), 30, (3840, 2160))
    for number in range(10):
        writer.write(np.full((2160, 3840, 3), 20 * number, np.uint8))
    writer.release()
    more = ["--loop", "--realtime", "--verbose", "--jsonl", str(tmp_path / "seen.jsonl")]
    with subprocess.Popen(
        command(film, tmp_path / "out.mp4", *more), cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + HANG
        while not (tmp_path / "out.partial.mp4").exists():
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        time.sleep(1)  # behind the film, as it will be
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=HANG)
    assert process.returncode == 0, said
    assert not (tmp_path / "out.partial.mp4").exists() and read(tmp_path / "out.mp4")[0]


def test_no_file_without_a_frame(tmp_path):
    run(tmp_path / "a.mp4", [])
    assert names(tmp_path) == []


KILLED = """
import os, signal, sys
import numpy as np
from edge_runtime.sinks.video import VideoSink
from tests.edge_runtime.sinks.results import make_context, make_result
sink = VideoSink(sys.argv[1], fps=10)
sink.open(make_context())
random = np.random.default_rng(0)
for number in range(100):
    sink.write(make_result(number, image=random.integers(0, 255, (120, 160, 3), np.uint8)))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("suffix", "advice"),
    [
        (".mp4", "does not play.*delete it"),
        (".mkv", "plays up to there"),
        (".avi", "plays up to there"),
    ],
)
def test_what_a_killed_run_leaves_is_said_and_not_overwritten(tmp_path, caplog, suffix, advice):
    path = tmp_path / f"a{suffix}"
    command = [sys.executable, "-c", KILLED, str(path)]
    assert subprocess.run(command, cwd=ROOT, timeout=HANG).returncode == -signal.SIGKILL
    assert names(tmp_path) == [f"a.partial{suffix}"]
    left = (tmp_path / f"a.partial{suffix}").read_bytes()
    frames, _ = read(tmp_path / f"a.partial{suffix}")
    assert len(frames) == 0 if suffix == ".mp4" else 40 < len(frames) <= 100
    run(path, [make_result(0)])
    assert names(tmp_path) == [f"a-0001{suffix}", f"a.partial{suffix}"]
    assert (tmp_path / f"a.partial{suffix}").read_bytes() == left
    (message,) = [r.getMessage() for r in caplog.records if "was killed" in r.getMessage()]
    assert re.search(advice, message)


def test_a_full_disk_ends_the_file_and_a_new_one_begins_when_there_is_room(tmp_path, monkeypatch):
    free = 10**9
    usage = type("Usage", (), {"total": 10**11, "free": property(lambda self: free)})()
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: usage)
    monkeypatch.setattr(video, "ROOM_SECONDS", 0.0)
    sink = VideoSink(tmp_path / "a.mp4", fps=10)
    sink.open(make_context())
    sink.write(make_result(0))
    sink.write(make_result(1))
    free = disk.RESERVE_BYTES - 1_000_000
    for number in (2, 3):
        with pytest.raises(OSError, match=r"as good as full .*; free some space"):
            sink.write(make_result(number))
    assert len(read(tmp_path / "a.mp4")[0]) == 2  # playable already
    free = disk.RESERVE_BYTES + 1  # not enough to begin again: it would be full at once
    with pytest.raises(OSError, match="as good as full"):
        sink.write(make_result(4))
    free = 2 * disk.RESERVE_BYTES
    sink.write(make_result(5))
    sink.close()
    assert len(read(tmp_path / "a-0001.mp4")[0]) == 1


def test_a_folder_that_vanishes_is_an_os_error_and_its_return_is_enough(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "ROOM_SECONDS", 0.0)
    folder = tmp_path / "stick"
    sink = VideoSink(folder / "a.avi", fps=10)
    sink.open(make_context())
    sink.write(make_result(0))
    folder.rename(tmp_path / "unplugged")
    for number in (1, 2):
        with pytest.raises(OSError, match="No such file"):
            sink.write(make_result(number))
    (tmp_path / "unplugged").rename(folder)
    sink.write(make_result(3))
    sink.close()
    assert names(folder) == ["a-0001.avi", "a.partial.avi"]


def test_other_formats_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.mp4, \.mkv, \.avi expected, got .*seen\.webm"):
        VideoSink(tmp_path / "seen.webm").open(make_context())


def test_what_opencv_cannot_write_is_an_os_error(tmp_path):
    sink = VideoSink(tmp_path / "a.mp4")
    sink.open(make_context())
    (tmp_path / "a.partial.mp4").symlink_to(tmp_path / "nowhere" / "a.mp4")
    with pytest.raises(OSError, match="OpenCV cannot write"):
        sink.write(make_result(0))
    assert names(tmp_path) == []


def command(source, video, *more):
    command = [sys.executable, "-m", "edge_runtime", "run", "models/digits_int8.tflite"]
    return [*command, "--threads", "1", "--source", str(source), "--save-video", str(video), *more]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_told_to_end_leaves_a_whole_video(tmp_path, number):
    more = ["--loop", "--max-fps", "20", "--video-fps", "10"]
    more += ["--save-events", str(tmp_path / "events"), "--jsonl", str(tmp_path / "seen.jsonl")]
    process = subprocess.Popen(
        command("docs/detections.jpg", tmp_path / "a.mp4", *more),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Under nohup it would be ignored, by us and rightly by the run as well.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    lines = tmp_path / "seen.jsonl"
    deadline = time.monotonic() + 60
    while not lines.exists() or lines.read_text().count("\n") < 5:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    out, said = process.communicate(timeout=HANG)
    assert (process.returncode, out) == (0, ""), said
    assert "Traceback" not in said
    assert sorted(names(tmp_path)) == ["a.mp4", "events", "seen.jsonl"]
    frames, fps = read(tmp_path / "a.mp4")
    # A picture of a folder counts as one a second: each is there for ten of the video's.
    assert fps == 10
    assert len(frames) > 10
    assert {path.suffix for path in (tmp_path / "events").iterdir()} == {".jpg", ".json"}


def test_a_video_file_comes_out_as_long_as_it_went_in(tmp_path):
    results = [make_result(n, (), image=gray(20 * n)) for n in range(12)]
    run(tmp_path / "in.avi", results, make_context(fps=12.5))
    run_command = command(tmp_path / "in.avi", tmp_path / "out.mp4")
    done = subprocess.run(run_command, cwd=ROOT, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0, done.stderr
    assert levels(tmp_path / "out.mp4") == list(range(12))
    assert read(tmp_path / "out.mp4")[1] == 12.5
