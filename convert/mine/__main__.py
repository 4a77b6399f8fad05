"""Your own pictures, from the folder to int8: check, training, conversion, each where it is due.

    python -m convert.mine --data mydata [--name NAME] [flags of `python -m train`]

Each stage is a process of its own. Interrupted at any moment, the same command goes on: what has
ended is not done again.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from convert.benchmark.report import read_report
from convert.mine.files import MineFiles, claimed, plain, plain_name
from convert.mine.stages import run_stage
from edge_runtime.arguments import INTERRUPTED, run_command
from edge_runtime.detector.spec import read_spec
from train.__main__ import parse
from train.config import TrainConfig
from train.data.dataset import open_data, plain_warnings
from train.data.decoding import drop_undecodable
from train.settings import setting_values
from train.training.provenance import read_training

BUILD = Path("build")


def _training(data: str, files: MineFiles, flags: Sequence[str]) -> list[str]:
    """The command of the training. Raises: ValueError, SystemExit for flags that it does not take.

    In time, and not after the check.
    """
    given = ["--out", str(files.model), "--data", data, *flags]
    parsed = parse(given)
    if parsed.resume or (str(parsed.out), str(parsed.data)) != (str(files.model), str(Path(data))):
        raise ValueError(
            "flags of the training expected, but for --data, --out and --resume, which are set "
            f"here, got {shlex.join(flags)}; leave those out"
        )
    TrainConfig(**setting_values(parsed, TrainConfig))
    return ["train", *given]


def _check(data: str, claim: TextIO) -> int:
    """Raises: ValueError without a split that the conversion needs, hours before it would."""
    status = run_stage(["train.data", "check", data], claim)
    if not status:
        for split in ("train", "test"):
            open_data(data).load(split)
    return status


def _train(data: str, files: MineFiles, command: Sequence[str], claim: TextIO) -> int:
    again = "--overwrite" in command
    if files.state.exists() and not again:
        return run_stage([*command, "--resume"], claim)
    if again or not files.model.exists():
        return run_stage(command, claim)
    record = read_training(files.model) or {}
    split = (record.get("settings") or {}).get("train_split", "train")
    change = _change(data, split, record.get("fingerprint"), record.get("images"))
    but = f", but {change}" if change else ""
    print(f"{files.model} has been trained{but}; FLAGS=--overwrite trains it again")
    return 0


def _change(
    data: str,
    split: str,
    fingerprint: str | None,
    images: int | None,
    class_names: Sequence[str] | None = None,
) -> str:
    """How a split differs from what it was, in words; "" if it does not, or if nothing tells.

    class_names: that it was read with; None for the folder's own.
    """
    if fingerprint is None:
        return ""
    pictures = drop_undecodable(open_data(data).load(split, class_names))
    if fingerprint == pictures.fingerprint():
        return ""
    now = len(pictures)
    what = f"{images} pictures then, {now} now" if images != now else "other pictures or boxes"
    return f"split {split!r} has changed since: {what}"


def _convert(data: str, files: MineFiles, claim: TextIO) -> int:
    report, model = files.report, files.model
    if report.exists() and report.stat().st_mtime >= model.stat().st_mtime:
        measured, names = read_report(report).data, read_spec(model).class_names
        change = _change(data, measured.split, measured.fingerprint, measured.images, names)
        if not change:
            return 0
        print(f"{report} is there, but {change}; it is made again", flush=True)
    for left in files.converted.glob(".convert-*"):  # of one that was killed: nobody else is here
        shutil.rmtree(left, ignore_errors=True)
    return run_stage(["convert", str(model), "--data", data, "--out", str(files.converted)], claim)


def _run(args: argparse.Namespace, flags: Sequence[str]) -> int:
    if not args.data:
        raise ValueError("the folder with your labelled pictures expected: make mine DATA=mydata")
    data = str(Path(args.data))
    with suppress(RuntimeError):  # of "~nobody", which is a name like any other
        data = str(Path(args.data).expanduser())
    data = f"./{data}" if data.startswith("-") else data  # no flag
    place = Path(data).resolve()
    if not place.exists():  # before anything is written
        raise ValueError(f"{data}: a folder of labelled pictures expected, got no such folder")
    name = plain(args.name) if args.name else plain_name(place)
    with claimed(place, name, BUILD) as (files, claim):
        command = _training(data, files, flags)
        stages = (
            ("check", lambda: _check(data, claim)),
            ("training", lambda: _train(data, files, command, claim)),
            ("conversion and benchmark", lambda: _convert(data, files, claim)),
        )
        for number, (what, stage) in enumerate(stages, 1):
            print(f"== {number} of {len(stages)}: {what} of {data}", flush=True)
            status = stage()
            if status:
                if status > INTERRUPTED and sys.stdout.isatty():
                    print()  # after the line that moved
                has_begun = number == 3 or (number == 2 and files.state.exists())
                again = has_begun and "--overwrite" in command
                print(f"make mine: {_stopped(what, status, again)}", file=sys.stderr)
                return status
    _conclude(files)
    return 0


def _stopped(stage: str, status: int, again: bool) -> str:
    """Why it ended, and what to type; `again`: --overwrite would begin once more."""
    on = f"the same command{' without --overwrite' * again} goes on from there"
    if status >= 128 and status != INTERRUPTED:
        name = signal.Signals(status - 128).name
        memory = ", most likely for lack of memory" if name == "SIGKILL" else ""
        return f"the {stage} was ended by {name}{memory}; {on}"
    if status == INTERRUPTED:
        return f"the {stage} was stopped; {on}"
    return f"the {stage} stopped, for what is said above; once that is mended, {on}"


def _conclude(files: MineFiles) -> None:
    if files.verdict.is_file():
        print(f"of the training: {files.verdict.read_text(encoding='utf-8').rstrip()}")
    print(f"found and missed on held-out pictures: {files.converted / 'found.jpg'}")
    print(f"what int8 cost, and all figures: {files.converted / 'report.html'}")
    source = shlex.quote(str(files.int8))
    print(f"next, to the Pi: scp {source} pi@raspberrypi.local:detector/models/")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m convert.mine",
        description="From labelled pictures to an int8 detector: check, training, conversion.",
        epilog="All other flags are those of `python -m train`.",
        allow_abbrev=False,
    )
    parser.add_argument("--data", required=True, help="folder of labelled pictures")
    parser.add_argument("--name", default="", help="of the files in build; else the folder's")
    args, flags = parser.parse_known_args(arguments)
    plain_warnings()
    return run_command("make mine", lambda: _run(args, flags))


if __name__ == "__main__":
    sys.exit(main())
