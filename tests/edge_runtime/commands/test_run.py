"""`edge-runtime run` as a process: what it prints, and how it ends."""

import json
import re
import signal
import subprocess
import sys
import threading

import pytest
from PIL import Image

from edge_runtime.__main__ import build_parser, main
from edge_runtime.commands import run as run_command
from edge_runtime.detector.interpreter import Network, NetworkError
from edge_runtime.sinks.base import Sink
from edge_runtime.sinks.flags import SinkFlags
from edge_runtime.sinks.registry import SINKS
from tests.conftest import HANG, ROOT, needs_opencv

ENDS_WITHIN = 20  # seconds; the promise is 2, and a busy machine must not fail the test


@pytest.fixture
def pictures(tmp_path, red_frame):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(red_frame).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def start(tiny_models, pictures):
    """Starts `run` on the pictures; ended by its process id whatever the test does."""
    started = []

    def run(*flags):
        command = [sys.executable, "-m", "edge_runtime", "run", tiny_models / "tiny_int8.tflite"]
        started.append(
            subprocess.Popen(
                [*map(str, command), "--source", str(pictures), *flags],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def read_rest(process):
    """What a process that was read from before still prints, until it ends.

    `communicate` would lose the lines that lie in the buffer of `stdout` already.
    """
    too_long = threading.Timer(ENDS_WITHIN, process.kill)  # then its status is not 0
    too_long.start()
    try:
        out, err = process.stdout.read(), process.stderr.read()
        process.wait()
    finally:
        too_long.cancel()
    return out, err


def test_a_folder_becomes_json_lines(start):
    out, err = (process := start("--classes", "red")).communicate(timeout=HANG)
    lines = [json.loads(line) for line in out.splitlines()]
    assert process.returncode == 0, err
    assert [line["frame"] for line in lines] == [0, 1, 2]
    assert {found["class"] for line in lines for found in line["detections"]} == {"red"}
    assert (lines[0]["width"], lines[0]["height"]) == (144, 64)
    assert lines[2]["image"].endswith("2.png")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_in_good_order(start, number):
    process = start("--loop")
    assert json.loads(process.stdout.readline())["frame"] == 0
    process.send_signal(number)
    out, err = read_rest(process)
    assert process.returncode == 0 and "Traceback" not in err
    assert all(json.loads(line) for line in out.splitlines()), "the last line is whole"


def test_a_reader_that_goes_away_ends_it(start):
    process = start("--loop")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(ENDS_WITHIN) == 1
    err = process.stderr.read()
    assert "nobody reads stdout any more" in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--classes", "red,blue"], "got blue"),
        (["--source", "nowhere"], "nowhere"),
        (["--source", "usb:first"], "usb:N expected"),
        (["--score-threshold", "50"], r"\[0, 1\]"),
        (["--web-fps", "5"], "--web-fps does nothing without --web; add --web or leave it out"),
        (["--web-token-file", "x"], "--web-token-file does nothing without --web"),
        (["--video-segment", "5", "--jsonl"], "--video-segment does nothing without --save-video"),
        (["--events-raw", "--web"], "--events-raw does nothing without --save-events"),
        (["--jsonl-keep", "2"], "--jsonl-keep does nothing without --jsonl"),
        (["--mqtt-name", "door"], "--mqtt-name does nothing without --mqtt"),
        (["--state-dir", "here"], "--state-dir does nothing without --mqtt"),
    ],
)
def test_what_cannot_start_is_said_in_one_line(flags, said, tiny_models, capsys):
    flags = flags if "--source" in flags else [*flags, "--source", "nowhere"]
    assert main(["run", str(tiny_models / "tiny_int8.tflite"), *flags]) == 2
    err = capsys.readouterr().err.strip().splitlines()
    err = [line for line in err if not line.startswith("INFO")]  # LiteRT's own
    assert len(err) == 1 and re.search(said, err[0])


@pytest.mark.parametrize("size", ["big", "0x0", "640", "99999x99999"])
def test_a_size_that_is_none_is_refused(size, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["run", "model.tflite", "--size", size])
    assert caught.value.code == 2 and "WIDTHxHEIGHT" in capsys.readouterr().err


class Probe(Sink):
    """Keeps the context that it is opened with, and ends the run after the first result."""

    name = "probe"

    def open(self, context):
        self.context = context
        self.at_first = context.snapshot()

    def write(self, result):
        self.context.stop()


