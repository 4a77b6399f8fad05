"""Train a detector on a folder of labelled pictures.

python -m train --data build/data/digits --out build/digits.keras --preset digits
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from edge_runtime.arguments import run_command
from train.captured_output import captured_output
from train.config import QAT_DEFAULTS, RECIPES, TrainConfig, add_initial_flags
from train.data.geometry import plain_warnings
from train.settings import add_setting_flags, setting_values


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m train",
        description="Train an SSD detector on a folder of labelled pictures.",
        allow_abbrev=False,  # --qa would not find the defaults of --qat
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled pictures")
    parser.add_argument("--out", type=Path, required=True, help="the .keras file to write")
    add_initial_flags(parser)
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted training")
    parser.add_argument("--overwrite", action="store_true", help="replace what --out names")
    parser.add_argument(
        "--budget",
        type=float,
        metavar="MINUTES",
        help="the most time that it may take; fewer epochs then, the learning rate falls in time; "
        "None: as long as it takes",
    )
    parser.add_argument("--tensorboard", action="store_true", help="curves for TensorBoard, too")
    parser.add_argument(
        "--recipe",
        choices=sorted(RECIPES),
        default="house",
        help="ssd: the SSD paper's settings as the defaults of all flags; shown by --recipe ssd "
        "--help",
    )
    add_setting_flags(parser, TrainConfig)
    parser.set_defaults(**RECIPES[_recipe(given)])
    if "--qat" in given:
        parser.set_defaults(**QAT_DEFAULTS)
    return parser


def _recipe(given: Sequence[str]) -> str:
    """The recipe among the flags; of an unknown one the parser itself will complain."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--recipe", default="house")
    found = early.parse_known_args(given)[0].recipe
    return found if found in RECIPES else "house"


def parse(given: Sequence[str]) -> argparse.Namespace:
    """The flags, each with its value or its default. Raises: SystemExit for what is no flag."""
    return _parser(given).parse_args(given)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line. Returns: the exit status, 2 after an error that the user can cure."""
    given = sys.argv[1:] if argv is None else argv
    arguments = parse(given)
    plain_warnings()
    command = shlex.join(["python", "-m", "train", *given])
    return run_command(
        "train",
        lambda: _run(arguments, command),
        curable=(ValueError, OSError),
        stopped=lambda: f"train: {_stopped(arguments.out)}",
    )


def _run(arguments: argparse.Namespace, command: str) -> int:
    if arguments.qat and arguments.recipe != "house":
        raise ValueError(
            f"--qat has a recipe of its own, got --recipe {arguments.recipe} as well; leave one out"
        )
    config = TrainConfig(**setting_values(arguments, TrainConfig))
    if arguments.out.suffix != ".keras":
        raise ValueError(f"--out is a .keras file, got {arguments.out}")
    if config.qat and not arguments.start_from:
        raise ValueError(
            "--qat goes on from a trained float detector, got none; give --start-from FILE"
        )
    history = _train(config, arguments, command)
    if history is not None:
        print(f"{_result(history)}: {arguments.out}; next: {_next_command(arguments)}")
    return 0


def _train(
    config: TrainConfig, arguments: argparse.Namespace, command: str
) -> list[dict[str, float]] | None:
    """Load Keras and its backend, then train; the log, or None where another host reports.

    They are loaded here, with the arguments checked, since they take seconds and print what tells
    the user nothing.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with captured_output():
        try:
            import keras
        except ImportError as error:  # of the backend; TensorFlow's by default
            raise ValueError(
                f"TensorFlow or another backend of Keras expected, got: {error}; install "
                "'.[train]', or '.[jax]' and set KERAS_BACKEND=jax"
            ) from error

        from train.trainer import train
        from train.training.distributed import join
        from train.training.initial_weights import initial_from_flags
    cluster = join()  # before the first operation
    with captured_output():
        keras.ops.zeros(1)  # the backend greets at its first operation
    history = train(
        config,
        arguments.data,
        arguments.out,
        initial_from_flags(arguments),
        resume=arguments.resume,
        overwrite=arguments.overwrite,
        tensorboard=arguments.tensorboard,
        command=command,
        cluster=cluster,
        budget=arguments.budget,
    )
    return history if cluster.first else None


def _stopped(out: Path) -> str:
    # As TrainingFiles has it; Ctrl-C may have come before Keras, which it needs, was there.
    if out.with_suffix(".resume.npz").is_file():
        return "stopped; --resume goes on after the last whole epoch"
    return f"stopped; nothing to resume beside {out}"


def _next_command(arguments: argparse.Namespace) -> str:
    out, data, float_model = (
        shlex.quote(str(path)) for path in (arguments.out, arguments.data, arguments.start_from)
    )
    model = f"MODEL={float_model} QAT={out}" if arguments.qat else f"MODEL={out}"
    return f"make convert {model} DATA={data}"


def _result(history: list[dict[str, float]]) -> str:
    measured = [row for row in history if math.isfinite(row["val_ap"])]
    if not measured:
        return f"trained {len(history)} epochs, validated on nothing"
    best = max(measured, key=lambda row: row["val_ap"])
    return (
        f"best validation AP {best['val_ap']:.4f} (AP50 {best['val_ap50']:.4f}) "
        f"after epoch {best['epoch']} of {len(history)}"
    )


if __name__ == "__main__":
    sys.exit(main())
