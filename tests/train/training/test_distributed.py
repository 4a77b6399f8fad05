"""Training on JAX without TensorFlow, and on several hosts: two processes on loopback."""

import csv
import os
import signal
import socket
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest

from edge_runtime.detector.spec import DetectorSpec, read_spec
from tests.train.forks import Fork, Nursery
from tests.train.tiny_training import LEVELS, tiny_ssd
from train.data.augment import Augmentation
from train.data.batches import TrainingBatches
from train.data.dataset import load_dataset
from train.model.presets import PRESETS
from train.quantization.learnt_ranges import read_ranges
from train.training import distributed as hosts_module
from train.training.checkpoint import read_progress, save_detector
from train.training.distributed import (
    ADDRESSES,
    COUNT,
    INDEX,
    SINGLE,
    Cluster,
    data_parallel,
    from_environment,
    join,
)

pytestmark = pytest.mark.slow

RECIPE = ["--preset=digits", "--batch-size=4", "--validate-every=1", "--epochs=3"]
# Compiling takes most of the time.
HASTY = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
# What one process has compiled, however small, the next ones read from a folder.
CACHED = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A model to start from, so that the hosts have weights to share."""
    path = tmp_path_factory.mktemp("begun") / "begun.keras"
    spec = DetectorSpec((64, 64), tuple("0123456789"), LEVELS)
    keras.utils.set_random_seed(0)
    save_detector(tiny_ssd(spec), spec, path)
    return path


@pytest.fixture(scope="module")
def nursery(tmp_path_factory):
    """Trainings on JAX, without TensorFlow; whatever happens, none outlives the tests."""
    if find_spec("jax") is None:
        pytest.skip("JAX is not installed: pip install jax")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("KERAS_", "JAX_", "XLA_"))}
    compiled = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled")), **CACHED}
    settings = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": HASTY}
    nursery = Nursery({**kept, **settings, **compiled})
    yield nursery
    nursery.close()


def start(nursery, scenes, out, *flags, **environment):
    """`python -m train` in a process of its own; see tests/train/tiny_training.py."""
    return nursery.start([f"--data={scenes}", f"--out={out}", *RECIPE, *flags], environment)


def start_two(nursery, scenes, begun, folder, *flags, dying=()):
    """Both hosts, each with a disk of its own, FOLDER/0 and FOLDER/1; the first has `begun`.

    dying: environment of the second.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    # JAX would listen on all interfaces.
    common = {ADDRESSES: address, COUNT: "2", "JAX_COORDINATOR_BIND_ADDRESS": address}
    pair = []
    for index in range(2):
        environment = {**common, INDEX: str(index), **(dict(dying) if index else {})}
        out = folder / str(index) / "model.keras"
        out.parent.mkdir(parents=True, exist_ok=True)
        first = f"--start-from={out.parent / begun.name if index else begun}"
        pair.append(start(nursery, scenes, out, first, *flags, **environment))
    return pair


