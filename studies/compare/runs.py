"""Trainings and conversions of a comparison: commands that go on where they were interrupted."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from convert.report_files import write_report

RECORD = "compare_recipe.json"  # in the folder: what all of it was made with
# Flags of `python -m train` that a comparison sets, or that would undo one.
OWN_FLAGS = (
    *("--data", "--out", "--preset", "--budget", "--backbone-weights"),
    *("--resume", "--overwrite", "--qat"),
)


@dataclass(frozen=True)
class Recipe:
    """What all detectors of a comparison are made with.

    Attributes:
        budget: minutes that each may be trained for; None for as long as it takes.
        flags: further flags of `python -m train`, for all alike.
        weights: first weights by preset, a file of --backbone-weights each.
    """

    data: str
    split: str
    budget: float | None
    flags: tuple[str, ...]
    weights: Mapping[str, str]


def check_flags(flags: Sequence[str]) -> None:
    """Raises: ValueError for a flag behind `--` that is the comparison's own."""
    for flag in flags:
        if flag.partition("=")[0] in OWN_FLAGS:
            raise ValueError(
                f"behind -- flags for all trainings alike expected, got {flag}, which the "
                "comparison sets itself; leave it out, or give it before the --"
            )


def check_recipe(recipe: Recipe, folder: Path) -> None:
    """Note the recipe, or compare it with that of the detectors that the folder holds.

    Raises: ValueError where the folder holds detectors of another one: they would stand side by
        side as if they were alike.
    """
    path, now = folder / RECORD, json.loads(json.dumps(asdict(recipe)))
    begun = [*folder.glob("*.keras"), *folder.glob("*.resume.npz")]
    if not path.is_file() or not begun:  # of a run that made nothing, a mistake can be mended
        folder.mkdir(parents=True, exist_ok=True)
        write_report(path, now)
        return
    try:
        earlier = json.loads(path.read_text("utf-8"))
        different = [name for name in now if earlier.get(name) != now[name]]
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{path}: the recipe of a comparison expected, got {error}") from error
    # Weights of a preset that was not compared before change nothing.
    shared = set(earlier.get("weights") or {}) & set(now["weights"])
    if "weights" in different and all(
        earlier["weights"][name] == now["weights"][name] for name in shared
    ):
        different.remove("weights")
    if different:
        name = different[0]
        raise ValueError(
            f"{folder} holds a comparison with {name} {earlier.get(name)!r}, got {now[name]!r}; "
            "give the same again, or choose another --out"
        )


def train_command(preset: str, recipe: Recipe, folder: Path) -> list[str] | None:
    """The command that trains a preset or goes on with it; None where it has ended."""
    out = folder / f"{preset}.keras"
    resume = out.with_suffix(".resume.npz").is_file()
    if out.is_file() and not resume:
        return None
    command = ["-m", "train", "--data", recipe.data, "--out", str(out), "--preset", preset]
    if recipe.budget is not None:
        command += ["--budget", f"{recipe.budget:g}"]
    if preset in recipe.weights:
        command += ["--backbone-weights", recipe.weights[preset]]
    return [*command, *recipe.flags, *(["--resume"] if resume else [])]


def convert_command(preset: str, recipe: Recipe, folder: Path) -> list[str] | None:
    """The command that makes a preset's float32 and int8 files; None where they are there."""
    source, out = folder / f"{preset}.keras", folder / preset
    report = out / "report.json"
    if report.is_file() and report.stat().st_mtime > source.stat().st_mtime:
        return None
    command = ["-m", "convert", str(source), "--data", recipe.data, "--out", str(out)]
    command += ["--split", recipe.split, "--variants", "float32", "int8", "--no-robustness"]
    return command


def files_of(preset: str, folder: Path) -> list[Path]:
    """The files that are compared."""
    return [folder / preset / f"{preset}_{kind}.tflite" for kind in ("float32", "int8")]


def run(command: Sequence[str]) -> None:
    """Run a command of this project. Raises: ValueError where it fails, with the command."""
    print(shlex.join(["python", *command]), flush=True)
    done = subprocess.run([sys.executable, *command], check=False)
    if done.returncode:
        raise ValueError(
            f"exit status {done.returncode} of {shlex.join(['python', *command])}; what it printed "
            "says why, and the same comparison goes on from there"
        )
