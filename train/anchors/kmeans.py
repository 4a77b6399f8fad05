"""k-means anchors: clusters of the boxes of a data set by width and height, level by level.

Tried on the train split of BCCD and on 8000 boxes of the digit scenes, three anchors a level. The
distance 1 - IoU in place of the logarithms (Redmon & Farhadi 2017, section 2, "Dimension
Clusters") gains 0.001 to 0.002 in mean IoU; the share of boxes at IoU 0.5 differs by 0.3% at most,
either way, and of the narrow ones it loses 0.9% with "fpnlite"; it takes thirty times as long. One
k-means over all sizes, cut into equal parts, puts BCCD's cells onto maps too coarse for them: the
share of white ones falls from 99.5% to 79%. Cut by size it gains 0.010 in mean IoU, but piles up
seven anchors a cell of one map ("fpnlite"; 16 with "ssdlite").
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edge_runtime.detector.spec import AnchorLevel, DetectorSpec
from train.anchors.coverage import all_boxes
from train.data.dataset import DetectionDataset

# A box of a level is at least this many strides large, so an anchor of its very shape is at most a
# sixth of it off the centre: IoU >= (5/6)² / (2 - (5/6)²) = 0.53, a match for square boxes.
STRIDES_PER_BOX = 3


def box_sizes_px(boxes: np.ndarray, input_hw: tuple[int, int]) -> np.ndarray:
    """Width and height as the network sees them, in a picture stretched to its input.

    Args:
        boxes: (M, 4) xyxy in [0, 1].

    Returns: (M, 2) float64, input pixels.
    """
    return (boxes[:, 2:] - boxes[:, :2]).astype(np.float64) * input_hw[::-1]


def fit_levels(
    sizes_px: np.ndarray,
    strides: Sequence[int],
    input_hw: tuple[int, int],
    per_level: int = 3,
    seed: int = 0,
) -> tuple[AnchorLevel, ...]:
    """Anchors for boxes of these sizes.

    A box belongs to the coarsest level on which it is STRIDES_PER_BOX strides large, and each
    level's boxes are clustered by themselves with k-means on (log width, log height). A level
    without boxes repeats the anchor nearest in size, so that the net keeps its shape.

    Args:
        sizes_px: (M, 2) width, height in input pixels, positive.
        strides: input pixels per cell of each level, rising.
        input_hw: height and width of the input in pixels.
        per_level: anchors a cell; fewer on a level whose boxes have fewer different shapes.

    Returns: a level for each stride, anchors sorted by size within and across levels.
    Raises: ValueError for sizes of another shape or not positive, per_level below 1, or fewer
        boxes than clusters.
    """
    _check(sizes_px, strides, per_level)
    shapes = np.log(sizes_px)  # [M, 2]
    size = shapes.mean(axis=1)  # log of the square root of the area
    lower = np.log(STRIDES_PER_BOX * np.asarray(strides, np.float64))
    level = np.clip(np.searchsorted(lower, size, side="right") - 1, 0, None)
    clusters = [_cluster(shapes[level == k], per_level, seed) for k in range(len(strides))]
    found = np.concatenate(clusters)
    for k, middle in enumerate(lower + np.log(2) / 2):  # of the octave that the level is for
        if not len(clusters[k]):
            nearest = np.abs(found.mean(axis=1) - middle).argmin()
            clusters[k] = found[nearest : nearest + 1]
    shorter = min(input_hw)
    return tuple(
        _level(stride, np.exp(centers), shorter)
        for stride, centers in zip(strides, clusters, strict=True)
    )


def fit_spec(
    dataset: DetectionDataset, before: DetectorSpec, per_level: int = 3, seed: int = 0
) -> DetectorSpec:
    """The spec with anchors fitted to a data set, on the same strides; see `fit_levels`.

    Raises: ValueError if the data set has no boxes or fewer than clusters.
    """
    boxes, _ = all_boxes(dataset)
    _check_count(len(boxes), per_level * len(before.levels))
    strides = [level.stride for level in before.levels]
    sizes = box_sizes_px(boxes, before.input_hw)
    return replace(before, levels=fit_levels(sizes, strides, before.input_hw, per_level, seed))


def _check_count(count: int, clusters: int) -> None:
    """Raises: ValueError if there are fewer boxes than clusters."""
    if count < clusters:
        raise ValueError(
            f"at least {clusters} boxes for as many clusters expected, got {count}; lower "
            "--per-level or annotate more pictures"
        )


def _check(sizes_px: np.ndarray, strides: Sequence[int], per_level: int) -> None:
    if per_level < 1:
        raise ValueError(f"--per-level is at least 1, got {per_level}")
    if sizes_px.ndim != 2 or sizes_px.shape[1] != 2:
        raise ValueError(f"sizes (M, 2) of width and height expected, got {sizes_px.shape}")
    _check_count(len(sizes_px), per_level * len(strides))
    bad = np.flatnonzero(~((sizes_px > 0) & np.isfinite(sizes_px)).all(axis=1))
    if len(bad):
        raise ValueError(
            f"positive widths and heights expected, got {sizes_px[bad[0]]} in row {bad[0]}; "
            "drop boxes without area"
        )


def _cluster(shapes: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Centres of at most `count` clusters, (K, 2) log width, log height, smallest area first."""
    shapes = shapes.round(4)  # or the last bits of float32 make equal boxes different ones
    distinct = np.unique(shapes, axis=0)
    if len(distinct) <= count:
        centers = distinct  # k-means would warn, or find the same
    else:
        from sklearn.cluster import KMeans  # half a second, which most commands do not need

        with warnings.catch_warnings():
            # In a container without /sys joblib cannot count the cores; it matters to nobody here.
            warnings.filterwarnings("ignore", "Could not find the number of physical cores")
            centers = KMeans(count, n_init=10, random_state=seed).fit(shapes).cluster_centers_
    return centers[np.lexsort((centers[:, 0], centers.sum(axis=1)))]


def _level(stride: int, sizes_px: np.ndarray, shorter: int) -> AnchorLevel:
    width, height = sizes_px.T
    # Four digits: a file that people can read, and less than a tenth of a pixel.
    sizes = [float(f"{size:.4g}") for size in np.sqrt(width * height) / shorter]
    ratios = [float(f"{ratio:.4g}") for ratio in width / height]
    return AnchorLevel(int(stride), tuple(sizes), tuple(ratios))
