"""Distributed training: several processes train one net, each on its part of every batch."""

from __future__ import annotations

import atexit
import io
import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import keras
import numpy as np

from train.captured_output import flush
from train.training.checkpoint import Progress

# Keras's own, so that every host is given the same command and only its environment differs.
ADDRESSES = "KERAS_DISTRIBUTION_JOB_ADDRESSES"
COUNT = "KERAS_DISTRIBUTION_NUM_PROCESSES"
INDEX = "KERAS_DISTRIBUTION_PROCESS_ID"

# All leave together, so more is needed only where one has failed.
FAREWELL_SECONDS = 5


@dataclass(frozen=True)
class Cluster:
    """The processes of a training, called hosts, and which of them this one is.

    Attributes:
        count: processes. index: of this one, from 0; the first validates and writes the files.
    """

    count: int = 1
    index: int = 0

    @property
    def first(self) -> bool:
        return self.index == 0

    @contextmanager
    def barrier(self) -> Iterator[None]:
        """Wait at the end of the block for all hosts; raises ValueError if one of them failed.

        Else the others would wait for ever in the next step for a host that has given up.
        """
        failed = True
        try:
            yield
            failed = False
        finally:
            gave_up = np.flatnonzero(self._gather(failed)).tolist()
        if gave_up:
            raise ValueError(
                f"all {self.count} hosts are needed, host {gave_up[0]} gave up; see its message"
            )

    def broadcast(self, make: Callable[[], bytes]) -> bytes:
        """The result of `make` on the first host, on all of them. Raises: as `barrier`."""
        with self.barrier():
            value = make() if self.first else b""
        if self.count == 1:
            return value
        from jax.experimental.multihost_utils import broadcast_one_to_all

        size = int(broadcast_one_to_all(np.int32(len(value))))
        sent = np.frombuffer(value, np.uint8) if self.first else np.zeros(size, np.uint8)
        received: bytes = broadcast_one_to_all(sent).tobytes()
        return received

    @contextmanager
    def report_lost_host(self, state: Path) -> Iterator[None]:
        """Raise ConnectionError if another host is lost in a block in which all compute together.

        The backend says it in the words of its transport only, and this process must then leave at
        once, without waiting for the others.

        Args:
            state: file of the first host from which a training goes on, once it is there.
        """
        try:
            yield
        except (RuntimeError, ValueError) as error:
            if self.count == 1:
                raise
            atexit.register(_leave)
            again = "start all of them again"
            if state.is_file():
                again += " with --resume, which goes on after the last whole epoch"
            elif not self.first:
                again += f", with --resume if host 0 has its {state.name}"
            raise ConnectionError(
                f"all {self.count} hosts are needed, it seems that one is lost ({error}); {again}"
            ) from error

    def _gather(self, failed: bool) -> np.ndarray:
        if self.count == 1:
            return np.zeros(1, bool)  # the one host raises its own error
        from jax.experimental.multihost_utils import process_allgather

        gathered: np.ndarray = process_allgather(np.array([failed]), tiled=True)
        return gathered


SINGLE = Cluster()


def join() -> Cluster:
    """Meet the other processes that Keras's environment variables name; `SINGLE` without them.

    To be called before the backend's first operation. Waits until all have come; where they have
    not after five minutes, JAX ends the process.

    Raises: ValueError for settings that do not fit each other or the backend.
    """
    cluster = from_environment(os.environ)
    if cluster.count > 1:
        if keras.backend.backend() != "jax":
            raise ValueError(
                f"several hosts train on JAX, got the backend {keras.backend.backend()}; set "
                f"KERAS_BACKEND=jax, or unset {COUNT}"
            )
        print(
            f"host {cluster.index} of {cluster.count}: meeting at {os.environ[ADDRESSES]}",
            flush=True,
        )
        keras.distribution.initialize()
        # JAX catches it to tell of a coming end; it would be lost, since nothing here asks.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        atexit.register(_farewell)
    return cluster


def _farewell() -> None:
    """JAX waits five minutes at the end for hosts that may be waiting for this one, in vain."""
    import jax

    signal.alarm(FAREWELL_SECONDS)
    jax.distributed.shutdown()
    signal.alarm(0)


def _leave() -> None:
    """End without JAX's farewell; registered last, it comes first."""
    flush()
    os._exit(2)


def from_environment(environment: Mapping[str, str]) -> Cluster:
    """Raises: ValueError where one of the three variables is missing or wrong."""
    names = (ADDRESSES, COUNT, INDEX)
    missing = [name for name in names if not environment.get(name)]
    if len(missing) == len(names):
        return SINGLE
    if missing:
        raise ValueError(f"{', '.join(names)} go together, got no {missing[0]}; set it or no other")
    try:
        count, index = int(environment[COUNT]), int(environment[INDEX])
    except ValueError:
        count = index = -1
    if not 0 <= index < count:
        raise ValueError(
            f"{COUNT} expected to be a number above 0 and {INDEX} one below it, from 0, got "
            f"{environment[COUNT]!r} and {environment[INDEX]!r}; number the hosts 0, 1, …"
        )
    return Cluster(count, index)


def data_parallel(batch_size: int) -> keras.distribution.DataParallel | None:
    """Lay every batch over the devices of all hosts; None where there is only one device.

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


def share_progress(
    cluster: Cluster, recipe: Mapping[str, Any], make: Callable[[], Progress]
) -> Progress:
    """Progress of the first host, which alone needs to have the state of an interrupted training.

    Raises: ValueError on all hosts if one was given another recipe, or if `make` raises it.
    """
    sent = cluster.broadcast(lambda: json.dumps(vars(make())).encode())
    start = Progress(**json.loads(sent))
    with cluster.barrier():
        different = sorted(name for name in recipe if recipe[name] != start.recipe.get(name))
        if different:
            raise ValueError(
                f"host {cluster.index} expected to train what the first host trains, got other "
                f"{different}; give every host the same flags and data"
            )
    return start


def share_weights(cluster: Cluster, model: keras.Model, load: Callable[[], None]) -> None:
    """Run `load`, which fills `model`, on the first host only, and give its weights to the others.

    So the others need no file of weights and no download.
    """

    def loaded() -> bytes:
        load()
        file = io.BytesIO()
        np.savez(file, *model.get_weights())
        return file.getvalue()

    if cluster.count == 1:
        load()
        return
    with np.load(io.BytesIO(cluster.broadcast(loaded))) as weights:
        model.set_weights(list(weights.values()))


def share_file(cluster: Cluster, path: Path) -> Path | BinaryIO:
    """A file of the first host, for reading on all of them."""
    return path if cluster.count == 1 else io.BytesIO(cluster.broadcast(path.read_bytes))
