"""The files that a model becomes, and how a file says which one it is."""

# In the order of the table.
DESCRIPTIONS = {
    "float32": "the numbers as they were trained",
    "float16": "weights in half precision",
    "dynamic": "int8 weights, ranges of activations found while running",
    "int8": "int8 weights and activations, ranges from calibration pictures, rounding corrected",
    "int8_qat": "int8 with what quantisation-aware training has learnt",
    "int8_mixed": "int8 but for the layers of --keep-float",
    "int8_float_head": "int8 but for the heads",
    "int16x8": "int8 weights, int16 activations",
    "aeq_int8": "int8 by Google's ai-edge-quantizer, from the float32 file",
}
VARIANTS = tuple(DESCRIPTIONS)
OPTIONAL = {"int8_qat": "--qat", "int8_mixed": "--keep-float"}  # with a flag only
VARIANT_MEMBER = "variant.txt"
INTEGER = {"int8", "int8_qat"}  # integers from input to output, made here
WITHOUT_CALIBRATION = {"float32", "float16", "dynamic"}
BY_OTHERS = {
    "int16x8",
    "aeq_int8",
}  # by ai-edge-quantizer, see convert/quantize/ai_edge_quantizer.py
