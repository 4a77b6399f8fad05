"""Presets: a detector's feature levels, anchors, width and input size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge_runtime.detector.spec import AnchorLevel, DetectorSpec


@dataclass(frozen=True)
class Preset:
    """A network and its anchors.

    Attributes:
        levels: anchor levels, finest first; their strides say which feature maps the net has.
        top_down_channels: width of the top-down path (FPNLite); 0 for plain SSDLite.
        alpha: width multiplier of the backbone.
        input_hw: height and width of the input in pixels.
        sides: heights and widths that the size of the objects may choose from, ascending; empty
            where it is `input_hw` whatever they are.
        backbone: name in `train.model.backbones.BACKBONES`.
        least, most: pixels that a side of the input may have.
    """

    levels: tuple[AnchorLevel, ...]
    top_down_channels: int
    alpha: float
    input_hw: tuple[int, int]
    sides: tuple[int, ...] = ()
    backbone: str = "mobilenet_v2"
    least: int = 1
    most: int = 1 << 16

    def spec(
        self, class_names: Sequence[str], input_hw: tuple[int, int] | None = None
    ) -> DetectorSpec:
        """Raises: ValueError for an input that the net's coarsest level does not allow."""
        height, width = input_hw or self.input_hw
        if not self.least <= min(height, width) <= max(height, width) <= self.most:
            raise ValueError(
                f"--input-size {self.least} to {self.most} expected for a net on {self.backbone}, "
                f"got {width}x{height}: its coarsest level would not be of 1x1 cells; leave "
                f"--input-size out for {self.input_hw[1]}"
            )
        return DetectorSpec(input_hw or self.input_hw, tuple(class_names), self.levels)


def ssd_levels(
    strides: Sequence[int] = (16, 32, 64, 128, 256, 512), low: float = 0.2, high: float = 0.95
) -> tuple[AnchorLevel, ...]:
    """Linearly spaced scales (SSD, Liu et al. 2016, section 2.2, equation 4).

    A level has its scale at five aspect ratios and the geometric mean with the next scale at
    ratio 1. The finest level gets three anchors only, since it has most of the cells.
    """
    scales = [low + (high - low) * k / (len(strides) - 1) for k in range(len(strides))] + [1.0]
    levels = [AnchorLevel(strides[0], (low / 2, low, low), (1, 2, 1 / 2))]
    for stride, scale, following in zip(strides[1:], scales[1:-1], scales[2:], strict=True):
        sizes = (*[scale] * 5, math.sqrt(scale * following))
        levels.append(AnchorLevel(stride, sizes, (1, 2, 1 / 2, 3, 1 / 3, 1)))
    return tuple(levels)


def ssd300_levels() -> tuple[AnchorLevel, ...]:
    """Default boxes of SSD300 for VOC (Liu et al. 2016, sections 2.2 and 3.1): 8732 at 300 pixels.

    conv4_3 has scale 0.1; equation 4 spreads 0.2 to 0.9 over the five maps behind it. A map has its
    scale at ratios 1, 2, 1/2, and 3, 1/3 but for conv4_3 and the last two, and the geometric mean
    with the next map's scale at ratio 1; behind the last map the equation goes on to 1.075. Boxes
    are not clipped: the paper does not, and what they are decoded to is clipped to the picture.
    """
    step = (0.9 - 0.2) / 4
    scales = [0.1, *(0.2 + step * k for k in range(6))]
    levels = []
    strides = (8, 16, 32, 64, 128, 512)  # 38, 19, 10, 5, 3 and 1 cells a side
    for stride, scale, following in zip(strides, scales, scales[1:], strict=False):
        ratios = (1, 2, 1 / 2) if stride in (8, 128, 512) else (1, 2, 1 / 2, 3, 1 / 3)
        sizes = (*[scale] * len(ratios), math.sqrt(scale * following))
        levels.append(AnchorLevel(stride, sizes, (*ratios, 1)))
    return tuple(levels)


def octave_levels(
    strides: Sequence[int], base: float, aspect_ratios: Sequence[float], scales_per_octave: int = 2
) -> tuple[AnchorLevel, ...]:
    """Sizes that double from level to level (RetinaNet, Lin et al. 2017, section 4).

    Args:
        base: smallest size of the finest level, as a fraction of the input's shorter side.
    """
    levels = []
    for octave, stride in enumerate(strides):
        pairs = [
            (base * 2 ** (octave + step / scales_per_octave), ratio)
            for step in range(scales_per_octave)
            for ratio in aspect_ratios
        ]
        sizes, ratios = zip(*pairs, strict=True)
        levels.append(AnchorLevel(stride, sizes, ratios))
    return tuple(levels)


# For small objects: a finer map that also knows what the coarser ones saw.
FPNLITE = Preset(
    octave_levels((8, 16, 32, 64), base=0.075, aspect_ratios=(1 / 2, 1, 2)),
    top_down_channels=128,
    alpha=1.0,
    input_hw=(320, 320),
    sides=(320, 384, 448),  # whole cells on the coarsest map; a Pi has time for them
)
PRESETS = {
    # The MobileNetV2 paper's detector (Sandler et al. 2018, section 6.2).
    "ssdlite": Preset(ssd_levels(), top_down_channels=0, alpha=1.0, input_hw=(300, 300)),
    "fpnlite": FPNLITE,
    # A fifth less time, see docs/results.md, "The network".
    "fpnlite_short": replace(FPNLITE, backbone="mobilenet_v2_short"),
    # The SSD paper's own (Liu et al. 2016), whose coarsest map is one cell at these sizes only.
    "ssd300_vgg16": Preset(
        ssd300_levels(),
        top_down_channels=0,
        alpha=1.0,
        input_hw=(300, 300),
        backbone="vgg16",
        least=257,
        most=320,
    ),
    # The MobileNet paper's detector (Howard et al. 2017, section 4.6).
    "ssd_mobilenet_v1": Preset(
        ssd_levels(), top_down_channels=0, alpha=1.0, input_hw=(300, 300), backbone="mobilenet_v1"
    ),
    # Digits stand upright, so tall anchors reach them all; three octaves span 18 to 200 of 300.
    "digits": Preset(
        octave_levels((8, 16, 32), base=0.07, aspect_ratios=(0.45, 0.8)),
        top_down_channels=96,
        alpha=0.5,
        input_hw=(320, 320),
        backbone="mobilenet_v2_short",
    ),
}
