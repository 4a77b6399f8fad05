"""The loss against slow, obvious loops."""

import keras
import numpy as np
import pytest

from train.data.targets import BACKGROUND, UNMINED
from train.model.loss import box_loss, class_loss


def reference_class_loss(targets, logits, hard_negatives=True):
    total, positives = 0.0, 0
    for target, rows in zip(targets, logits, strict=True):
        losses = [
            np.log(np.exp(row).sum()) - row[label] for row, label in zip(rows, target, strict=True)
        ]
        count = sum(label > 0 for label in target)
        negatives = sorted(
            (loss for loss, label in zip(losses, target, strict=True) if label == 0), reverse=True
        )
        total += sum(loss for loss, label in zip(losses, target, strict=True) if label > 0)
        wanted = min(3 * max(count, 1), len(losses))
        if hard_negatives:
            total += sum(negatives[:wanted])
        elif negatives:
            total += wanted * sum(negatives) / len(negatives)
        positives += count
    return total / max(positives, 1)


@pytest.mark.parametrize("hard_negatives", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 1.0])
def test_class_loss_has_three_negatives_for_each_positive(share, hard_negatives):
    rng = np.random.default_rng(1)
    targets = np.where(rng.random((3, 40)) < share, rng.integers(1, 5, (3, 40)), 0)
    logits = rng.normal(size=(3, 40, 5)).astype(np.float32)
    given = targets if hard_negatives else np.where(targets == BACKGROUND, UNMINED, targets)
    ours = float(class_loss(given, keras.ops.convert_to_tensor(logits)))
    wanted = reference_class_loss(targets, logits, hard_negatives)
    assert ours == pytest.approx(wanted, rel=1e-5)
    other = reference_class_loss(targets, logits, not hard_negatives)
    assert (ours == pytest.approx(other, rel=1e-5)) == (share == 1)  # no negatives there


def test_box_loss_counts_positive_rows_only():
    offsets = np.array([[[0.5, 0, 0, 0], [3.0, 0, 0, 0], [9.0, 9, 9, 9]]], np.float32)
    targets = np.zeros((1, 3, 5), np.float32)
    targets[0, :2, 4] = 1
    # Quadratic below 1: 0.5 * 0.25; linear above: 3 - 0.5; two positives.
    assert float(box_loss(targets, offsets)) == pytest.approx((0.125 + 2.5) / 2)


def test_a_batch_without_objects_has_a_finite_loss():
    targets = np.zeros((2, 10, 5), np.float32)
    offsets = np.ones((2, 10, 4), np.float32)
    assert float(box_loss(targets, offsets)) == 0
    logits = np.zeros((2, 10, 3), np.float32)
    expected = reference_class_loss(np.zeros((2, 10), int), logits)
    got = class_loss(np.zeros((2, 10), int), keras.ops.convert_to_tensor(logits))
    # Equal losses tie at the limit of the mining: all ten of each picture count, not three.
    assert float(got) >= expected
    assert np.isfinite(float(got))
