"""Fused operations: the steps in which int8 computes a net, as a TensorFlow Lite file has them."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

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
UNIT_RANGE = (-1.0, 127 / 128)  # of L2_NORMALIZATION's int8 output, in steps of 1/128

SHOWN = 5  # names in an error message


@dataclass(frozen=True)
class FusedOp:
    """One step of int8: a convolution with what is fused into it, or one layer.

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
    def fixed_range(self) -> tuple[float, float] | None:
        """The range that TensorFlow Lite sets whatever the numbers are; None: what they need."""
        return UNIT_RANGE if isinstance(self.layers[-1], layers.RMSNormalization) else None

    @property
    def rest(self) -> tuple[keras.Layer, ...]:
        """The layers left once batch norm is folded: an activation or nothing, or the one layer."""
        return self.layers[2 if self.batch_norm else 1 :] if self.convolves else self.layers


_FOUND: WeakKeyDictionary[keras.Model, tuple[list[FusedOp], list[int]]] = WeakKeyDictionary()


def find_ops(model: keras.Model) -> tuple[list[FusedOp], list[int]]:
    """The ops of a functional model, in order of computing, and the numbers of its outputs.

    A model's layers stay as they are; it is traced once, which takes half a second of a real net.
    """
    if model not in _FOUND:
        _FOUND[model] = _find_ops(model)
    ops, outputs = _FOUND[model]
    return list(ops), list(outputs)


def _find_ops(model: keras.Model) -> tuple[list[FusedOp], list[int]]:
    calls, outputs = _trace(model)
    users: dict[int, list[FusedOp]] = {}
    for call in calls:
        for tensor in call.inputs:
            users.setdefault(tensor, []).append(call)
    ops, fused = [], set()
    for call in calls:
        if call.output in fused:
            continue
        op = call
        for kinds in _fusible(call):
            following = users.get(op.output, [])
            alone = len(following) == 1 and op.output not in outputs
            if alone and isinstance(following[0].layers[0], kinds):
                op = _joined(op, following[0])
                fused.add(op.output)
        ops.append(op)
    return _share_ranges(ops), outputs


def _fusible(call: FusedOp) -> tuple[type | tuple[type, ...], ...]:
    """Kinds of layers that int8 computes in one step with this one, in their order."""
    if not call.convolves:
        return ()
    if call.layers[0].activation is not keras.activations.linear:
        return ()
    return (layers.BatchNormalization, ACTIVATIONS)


def _joined(op: FusedOp, following: FusedOp) -> FusedOp:
    return replace(op, layers=op.layers + following.layers, output=following.output)


def _trace(model: keras.Model) -> tuple[list[FusedOp], list[int]]:
    """Every call of a layer as an op of its own."""
    numbers: dict[int, int] = {}
    kept, calls = [], []

    def number(tensor: keras.KerasTensor) -> int:
        kept.append(tensor)  # so that no other tensor takes its id
        return numbers.setdefault(id(tensor), len(numbers))

    def trace_call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        inputs = tuple(number(tensor) for tensor in keras.tree.flatten(args))
        output = layer(*args, **kwargs)
        calls.append(FusedOp((model.get_layer(layer.name),), inputs, number(output)))
        return output

    image = keras.Input(model.input_shape[1:])
    number(image)
    copy = keras.models.clone_model(model, input_tensors=image, call_function=trace_call)
    return calls, [number(tensor) for tensor in keras.tree.flatten(copy.output)]


def _share_ranges(ops: list[FusedOp]) -> list[FusedOp]:
    """The parts of a concatenation take its range, and what is moved keeps the one it has."""
    shared: set[int] = set()
    result = []
    for op in reversed(ops):
        moving = isinstance(op.layers[-1], MOVING)
        if isinstance(op.layers[-1], layers.Concatenate) or (moving and op.output in shared):
            shared.update(op.inputs)
        result.append(replace(op, rounds=not moving and op.output not in shared))
    return result[::-1]


def output_ops(model: keras.Model) -> set[str]:
    """Names of the ops whose ranges the outputs have."""
    ops, outputs = find_ops(model)
    makers = {op.output: op for op in ops}
    found = [makers[number] for number in outputs]
    while moving := [op for op in found if not op.rounds]:
        found = [op for op in found if op.rounds]
        found += [makers[number] for op in moving for number in op.inputs]
    return {op.name for op in found}


def head_ops(model: keras.Model) -> set[str]:
    """Names of the ops that work for one of several outputs only."""
    ops, outputs = find_ops(model)
    serves = {number: {number} for number in outputs}  # of a tensor: the outputs made of it
    for op in reversed(ops):
        for number in op.inputs:
            serves.setdefault(number, set()).update(serves.get(op.output, ()))
    return {op.name for op in ops if len(serves.get(op.output, ())) == 1 < len(outputs)}


def select_ops(model: keras.Model, patterns: Iterable[str]) -> set[str]:
    """Names of the ops, see train/quantization/fused_ops.py, that any of the patterns means.

    A pattern is the name of an op (`offsets`), what several names begin with (`block_6`, which is
    block_6_expand_relu and all up to block_6_add), or a glob (`block_[6-9]_*`).

    Raises: ValueError, with near names, for a pattern that fits no op that int8 rounds anything
        of: what only moves numbers keeps the type of what it gets.
    """

    ops = find_ops(model)[0]
    return select_names([op.name for op in ops if op.convolves or op.rounds], patterns)


def select_names(names: Sequence[str], patterns: Iterable[str]) -> set[str]:
    """As `select_ops`, of given names."""
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
    shown = list(group_by_block(names))[:SHOWN]
    return f"there are {', '.join(shown)} and others"


def block_of(name: str) -> str:
    """The block that an op is part of: `block_6` of block_6_expand_relu, `offsets` of offsets."""
    numbered = re.match(r".*?\d+(?=_|$)", name)
    if numbered:
        return numbered.group()
    return re.sub(r"(_(expand|depthwise|project))?(_(relu|bn|BN|add|conv|pad|rows))?$", "", name)


def group_by_block(names: Iterable[str]) -> dict[str, list[str]]:
    """Names by block, in their order.

    Blocks are such that `select_names` takes a block's name for its ops: an op that is alone, or
    called as its block is, is a block of its own.
    """
    names = list(names)
    blocks: dict[str, list[str]] = {}
    for name in names:
        blocks.setdefault(block_of(name), []).append(name)
    result: dict[str, list[str]] = {}
    for block, members in blocks.items():
        sound = select_names(names, [block]) == set(members)
        alone = len(members) == 1 or not sound
        result |= {name: [name] for name in members} if alone else {block: members}
    return result
