"""Presets side by side: a plain table for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from train.summary.deployed import Deployed
from train.summary.facts import Facts

# As published, whatever the classes and input here: Howard et al. 2017, table 13 (COCO, 300), and
# Sandler et al. 2018, table 6 (COCO, 320): M parameters, B multiply-adds.
PUBLISHED = {
    "ssd300_vgg16": (33.1, 34.9),
    "ssd_mobilenet_v1": (6.8, 1.2),
    "ssdlite": (4.3, 0.8),
}


def format_table(facts: Sequence[Facts], deployed: Sequence[Sequence[Deployed]]) -> str:
    """A column for each preset: the net, then its levels.

    Args:
        deployed: in the order of `facts`; empty where nothing was converted.
    """
    rows = [("", [item.preset for item in facts])]
    rows += [
        ("backbone", [f"{item.backbone} x{item.alpha:g}" for item in facts]),
        ("input", ["x".join(map(str, item.input_hw[::-1])) for item in facts]),
        ("classes", [str(item.classes) for item in facts]),
        ("parameters, M", [f"{item.parameters / 1e6:.2f}" for item in facts]),
        ("  published, width 1", [_published(item, 0) for item in facts]),
        ("multiply-adds, G", [f"{item.multiply_adds / 1e9:.2f}" for item in facts]),
        ("  published, width 1", [_published(item, 1) for item in facts]),
        ("anchors", [str(item.anchors) for item in facts]),
    ]
    for number, kind in enumerate(["float32", "int8"] if deployed else []):
        files = [row[number] for row in deployed]
        rows.append((f"{kind}, MB", [f"{file.megabytes:.2f}" for file in files]))
        times = [f"{file.median:.1f} ({file.p90:.1f})" for file in files]
        rows.append((f"{kind}, ms (p90)", times))
    first = max(len(name) for name, _ in rows) + 2
    widths = [max(len(values[i]) for _, values in rows) + 3 for i in range(len(facts))]
    lines = [
        name.ljust(first) + "".join(v.rjust(w) for v, w in zip(values, widths, strict=True))
        for name, values in rows
    ]
    return "\n".join([*lines, *(line for item in facts for line in _levels(item))])


def _published(item: Facts, which: int) -> str:
    return str(PUBLISHED[item.preset][which]) if item.preset in PUBLISHED else ""


def _levels(item: Facts) -> list[str]:
    heads = ("stride", "cells", "channels", "a cell", "anchors", "reach, px", "anchor sizes, px")
    lines = ["", item.preset, "".join(head.rjust(11) for head in heads[:-1]) + "   " + heads[-1]]
    for level in item.levels:
        cells = "x".join(map(str, level.cells))
        values = (level.stride, cells, level.channels, level.anchors_per_cell, level.anchors)
        sizes = sorted({round(size * min(item.input_hw)) for size in level.sizes})
        row = "".join(str(value).rjust(11) for value in (*values, level.reach))
        lines.append(f"{row}   {', '.join(map(str, sizes))}")
    return lines


def to_json(
    facts: Sequence[Facts],
    deployed: Sequence[Sequence[Deployed]],
    machine: Mapping[str, Any],
    threads: int,
) -> str:
    """Everything of the table, and where the milliseconds were measured."""
    presets = [
        {
            **asdict(item),
            "anchors": item.anchors,
            "published": PUBLISHED.get(item.preset),
            "files": {file.kind: asdict(file) for file in deployed[number]} if deployed else {},
        }
        for number, item in enumerate(facts)
    ]
    measured = {"machine": dict(machine), "threads": threads} if deployed else {}
    return json.dumps({"presets": presets, **measured}, indent=1) + "\n"
