"""Checkpoints: a trained detector, and the state from which an interrupted training goes on."""

from __future__ import annotations

import json
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile

import keras
import numpy as np

from edge_runtime.detector.spec import DetectorSpec, embed
from edge_runtime.media.atomic import atomic_path, remove_leftovers
from train.config import TrainConfig
from train.data.geometry import DataWarning
from train.training.logs import Row

# What a recipe says of the data: new pictures and better boxes are no other training.
DATA = ("data", "pictures", "val_data", "val_pictures")


def save_detector(
    model: keras.Model, spec: DetectorSpec, path: Path, members: Mapping[str, str] | None = None
) -> None:
    """Write a .keras file with the spec and further text members inside, whole or not at all."""
    with atomic_path(path) as temporary:
        model.save(temporary)
        embed(temporary, spec, members)


def load_detector(path: Path) -> keras.Model:
    """The net in a .keras file, not compiled. Raises: ValueError for another or a damaged file."""
    if path.suffix != ".keras":
        raise ValueError(
            f"{path}: a .keras file of `python -m train` expected, got another kind; a converted "
            "file cannot learn any more: give the .keras file that it was made of"
        )
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras, h5py and zipfile raise what they happen to find
        raise ValueError(
            f"{path}: a Keras model expected, cannot load it ({_first_line(error)}); copy the file "
            "again, or start from another"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@dataclass(frozen=True)
class TrainingFiles:
    """Files of a training: a model, and beside it log, pictures and the state to resume from."""

    model: Path

    @property
    def log(self) -> Path:
        return self.model.with_suffix(".csv")

    @property
    def curves(self) -> Path:
        return self.model.with_suffix(".png")

    @property
    def sheet(self) -> Path:
        return self.model.with_name(f"{self.model.stem}_validation.jpg")

    @property
    def verdict(self) -> Path:
        return self.model.with_name(f"{self.model.stem}_verdict.txt")

    @property
    def events(self) -> Path:
        return self.model.with_suffix(".tensorboard")

    @property
    def state(self) -> Path:
        return self.model.with_suffix(".resume.npz")

    @property
    def results(self) -> tuple[Path, ...]:
        return self.model, self.log, self.curves, self.sheet, self.verdict

    def remove_leftovers(self) -> None:
        """Delete what a killed training was writing at that moment."""
        for path in (*self.results, self.state):
            remove_leftovers(path)


@dataclass(frozen=True)
class Progress:
    """Progress of a training.

    Attributes:
        epochs: completed epochs.
        best_ap: best validation AP so far; -1 before the first validation.
        recipe: what must be the same for the training to go on.
        history: one row of losses and validation figures for each completed epoch.
    """

    epochs: int
    best_ap: float
    recipe: dict[str, Any]
    history: list[Row]


def begin(recipe: dict[str, Any], files: TrainingFiles, resume: bool, overwrite: bool) -> Progress:
    """Start of a training: its first epoch, or the one at which it was interrupted.

    A resumed training goes on with the data as they are now; where they differ from those of the
    state, a DataWarning says so.

    Raises: ValueError rather than lose an earlier result or mix two trainings.
    """
    if resume:
        return _go_on(recipe, files)
    check_free(files, overwrite)
    state = files.state
    # Else they would be taken for the new training's.
    for path in (state, files.sheet, files.curves, files.verdict):
        path.unlink(missing_ok=True)
    files.remove_leftovers()
    return Progress(0, -1.0, recipe, [])


def check_free(files: TrainingFiles, overwrite: bool) -> None:
    """Raises: ValueError rather than replace an earlier result that is not to be overwritten."""
    state = files.state
    for path in (state, *files.results):
        if path.exists() and not overwrite:
            what = "an interrupted training" if path == state else "an earlier result"
            cure = "go on with --resume, or " if path == state else ""
            raise ValueError(
                f"{path} holds {what}; {cure}choose another --out, or replace it with --overwrite"
            )


def _as_now(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A state's recipe with the settings that are younger than it: as they were without a flag."""
    # Before `mining_from` negatives were mined from the start, or with --no-hard-negatives never.
    mined = 0.0 if recipe.get("hard_negatives", True) else 1.0
    return {**asdict(TrainConfig()), "mining_from": mined, **recipe}


def _go_on(recipe: dict[str, Any], files: TrainingFiles) -> Progress:
    state = files.state
    if not state.is_file():
        raise ValueError(f"--resume expects {state}, which is not there; start without it")
    progress = read_progress(state)
    earlier = _as_now(progress.recipe)
    changed = {k for k in recipe if k not in DATA and recipe[k] != earlier.get(k)}
    if changed:
        values = "".join(
            f"; {name}: {earlier[name]} then, {recipe[name]} now"
            for name in sorted(changed)
            if isinstance(earlier.get(name), int | float | str)
        )
        values += _changed_classes(earlier, recipe)
        raise ValueError(
            f"{state} belongs to another recipe (different: {sorted(changed)}{values}); give the "
            "flags and classes of the interrupted training, or start again with --overwrite"
        )
    if progress.best_ap >= 0 and not files.model.is_file():
        raise ValueError(
            f"{files.model} expected, the best model before the interruption, got no such "
            "file; put it back beside the state, or start again with --overwrite"
        )
    changes = _changed_data(progress.recipe, recipe)
    if changes:
        warnings.warn(
            f"the data changed since {state} was written: {'; '.join(changes)}; goes on with the "
            "new",
            DataWarning,
            stacklevel=2,
        )
    files.remove_leftovers()
    # What a recipe finds at its start alone, as in a file since moved, is that of the start.
    return replace(progress, recipe={**progress.recipe, **recipe})


def _changed_classes(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """A clause on classes that were added, taken out or renamed; "spec" would say nothing of it."""
    then, names = ((each.get("spec") or {}).get("class_names", []) for each in (earlier, now))
    if list(then) == list(names):
        return ""
    return f"; classes: {', '.join(then)} then, {', '.join(names)} now"


def _changed_data(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Difference of a recipe's pictures from those of an earlier one, a clause a split.

    Early recipes knew the training split only, and not how many pictures it has.
    """
    changes = []
    for prefix, split in (("", "train_split"), ("val_", "val_split")):
        data, pictures = f"{prefix}data", f"{prefix}pictures"
        if data not in earlier or earlier[data] == now.get(data):
            continue
        then, count = earlier.get(pictures), now.get(pictures)
        clause = f"{then} pictures then, {count} now"
        if then is None:
            clause = f"{count} pictures now"
        elif then == count:
            clause = f"{count} pictures as before, but others or other boxes"
        if prefix:
            clause = f"{now[split]}: {clause}, and AP before was measured on the former"
        changes.append(clause)
    return changes


def advise(state: Path, cure: str, first: bool = True) -> str:
    """Advice after a training has ended too early: `cure`, then go on, or start again.

    Only where there is a state, --resume is advised: in the first batches there is none yet.

    Args:
        first: whether this host is the one that keeps the state, see `Cluster`.
    """
    if state.is_file():
        return f"{cure} and go on with --resume"
    where = "" if first else f", with --resume if host 0 has its {state.name}"
    return f"{cure} and start again{where}"


def save_state(path: Path, model: keras.Model, progress: Progress) -> None:
    """Weights, optimizer state and progress in one .npz file, whole or not at all."""
    arrays = {f"weight_{i}": w for i, w in enumerate(model.get_weights())}
    variables = model.optimizer.variables
    arrays |= {f"optimizer_{i}": np.asarray(v) for i, v in enumerate(variables)}
    with atomic_path(path) as temporary:
        np.savez(temporary, progress=json.dumps(vars(progress)), **arrays)


def read_progress(path: Path) -> Progress:
    """Raises: ValueError if the file is no training state."""
    with _opened(path) as state:
        return Progress(**json.loads(str(state["progress"])))


def restore_state(path: Path | BinaryIO, model: keras.Model) -> None:
    """Put weights and optimizer state back into a compiled model of the same shape.

    Raises: ValueError if they are not in the file, or damaged.
    """
    model.optimizer.build(model.trainable_variables)
    variables = model.optimizer.variables
    with _opened(path) as state:
        weights = [state[f"weight_{i}"] for i in range(len(model.get_weights()))]
        values = [state[f"optimizer_{i}"] for i in range(len(variables))]
    model.set_weights(weights)
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


# What NumPy and zipfile raise of a file that is no state, or a damaged one: a RuntimeError where a
# flipped bit asks for a password or for a compression that there is not.
_UNREADABLE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError),
    *(zlib.error, BadZipFile),
)


@contextmanager
def _opened(path: Path | BinaryIO) -> Iterator[Mapping[str, np.ndarray]]:
    """The arrays of a state. Raises: ValueError, in the block too, for another or damaged file."""
    with ExitStack() as stack:
        try:
            # NumPy would leave a file open that it takes for no archive.
            file = stack.enter_context(path.open("rb")) if isinstance(path, Path) else path
            yield stack.enter_context(np.load(file))
        except _UNREADABLE as error:
            name = path if isinstance(path, Path) else "the first host's file"
            raise ValueError(
                f"{name}: the state of an interrupted training expected, found something else "
                f"({_first_line(error)}); delete it and train from the start"
            ) from error