def test_a_sink_is_one_row_and_knows_the_run_when_it_is_opened(monkeypatch, tiny_models, pictures):
    probe = Probe()
    flags = SinkFlags(
        "--probe",
        lambda parser: parser.add_argument("--probe", action="store_true"),
        lambda args: probe,
    )
    monkeypatch.setattr(run_command, "SINKS", (*SINKS, flags))
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)  # pytest's own stay
    model = str(tiny_models / "tiny_int8.tflite")
    assert main(["run", model, "--source", str(pictures), "--loop", "--probe"]) == 0
    assert probe.context.class_names == probe.at_first.model.classes == ("red", "green")
    assert (probe.context.model, probe.context.source) == (model, str(pictures))
    assert probe.at_first.results == 0 and list(probe.at_first.sinks) == ["probe"]
    assert probe.context.fps() == 1 and probe.context.snapshot().results > 0


def test_sinks_are_closed_again_where_a_later_one_cannot_be_opened(tiny_models, pictures, capsys):
    command = ["run", str(tiny_models / "tiny_int8.tflite"), "--source", str(pictures)]
    assert main([*command, "--web", "127.0.0.1:0", "--save-video", "seen.webm"]) == 2
    assert "--save-video: a name that ends in" in capsys.readouterr().err
    assert not [thread for thread in threading.enumerate() if thread.name == "web server"]


def test_an_interpreter_that_fails_on_the_way_is_one_line_and_status_1(
    tiny_models, pictures, capfd, monkeypatch
):
    invoke, seen = Network.invoke, []

    def fail_later(network, tensor):
        seen.append(tensor)
        if len(seen) > 2:
            raise NetworkError(f"{network.path}: it cannot run it")
        return invoke(network, tensor)

    monkeypatch.setattr(Network, "invoke", fail_later)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the tests' own stay
    model = str(tiny_models / "tiny_int8.tflite")
    assert main(["run", model, "--source", str(pictures)]) == 1
    errors = capfd.readouterr().err
    assert errors.endswith("tiny_int8.tflite: it cannot run it\n") and "Traceback" not in errors


@needs_opencv
@pytest.mark.parametrize(
    ("flags", "resizer"),
    [
        (["--source", "usb:0"], "opencv"),
        (["--source", "usb:0", "--resizer", "auto"], "opencv"),
        (["--source", "rtsp://camera/1", "--resizer", "pillow"], "pillow"),
        (["--source", "picamera2"], "pillow"),
        (["--source", "docs/detections.jpg"], "pillow"),
        (["--source", "docs/detections.jpg", "--resizer", "opencv"], "opencv"),
    ],
)
def test_the_resizer_follows_the_source(tiny_models, flags, resizer):
    import cv2

    cv2.setNumThreads(2)
    arguments = ["run", str(tiny_models / "tiny_int8.tflite"), *flags]
    detector = run_command.make_detector(build_parser(["run"]).parse_args(arguments))
    assert detector.detector.resizer == detector.state().resizer == resizer
    assert cv2.getNumThreads() == (1 if resizer == "opencv" else 2)


def test_a_source_without_opencv_names_the_cure(tiny_models, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert main(["run", str(tiny_models / "tiny_int8.tflite"), "--source", "usb:0"]) == 2
    assert "cv2 is not installed" in capsys.readouterr().err


def test_detect_needs_no_opencv_unless_it_is_asked_for(tiny_models, pictures, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cv2", None)
    command = ["detect", str(tiny_models / "tiny_int8.tflite"), str(pictures / "0.png")]
    assert main(command) == 0
    assert main([*command, "--resizer", "opencv"]) == 2
    assert "cv2 is not installed" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*command, "--resizer", "cv2"])
    assert "invalid choice: 'cv2'" in capsys.readouterr().err


def test_a_stop_while_it_starts_is_no_crash_of_the_model_file(monkeypatch, tiny_models, tmp_path):
    """`systemctl restart` twice in a row, while a new file is opened for the first time."""

    def load(*_):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(run_command, "load_detector", load)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as end:
            main(["run", str(tiny_models / "tiny_int8.tflite")])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert end.value.code == 0
    notes = json.loads((tmp_path / "model/history.json").read_text())
    assert notes["opening"] == ""
