"""`make mine`: names and claims of data sets, stages that are due, signals, the last words."""

import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from convert import mine
from convert.mine import claimed, main, plain_name
from tests.conftest import HANG, ROOT
from tests.train.data.voc_folder import make_voc
from train.data.dataset import open_data
from train.training.provenance import TRAINING_MEMBER, provenance_to_json

SLEEPS = ["timeit", "-n1", "-r1", "import time; print('begun', flush=True); time.sleep(1800)"]


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


def name_of(data, build):
    with claimed(data, "set", build) as (files, _):
        return files.name


def test_two_folders_of_one_name_have_files_of_their_own(tmp_path):
    first, second = tmp_path / "a" / "set", tmp_path / "b" / "set"
    first.mkdir(parents=True)
    second.mkdir(parents=True)
    build = tmp_path / "build"
    assert name_of(first, build) == "set"
    other = name_of(second, build)
    assert other.startswith("set-") and len(other) == 12
    assert (name_of(first, build), name_of(second, build)) == ("set", other)
    assert len(list(build.iterdir())) == 2
    first.rename(tmp_path / "moved")  # then its name is that of the set at its new place
    assert name_of(tmp_path / "moved", build) == "set"


@pytest.mark.parametrize("file", ["set.keras", "set.resume.npz", "set/report.json"])
def test_files_that_are_no_data_set_s_are_left_alone(tmp_path, file):
    """Such as those of `make train`, or of `python -m train --out build/set.keras`."""
    data, build = tmp_path / "set", tmp_path / "build"
    data.mkdir()
    (build / file).parent.mkdir(parents=True)
    (build / file).touch()
    assert name_of(data, build).startswith("set-")
    assert not (build / "set.data").exists()


def test_a_second_one_at_the_same_time_is_refused(tmp_path):
    busy = pytest.raises(ValueError, match=r"another `make mine` is at work on .*; wait for it")
    with claimed(tmp_path, "set", tmp_path / "build"), busy:
        name_of(tmp_path, tmp_path / "build")
    assert name_of(tmp_path, tmp_path / "build") == "set"


class Stages:
    """Stands in for `run_stage`: notes the commands and makes what they would leave behind."""

    def __init__(self):
        self.ran, self.status = [], {}

    def __call__(self, command, claim):
        self.ran.append(command)
        status = self.status.get(command[0], 0)
        if not status and command[0] == "train":
            model = Path(command[command.index("--out") + 1])
            members = {TRAINING_MEMBER: provenance_to_json(self.provenance, [])}
            with zipfile.ZipFile(model, "w") as file:
                for name, text in members.items():
                    file.writestr(name, text)
        if not status and command[0] == "convert":
            out = Path(command[command.index("--out") + 1])
            out.mkdir(exist_ok=True)
            (out / "report.json").touch()
        return status

    @property
    def names(self):
        ran = [command[0] for command in self.ran]
        self.ran.clear()
        return ran


@pytest.fixture
def stages(tmp_path, monkeypatch):
    for number in range(3):
        make_voc(tmp_path / "my set", stem=f"p{number}")
    monkeypatch.setattr(mine, "BUILD", tmp_path / "build")
    monkeypatch.chdir(tmp_path)
    stages = Stages()
    training = open_data("my set").load("train")
    stages.provenance = {"images": 3, "fingerprint": training.fingerprint(), "settings": {}}
    monkeypatch.setattr(mine, "run_stage", stages)
    return stages


def test_stages_that_have_ended_are_not_done_again(stages, capsys):
    assert main(["--data=my set", "--budget", "30"]) == 0
    model = str(mine.BUILD / "my_set.keras")
    assert stages.ran == [
        ["train.data", "check", "my set"],
        ["train", "--out", model, "--data", "my set", "--budget", "30"],
        ["convert", model, "--data", "my set", "--out", str(mine.BUILD / "my_set")],
    ]
    assert f"scp {mine.BUILD}/my_set/my_set_int8.tflite pi@" in capsys.readouterr().out
    stages.ran.clear()
    assert main(["--data=my set", "--budget", "30"]) == 0
    assert stages.names == ["train.data"]
    assert f"{model} has been trained; FLAGS=--overwrite trains it again" in capsys.readouterr().out
    assert main(["--data=my set", "--overwrite"]) == 0
    assert stages.names == ["train.data", "train", "convert"]


