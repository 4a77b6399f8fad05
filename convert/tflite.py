"""Keras → TensorFlow Lite. The only module that imports TensorFlow, and only when called."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from convert.quiet import ModelError, hidden_output
from convert.representative import tensors
from edge_runtime.anchors import make_anchors
from edge_runtime.spec import DetectorSpec

SIGNATURE = "serving_default"
INPUT_NAME = "image"


def export(model_path: Path, spec: DetectorSpec, directory: Path) -> Path:
    """Write a .keras detector as a SavedModel of fixed shape (batch 1) into a directory.

    Raises: ModelError if the model does not load or does not fit its spec; ConversionError.
    """
    target = directory / "saved_model"
    with hidden_output(f"exporting {model_path}"):
        tf, keras = _import_tensorflow()
        model = _load(keras, model_path)
        _check_shapes(model, spec, model_path)
        # The converter's own route for Keras models, with a signature of ours: what `tf.saved_model
        # .save` writes of a Keras 3 model has variables that the calibrator cannot read.
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint(
            SIGNATURE,
            lambda image: model(image, training=False),
            input_signature=[tf.TensorSpec((1, *spec.input_hw, 3), tf.float32, name=INPUT_NAME)],
        )
        archive.write_out(str(target), verbose=False)
    return target


def convert(
    saved_model: Path,
    variant: str,
    target: Path,
    spec: DetectorSpec,
    frames: Sequence[np.ndarray],
) -> None:
    """Write one variant of an exported detector as a .tflite file.

    Args:
        variant: one of VARIANTS.
        frames: (input_h, input_w, 3) uint8 each, which the int8 ranges are measured on.

    Raises: ConversionError; OSError where `target` cannot be written.
    """
    with hidden_output(f"converting to {variant}"):
        tf, _ = _import_tensorflow()
        converter = tf.lite.TFLiteConverter.from_saved_model(
            str(saved_model), signature_keys=[SIGNATURE]
        )
        if variant != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if variant == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if variant == "int8":
            converter.representative_dataset = lambda: tensors(frames, spec)
            # Without this an operator that has no int8 form would quietly stay float.
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.int8
            converter.inference_output_type = tf.int8
        # The converter's own intermediate files belong beside ours, not on a small /tmp.
        before, tempfile.tempdir = tempfile.tempdir, str(target.parent)
        try:
            target.write_bytes(converter.convert())
        finally:
            tempfile.tempdir = before


def _import_tensorflow():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever backend trained the model
    try:
        import keras
        import tensorflow as tf
    except ImportError as error:
        raise ModelError(
            f"converting needs TensorFlow and Keras ({error}); on the desktop: "
            "pip install -e '.[train]'"
        ) from error
    if keras.backend.backend() != "tensorflow":
        raise ModelError(
            "converting needs Keras on TensorFlow, but this process already runs it on "
            f"{keras.backend.backend()}; call `python -m convert` on its own"
        )
    return tf, keras


def _load(keras, path: Path):
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras raises what its layers happen to raise
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"{path}: a Keras model of standard layers expected, cannot load it ({first}); "
            "train it again with `python -m train`"
        ) from error


def _check_shapes(model, spec: DetectorSpec, path: Path) -> None:
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
