"""A variant's .tflite files: size, operators, and what of them XNNPACK does not take."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import keras

from convert.errors import hidden_output
from convert.report_files import write_report
from convert.runtime_versions import operator_name
from convert.untrained import write_untrained
from convert.verify import read_model
from edge_runtime.detector.interpreter import find_runtime
from studies.network.variants import Variant
from train.model.backbones import backbone_names
from train.model.ssd import multiply_adds

KINDS = ("float32", "int8")
# Widths with ImageNet weights in keras.applications.
PUBLISHED_WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)


@dataclass(frozen=True)
class Delegation:
    """What a CPU's interpreter does with a file.

    Attributes:
        partitions: parts of the graph that XNNPACK computes, each in one go.
        outside: operators between them, by name.
    """

    partitions: int
    outside: dict[str, int]


@dataclass(frozen=True)
class Facts:
    """A variant before any measurement.

    Attributes:
        new_layers: of the backbone, that ImageNet weights of keras.applications do not fit; None
            where there are none of that width.
        bytes, delegation: by kind of file.
    """

    name: str
    says: str
    multiply_adds: int
    parameters: int
    new_layers: list[str] | None
    bytes: dict[str, int]
    operators: dict[str, int]
    delegation: dict[str, Delegation]


def make(variant: Variant, folder: Path) -> tuple[Facts, dict[str, Path]]:
    """Build, convert and look at a variant; what an earlier call left is taken as it is."""
    paths = {kind: folder / f"{variant.name}_{kind}.tflite" for kind in KINDS}
    kept = folder / f"{variant.name}_facts.json"
    if not all(path.is_file() for path in (kept, *paths.values())):
        model, spec = variant.build()
        write_untrained(model, spec, folder / variant.name)
        write_report(kept, asdict(_look(variant, model, paths)))
        keras.utils.clear_session()
    content = json.loads(kept.read_text(encoding="utf-8"))
    found = {kind: Delegation(**row) for kind, row in content["delegation"].items()}
    return Facts(**content | {"says": variant.says, "delegation": found}), paths


def _look(variant: Variant, model: keras.Model, paths: Mapping[str, Path]) -> Facts:
    return Facts(
        variant.name,
        variant.says,
        multiply_adds(model),
        model.count_params(),
        _new_layers(model, variant.alpha),
        {kind: path.stat().st_size for kind, path in paths.items()},
        _operators(paths["int8"]),
        {kind: delegation(path) for kind, path in paths.items()},
    )


def _new_layers(model: keras.Model, alpha: float) -> list[str] | None:
    if alpha not in PUBLISHED_WIDTHS:
        return None
    known = _shapes_of_imagenet(alpha)
    return [
        name
        for name in backbone_names(model)
        if known.get(name) != [w.shape for w in model.get_layer(name).weights]
    ]


@lru_cache
def _shapes_of_imagenet(alpha: float) -> dict[str, list[tuple[int, ...]]]:
    source = keras.applications.MobileNetV2(
        input_shape=(224, 224, 3), alpha=alpha, include_top=False, weights=None
    )
    return {layer.name: [w.shape for w in layer.weights] for layer in source.layers}


def _operators(path: Path) -> dict[str, int]:
    model = read_model(path)
    [graph] = model.subgraphs
    names = (operator_name(model.operatorCodes[op.opcodeIndex]) for op in graph.operators)
    return dict(Counter(names))


def delegation(path: Path) -> Delegation:
    """Asks the interpreter, whose list of operators ends in a DELEGATE for each partition."""
    runtime = find_runtime().interpreter_class
    with hidden_output(f"opening {path.name}"):
        interpreter = runtime(model_path=str(path), num_threads=1)
        interpreter.allocate_tensors()
    details = interpreter._get_ops_details()  # no public way tells
    delegates = [each for each in details if each["op_name"] == "DELEGATE"]
    makers = {
        int(tensor): each
        for each in details
        if each["op_name"] != "DELEGATE"
        for tensor in each["outputs"]
    }
    made = {int(tensor) for each in delegates for tensor in each["outputs"]}
    # Backwards from what partitions and outputs need and no partition makes.
    wanted = {int(tensor) for each in delegates for tensor in each["inputs"]}
    wanted |= {entry["index"] for entry in interpreter.get_output_details()}
    outside: dict[int, str] = {}
    while missing := {
        t for t in wanted - made if t in makers and makers[t]["index"] not in outside
    }:
        for tensor in missing:
            operator = makers[tensor]
            outside[operator["index"]] = operator["op_name"]
            wanted |= {int(each) for each in operator["inputs"]}
    return Delegation(len(delegates), dict(Counter(outside.values())))
