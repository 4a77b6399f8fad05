"""Stages of a net: the file cut behind each of them, so that differences of time are theirs."""

from __future__ import annotations

from pathlib import Path

from ai_edge_litert import schema_py_generated as schema

from convert.export.graph import GraphEditor
from convert.verify import read_model

# Of a tensor's name, which the converter makes of layers' names.
HEADS = ("logits", "offsets")
TOP_DOWN = ("lateral_", "up_", "top_down_", "smooth_")


def stage_of(name: str, rows: int) -> str:
    """The stage of an operator, by the name of its output and the rows of that."""
    if any(part in name for part in HEADS):
        return "heads"
    if any(part in name for part in TOP_DOWN):
        return "top-down path"
    return f"backbone, {rows}x{rows}"


def cut(path: Path, folder: Path) -> list[tuple[str, Path]]:
    """Files that end behind the first stage, behind the second, and so on; the last is whole.

    The outputs of a cut file are the tensors that the rest of the net would read.

    Returns: names of the stages in order of computing, and the files.
    """
    editor = GraphEditor(read_model(path))
    [graph] = editor.model.subgraphs
    operators, outputs = list(graph.operators), set(map(int, graph.outputs))
    stages = [_stage(graph, operator) for operator in operators]
    order = list(dict.fromkeys(stages))
    found = []
    for count, name in enumerate(order, 1):
        parts: tuple[list[schema.OperatorT], list[schema.OperatorT]] = ([], [])
        for operator, stage in zip(operators, stages, strict=True):
            parts[stage not in order[:count]].append(operator)
        kept, rest = parts
        graph.operators = kept
        made = {int(tensor) for operator in kept for tensor in operator.outputs}
        read = outputs | {int(tensor) for operator in rest for tensor in operator.inputs}
        editor.replace_outputs({f"tensor_{n}": n for n in sorted(made & read)})
        target = folder / f"{path.stem}_{count}.tflite"
        target.write_bytes(editor.to_bytes())
        found.append((name, target))
    return found


def _stage(graph: schema.SubGraphT, operator: schema.OperatorT) -> str:
    tensor = graph.tensors[operator.outputs[0]]
    return stage_of(tensor.name.decode(), int(tensor.shape[1]))
