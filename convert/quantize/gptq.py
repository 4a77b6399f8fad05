"""GPTQ-style weight rounding: together, so that errors cancel on the pictures a layer sees.

Rounded one by one, weights change a layer's output most where its inputs go up and down together.
Here, after each weight, those not yet rounded are moved to make up for its error, weighted by the
second moments of the inputs (Frantar et al. 2022, "GPTQ", section 3; the update is that of Optimal
Brain Surgeon, Hassibi and Stork 1993). Scales stay those of rounding to nearest.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from train.quantization.fake_quant import FoldedConvolution

STEPS = 127  # on either side of 0
DAMPING = 0.01  # of the mean second moment: pictures that were not seen must not go wrong
BATCH = 8
SAMPLES = 4096  # positions of a batch, for kernels wider than one pixel


def weight_delta_of(layer: FoldedConvolution, inputs: np.ndarray) -> np.ndarray:
    """Weight delta: added to a folded kernel, it lies on int8's steps.

    Args:
        inputs: (B, H, W, C) float32, what the int8 net delivers to this layer.

    Returns: of the kernel's shape; float32.
    """
    kernel, bias = (np.asarray(array, np.float64) for array in layer.folded())
    scale = np.asarray(layer.limits(kernel, bias), np.float64) / STEPS
    moments = second_moments(layer, inputs)
    if layer.depthwise:  # each channel is a group with one output
        rows = kernel.reshape(-1, kernel.shape[2]).T[..., None]
        rounded = gptq_round(rows, moments, scale[:, None])
        rounded = rounded[..., 0].T.reshape(kernel.shape)
    else:
        rows = kernel.reshape(1, -1, kernel.shape[3])
        rounded = gptq_round(rows, moments, scale[None]).reshape(kernel.shape)
    return (rounded - kernel).astype(np.float32)


def second_moments(layer: FoldedConvolution, inputs: np.ndarray) -> np.ndarray:
    """Sums of the products of what a kernel's weights are multiplied with: (groups, n, n)."""
    rng = np.random.default_rng(0)
    total = np.zeros(0)
    for start in range(0, len(inputs), BATCH):
        rows = _patches(layer.convolution, inputs[start : start + BATCH], rng)
        if layer.depthwise:
            grouped = np.ascontiguousarray(rows.transpose(2, 1, 0))  # [C, n, positions]
        else:
            grouped = rows.reshape(1, len(rows), -1).transpose(0, 2, 1)
        moments = np.matmul(grouped, grouped.transpose(0, 2, 1)).astype(np.float64)
        total = moments if start == 0 else total + moments
    return total


def _patches(convolution: keras.Layer, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Patches under a kernel, (positions, height * width, C); of a wide one, SAMPLES positions."""
    size, strides = convolution.kernel_size, convolution.strides
    reach = [(k - 1) * d + 1 for k, d in zip(size, convolution.dilation_rate, strict=True)]
    if convolution.padding == "same":
        images = _padded(images, reach, strides)
    windows = sliding_window_view(images, reach, axis=(1, 2))  # a view: nothing is copied yet
    rows, columns = convolution.dilation_rate
    windows = windows[:, :: strides[0], :: strides[1], :, ::rows, ::columns]
    places = np.indices(windows.shape[:3]).reshape(3, -1)
    if size != (1, 1) and places.shape[1] > SAMPLES:
        places = places[:, rng.choice(places.shape[1], SAMPLES, replace=False)]
    picked = windows[tuple(places)]  # [positions, C, height, width]
    return picked.transpose(0, 2, 3, 1).reshape(len(picked), size[0] * size[1], -1)


def _padded(images: np.ndarray, reach: Sequence[int], strides: Sequence[int]) -> np.ndarray:
    """With the zeros that "same" adds, the odd one behind."""
    missing = [
        max((-(-side // stride) - 1) * stride + size - side, 0)
        for side, size, stride in zip(images.shape[1:3], reach, strides, strict=True)
    ]
    return np.pad(images, ((0, 0), *((m // 2, m - m // 2) for m in missing), (0, 0)))


def gptq_round(weights: np.ndarray, moments: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Weights on the multiples of their scale, up to STEPS of them.

    Args:
        weights: (groups, n, outputs); an output is the sum of n weights times n inputs.
        moments: (groups, n, n) of these inputs.
        scale: (groups, outputs), positive.

    Returns: (groups, n, outputs).
    """
    count = weights.shape[1]
    moments = moments.copy()
    diagonal = np.arange(count)
    size = moments[:, diagonal, diagonal].mean(axis=1, keepdims=True)
    moments[:, diagonal, diagonal] += DAMPING * size + (size == 0)
    # Large inputs first, while there are still many weights to make up for an error.
    order = np.argsort(-moments[:, diagonal, diagonal], axis=1)
    rest = np.take_along_axis(weights, order[..., None], axis=1)
    moments = np.take_along_axis(moments, order[..., None], axis=1)
    moments = np.take_along_axis(moments, order[:, None], axis=2)
    upper = np.linalg.cholesky(np.linalg.inv(moments)).transpose(0, 2, 1)
    rounded = np.empty_like(rest)
    for row in range(count):
        steps = np.clip(np.rint(rest[:, row] / scale), -STEPS, STEPS)
        rounded[:, row] = steps * scale
        error = (rest[:, row] - rounded[:, row]) / upper[:, row, row, None]
        rest[:, row + 1 :] -= upper[:, row, row + 1 :, None] * error[:, None]
    result = np.empty_like(rounded)
    np.put_along_axis(result, order[..., None], rounded, axis=1)
    return result
