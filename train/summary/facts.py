"""Facts of a preset that its net tells without being trained."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from edge_runtime.detector.spec import DetectorSpec
from train.model.presets import PRESETS
from train.model.ssd import build_ssd, multiply_adds
from train.summary.reach import receptive_fields


@dataclass(frozen=True)
class Level:
    """A feature map and its anchors.

    Attributes:
        cells: rows and columns. anchors_per_cell, anchors: of a cell, of the level.
        reach: side of the window that a head's cell sees, in pixels of the input.
        sizes: of its anchors, √area as a fraction of the input's shorter side.
    """

    stride: int
    cells: tuple[int, int]
    channels: int
    anchors_per_cell: int
    anchors: int
    reach: int
    sizes: tuple[float, ...]


@dataclass(frozen=True)
class Facts:
    """A preset's net.

    Attributes:
        classes: without background.
        multiply_adds: of one picture, in the convolutions.
    """

    preset: str
    backbone: str
    alpha: float
    input_hw: tuple[int, int]
    classes: int
    parameters: int
    multiply_adds: int
    levels: tuple[Level, ...]

    @property
    def anchors(self) -> int:
        return sum(level.anchors for level in self.levels)


def build_preset(
    name: str, classes: int, side: int = 0, alpha: float = 0.0
) -> tuple[keras.Model, DetectorSpec]:
    """A preset's net with random weights, and its spec, for so many classes without names.

    Args:
        side, alpha: 0 for the preset's.

    Raises: ValueError for a side that the preset does not take.
    """
    preset = PRESETS[name]
    names = [f"class {number}" for number in range(classes)]
    spec = preset.spec(names, (side, side) if side else None)
    model = build_ssd(spec, alpha or preset.alpha, preset.top_down_channels, preset.backbone)
    return model, spec


def read_facts(name: str, model: keras.Model, spec: DetectorSpec, alpha: float = 0.0) -> Facts:
    """Facts of a net of `build_preset`."""
    preset = PRESETS[name]
    first = {level.stride: _first_of_head(model, level.stride) for level in spec.levels}
    last = [f"logits_{level.stride}_conv" for level in spec.levels]
    reach = receptive_fields(model, last)
    levels = []
    for level, head in zip(spec.levels, last, strict=True):
        rows, columns, channels = first[level.stride].input.shape[1:]
        count = rows * columns * len(level)
        reached = reach[head]
        levels.append(
            Level(level.stride, (rows, columns), channels, len(level), count, reached, level.sizes)
        )
    return Facts(
        name,
        preset.backbone,
        alpha or preset.alpha,
        spec.input_hw,
        spec.num_classes,
        model.count_params(),
        multiply_adds(model),
        tuple(levels),
    )


def _first_of_head(model: keras.Model, stride: int) -> keras.Layer:
    """The layer of a level's class head that reads its map."""
    names = {layer.name for layer in model.layers}
    separable = f"logits_{stride}_depthwise"
    return model.get_layer(separable if separable in names else f"logits_{stride}_conv")
