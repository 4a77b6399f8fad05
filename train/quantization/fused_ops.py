"""The steps in which int8 arithmetic computes a net, as a TensorFlow Lite file has them."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
from keras import layers

CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D)
ACTIVATIONS = (layers.ReLU, layers.LeakyReLU, layers.Activation)
# In TensorFlow Lite the input and the output of these share one range.
MOVING = (
    layers.AveragePooling2D,
    layers.Cropping2D,
    layers.Dropout,
    layers.Flatten,
    layers.MaxPooling2D,
    layers.Permute,
    layers.Reshape,
    layers.Resizing,
    layers.UpSampling2D,
    layers.ZeroPadding2D,
)


@dataclass(frozen=True)
class Unit:
    """What int8 computes in one step: a convolution with what is fused into it, or one layer.

    Attributes:
        layers: of the float net, in order.
        inputs, output: numbers of tensors; 0 is the picture.
        rounds: whether its output has a range of its own.
    """

    layers: tuple[keras.Layer, ...]
    inputs: tuple[int, ...]
    output: int
    rounds: bool = True

    @property
    def name(self) -> str:
        """That of its last layer; its range is called so too."""
        return self.layers[-1].name

    @property
    def convolves(self) -> bool:
        return isinstance(self.layers[0], CONVOLUTIONS)

    @property
    def batch_norm(self) -> keras.layers.BatchNormalization | None:
        """The one to fold into the convolution."""
        norms = [layer for layer in self.layers if isinstance(layer, layers.BatchNormalization)]
        return norms[0] if self.convolves and norms else None

    @property
    def rest(self) -> tuple[keras.Layer, ...]:
        """What follows once batch norm is folded: an activation or nothing, or the one layer."""
        return self.layers[2 if self.batch_norm else 1 :] if self.convolves else self.layers


def find_units(model: keras.Model) -> tuple[list[Unit], list[int]]:
    """The units of a functional model, in order of computing, and the numbers of its outputs."""
    calls, outputs = _trace(model)
    users: dict[int, list[Unit]] = {}
    for call in calls:
        for tensor in call.inputs:
            users.setdefault(tensor, []).append(call)
    units, fused = [], set()
    for call in calls:
        if call.output in fused:
            continue
        unit = call
        for kinds in _fusible(call):
            following = users.get(unit.output, [])
            alone = len(following) == 1 and unit.output not in outputs
            if alone and isinstance(following[0].layers[0], kinds):
                unit = _joined(unit, following[0])
                fused.add(unit.output)
        units.append(unit)
    return _share_ranges(units), outputs


def _fusible(call: Unit) -> tuple[type | tuple[type, ...], ...]:
    """Kinds of layers that int8 computes in one step with this one, in their order."""
    if not call.convolves:
        return ()
    if call.layers[0].activation is not keras.activations.linear:
        return ()
    return (layers.BatchNormalization, ACTIVATIONS)


def _joined(unit: Unit, following: Unit) -> Unit:
    return replace(unit, layers=unit.layers + following.layers, output=following.output)


def output_units(model: keras.Model) -> set[str]:
    """Names of the units whose ranges the outputs have."""
    units, outputs = find_units(model)
    makers = {unit.output: unit for unit in units}
    found = [makers[number] for number in outputs]
    while moving := [unit for unit in found if not unit.rounds]:
        found = [unit for unit in found if unit.rounds]
        found += [makers[number] for unit in moving for number in unit.inputs]
    return {unit.name for unit in found}


def head_units(model: keras.Model) -> set[str]:
    """Names of the units that work for one of several outputs only."""
    units, outputs = find_units(model)
    serves = {number: {number} for number in outputs}  # of a tensor: the outputs made of it
    for unit in reversed(units):
        for number in unit.inputs:
            serves.setdefault(number, set()).update(serves.get(unit.output, ()))
    return {unit.name for unit in units if len(serves.get(unit.output, ())) == 1 < len(outputs)}


def _trace(model: keras.Model) -> tuple[list[Unit], list[int]]:
    """Every call of a layer as a unit of its own."""
    numbers: dict[int, int] = {}
    kept, calls = [], []

    def number(tensor: keras.KerasTensor) -> int:
        kept.append(tensor)  # so that no other tensor takes its id
        return numbers.setdefault(id(tensor), len(numbers))

    def trace_call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        inputs = tuple(number(tensor) for tensor in keras.tree.flatten(args))
        output = layer(*args, **kwargs)
        calls.append(Unit((model.get_layer(layer.name),), inputs, number(output)))
        return output

    image = keras.Input(model.input_shape[1:])
    number(image)
    copy = keras.models.clone_model(model, input_tensors=image, call_function=trace_call)
    return calls, [number(tensor) for tensor in keras.tree.flatten(copy.output)]


def _share_ranges(units: list[Unit]) -> list[Unit]:
    """The parts of a concatenation take its range, and what is moved keeps the one it has."""
    shared: set[int] = set()
    result = []
    for unit in reversed(units):
        moving = isinstance(unit.layers[-1], MOVING)
        if isinstance(unit.layers[-1], layers.Concatenate) or (moving and unit.output in shared):
            shared.update(unit.inputs)
        result.append(replace(unit, rounds=not moving and unit.output not in shared))
    return result[::-1]


SHOWN = 5  # names in an error message


def match_units(model: keras.Model, patterns: Iterable[str]) -> set[str]:
    """Names of the units, see train/quantization/fused_ops.py, that any of the patterns means.

    A pattern is the name of a unit (`offsets`), what several names begin with (`block_6`, which is
    block_6_expand_relu and all up to block_6_add), or a glob (`block_[6-9]_*`).

    Raises: ValueError, with near names, for a pattern that fits no unit that int8 rounds anything
        of: what only moves numbers keeps the type of what it gets.
    """

    units = find_units(model)[0]
    return match_names([u.name for u in units if u.convolves or u.rounds], patterns)


def match_names(names: Sequence[str], patterns: Iterable[str]) -> set[str]:
    """As `match_units`, of given names."""
    found: set[str] = set()
    for pattern in patterns:
        fitting = [name for name in names if name == pattern]
        fitting = fitting or [name for name in names if name.startswith(f"{pattern}_")]
        fitting = fitting or fnmatch.filter(names, pattern)
        if not fitting:
            raise ValueError(
                f"no layer is called {pattern!r}, begins with '{pattern}_' or fits it as a glob; "
                f"{_near(pattern, names)}"
            )
        found.update(fitting)
    return found


def _near(pattern: str, names: Sequence[str]) -> str:
    candidates = list(dict.fromkeys([*names, *map(block_of, names)]))
    close = difflib.get_close_matches(pattern, candidates, SHOWN, cutoff=0.5)
    if close:
        return f"there are {', '.join(close)}"
    shown = list(group(names))[:SHOWN]
    return f"there are {', '.join(shown)} and others"


def block_of(name: str) -> str:
    """What a unit is part of: `block_6` of block_6_expand_relu, `offsets` of offsets."""
    numbered = re.match(r".*?\d+(?=_|$)", name)
    if numbered:
        return numbered.group()
    return re.sub(r"(_(expand|depthwise|project))?(_(relu|bn|BN|add|conv|pad|rows))?$", "", name)


def group(names: Iterable[str]) -> dict[str, list[str]]:
    """Names by block, in their order.

    Blocks are such that `match_names` takes a block's name for its units: a unit that is alone, or
    called as its block is, is a block of its own.
    """
    names = list(names)
    blocks: dict[str, list[str]] = {}
    for name in names:
        blocks.setdefault(block_of(name), []).append(name)
    result: dict[str, list[str]] = {}
    for block, members in blocks.items():
        sound = match_names(names, [block]) == set(members)
        alone = len(members) == 1 or not sound
        result |= {name: [name] for name in members} if alone else {block: members}
    return result
