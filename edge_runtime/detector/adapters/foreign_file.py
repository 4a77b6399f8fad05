"""Foreign file: all that a file of another maker says of itself, before it is read as a family."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from edge_runtime.detector.adapters.picture_input import Scaling, picture_shape
from edge_runtime.detector.labels import (
    Labels,
    number_labels,
    padded,
    parse_labels,
    read_labels,
)
from edge_runtime.detector.model_facts import ModelFacts, TensorFacts
from edge_runtime.detector.spec import DetectorSpec
from edge_runtime.detector.tflite_metadata import TensorInfo, TfliteMetadata
from edge_runtime.detector.trial_run import Trial
from edge_runtime.detector.ultralytics_metadata import UltralyticsMetadata

log = logging.getLogger(__name__)

SIGNED = Scaling((127.5,), (127.5,))  # -1 to 1, as TensorFlow's detection API trains


@dataclass(frozen=True, eq=False)
class ForeignFile:
    """A file without this project's outputs.

    Attributes:
        path: of the file.
        facts: its inputs, outputs and operators.
        metadata: TFLite metadata; empty where it has none.
        texts: name → text of the members behind it.
        ultralytics: metadata of an Ultralytics export, or None.
        trial: what it did in a process of its own; None for a file with a spec.
        spec: of a file that this project exported for other readers, or None.
        labels_path: a label file that the user named, or None.
    """

    path: Path
    facts: ModelFacts
    metadata: TfliteMetadata
    texts: dict[str, str]
    ultralytics: UltralyticsMetadata | None
    trial: Trial | None
    spec: DetectorSpec | None
    labels_path: Path | None

    @cached_property
    def outputs(self) -> tuple[TensorFacts, ...]:
        """In the order of the file, with the shapes that they really have."""
        if self.trial is None:
            return self.facts.outputs
        tried = self.trial.outputs
        return tuple(
            output.with_shape(tried[output.index].shape) if output.index in tried else output
            for output in self.facts.outputs
        )

    @property
    def input_hw(self) -> tuple[int, int]:
        """Height and width of the input."""
        return picture_shape(self.facts.inputs[0].shape)[0]

    def info(self, output: TensorFacts) -> TensorInfo | None:
        """What the metadata say of an output."""
        indices = [each.index for each in self.facts.outputs]
        infos = self.metadata.outputs
        return infos[indices.index(output.index)] if len(infos) == len(indices) else None

    def names_of(self, output: TensorFacts) -> tuple[str, ...]:
        """Names that an output goes by: in the signature, the metadata, the graph."""
        info = self.info(output)
        names = (output.alias, "" if info is None else info.name, output.name)
        return tuple(name for name in names if name)

    @property
    def is_nameless(self) -> bool:
        """True where neither the user nor the file names its classes."""
        return (
            self.labels_path is None
            and self.spec is None
            and self.ultralytics is None
            and self.labels_inside(None) is None
        )

    def labels(self, count: int | None) -> Labels:
        """Class names: the user's, the spec's, those inside, else numbers.

        Names inside that are more than the classes are left aside: nothing tells which of them is
        the one too many, and names off by one are worse than numbers.

        Args:
            count: of the classes; None where nothing tells.

        Raises: ValueError for a label file that does not fit, and where nothing tells the count.
        """
        if self.labels_path is not None:
            return read_labels(self.labels_path, count)
        if self.spec is not None:
            return Labels(self.spec.class_names)
        if self.ultralytics is not None:
            return Labels(self.ultralytics.names)
        inside = self.labels_inside(count)
        if inside is not None and (count is None or len(inside.names) <= count):
            return inside if count is None else padded(inside, count)
        if count is None:
            raise ValueError(
                f"{self.path}: class names expected, and nothing in the file tells even how many "
                "classes it has; give them with --labels FILE, one name a line"
            )
        has = "no names" if inside is None else f"{len(inside.names)} names, which do not fit,"
        called = "classes, they are called 0 to" if count > 1 else "class, it is called"
        log.warning(
            "%s has %s for its %d %s %d; --labels FILE names them",
            *(self.path, has, count, called, count - 1),
        )
        return number_labels(count)

    def labels_inside(self, count: int | None) -> Labels | None:
        """Of the file that the metadata name, else of a text that is called like one."""
        named = [name for info in self.metadata.outputs for name in info.labels]
        guessed = [
            name
            for name in self.texts
            if any(word in name.lower() for word in ("label", "class", "names"))
        ]
        for name in (*named, *guessed):
            text = self.texts.get(name)
            if text is None:
                continue
            try:
                return parse_labels(text, count)
            except ValueError:
                continue
        return None

    def scaling(self) -> Scaling | None:
        """What an SSD's network sees of a pixel, by the spec or the metadata, else as is usual.

        Readers of metadata give an uint8 input its pixels as they are, whatever they say. Returns:
        None for that, and for an int8 input of which nothing is said.
        """
        infos, dtype = self.metadata.inputs, self.facts.inputs[0].dtype
        if self.spec is not None:
            return Scaling((self.spec.pixel_mean,), (1 / self.spec.pixel_scale,))
        if len(infos) == 1 and infos[0].mean and dtype != "uint8":
            return Scaling(infos[0].mean, infos[0].std)
        if dtype in ("uint8", "int8"):
            return None
        log.warning(
            "%s does not say how its input scales pixels: taken from -1 to 1, as in MobileNets and "
            "EfficientDet-Lite; where nothing right is found, give it metadata with mean and "
            "standard deviation (tflite-support's object_detector.MetadataWriter)",
            self.path,
        )
        return SIGNED
