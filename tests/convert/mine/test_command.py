"""`make mine`: stages that are due, the last words, any folder handed over by make."""

import json
import os
import shutil
import subprocess
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from convert.benchmark.report import (
    BenchmarkReport,
    BenchmarkThresholds,
    DataSummary,
    Thresholds,
)
from convert.mine import __main__ as mine
from convert.mine.__main__ import main
from edge_runtime.detector.spec import AnchorLevel, DetectorSpec, embed
from tests.conftest import ROOT
from tests.train.data.voc_folder import edit, make_voc
from train.data.dataset import open_data
from train.training.provenance import TRAINING_MEMBER, provenance_to_json

SPEC = DetectorSpec((64, 64), ("cat",), (AnchorLevel(8, (0.2,), (1.0,)),))


class Stages:
    """Stands in for `run_stage`: notes the commands and makes what they would leave behind."""

    def __init__(self):
        self.ran, self.status, self.leaves_state = [], {}, True

    def __call__(self, command, claim):
        self.ran.append(command)
        status = self.status.get(command[0], 0)
        if status and command[0] == "train" and self.leaves_state:
            Path(command[command.index("--out") + 1]).with_suffix(".resume.npz").touch()
        if not status and command[0] == "train":
            model = Path(command[command.index("--out") + 1])
            zipfile.ZipFile(model, "w").close()
            embed(model, SPEC, {TRAINING_MEMBER: provenance_to_json(self.provenance, [])})
        if not status and command[0] == "convert":
            out = Path(command[command.index("--out") + 1])
            out.mkdir(exist_ok=True)
            (out / "report.json").write_text(json.dumps(self.report))
        return status

    def measures(self, data):
        test = open_data(data).load("test")
        digest = test.fingerprint()
        summary = DataSummary(data.name, "test", len(test), test.box_count, 0, digest)
        thresholds = BenchmarkThresholds(Thresholds(0.5, 0.5, 9), Thresholds(0.1, 0.5, 9))
        self.report = BenchmarkReport("", {}, summary, thresholds, ()).to_json()

    @property
    def names(self):
        ran = [command[0] for command in self.ran]
        self.ran.clear()
        return ran


@pytest.fixture
def stages(tmp_path, monkeypatch):
    for number in range(3):
        make_voc(tmp_path / "my set", stem=f"p{number}")
    measured = make_voc(tmp_path / "measured on", stem="t")
    for path in (measured, measured.parents[1] / "JPEGImages" / "t.png"):
        path.rename(tmp_path / "my set" / path.parent.name / path.name)
    (tmp_path / "my set/ImageSets/Main/test.txt").write_text("t\n")
    monkeypatch.setattr(mine, "BUILD", tmp_path / "build")
    monkeypatch.chdir(tmp_path)
    stages = Stages()
    training = open_data("my set").load("train")
    stages.provenance = {"images": 3, "fingerprint": training.fingerprint(), "settings": {}}
    stages.measures(tmp_path / "my set")
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


def test_what_overwrote_is_not_begun_once_more(stages, capsys):
    """The same command would train for hours again."""
    main(["--data=my set"])
    for stage, said in (("train", "training"), ("convert", "conversion and benchmark")):
        stages.status = {stage: 130}
        assert main(["--data=my set", "--overwrite"]) == 130
        end = f"the {said} was stopped; the same command without --overwrite goes on from there\n"
        assert capsys.readouterr().err.endswith(end)
        (mine.BUILD / "my_set.resume.npz").unlink(missing_ok=True)
    stages.status = {"train": 2}
    stages.leaves_state = False  # it stopped at its arguments, and has overwritten nothing
    assert main(["--data=my set", "--overwrite"]) == 2
    assert "once that is mended, the same command goes on" in capsys.readouterr().err


def test_data_that_changed_since_are_named(stages, capsys):
    main(["--data=my set"])
    make_voc(Path("my set"), stem="new")
    assert main(["--data=my set"]) == 0
    changed = "but split 'train' has changed since: 3 pictures then, 4 now; FLAGS=--overwrite"
    assert changed in capsys.readouterr().out


def test_what_was_measured_on_other_pictures_is_measured_again(stages, capsys):
    """As after mending the labels of the test split, which training never sees."""
    main(["--data=my set"])
    edit(Path("my set/Annotations/t.xml"), "<xmin>4<", "<xmin>5<")
    stages.measures(Path("my set"))
    stages.ran.clear()
    assert main(["--data=my set"]) == 0
    said = "split 'test' has changed since: other pictures or boxes; it is made again"
    assert said in capsys.readouterr().out
    assert stages.names == ["train.data", "convert"]
    main(["--data=my set"])
    assert stages.names == ["train.data"]


def test_a_new_class_to_learn_from_is_no_change_of_what_was_measured(stages):
    """It gives the folder's classes other numbers, and the model's none."""
    main(["--data=my set"])
    make_voc(Path("my set"), names=["ape"], stem="new")
    stages.ran.clear()
    assert main(["--data=my set"]) == 0
    assert stages.names == ["train.data"]


def test_the_causes_that_training_found_are_said_at_the_end(stages, capsys):
    main(["--data=my set"])
    (mine.BUILD / "my_set_verdict.txt").write_text("AP50 0.32 is poor\n  1. few\n")
    main(["--data=my set"])
    assert "of the training: AP50 0.32 is poor\n  1. few\nfound and" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "said"),
    [("", "make mine DATA=mydata"), ("no", "got no such"), ("~no such user/x", "got no such")],
)
def test_no_folder_is_said_before_anything_is_written(stages, capsys, given, said):
    assert main([f"--data={given}"]) == 2
    assert said in capsys.readouterr().err
    assert not stages.ran and not mine.BUILD.exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--budge", "3"], "unrecognized arguments: --budge"),
        (["--out", "other.keras"], "got --out other.keras; leave those out"),
        (["--resume"], "--data, --out and --resume, which are set here"),
        (["--epochs=-1"], "--epochs is 1 or more"),
    ],
)
def test_flags_are_looked_at_before_the_check(stages, capsys, flags, said):
    with suppress(SystemExit):
        assert main(["--data=my set", *flags]) == 2
    assert said in capsys.readouterr().err
    assert not stages.ran and not list(mine.BUILD.iterdir())  # and no name is taken


def test_a_set_that_could_not_be_measured_is_not_trained_on(stages, capsys):
    """Of copies of one picture no test split can be made."""
    Path("my set/ImageSets/Main/test.txt").unlink()
    assert main(["--data=my set"]) == 2
    assert "no split 'test'; the folder has: train;" in capsys.readouterr().err
    assert stages.names == ["train.data"]


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
    # Not what was given to a `make` that runs this test.
    given = ("DATA", "FLAGS", "MAKE")
    environment = {k: v for k, v in os.environ.items() if not any(name in k for name in given)}
    environment["NAME"] = "of-the-computer"  # as some systems have it
    flags = ["make", "-s", "mine", f"venv={tmp_path}", "-o", str(tmp_path / "installed")]
    done = subprocess.run(
        [*flags, f"DATA={folder}", "FLAGS=--budget 3"],
        cwd=ROOT, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.stdout == f"-m|convert.mine|--data={folder}|--budget|3|", done.stderr
    done = subprocess.run(
        [*flags, f"NAME={folder}"],
        cwd=ROOT, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.stdout == f"-m|convert.mine|--data=|--name={folder}|"
    done = subprocess.run(flags, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.stdout == "-m|convert.mine|--data=|"  # not the digits
