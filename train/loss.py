"""The SSD loss (Liu et al. 2016, section 2.2), in keras.ops, so that every backend trains it.

Both parts are sums over a batch, divided by the number of its positive anchors.
"""

from __future__ import annotations

from keras import ops

NEGATIVES_PER_POSITIVE = 3  # the paper's hard negative mining ratio


def class_loss(class_targets, logits):
    """Softmax cross-entropy over the positives and the hardest negatives of each picture.

    Args:
        class_targets: (B, N) integers; 0 is background, class id + 1 a match.
        logits: (B, N, classes + 1).

    Returns: a scalar. A picture without an object counts as if it had one positive, so that it
        teaches what background looks like.
    """
    class_targets = ops.cast(class_targets, "int32")
    log_scores = ops.log_softmax(logits, axis=-1)
    picked = ops.one_hot(class_targets, logits.shape[-1], dtype=log_scores.dtype)
    losses = -ops.sum(picked * log_scores, axis=-1)  # [B, N]
    positive = ops.cast(class_targets > 0, losses.dtype)
    counts = ops.sum(positive, axis=1, keepdims=True)  # [B, 1]
    wanted = ops.maximum(counts, 1) * NEGATIVES_PER_POSITIVE
    wanted = ops.cast(ops.minimum(wanted, losses.shape[1]), "int32")
    # Mining only chooses; no gradient runs through the choice. Positives sort to the end.
    difficulty = ops.stop_gradient(losses * (1 - positive))
    falling = -ops.sort(-difficulty, axis=1)
    limit = ops.take_along_axis(falling, wanted - 1, axis=1)
    hard = (1 - positive) * ops.cast(difficulty >= ops.maximum(limit, 1e-9), losses.dtype)
    return ops.sum(losses * (positive + hard)) / ops.maximum(ops.sum(counts), 1)


def box_loss(offset_targets, offsets):
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
