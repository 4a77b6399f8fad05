"""Your own pictures, from the folder to int8: check, training, conversion, each where it is due.

    python -m convert.mine --data mydata [--name NAME] [flags of `python -m train`]

Each stage is a process of its own. Interrupted at any moment, the same command goes on: what has
ended is not done again.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TextIO

from edge_runtime.arguments import INTERRUPTED, run_command
from train.data.dataset import open_data, plain_warnings
from train.data.decoding import drop_undecodable
from train.training.provenance import read_training

BUILD = Path("build")
LONGEST_NAME = 60  # characters: longer ones of files are made of it, and some systems take 143
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class MineFiles:
    """The files of one data set in a folder, by its name."""

    folder: Path
    name: str

    @property
    def model(self) -> Path:
        return self.folder / f"{self.name}.keras"

    @property
    def state(self) -> Path:
        """Of an interrupted training, see `train.training.checkpoint.TrainingFiles`."""
        return self.model.with_suffix(".resume.npz")

    @property
    def verdict(self) -> Path:
        return self.folder / f"{self.name}_verdict.txt"

    @property
    def claim(self) -> Path:
        """Path of the data set, so that another of the same name finds its own place."""
        return self.folder / f"{self.name}.data"

    @property
    def converted(self) -> Path:
        return self.folder / self.name

    @property
    def report(self) -> Path:
        """What a conversion writes last."""
        return self.converted / "report.json"

    @property
    def int8(self) -> Path:
        return self.converted / f"{self.name}_int8.tflite"


def plain_name(data: Path) -> str:
    """Name of a data set's folder in letters that shells, make and scp take as they are."""
    folder = data.parent if data.is_file() else data  # a data.yaml is named, too
    kept = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in folder.name)
    return kept.lstrip("._-")[:LONGEST_NAME] or "mine"


@contextmanager
def claimed(data: Path, name: str, folder: Path) -> Iterator[tuple[MineFiles, TextIO]]:
    """The files of a data set, and the open claim, locked for this process and its children.

    Where `name` belongs to another data set, or to files that are no data set's, a digest of the
    path is added.

    Raises: ValueError where another process is at work on them; OSError.
    """
    digest = hashlib.blake2b(os.fsencode(data), digest_size=4).hexdigest()
    for each in (name, f"{name}-{digest}"):
        files = MineFiles(folder, each)
        folder.mkdir(parents=True, exist_ok=True)
        with files.claim.open("a+", encoding="utf-8", errors="surrogateescape") as claim:
            is_free = _lock(claim)
            claim.seek(0)
            owner = claim.read().strip()
            if owner == str(data) and not is_free:
                raise ValueError(
                    f"another `make mine` is at work on {data}, and has locked {files.claim}; "
                    "wait for it, or end it"
                )
            if is_free and _may_take(files, owner, data):
                claim.truncate(0)
                claim.write(f"{data}\n")
                claim.flush()
                yield files, claim
                return
        if not owner:
            files.claim.unlink(missing_ok=True)
    raise ValueError(
        f"{folder}/{name}-{digest}.*: files of {data} expected, got others; give another NAME="
    )


def _lock(claim: TextIO) -> bool:
    """Whether nobody else has it; a file system without locks has nobody."""
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _may_take(files: MineFiles, owner: str, data: Path) -> bool:
    """True of its own files, of a free name, and of those of a folder that has since been moved."""
    if owner:
        return owner == str(data) or not Path(owner).exists()
    return not (files.model.exists() or files.state.exists() or files.report.exists())


def run_stage(command: Sequence[str], claim: TextIO) -> int:
    """Run `python -m COMMAND` to its end. Returns: its exit status, as a shell counts it.

    Ctrl-C reaches it from the terminal; other signals that end a process are passed on, so that
    none is left alone. Should it be all the same, it holds the claim as long as it works.
    """
    children: list[subprocess.Popen[bytes]] = []
    caught: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        caught.append(number)
        for child in children:
            if number != signal.SIGINT:
                child.send_signal(number)

    # A background job that ignores Ctrl-C, or one under nohup, goes on to do so.
    heard = [each for each in STOPS if signal.getsignal(each) != signal.SIG_IGN]
    earlier = {each: signal.signal(each, note) for each in heard}
    try:
        children.append(
            subprocess.Popen([sys.executable, "-m", *command], pass_fds=(claim.fileno(),))
        )
        status = children[0].wait()
    finally:
        for each, handler in earlier.items():
            signal.signal(each, handler)
    if caught and not status:  # it had ended already
        return 128 + caught[0]
    return 128 - status if status < 0 else status


def _train(data: str, files: MineFiles, flags: Sequence[str], claim: TextIO) -> int:
    command = ["train", "--out", str(files.model), "--data", data, *flags]
    again = "--overwrite" in flags
    if files.state.exists() and not again:
        return run_stage([*command, "--resume"], claim)
    if again or not files.model.exists():
        return run_stage(command, claim)
    print(f"{files.model} has been trained{_since(data, files)}; FLAGS=--overwrite trains it again")
    return 0


def _since(data: str, files: MineFiles) -> str:
    """What has become of the data since a training, if anything has."""
    record = read_training(files.model) or {}
    split = (record.get("settings") or {}).get("train_split", "train")
    training = drop_undecodable(open_data(data).load(split))
    if record.get("fingerprint") in (None, training.fingerprint()):
        return ""
    then, now = record["images"], len(training)
    what = f"{then} pictures then, {now} now" if then != now else "other pictures or other boxes"
    return f", but split {split!r} has changed since: {what}"


def _convert(data: str, files: MineFiles, claim: TextIO) -> int:
    report, model = files.report, files.model
    if report.exists() and report.stat().st_mtime >= model.stat().st_mtime:
        return 0
    for left in files.converted.glob(".convert-*"):  # of one that was killed: nobody else is here
        shutil.rmtree(left, ignore_errors=True)
    return run_stage(["convert", str(model), "--data", data, "--out", str(files.converted)], claim)


def _run(args: argparse.Namespace, flags: Sequence[str]) -> int:
    if not args.data:
        raise ValueError("the folder with your labelled pictures expected: make mine DATA=mydata")
    data = str(Path(args.data).expanduser())
    data = f"./{data}" if data.startswith("-") else data  # no flag
    place = Path(data).resolve()
    if not place.exists():  # before anything is written
        raise ValueError(f"{data}: a folder of labelled pictures expected, got no such folder")
    name = plain_name(Path(args.name) if args.name else place)
    with claimed(place, name, BUILD) as (files, claim):
        stages = (
            ("check", lambda: run_stage(["train.data", "check", data], claim)),
            ("training", lambda: _train(data, files, flags, claim)),
            ("conversion and benchmark", lambda: _convert(data, files, claim)),
        )
        for number, (name, stage) in enumerate(stages, 1):
            print(f"== {number} of {len(stages)}: {name} of {data}", flush=True)
            status = stage()
            if status:
                if status > INTERRUPTED and sys.stdout.isatty():
                    print()  # after the line that moved
                print(f"make mine: {_stopped(name, status)}", file=sys.stderr)
                return status
    _conclude(files)
    return 0


def _stopped(stage: str, status: int) -> str:
    if status >= 128 and status != INTERRUPTED:
        name = signal.Signals(status - 128).name
        memory = ", most likely for lack of memory" if name == "SIGKILL" else ""
        return f"the {stage} was ended by {name}{memory}; the same command goes on from there"
    if status == INTERRUPTED:
        return f"the {stage} was stopped; the same command goes on from there"
    return (
        f"the {stage} stopped, for what is said above; once that is mended, the same command goes "
        "on from there"
    )


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
