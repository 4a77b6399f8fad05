"""Network outputs to decode, and LiteRT's own operator for the same work.

The rival of `decode_outputs` is TFLite_Detection_PostProcess in a file of its own, with the options
that `python -m convert.export` writes: suppression within each class. It gets scores in float, so
that ours dequantises and takes the softmax within its time and the operator does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from convert.export.forms import Thresholds
from convert.export.graph import GraphEditor
from convert.export.operators import add_postprocess
from edge_runtime.detector.anchors import make_anchors
from edge_runtime.detector.boxes import encode, iou
from edge_runtime.detector.interpreter import find_runtime
from edge_runtime.detector.postprocess import decode_outputs, dequantize, softmax
from edge_runtime.detector.spec import AnchorLevel, DetectorSpec

IOU_THRESHOLD = 0.45
MAX_DETECTIONS = 100
LOGITS_QUANTIZATION = (0.15, 0)
OFFSETS_QUANTIZATION = (0.05, 0)
BACKGROUND = 8.0  # its mean logit above the classes': at a threshold of 0.01 thousands are left
ALL_RATIOS = (1.0, 2.0, 0.5, 3.0, 1 / 3, 1.0)


@dataclass(frozen=True)
class Outputs:
    """Quantised outputs of one picture with all that decoding them needs."""

    spec: DetectorSpec
    logits: np.ndarray
    offsets: np.ndarray
    logits_quantization: tuple[float, int] = LOGITS_QUANTIZATION
    offsets_quantization: tuple[float, int] = OFFSETS_QUANTIZATION

    def ours(self, threshold: float, most: int = MAX_DETECTIONS) -> Callable[[], Any]:
        """`decode_outputs` on them."""
        anchors = make_anchors(self.spec)
        arguments = (anchors, self.spec.variances, threshold, IOU_THRESHOLD, most)
        quantizations = self.logits_quantization, self.offsets_quantization
        return lambda: decode_outputs(self.logits, self.offsets, *arguments, *quantizations)

    def operator(self, threshold: float, most: int = MAX_DETECTIONS) -> Callable[[], Any]:
        """LiteRT's operator on them, in one thread; its inputs lie ready."""
        invoke: Callable[[], Any] = self._interpreter(threshold, most).invoke
        return invoke

    def operator_results(self, threshold: float) -> dict[str, np.ndarray]:
        """What the operator makes of them: boxes (K, 4) (y, x, y, x), classes (K,), scores (K,)."""
        interpreter = self._interpreter(threshold, MAX_DETECTIONS)
        interpreter.invoke()
        tensors = (interpreter.get_tensor(e["index"]) for e in interpreter.get_output_details())
        boxes, classes, scores, count = tensors
        kept = int(count[0])
        return {"boxes": boxes[0, :kept], "classes": classes[0, :kept], "scores": scores[0, :kept]}

    def _interpreter(self, threshold: float, most: int) -> Any:
        content = operator_file(self.spec, Thresholds(IOU_THRESHOLD, most, threshold))
        interpreter = find_runtime().interpreter_class(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
        scores = softmax(self.logits, self.logits_quantization[0])[:, 1:]
        offsets = dequantize(self.offsets, self.offsets_quantization)
        for detail, values in zip(interpreter.get_input_details(), (offsets, scores), strict=True):
            interpreter.set_tensor(detail["index"], values[None].astype(np.float32))
        return interpreter


def operator_file(spec: DetectorSpec, thresholds: Thresholds) -> bytes:
    """A .tflite file with nothing but the operator: offsets (1, N, 4), scores (1, N, C)."""
    model = schema.ModelT()
    model.version, model.buffers, model.operatorCodes = 3, [schema.BufferT()], []
    subgraph, signature = schema.SubGraphT(), schema.SignatureDefT()
    subgraph.tensors, subgraph.operators = [], []
    signature.inputs, signature.outputs, signature.signatureKey = [], [], b"serving_default"
    model.subgraphs, model.signatureDefs = [subgraph], [signature]
    graph, count = GraphEditor(model), len(make_anchors(spec))
    inputs = [
        graph.tensor("offsets", (1, count, 4)),
        graph.tensor("scores", (1, count, spec.num_classes)),
    ]
    subgraph.inputs = np.asarray(inputs, np.int32)
    outputs = add_postprocess(graph, spec, inputs[0], inputs[1], thresholds, gaps=False)
    graph.replace_outputs(dict(zip(("boxes", "classes", "scores", "count"), outputs, strict=True)))
    return graph.to_bytes()


def ssd_spec(
    input_side: int, strides: tuple[int, ...], classes: int, per_cell: int
) -> DetectorSpec:
    """A spec of square feature maps with so many anchors a cell, sizes rising from .1 to .9."""
    sizes = np.linspace(0.1, 0.9, len(strides))
    levels = tuple(
        AnchorLevel(stride, (float(size),) * per_cell, ALL_RATIOS[:per_cell])
        for stride, size in zip(strides, sizes, strict=True)
    )
    names = tuple(f"class {number}" for number in range(classes))
    return DetectorSpec((input_side, input_side), names, levels)


def ssd_300(classes: int) -> DetectorSpec:
    """The 1917 anchors of SSD on MobileNet at 300 pixels: 3 a cell at stride 16, 6 above."""
    spec = ssd_spec(300, (16, 32, 64, 128, 256, 512), classes, 6)
    finest = spec.levels[0]
    first = AnchorLevel(finest.stride, finest.sizes[:3], finest.aspect_ratios[:3])
    return DetectorSpec(spec.input_hw, spec.class_names, (first, *spec.levels[1:]))


def drawn_outputs(
    spec: DetectorSpec, objects: int, background: float = BACKGROUND, seed: int = 0
) -> Outputs:
    """Outputs as a trained net has them: anchors near an object are sure of it, others are not.

    Args:
        objects: in the picture, at random places; each is seen by all anchors that overlap it.
        background: its mean logit above those of the classes.
    """
    random = np.random.default_rng(seed)
    anchors = make_anchors(spec)
    corners = np.concatenate(
        [anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2], axis=1
    )
    count, classes = len(anchors), spec.num_classes
    logits = random.normal(0, 1.2, (count, classes + 1))
    logits[:, 0] = random.normal(background, 1, count)
    offsets = random.normal(0, 0.5, (count, 4))
    inside = np.flatnonzero((corners.min(axis=1) >= 0) & (corners.max(axis=1) <= 1))
    for anchor in random.choice(inside, objects, replace=objects > len(inside)):
        box = corners[anchor : anchor + 1]
        overlap = iou(corners, box)[:, 0]
        near = np.flatnonzero(overlap > 0.3)
        wobble = random.normal(0, 0.2, (len(near), 4))
        offsets[near] = encode(np.repeat(box, len(near), axis=0), anchors[near], spec.variances)
        offsets[near] += wobble
        logits[near, 1 + random.integers(classes)] = 24 * overlap[near] - random.normal(
            4, 1, len(near)
        )
    return Outputs(
        spec, _quantized(logits, LOGITS_QUANTIZATION), _quantized(offsets, OFFSETS_QUANTIZATION)
    )


def _quantized(values: np.ndarray, quantization: tuple[float, int]) -> np.ndarray:
    steps = np.rint(values / quantization[0]) + quantization[1]
    return np.clip(steps, -128, 127).astype(np.int8)
