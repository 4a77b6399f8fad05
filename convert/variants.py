"""The four files that a model becomes, and how a file says which one it is."""

# float16: the weights. dynamic: int8 weights, ranges of activations found while running.
# int8: everything, input and outputs included, with ranges from calibration pictures.
VARIANTS = ("float32", "float16", "dynamic", "int8")
VARIANT_MEMBER = "variant.txt"
