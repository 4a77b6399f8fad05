"""The variants: the .tflite files that a model becomes, a row of the table each.

This module imports neither TensorFlow nor Keras: the benchmark reads the table on a Raspberry Pi.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from importlib.util import find_spec

from convert.errors import ModelError

VARIANT_MEMBER = "variant.txt"  # inside a file: the name of its variant
EXPORT_MEMBER = "export.txt"  # inside an exported file: its form, see convert/export/forms.py
CALIBRATED_HERE = "channels equalized, min-max, rounding corrected"
AI_EDGE_QUANTIZER = "ai-edge-quantizer"


@dataclass(frozen=True)
class Variant:
    """One kind of .tflite file.

    Attributes:
        name: as in --variants, MODEL_int8.tflite and the benchmark's table.
        description: for the report.
        made_by: name of the function in convert/pipeline.py that writes the file.
        calibrated: whether int8 ranges were measured on pictures or learnt by training.
        quantizer: of others, whose own calibration sets the ranges; None for ours.
        input_type, output_types: of the file's tensors; outputs may be any of several types where
            layers can stay in float.
        integer: whether every tensor is an integer and weights have a scale for each channel.
        flag: of `python -m convert`, without which the file cannot be made; None for the others.
    """

    name: str
    description: str
    made_by: str
    calibrated: bool = True
    quantizer: str | None = None
    input_type: str = "INT8"
    output_types: tuple[str, ...] = ("INT8",)
    integer: bool = False
    flag: str | None = None

    @property
    def calibration_method(self) -> str | None:
        """In words, for the calibration record; None without calibration."""
        if not self.calibrated:
            return None
        return CALIBRATED_HERE if self.quantizer is None else f"by {self.quantizer}"


# In the order of the report's table.
_ROWS = (
    Variant(
        "float32",
        "the numbers as they were trained",
        made_by="write_float32",
        calibrated=False,
        input_type="FLOAT32",
        output_types=("FLOAT32",),
    ),
    Variant(
        "float16",
        "weights in half precision",
        made_by="write_float16",
        calibrated=False,
        input_type="FLOAT32",
        output_types=("FLOAT32",),
    ),
    Variant(
        "dynamic",
        "int8 weights, ranges of activations found while running",
        made_by="write_dynamic",
        calibrated=False,
        input_type="FLOAT32",
        output_types=("FLOAT32",),
    ),
    Variant(
        "int8_converter",
        "int8 by the TensorFlow converter alone, from the same calibration pictures",
        made_by="write_int8_converter",
        quantizer="the TensorFlow converter",
        integer=True,
    ),
    Variant(
        "int8",
        "int8 weights and activations, channels equalized, ranges from calibration pictures, "
        "rounding corrected",
        made_by="write_int8",
        integer=True,
    ),
    Variant(
        "int8_qat",
        "int8 with what quantisation-aware training has learnt",
        made_by="write_int8_qat",
        integer=True,
        flag="--qat",
    ),
    Variant(
        "int8_mixed",
        "int8 but for the layers of --keep-float",
        made_by="write_int8_mixed",
        output_types=("INT8", "FLOAT32"),
        flag="--keep-float",
    ),
    Variant(
        "int8_float_head",
        "int8 but for the heads",
        made_by="write_int8_float_head",
        output_types=("INT8", "FLOAT32"),
    ),
    Variant(
        "int16x8",
        "int8 weights, int16 activations",
        made_by="write_int16x8",
        quantizer=AI_EDGE_QUANTIZER,
        input_type="INT16",
        output_types=("INT16",),
    ),
    Variant(
        "aeq_int8",
        "int8 by Google's ai-edge-quantizer, from the float32 file",
        made_by="write_aeq_int8",
        quantizer=AI_EDGE_QUANTIZER,
        integer=True,
    ),
)
VARIANTS = {variant.name: variant for variant in _ROWS}


def check_installed(names: Collection[str]) -> None:
    """Raises: ModelError, in time, where a variant needs ai-edge-quantizer and it is missing."""
    users = [name for name, row in VARIANTS.items() if row.quantizer == AI_EDGE_QUANTIZER]
    if set(users) & set(names) and find_spec("ai_edge_quantizer") is None:
        raise ModelError(
            f"the variants {' and '.join(users)} need ai-edge-quantizer; pip install "
            "ai-edge-quantizer, or choose others with --variants"
        )
