"""Gaps among the classes, since TFLite_Detection_PostProcess skips one class on several threads.

With NMS within each class, T > 1 threads take the classes 0 to T - 1 first and go on at T + 1:
class T is never found, and nothing says so (`next_col` in tensorflow/lite/kernels/
detection_postprocess.cc; seen up to LiteRT 2.3.0). Frigate runs on three threads. So the classes
that may be skipped are empty columns here, and the ids are put right behind the operator.

OpenCV's importer, which runs the operator in its own way, knows no such columns.
"""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from convert.export.graph import GraphEditor

FIRST, MOST_THREADS = 2, 16
GAPS = MOST_THREADS - FIRST + 1

_Operator = schema.BuiltinOperator


def needs_gaps(num_classes: int) -> bool:
    """Whether there is a class with the number of a thread count."""
    return num_classes > FIRST


def add_gaps(graph: GraphEditor, scores: int) -> int:
    """(1, N, C) scores → (1, N, C + GAPS), with columns of zeros from FIRST on."""
    _, rows, columns = graph.shape(scores)
    front = _columns(graph, scores, 0, FIRST)
    back = _columns(graph, scores, FIRST, columns)
    padded = graph.tensor("scores_and_gaps", (1, rows, FIRST + GAPS))
    sides = graph.constant("gaps", np.asarray([[0, 0], [0, 0], [0, GAPS]], np.int32))
    graph.operator(_Operator.PAD, [front, sides], [padded], schema.PadOptionsT())
    joined = graph.tensor("scores_with_gaps", (1, rows, columns + GAPS))
    joining = schema.ConcatenationOptionsT()
    joining.axis = 2
    graph.operator(_Operator.CONCATENATION, [padded, back], [joined], joining)
    return joined


def close_gaps(graph: GraphEditor, classes: int, num_classes: int, closed: int) -> None:
    """Write the ids of `classes`, (1, K) float among the gaps, to `closed` without them."""
    ids = np.arange(num_classes + GAPS)
    known = np.where(ids < FIRST, ids, np.maximum(ids - GAPS, 0)).astype(np.float32)
    whole = graph.tensor("whole_classes", graph.shape(classes), np.int32)
    casting = schema.CastOptionsT()
    casting.inDataType, casting.outDataType = schema.TensorType.FLOAT32, schema.TensorType.INT32
    graph.operator(_Operator.CAST, [classes], [whole], casting)
    table = graph.constant("classes_without_gaps", known)
    graph.operator(_Operator.GATHER, [table, whole], [closed], schema.GatherOptionsT())


def _columns(graph: GraphEditor, scores: int, begin: int, end: int) -> int:
    _, rows, _ = graph.shape(scores)
    name = f"scores_{begin}_to_{end}"
    part = graph.tensor(name, (1, rows, end - begin))
    starts, sizes = (
        graph.constant(f"{name}_{what}", np.asarray(values, np.int32))
        for what, values in (("begin", (0, 0, begin)), ("size", (1, rows, end - begin)))
    )
    graph.operator(_Operator.SLICE, [scores, starts, sizes], [part], schema.SliceOptionsT())
    return part
