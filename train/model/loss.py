"""SSD loss (Liu et al. 2016, section 2.2), in keras.ops, so that every backend trains it.

Both parts are sums over a batch, divided by the number of its positive anchors.
"""

from __future__ import annotations

from keras import KerasTensor, ops

from train.data.targets import BACKGROUND, UNMINED

NEGATIVES_PER_POSITIVE = 3  # the paper's hard negative mining ratio


def class_loss(class_targets: KerasTensor, logits: KerasTensor) -> KerasTensor:
    """Softmax cross-entropy over the positives, and negatives that count as three for each.

    Args:
        class_targets: (B, N) integers: class id + 1 for a match; BACKGROUND for a negative that
            counts only if it is among the hardest of its picture (section 2.2, "Hard negative
            mining"), or where there are few; UNMINED for one of which all count alike. A picture
            has one of the two.
        logits: (B, N, classes + 1).

    Of the digits at 224 pixels a net of width 0.5 from scratch had a validation AP of .061 after
    16000 scenes, .025 with the hardest, and .260 against .182 after 32000 (training_0.5.csv and
    hardest_0.5.csv in studies/width_and_size, `family_width` of its recipe.mk with --mining-from 1
    and 0; Intel Xeon, 2026-11-22).

    Returns: a scalar. A picture without an object counts as if it had one positive, so that it
        teaches what background looks like.
    """
    losses, positive, negative = weigh_anchors(class_targets, logits)
    return ops.sum(losses * (positive + negative)) / ops.maximum(ops.sum(positive), 1)


def weigh_anchors(
    class_targets: KerasTensor, logits: KerasTensor
) -> tuple[KerasTensor, KerasTensor, KerasTensor]:
    """What `class_loss` sums: each anchor's loss, its weight as a positive and as a negative.

    Args: as of `class_loss`. Returns: three of (B, N); the weights are 0 where it does not count.
    """
    class_targets = ops.cast(class_targets, "int32")
    log_scores = ops.log_softmax(logits, axis=-1)
    labels = ops.maximum(class_targets, 0)
    picked = ops.one_hot(labels, logits.shape[-1], dtype=log_scores.dtype)
    losses = -ops.sum(picked * log_scores, axis=-1)  # [B, N]
    positive, mined, unmined = (
        ops.cast(which, losses.dtype)
        for which in (class_targets > 0, class_targets == BACKGROUND, class_targets == UNMINED)
    )
    counts = ops.sum(positive, axis=1, keepdims=True)  # [B, 1]
    wanted = ops.minimum(ops.maximum(counts, 1) * NEGATIVES_PER_POSITIVE, losses.shape[1])
    negative = _hardest(losses, mined, wanted) + _all_alike(unmined, wanted)
    return losses, positive, negative


def _hardest(losses: KerasTensor, negative: KerasTensor, wanted: KerasTensor) -> KerasTensor:
    """Weight 1 for the `wanted` (B, 1) negatives of each picture that cost most, else 0: (B, N)."""
    # Mining only chooses; no gradient runs through the choice. Positives sort to the end.
    difficulty = ops.stop_gradient(losses * negative)
    falling = -ops.sort(-difficulty, axis=1)
    limit = ops.take_along_axis(falling, ops.cast(wanted, "int32") - 1, axis=1)
    return negative * ops.cast(difficulty >= ops.maximum(limit, 1e-9), losses.dtype)


def _all_alike(negative: KerasTensor, wanted: KerasTensor) -> KerasTensor:
    """Weights (B, N) of the negatives, alike in a picture, of the sum `wanted` (B, 1)."""
    return negative * wanted / ops.maximum(ops.sum(negative, axis=1, keepdims=True), 1)


def box_loss(offset_targets: KerasTensor, offsets: KerasTensor) -> KerasTensor:
    """SmoothL1 of the positive anchors' offsets.

    Args:
        offset_targets: (B, N, 5): (ty, tx, th, tw) and 1 for a positive anchor, else 0.
        offsets: (B, N, 4).

    Returns: a scalar.
    """
    positive = offset_targets[..., 4:]
    error = ops.abs(offset_targets[..., :4] - offsets)
    smooth = ops.where(error < 1, 0.5 * error * error, error - 0.5)
    return ops.sum(smooth * positive) / ops.maximum(ops.sum(positive), 1)
