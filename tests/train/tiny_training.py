"""`python -m train` with a net that compiles within a second, for tests of all that is around it.

Runs in a process of its own, since a process chooses its backend, and joins others, once.
Environment: TINY_NET=0 keeps the real net, up to its map of stride 8. DIE_AT=n sends this process
SIGKILL before its batch n, DIE_WRITING=n while it writes the state of epoch n. FULL_AFTER=n: once
that state is written, no file may grow beyond a few kilobytes, and the kernel answers as for a full
disk. UNREADABLE_AFTER=n: the n-th picture that a batch asks for, and all after it, have become
unreadable, slowly.
"""

import itertools
import json
import math
import os
import resource
import signal
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np
from keras import layers

from edge_runtime.detector.spec import AnchorLevel
from edge_runtime.media.images import read_image
from train import setup as recipe
from train import trainer as loop
from train.__main__ import main
from train.data import batches as loader
from train.model.presets import PRESETS, Preset
from train.training.logs import draw_curves

LEVELS = (AnchorLevel(16, (0.2, 0.4), (0.6, 0.6)),)
FINE = (AnchorLevel(8, (0.2, 0.4), (0.6, 0.6)),)


def tiny_ssd(spec, alpha=1.0, top_down_channels=0, backbone=""):
    images = keras.Input((*spec.input_hw, 3))
    x = images
    for name in ("fine", "coarse"):
        x = layers.Conv2D(8, 4, 4, use_bias=False, name=name)(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
        x = layers.ReLU(name=f"{name}_relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="deep")(x)
    x = layers.BatchNormalization(momentum=0.9, name="deep_bn")(x)
    x = layers.ReLU(name="deep_relu")(x)
    outputs = {}
    for kind, width in (("logits", spec.num_classes + 1), ("offsets", 4)):
        head = layers.Conv2D(len(LEVELS[0]) * width, 1, name=f"{kind}_conv")(x)
        outputs[kind] = layers.Reshape((-1, width), name=f"{kind}_rows")(head)
    return keras.Model(images, outputs)


class DyingBatches(loader.TrainingBatches):
    def __getitem__(self, index):
        if index == int(os.environ["DIE_AT"]):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


def read_for_a_while(path):
    """Stands in for the loader's read_image."""
    if next(READ) > int(os.environ["UNREADABLE_AFTER"]):
        time.sleep(0.1)  # a bad disk takes its time: other threads are still reading at the end
        raise ValueError(f"{path} cannot be read as a picture (gone)")
    return read_image(path)


def write_state(path, *arrays, **named):
    """Stands in for np.savez, by which a state is written into a temporary file."""
    savez(path, *arrays, **named)
    epochs = json.loads(named["progress"])["epochs"] if "progress" in named else None
    if epochs == int(os.environ.get("DIE_WRITING", -1)):
        os.truncate(path, Path(path).stat().st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    if epochs == int(os.environ.get("FULL_AFTER", -1)):
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))


READ = itertools.count(1)
savez = np.savez
ROOM = 12_000  # bytes: for a line of the log, not for a state


def start_with_numpy() -> None:
    """First values of weights and of the optimizer: JAX would compile a program of every shape."""

    def glorot(initializer, shape, dtype=None):
        limit = math.sqrt(6 / (math.prod(shape[:-2]) * sum(shape[-2:])))
        return np.random.default_rng(0).uniform(-limit, limit, shape).astype(dtype)

    keras.initializers.GlorotUniform.__call__ = glorot
    keras.initializers.Zeros.__call__ = lambda _, shape, dtype=None: np.zeros(shape, dtype)
    keras.initializers.Ones.__call__ = lambda _, shape, dtype=None: np.ones(shape, dtype)


def warm_up() -> None:
    """What is costly the first time and the same in every fork: imports, Matplotlib's fonts."""
    import sklearn.cluster  # noqa: F401 - for anchors

    row = dict.fromkeys(("epoch", "loss", "logits_loss", "offsets_loss", "learning_rate"), 1.0)
    with TemporaryDirectory() as folder:
        draw_curves([row | {"val_ap": 0.5, "val_ap50": 0.5}], Path(folder) / "curves.png")


def run() -> int:
    # A shell's background job ignores Ctrl-C, and so would this process of tests begun in one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    is_tiny = os.environ.get("TINY_NET") != "0"
    PRESETS["digits"] = Preset(LEVELS if is_tiny else FINE, 0, 0.35, (64, 64))
    if is_tiny:
        recipe.build_ssd = tiny_ssd
    if "DIE_AT" in os.environ:
        loop.TrainingBatches = DyingBatches
    if "UNREADABLE_AFTER" in os.environ:
        loader.read_image = read_for_a_while
    if keras.backend.backend() == "jax":
        start_with_numpy()
    np.savez = write_state
    return main()
