"""Transfer learning: weights of a trained detector for one of other classes or anchors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from edge_runtime.detector.spec import DetectorSpec, read_spec
from train.model.backbones import OWN_LAYERS, backbone_names, backbone_of
from train.model.backbones.base import Backbone
from train.model.presets import PRESETS
from train.training.checkpoint import load_detector
from train.training.provenance import read_training

# As build_ssd names them.
CLASS_HEAD = re.compile(r"logits_(\d+_)?conv")
HEAD = re.compile(r"(logits|offsets)_(\d+_)?conv")
TOP_DOWN = "lateral_32"  # every top-down path has it

Arrays = Sequence[np.ndarray]


def load_weights(model: keras.Model, spec: DetectorSpec, path: Path, alpha: float) -> str:
    """Take over the weights of a saved detector, layer by layer, as far as they fit.

    Its input size may differ. In the class head the columns of background and of the classes that
    both have are taken over; of no class in common, none. Heads of another number of anchors and
    layers of a level that the file lacks stay as they are. Anchors of other sizes but of the same
    number go on from the file's.

    Args:
        model: of `build_ssd`, with the values that what is new begins with.
        spec: of `model`.
        alpha: width multiplier of the backbone of `model`.

    Returns: a line that says what was taken over, and from where.
    Raises: ValueError for another file or a net of other widths; FileNotFoundError.
    """
    names, known = spec.class_names, read_spec(path).class_names
    source = load_detector(path)
    theirs = {layer.name: layer.get_weights() for layer in _weighted(source)}
    _check_backbone(model, source, path)
    _check_fit(model, theirs, path, alpha)
    new, rows_taken = [], False
    for layer in _weighted(model):
        ours, weights = layer.get_weights(), theirs.get(layer.name)
        is_class_head = bool(CLASS_HEAD.fullmatch(layer.name))
        if weights and is_class_head:
            weights = _class_columns(ours, weights, names, known)
        if weights is None or _shapes(weights) != _shapes(ours):
            new.append(layer.name)
            continue
        layer.set_weights(weights)
        rows_taken |= is_class_head
    taken = len(set(names) & set(known)) if rows_taken else 0
    return _describe(path, names, known, taken, new)


def _weighted(model: keras.Model) -> Iterator[keras.Layer]:
    return (layer for layer in model.layers if layer.weights)


def _shapes(weights: Arrays) -> list[tuple[int, ...]]:
    return [array.shape for array in weights]


def _class_columns(
    ours: Arrays, theirs: Arrays, names: Sequence[str], known: Sequence[str]
) -> list[np.ndarray] | None:
    """Kernel and bias of a class head, columns of `known` names moved to their new places.

    The channels are those of `build_ssd`: for each anchor background, then the classes. By shape
    alone 2 anchors of 5 classes would pass for 3 of 3. Returns: None for other anchors.
    """
    common = [name for name in names if name in known]
    # Background says how much more likely nothing is than a class: it is of no use without one.
    to, of = (
        [0, *(1 + among.index(name) for name in common)] if common else []
        for among in (names, known)
    )
    moved = []
    for mine, its in zip(ours, theirs, strict=True):
        columns = mine.reshape(*mine.shape[:-1], -1, len(names) + 1).copy()
        earlier = its.reshape(*its.shape[:-1], -1, len(known) + 1)
        if columns.shape[:-1] != earlier.shape[:-1]:
            return None
        columns[..., to] = earlier[..., of]
        moved.append(columns.reshape(mine.shape))
    return moved


def _describe(
    path: Path, names: Sequence[str], known: Sequence[str], taken: int, new: Sequence[str]
) -> str:
    parts = []
    if names != known:
        parts.append(
            f"classes: {taken} of {len(names)} taken over from {path.name}, "
            f"{len(names) - taken} new"
        )
    if new:  # batch norm goes without saying
        listed = ", ".join(name for name in new if not name.endswith("_bn"))
        parts.append(f"new, for other anchors or levels: {listed}")
    if not parts:
        return f"all weights are taken over from {path.name}"
    whence = "" if names != known else f" from {path.name}"
    return "; ".join([*parts, f"everything else is taken over{whence}"])


def _check_backbone(model: keras.Model, source: keras.Model, path: Path) -> None:
    """Raises: ValueError for a net on another backbone, whose layers only share their names."""
    ours, theirs = backbone_of(model), backbone_of(source)
    if ours and theirs and ours is not theirs:
        raise ValueError(
            f"{path}: a detector on {ours.name} expected, got one on {theirs.name}; "
            f"{_cure(_settings(path), theirs)}"
        )


def _check_fit(model: keras.Model, theirs: Mapping[str, Arrays], path: Path, alpha: float) -> None:
    """Raises: ValueError for a net that differs in more than classes, anchors and levels."""
    cure = _cure(_settings(path), backbone_of(model))
    shapes = {layer.name: _shapes(layer.get_weights()) for layer in _weighted(model)}
    for name in backbone_names(model):
        if name in theirs and _shapes(theirs[name]) != shapes[name]:
            alpha_got = _settings(path).get("alpha")
            got = f"--alpha {alpha_got:g}" if alpha_got else "another width"
            raise ValueError(
                f"{path}: a backbone of --alpha {alpha:g} expected, got one of {got} ({name} of "
                f"shape {_shapes(theirs[name])[0]} instead of {shapes[name][0]}); {cure}"
            )
    ours = {layer.name: layer.get_weights() for layer in _weighted(model)}
    expected, got_width = (_top_down_width(weights) for weights in (ours, theirs))
    if expected != got_width:
        raise ValueError(
            f"{path}: a top-down path of {expected} channels expected (0: none), got one of "
            f"{got_width}; {cure}"
        )
    for name, shape in shapes.items():
        got_shape = _shapes(theirs[name]) if name in theirs else None
        # Other levels have other layers.
        of_a_level, is_head = name.startswith(OWN_LAYERS), bool(HEAD.fullmatch(name))
        may_differ = of_a_level if got_shape is None else is_head
        if got_shape != shape and not may_differ:
            raise ValueError(
                f"{path}: a net with a layer {name} of shape {shape[0]} expected, got "
                f"{got_shape[0] if got_shape else 'none of that name'}; {cure}"
            )


def _top_down_width(weights: Mapping[str, Arrays]) -> int:
    return int(weights[TOP_DOWN][0].shape[-1]) if TOP_DOWN in weights else 0


def _settings(path: Path) -> dict[str, Any]:
    """The recipe in a file's provenance; empty where it has none."""
    return (read_training(path) or {}).get("settings") or {}


def _cure(trained: Mapping[str, Any], net: Backbone | None) -> str:
    """What to do with a file on that backbone, by the recipe in it."""
    preset, other = trained.get("preset"), "start from another file"
    if net and preset in PRESETS and PRESETS[preset].backbone != net.name:
        return f"--preset {preset}, which it was trained with, stands for another net now; {other}"
    if net and preset and preset not in PRESETS:  # a study's
        preset = " or ".join(n for n, p in PRESETS.items() if p.backbone == net.name)
    flags = [f"--{n} {v}" for n, v in (("preset", preset), ("alpha", trained.get("alpha"))) if v]
    given = " ".join(flags) or "the --preset and --alpha"
    return f"give {given} that it was trained with, or {other}"
