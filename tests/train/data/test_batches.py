"""Training batches: read as they are needed, the same for the same number."""

import tracemalloc
from concurrent.futures import CancelledError, wait
from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import HANG
from train.data.augment import Augmentation
from train.data.batches import TrainingBatches
from train.data.dataset import DetectionDataset, load_dataset
from train.data.targets import BACKGROUND, UNMINED
from train.digits.__main__ import write_digits
from train.model.presets import PRESETS

SPEC = PRESETS["digits"].spec(tuple("0123456789"), (64, 64))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "digits"
    write_digits(root, {"train": 8, "val": 1, "test": 1}, workers=1)
    return load_dataset(root, "train")


def batches(scenes, epochs=1, start=0):
    epochs = range(start, start + epochs)
    return TrainingBatches(scenes, SPEC, Augmentation(), batch_size=4, seed=3, epochs=epochs)


def test_a_batch_depends_on_its_number_alone(scenes):
    one, other = batches(scenes, epochs=3), batches(scenes, epochs=1, start=2)
    for step in range(2):
        (images, targets), (same, same_targets) = one[4 + step], other[step]
        np.testing.assert_array_equal(images, same)
        for name in targets:
            np.testing.assert_array_equal(targets[name], same_targets[name])
    assert not np.array_equal(one[0][0], one[2][0])  # another epoch: other crops and order


def test_memory_is_bounded_whatever_the_number_of_pictures(scenes):
    """Four times the pictures take no more memory than a batch: none is kept."""

    def peak(dataset: DetectionDataset) -> int:
        row = batches(dataset)
        row[0]  # what is made once
        tracemalloc.start()
        for index in range(len(row)):
            row[index]
            row.made_at(index)
            wait(row._coming.values())  # as many as are made ahead, on a busy machine too
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    few, many = (replace(scenes, examples=scenes.examples * times) for times in (5, 20))
    images, targets = batches(scenes)[0]
    batch = images.nbytes + sum(target.nbytes for target in targets.values())
    # The least of three: another library's thread may allocate meanwhile.
    least_few, least_many = (min(peak(dataset) for _ in range(3)) for dataset in (few, many))
    assert least_many < least_few + batch / 2


def test_closed_batches_make_no_more_and_leave_no_thread(scenes):
    row = batches(scenes, epochs=50)
    row[0]
    row.close()
    with pytest.raises((IndexError, CancelledError)):
        for index in range(1, len(row)):
            row[index]
    row.close()  # again does no harm
    for thread in row._pool._threads:
        thread.join(timeout=HANG)
        assert not thread.is_alive()


def test_negatives_are_mined_from_an_epoch_on(scenes):
    def classes(mined_from):
        batches = TrainingBatches(scenes, SPEC, Augmentation(), 4, 3, range(2), mined_from)
        return [batches[step][1]["logits"] for step in range(len(batches))]

    mined, late = classes(0), classes(1)
    half = len(mined) // 2
    for number, (before, now) in enumerate(zip(mined, late, strict=True)):
        assert (before == BACKGROUND).any() and not (before == UNMINED).any()
        negative = UNMINED if number < half else BACKGROUND
        np.testing.assert_array_equal(now, np.where(before == BACKGROUND, negative, before))