def test_a_stage_that_stopped_is_gone_on_with(stages, capsys):
    stages.status["train"] = 130
    assert main(["--data=my set"]) == 130
    assert "the training was stopped; the same command goes on" in capsys.readouterr().err
    assert stages.names == ["train.data", "train"]
    (mine.BUILD / "my_set.resume.npz").touch()
    stages.status.update(train=0, convert=1)
    assert main(["--data=my set"]) == 1
    assert stages.ran[1][-1] == "--resume"
    (mine.BUILD / "my_set.resume.npz").unlink()
    stages.ran.clear()
    stages.status["convert"] = 0
    left = mine.BUILD / "my_set" / ".convert-abc"  # of a killed one
    left.mkdir(parents=True)
    assert main(["--data=my set"]) == 0
    assert stages.names == ["train.data", "convert"]
    assert not left.exists()


def test_data_that_changed_since_are_named(stages, capsys):
    main(["--data=my set"])
    make_voc(Path("my set"), stem="new")
    assert main(["--data=my set"]) == 0
    changed = "but split 'train' has changed since: 3 pictures then, 4 now; FLAGS=--overwrite"
    assert changed in capsys.readouterr().out


def test_the_causes_that_training_found_are_said_at_the_end(stages, capsys):
    main(["--data=my set"])
    (mine.BUILD / "my_set_verdict.txt").write_text("AP50 0.32 is poor\n  1. few\n")
    main(["--data=my set"])
    assert "of the training: AP50 0.32 is poor\n  1. few\nfound and" in capsys.readouterr().out


@pytest.mark.parametrize(("given", "said"), [("", "make mine DATA=mydata"), ("no", "got no such")])
def test_no_folder_is_said_before_anything_is_written(stages, capsys, given, said):
    assert main([f"--data={given}"]) == 2
    assert said in capsys.readouterr().err
    assert not stages.ran and not mine.BUILD.exists()


RUNNER = f"""
import sys
from pathlib import Path
from convert.mine import claimed, run_stage
with claimed(Path(sys.argv[1]), "set", Path(sys.argv[1])) as (_, claim):
    print("status", run_stage({SLEEPS}, claim))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_no_stage_outlives_what_ended_make(tmp_path, number):
    """After SIGKILL, which nobody can pass on, it keeps the claim as long as it works."""
    command = [sys.executable, "-c", RUNNER, str(tmp_path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout.readline() == "begun\n"
            if number == signal.SIGINT:  # as a terminal does
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
            if number == signal.SIGKILL:
                assert process.wait(HANG) == -number
                with pytest.raises(ValueError, match="another `make mine` is at work"):
                    name_of(tmp_path, tmp_path)
            else:
                assert process.stdout.read() == f"status {SLEEPER_STATUS[number]}\n"
        finally:
            os.killpg(process.pid, signal.SIGKILL)


# timeit reports a KeyboardInterrupt as any other error.
SLEEPER_STATUS = {signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGINT: 1}


MAKE = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@MAKE
@pytest.mark.parametrize("folder", ["it's", 'a"b', "a$b$(HOME)", "a b;c", "(x) #&`", "-x"])
def test_make_hands_over_any_folder_as_it_was_typed(folder, tmp_path):
    """With a shell function in the place of Python, which prints its arguments."""
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    python.chmod(0o755)
    (tmp_path / "installed").touch()
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    flags = ["make", "-s", "mine", f"venv={tmp_path}", "-o", str(tmp_path / "installed")]
    done = subprocess.run(
        [*flags, f"DATA={folder}", "FLAGS=--budget 3"],
        cwd=ROOT, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.stdout == f"-m|convert.mine|--data={folder}|--budget|3|", done.stderr
    done = subprocess.run(flags, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.stdout == "-m|convert.mine|--data=|"  # not the digits
