"""Operators around the net: uint8 input in front, scores and detection postprocessing behind."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers

from convert.export.forms import Thresholds
from convert.export.graph import GraphEditor
from convert.export.skipped_class import GAPS, add_gaps, close_gaps, needs_gaps
from edge_runtime.detector.anchors import make_anchors
from edge_runtime.detector.spec import DetectorSpec

POSTPROCESS = "TFLite_Detection_PostProcess"

_Operator = schema.BuiltinOperator


def add_uint8_input(graph: GraphEditor, spec: DetectorSpec) -> None:
    """Pixels as they are, 0 to 255, become the net's input, without a rounding.

    QUANTIZE in front of an int8 input (pixel and pixel - 128 stand for the same number),
    DEQUANTIZE in front of a float one, by the spec's mean and scale. `open_source` has seen that
    the net's input is that of the spec.
    """
    old = graph.input
    shape = (1, *spec.input_hw, 3)
    if graph.is_float(old):
        quantization = (spec.pixel_scale, round(spec.pixel_mean))
        image = graph.tensor("image_uint8", shape, np.uint8, quantization)
        options = schema.DequantizeOptionsT()
        graph.operator(_Operator.DEQUANTIZE, [image], [old], options, first=True)
    else:
        scale, zero_point = graph.quantization(old)
        image = graph.tensor("image_uint8", shape, np.uint8, (scale, zero_point + 128))
        graph.operator(_Operator.QUANTIZE, [image], [old], schema.QuantizeOptionsT(), first=True)
    graph.replace_input(image)


def add_offsets(graph: GraphEditor, name: str) -> int:
    """The output `offsets` in float. Returns: its tensor, (1, N, 4) (ty, tx, th, tw)."""
    return _dequantized(graph, graph.output("offsets"), name)


def add_scores(graph: GraphEditor, name: str) -> int:
    """Softmax of the output `logits`, without the background's column.

    In float: an int8 SOFTMAX has no value above 255/256, so that the best detections tie. The
    background goes because MediaPipe and OpenCV take it for a class.

    Returns: the tensor, (1, N, C) in [0, 1].
    """
    logits = _dequantized(graph, graph.output("logits"), "logits_float")
    _, rows, columns = graph.shape(logits)
    probabilities = graph.tensor("probabilities", (1, rows, columns))
    softmax = schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    graph.operator(_Operator.SOFTMAX, [logits], [probabilities], softmax)
    scores = graph.tensor(name, (1, rows, columns - 1))
    begin, end, strides = (
        graph.constant(f"without_background_{part}", np.asarray(values, np.int32))
        for part, values in (("begin", (0, 0, 1)), ("end", (0, 0, 0)), ("strides", (1, 1, 1)))
    )
    slicing = schema.StridedSliceOptionsT()
    slicing.beginMask, slicing.endMask = 0b011, 0b111  # a bit an axis: from its start, to its end
    inputs = [probabilities, begin, end, strides]
    graph.operator(_Operator.STRIDED_SLICE, inputs, [scores], slicing)
    return scores


def add_postprocess(
    graph: GraphEditor,
    spec: DetectorSpec,
    offsets: int,
    scores: int,
    thresholds: Thresholds,
    gaps: bool,
) -> tuple[int, int, int, int]:
    """TFLite_Detection_PostProcess: decoding and NMS inside the file.

    gaps: whether no class may be skipped on several threads, see `convert.export.skipped_class`.

    Returns: tensors of boxes (1, K, 4) (y_min, x_min, y_max, x_max) in [0, 1] of the input, not
    clipped; class ids (1, K) from 0; scores (1, K), falling; count (1,). All float32.
    """
    anchors = make_anchors(spec)[:, [1, 0, 3, 2]]  # the operator wants y, x, h, w
    count = thresholds.max_detections
    boxes, classes, found, number = (
        # A name with "StatefulPartitionedCall" makes some scripts expect another order.
        graph.tensor(POSTPROCESS + suffix, shape)
        for suffix, shape in (
            ("", (1, count, 4)),
            (":1", (1, count)),
            (":2", (1, count)),
            (":3", (1,)),
        )
    )
    classes_of_operator, num_classes = classes, spec.num_classes
    gaps = gaps and needs_gaps(spec.num_classes)
    if gaps:
        scores, num_classes = add_gaps(graph, scores), spec.num_classes + GAPS
        classes_of_operator = graph.tensor("classes_with_gaps", (1, count))
    graph.custom_operator(
        POSTPROCESS,
        [offsets, scores, graph.constant("anchors", anchors)],
        [boxes, classes_of_operator, found, number],
        _postprocess_options(spec, num_classes, thresholds),
    )
    if gaps:
        close_gaps(graph, classes_of_operator, spec.num_classes, classes)
    return boxes, classes, found, number


def _postprocess_options(spec: DetectorSpec, num_classes: int, thresholds: Thresholds) -> bytes:
    """The operator's flexbuffer: every value 4 bytes wide, no bool among them.

    OpenCV reads it by position and takes other widths for other numbers.
    """
    center, size = spec.variances
    builder = flexbuffers.Builder()
    with builder.Map():
        for name, number in (
            ("max_detections", thresholds.max_detections),
            ("max_classes_per_detection", 1),
            ("num_classes", num_classes),
            ("use_regular_nms", 1),  # within each class, as ours
        ):
            builder.Key(name)
            builder.Int(number, 4)
        for name, value in (
            ("nms_score_threshold", thresholds.score),
            ("nms_iou_threshold", thresholds.iou),
            ("y_scale", 1 / center),
            ("x_scale", 1 / center),
            ("h_scale", 1 / size),
            ("w_scale", 1 / size),
        ):
            builder.Key(name)
            builder.Float(value, 4)
    return bytes(builder.Finish())


def _dequantized(graph: GraphEditor, tensor: int, name: str) -> int:
    """The tensor as float; itself where it is float already."""
    if graph.is_float(tensor):
        return tensor
    result = graph.tensor(name, graph.shape(tensor))
    options = schema.DequantizeOptionsT()
    graph.operator(_Operator.DEQUANTIZE, [tensor], [result], options, version=2)  # 2: of int8
    return result
