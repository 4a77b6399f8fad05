"""Keras → TensorFlow Lite. Of this package only what writes files imports TensorFlow."""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras
import tensorflow as tf

from convert.errors import ModelError, hidden_output
from edge_runtime.detector.anchors import make_anchors
from edge_runtime.detector.spec import DetectorSpec

SIGNATURE = "serving_default"
INPUT_NAME = "image"


def load_model(path: Path, spec: DetectorSpec) -> keras.Model:
    """The Keras model of a detector. Raises: ModelError if it does not load or fit its spec."""
    _check_backend()
    with hidden_output(f"loading {path}"):
        try:
            model = keras.models.load_model(path, compile=False)
        except Exception as error:  # Keras raises what its layers happen to raise
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(
                f"{path}: a Keras model of standard layers expected, cannot load it ({first}); "
                "train it again with `python -m train`"
            ) from error
        _check_shapes(model, spec, path)
    return model


def export(model: keras.Model, spec: DetectorSpec, target: Path) -> Path:
    """Write a Keras model as a SavedModel of fixed shape (batch 1). Raises: ConversionError."""
    with hidden_output(f"exporting {target.name}"):
        # The converter's own route for Keras models, with a signature of ours: what `tf.saved_model
        # .save` writes of a Keras 3 model has variables that the converter cannot freeze.
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint(
            SIGNATURE,
            lambda image: model(image, training=False),
            input_signature=[tf.TensorSpec((1, *spec.input_hw, 3), tf.float32, name=INPUT_NAME)],
        )
        archive.write_out(str(target), verbose=False)
    return target


def convert(saved_model: Path, target: Path, weights: str = "float32") -> None:
    """Write an exported float detector as a .tflite file.

    Args:
        weights: "float32", "float16", or "dynamic" for int8 weights with activations in float.

    Raises: ConversionError; OSError where `target` cannot be written.
    """
    with hidden_output(f"converting to {weights}"):
        converter = open_converter(saved_model)
        if weights != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if weights == "float16":
            converter.target_spec.supported_types = [tf.float16]
        write(converter, target)


def convert_int8(saved_model: Path, target: Path, float_outputs: bool = False) -> None:
    """Write an exported int8 net as a .tflite file of int8 operators.

    The converter takes every scale from the net's own fake quantisation, so it needs no pictures.
    What the net leaves in float stays in float: nothing else would.

    Args:
        float_outputs: whether the net's outputs are among that.

    Raises: ConversionError; OSError where `target` cannot be written.
    """
    with hidden_output("converting to int8"):
        converter = open_converter(saved_model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.float32 if float_outputs else tf.int8
        write(converter, target)


def open_converter(saved_model: Path) -> tf.lite.TFLiteConverter:
    """TensorFlow's converter with an exported detector in it, nothing chosen yet."""
    return tf.lite.TFLiteConverter.from_saved_model(str(saved_model), signature_keys=[SIGNATURE])


def write(converter: tf.lite.TFLiteConverter, target: Path) -> None:
    """Convert into a file. Raises: OSError; whatever TensorFlow raises."""
    # The converter's own intermediate files belong beside ours, not on a small /tmp.
    before, tempfile.tempdir = tempfile.tempdir, str(target.parent)
    try:
        target.write_bytes(converter.convert())
    finally:
        tempfile.tempdir = before


def _check_backend() -> None:
    """Raises: ModelError where this process already runs Keras on another backend."""
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ModelError(
            "converting needs Keras on TensorFlow, but this process already runs it on "
            f"{backend}; call `python -m convert` on its own"
        )


def _check_shapes(model: keras.Model, spec: DetectorSpec, path: Path) -> None:
    rows = len(make_anchors(spec))
    wanted = {
        "input": (*spec.input_hw, 3),
        "logits": (rows, spec.num_classes + 1),
        "offsets": (rows, 4),
    }
    outputs = model.output if isinstance(model.output, dict) else {}
    got = {"input": tuple(model.input_shape[1:]) if len(model.inputs) == 1 else None}
    got |= {name: tuple(output.shape[1:]) for name, output in outputs.items()}
    if got != wanted:
        raise ModelError(
            f"{path}: by its spec {wanted} expected (without the batch), got {got}; "
            "build the model with this spec and train it again"
        )
