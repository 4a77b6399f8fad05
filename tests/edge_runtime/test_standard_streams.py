"""Text in every locale, and a stdout that takes nothing."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import HANG, ROOT

# How Python chooses an encoding: by the locale, which PYTHONIOENCODING stands for where a system
# lacks that of many a Pi.
LOCALES = {
    "en_US.iso88591": {"PYTHONIOENCODING": "iso8859-1"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "C": {"LC_ALL": "C"},
    "POSIX, as it is": {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
}
COMMANDS = {
    "help": ["run", "--help"],
    "run": ["run", "{model}", "--source", "{picture}"],
    "detect": ["detect", "{model}", "{picture}"],
    "csv": ["detect", "{model}", "{picture}", "--format", "csv"],
    "coco": ["detect", "{model}", "{picture}", "--format", "coco"],
    "doctor": ["doctor", "{model}"],
    "service": ["install-service", "--help"],
}


@pytest.fixture
def command(tiny_models, tmp_path, red_frame):
    """The words of a command of COMMANDS, on a picture with a name that is not ASCII."""
    picture = tmp_path / "Küche ….png"
    Image.fromarray(red_frame).save(picture)

    def words(name):
        model = str(tiny_models / "tiny_int8.tflite")
        texts = [text.format(model=model, picture=picture) for text in COMMANDS[name]]
        return [sys.executable, "-m", "edge_runtime", *texts]

    return words


def call(words, locale=None, **options):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG"))}
    environment |= LOCALES.get(locale, {})
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run(words, cwd=ROOT, env=environment, timeout=HANG, **pipes)


@pytest.mark.parametrize("locale", LOCALES)
def test_the_help_is_shown_in_every_locale(command, locale):
    done = call(command("help"), locale)
    assert done.returncode == 0 and done.stderr == b""
    assert b"rtsp://..." in done.stdout or "rtsp://…".encode() in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "locale"),
    [
        *((name, "en_US.iso88591") for name in ("run", "detect", "csv", "coco", "doctor")),
        *((name, "POSIX, as it is") for name in ("run", "csv", "service")),
    ],
)
def test_no_command_dies_of_a_locale(command, locale, name):
    done = call(command(name), locale)
    assert b"Traceback" not in done.stderr and b"UnicodeEncodeError" not in done.stderr
    assert done.returncode in ((0, 1) if name == "doctor" else (0,)), done.stderr
    if name in ("run", "detect", "coco"):  # for programs: ASCII, whatever the locale
        assert done.stdout.isascii() and json.loads(done.stdout.splitlines()[-1])
    if name == "csv":
        rows = list(csv.DictReader(done.stdout.decode("utf-8").splitlines()))
        assert rows[0]["filename"] == "Küche ….png"


def test_a_file_name_that_is_no_text_is_shown_as_it_is(tiny_models):
    model = os.fsencode(tiny_models) + b"/no \xff \xe2\x80\xa6"
    done = call([sys.executable, "-m", "edge_runtime", "detect", model, "x.png"], "ascii")
    assert done.returncode == 2 and b"no model file at" in done.stderr
    assert b"no \xff " in done.stderr or b"no \\xff" in done.stderr


SAID = {
    ">/dev/full": b"cannot write to stdout (No space left on device)",
    ">&-": b"stdout is closed",
    "| true": b"nobody reads stdout any more",
}


@pytest.mark.parametrize(
    ("name", "redirection"),
    [
        *(("help", redirection) for redirection in SAID),
        pytest.param("detect", ">/dev/full", marks=pytest.mark.slow),
        pytest.param("csv", "| true", marks=pytest.mark.slow),
        pytest.param("doctor", ">&-", marks=pytest.mark.slow),
    ],
)
def test_what_stdout_does_not_take_is_an_error(command, name, redirection):
    # A pipe may be read from until the reader is gone: the writer waits for that.
    begin = "sleep 0.3; " if "|" in redirection else ""
    script = f'( {begin}"$@"; echo "status $?" >&2 ) {redirection}'
    done = call(["bash", "-c", script, "bash", *command(name)])
    assert SAID[redirection] in done.stderr and b"status 1" in done.stderr
    assert b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr


@pytest.mark.slow
def test_a_run_whose_lines_are_lost_says_so(command):
    with Path("/dev/full").open("w") as full:
        done = call(command("run"), stdout=full)
    assert done.returncode == 1 and b"jsonl: nothing was written" in done.stderr
    done = call(["bash", "-c", '"$@" >&-', "bash", *command("run")])
    assert done.returncode == 2 and b"stdout is closed" in done.stderr


def test_errors_do_not_go_to_stdout_where_stderr_is_closed(command):
    words = [*command("detect")[:-1], "nowhere.png"]
    done = call(["bash", "-c", '"$@" 2>&-', "bash", *words])
    assert done.returncode == 1 and done.stdout == b""


@pytest.mark.slow
def test_a_stderr_that_takes_nothing_keeps_no_picture_from_being_looked_at(command):
    *words, picture = command("detect")
    with Path("/dev/full").open("w") as full:
        environment = dict(os.environ)
        done = subprocess.run(
            [*words, "nowhere.png", picture],
            stdout=subprocess.PIPE,
            stderr=full,
            cwd=ROOT,
            env=environment,
            timeout=HANG,
        )
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 1)
