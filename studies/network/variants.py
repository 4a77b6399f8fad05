"""Variants of the digits net on MobileNetV2: each changes one thing, or two."""

from __future__ import annotations

from dataclasses import dataclass, replace

import keras
from keras import KerasTensor, layers

from edge_runtime.detector.spec import DetectorSpec
from studies.network.nets import Body, backbone
from studies.network.resize import with_resize
from train.model.backbones.base import Backbone
from train.model.presets import PRESETS, Preset
from train.model.ssd import build_ssd

CLASSES = tuple("0123456789")
PRESET = replace(PRESETS["digits"], backbone="mobilenet_v2")
UNCHANGED = Body()


@dataclass(frozen=True)
class Variant:
    """A net.

    Attributes:
        name: also of its files.
        says: what differs from the net on all of MobileNetV2.
        body: of the backbone.
        alpha: its width.
        top_down: channels of the top-down path.
        resize: what stands for the nearest resize of the top-down path, see
            `studies.network.resize`; "" leaves it.
        finest: stride of the finest level.
        separable_head: whether a head has a depthwise convolution before its 1x1.
    """

    name: str
    says: str
    body: Body = UNCHANGED
    alpha: float = PRESET.alpha
    top_down: int = PRESET.top_down_channels
    resize: str = ""
    finest: int = 8
    separable_head: bool = True

    def backbone(self) -> Backbone:
        net = backbone(self.body)
        return net if self.separable_head else replace(net, head=_plain_head)

    def preset(self) -> Preset:
        """Levels, widths and input; the backbone is still all of MobileNetV2."""
        levels = tuple(level for level in PRESET.levels if level.stride >= self.finest)
        return replace(PRESET, levels=levels, alpha=self.alpha, top_down_channels=self.top_down)

    def build(self) -> tuple[keras.Model, DetectorSpec]:
        """The net with random weights, and its spec."""
        spec = self.preset().spec(CLASSES)
        model = build_ssd(spec, self.alpha, self.top_down, self.backbone())
        return with_resize(model, self.resize) if self.resize else model, spec


def _plain_head(x: KerasTensor, channels: int, name: str) -> KerasTensor:
    return layers.Conv2D(channels, 1, name=f"{name}_conv")(x)


WHOLE = Variant("mobilenet_v2", "all of MobileNetV2")
VARIANTS = (
    WHOLE,
    Variant("bilinear", "bilinear resize", resize="bilinear"),
    Variant("repeat", "resize of concatenations, the same numbers", resize="repeat"),
    Variant("plain_block_1", "no block 0, block 1 not expanded", Body("plain block 1")),
    Variant("wide_patch", "4x4/4 patches for stem, block 0, most of block 1", Body("patch")),
    Variant("no_last", "no last convolution (1280 channels)", Body(last=0)),
    Variant("plain_no_last", "plain_block_1 and no_last, shipped", Body("plain block 1", last=0)),
    Variant("no_stride_8", "without the 40x40 level", finest=16),
    Variant("plain_heads", "heads of 1x1 only", separable_head=False),
    Variant("top_down_64", "top-down path of 64 channels", top_down=64),
    Variant("multiple_16", "channels multiples of 16", Body(multiple=16)),
    Variant("width_0.35", "width 0.35", alpha=0.35),
    Variant("width_0.25", "width 0.25", alpha=0.25),
)
