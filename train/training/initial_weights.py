"""Initial weights: ImageNet's, those of a trained detector, or random ones."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from edge_runtime.detector.spec import DetectorSpec, read_spec
from train.model.pretrained import load_backbone
from train.training.transfer import load_weights


@dataclass(frozen=True)
class Initial:
    """At most one of three; with none, Keras's ImageNet weights for the backbone.

    Never random weights by default: from a few hundred pictures a random net learns nothing, and
    that must not happen because a download failed.

    Attributes:
        start_from: a .keras file of the same net, at this or another input size, of the same or
            other classes, see `train.training.transfer`.
        backbone_weights: a .weights.h5 file of the backbone in keras.applications without its top.
        from_scratch: random weights.
        fine_tuning: whether `start_from` has learnt other classes, see `is_fine_tuning`.
    """

    start_from: Path | None = None
    backbone_weights: Path | None = None
    from_scratch: bool = False
    fine_tuning: bool = False

    @property
    def pretrained_backbone(self) -> bool:
        """True where the backbone has seen more than the data set will show it.

        A detector of the same classes goes on with what it was learning, often in a next stage at
        another size: all of it moves. One of other classes is what ImageNet's weights are: it knows
        more than these pictures, and the first gradients of the new columns would only shake it.
        Where that is wrong, as after a training on few or drawn pictures, --frozen-blocks 0,
        --no-freeze-batch-norm and --backbone-rate 1 undo it; were this False, no flag would do it.
        """
        return self.fine_tuning if self.start_from else not self.from_scratch

    @property
    def detector(self) -> Path:
        """The detector to go on from. Raises: ValueError where there is none."""
        if self.start_from is None:
            raise ValueError("a trained detector to go on from expected, got none")
        return self.start_from

    def is_fine_tuning(self, class_names: Sequence[str]) -> bool:
        """Whether the detector to start from has learnt others than these classes, in any order.

        Raises: ValueError, FileNotFoundError where it cannot be read.
        """
        return self.start_from is not None and (
            set(read_spec(self.start_from).class_names) != set(class_names)
        )

    def describe(self) -> str:
        """For the recipe that an interrupted training must go on with."""
        path = self.start_from or self.backbone_weights
        return path.name if path else "random" if self.from_scratch else "imagenet"

    def apply(self, model: keras.Model, spec: DetectorSpec, alpha: float) -> None:
        """Fill the net; what was taken over of a detector is said in a line.

        Raises: ValueError, FileNotFoundError where the weights cannot be had or do not fit.
        """
        if self.start_from:
            print(load_weights(model, spec, self.start_from, alpha))
        elif not self.from_scratch:
            load_backbone(model, alpha, self.backbone_weights)


def initial_from_flags(arguments: argparse.Namespace) -> Initial:
    """The initial weights that the flags of `train.config.add_initial_flags` ask for."""
    return Initial(arguments.start_from, arguments.backbone_weights, arguments.from_scratch)
