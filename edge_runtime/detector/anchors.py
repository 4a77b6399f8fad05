"""Anchors (prior boxes) of a spec; training targets and the device share this one function."""

from __future__ import annotations

import numpy as np

from edge_runtime.detector.spec import DetectorSpec


def make_anchors(spec: DetectorSpec) -> np.ndarray:
    """Anchors of a detector, in the order of its output rows.

    Centers lie in the middle of the cells, ((column + 0.5) / columns, (row + 0.5) / rows)
    (SSD, Liu et al. 2016, section 2.2). Order: levels as the spec lists them, then rows, columns,
    and the anchors of a cell.

    Returns: (N, 4) float32, cxcywh in fractions of the input; anchors at the rim reach outside.
    """
    height, width = spec.input_hw
    shorter = min(height, width)
    anchors = []
    for level in spec.levels:
        rows, columns = spec.feature_hw(level)
        sizes = np.asarray(level.sizes) * shorter  # pixels
        root = np.sqrt(np.asarray(level.aspect_ratios))
        cell = np.stack([sizes * root / width, sizes / root / height], axis=1)  # [A, 2] w, h
        cy, cx = np.meshgrid(
            (np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns, indexing="ij"
        )
        centers = np.stack([cx, cy], axis=-1)[:, :, None, :]  # [rows, columns, 1, 2]
        shape = (rows, columns, len(level), 2)
        pair = [np.broadcast_to(centers, shape), np.broadcast_to(cell, shape)]
        anchors.append(np.concatenate(pair, axis=-1).reshape(-1, 4))
    return np.concatenate(anchors).astype(np.float32)