def losses(out: Path):
    with out.with_suffix(".csv").open(newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def alone(scenes, begun, tmp_path_factory, nursery):
    """Output files of single processes, by name; they run side by side to save time."""
    tiny = f"--start-from={begun}"
    still = ("--crop=0", "--zoom-out=0", "--warmup-epochs=0.001")
    seldom = ("--epochs=10", "--validate-every=10")
    runs = {
        "tiny": ([tiny], {}),
        "two devices": ([tiny], {"JAX_NUM_CPU_DEVICES": "2"}),
        "int8": (
            [tiny, "--qat", "--preset=fpnlite", "--learning-rate=0.003", *seldom, *still],
            {},
        ),
        "real net": (["--from-scratch", "--epochs=1", "--val-split=none"], {"TINY_NET": "0"}),
    }
    outs = {name: tmp_path_factory.mktemp("alone") / "model.keras" for name in runs}
    started = {
        name: start(nursery, scenes, outs[name], *flags, **environment)
        for name, (flags, environment) in runs.items()
    }
    for name, process in started.items():
        status, output = process.end()
        assert status == 0, f"{name}: {output}"
    return outs


@pytest.fixture(scope="module")
def expected(alone):
    """The losses of one process, which several have to reach."""
    return losses(alone["tiny"])


def test_quantisation_aware_training_without_tensorflow(alone):
    ranges = read_ranges(alone["int8"])
    units = {"fine_relu", "coarse_relu", "deep_relu", "logits_conv", "offsets_conv"}
    assert set(ranges) == {"input", *units}
    history = losses(alone["int8"])
    assert history[-1] < history[0]


def test_jax_trains_the_real_net_without_tensorflow(alone):
    out = alone["real net"]
    assert read_spec(out).class_names == tuple("0123456789")
    assert np.isfinite(losses(out)).all()
    assert not out.with_suffix(".resume.npz").exists()


def test_one_process_spreads_over_its_devices(alone, expected):
    np.testing.assert_allclose(losses(alone["two devices"]), expected, rtol=1e-3)


def test_two_hosts_learn_what_one_learns_though_one_is_killed(
    scenes, begun, expected, tmp_path, nursery
):
    # In the middle of the second epoch, of two batches: the first ends, and both resume.
    pair = start_two(nursery, scenes, begun, tmp_path, dying={"DIE_AT": "3"}.items())
    (status, output), (other, _) = map(Fork.end, pair)
    assert other == -signal.SIGKILL
    assert status == 2 and "start all of them again with --resume" in output, output
    out = tmp_path / "0" / "model.keras"
    assert read_progress(out.with_suffix(".resume.npz")).epochs == 1
    np.testing.assert_allclose(losses(out), expected[:1], rtol=1e-3)
    (status, output), (other, silence) = map(
        Fork.end, start_two(nursery, scenes, begun, tmp_path, "--resume")
    )
    assert (status, other) == (0, 0), output + silence
    np.testing.assert_allclose(losses(out), expected, rtol=1e-3)
    names = {path.name for path in out.parent.iterdir()}
    results = ("model.keras", "model.csv", "model.png", "model_validation.jpg")
    assert names == {*results, "model_verdict.txt"}
    assert not list((tmp_path / "1").iterdir())
    assert "best validation AP" in output
    assert "epoch" not in silence.lower() and "best" not in silence


def test_a_host_that_gives_up_stops_all(scenes, begun, tmp_path, nursery):
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "model.keras").write_bytes(b"precious")
    (status, output), (other, reason) = map(Fork.end, start_two(nursery, scenes, begun, tmp_path))
    assert (status, other) == (2, 2), output + reason
    assert "--overwrite" in output
    assert "all 2 hosts are needed, host 0 gave up" in reason


def test_hosts_make_the_parts_of_one_batch(scenes):
    dataset = load_dataset(scenes, "train")
    spec = PRESETS["digits"].spec(dataset.class_names, (64, 64))

    def batch(part):
        return TrainingBatches(dataset, spec, Augmentation(), 6, 0, range(1), part=part)[0]

    images, targets = batch((0, 1))
    parts = [batch((index, 3)) for index in range(3)]
    np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), images)
    for name, whole in targets.items():
        np.testing.assert_array_equal(np.concatenate([p[1][name] for p in parts]), whole)


GOOD = {ADDRESSES: "10.0.0.1:1234", COUNT: "2", INDEX: "1"}


def test_hosts_come_from_the_environment():
    assert from_environment({}) == SINGLE
    assert from_environment(GOOD) == Cluster(2, 1)
    assert SINGLE.first and not Cluster(2, 1).first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({INDEX: ""}, f"got no {INDEX}"),
        ({INDEX: "2"}, "number the hosts 0, 1, …"),
        ({INDEX: "-1"}, "number the hosts 0, 1, …"),
        ({COUNT: "two"}, "got 'two' and '1'"),
    ],
)
def test_wrong_settings_of_hosts_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        from_environment({**GOOD, **change})


def test_several_hosts_need_jax(monkeypatch):
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(hosts_module.keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(ValueError, match="KERAS_BACKEND=jax"):
        join()


def test_a_batch_must_lie_evenly_on_all_devices(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["gpu:0", "gpu:1", "gpu:2"])
    with pytest.raises(ValueError, match=r"multiple of the 3 devices .* got 32; give 33"):
        data_parallel(32)
