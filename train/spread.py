"""One training over several devices or hosts: the same weights on all, a batch in parts."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import keras
import numpy as np

from train.training.checkpoint import Progress
from train.training.distributed import Hosts


def spread(batch_size: int) -> keras.distribution.DataParallel | None:
    """Lays every batch over the devices of all hosts; None where there is only one device.

    Raises: ValueError for a batch that cannot be laid out evenly.
    """
    devices = len(keras.distribution.list_devices()) if keras.backend.backend() == "jax" else 1
    if devices == 1:
        return None
    if batch_size % devices:
        raise ValueError(
            f"--batch-size must be a multiple of the {devices} devices of all hosts, got "
            f"{batch_size}; give {-(-batch_size // devices) * devices}"
        )
    # Each host makes its own part of a batch.
    return keras.distribution.DataParallel(auto_shard_dataset=False)


def replicated(model: keras.Model, seed: int) -> keras.Model:
    """A copy of `model` with its weights on every device of the current distribution.

    Args:
        seed: any, the same on all hosts.
    """
    # The copy begins with random weights. JAX insists that all hosts lay out the same ones, and
    # the first host may have drawn more numbers before.
    keras.utils.set_random_seed(seed)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def share_progress(hosts: Hosts, recipe: dict, make: Callable[[], Progress]) -> Progress:
    """Where the first host begins, which alone needs to have the state of an interrupted training.

    Raises: ValueError on all hosts if one was given another recipe, or if `make` raises it.
    """
    sent = hosts.from_first(lambda: json.dumps(vars(make())).encode())
    start = Progress(**json.loads(sent))
    with hosts.all_or_none():
        different = sorted(name for name in recipe if recipe[name] != start.recipe.get(name))
        if different:
            raise ValueError(
                f"host {hosts.index} expected to train what the first host trains, got other "
                f"{different}; give every host the same flags and data"
            )
    return start


def share_weights(hosts: Hosts, model: keras.Model, load: Callable[[], None]) -> None:
    """Run `load`, which fills `model`, on the first host only, and give its weights to the others.

    So the others need no file of weights and no download.
    """

    def loaded() -> bytes:
        load()
        file = io.BytesIO()
        np.savez(file, *model.get_weights())
        return file.getvalue()

    if hosts.count == 1:
        load()
        return
    with np.load(io.BytesIO(hosts.from_first(loaded))) as weights:
        model.set_weights(list(weights.values()))


def share_file(hosts: Hosts, path: Path) -> Path | BinaryIO:
    """A file of the first host, for reading on all of them."""
    return path if hosts.count == 1 else io.BytesIO(hosts.from_first(path.read_bytes))
