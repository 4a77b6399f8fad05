"""Runtime versions: the oldest TensorFlow Lite that runs a .tflite file.

The converter writes a number into the file, but skips operators it has no number for, so the
number can be too low; here such an operator is a finding.
"""

from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

# The last release of tflite-runtime, which some boards are bound to.
OLDEST_RUNTIME = "2.14.0"

# First TensorFlow release that runs version 1, 2, 3, … of an operator (facts read in TensorFlow's
# compiler/mlir/lite/tools/versioning/runtime_version.cc), for operators that an SSD turns into.
FIRST_RELEASE = {
    "ADD": ("1.5.0", "1.14.0", "2.4.0", "2.6.0", "2.13.0", "2.23.0"),
    "AVERAGE_POOL_2D": ("1.5.0", "1.14.0", "2.3.0"),
    "CONCATENATION": ("1.5.0", "1.14.0", "2.3.0", "2.14.0", "2.21.0"),
    "CONV_2D": ("1.5.0", "1.14.0", "1.14.0", "2.3.0", "2.4.0", "2.9.0", "2.11.0", "2.15.0"),
    "DEPTHWISE_CONV_2D": ("1.5.0", "1.12.0", "1.14.0", "2.2.0", "2.3.0", "2.3.0", "2.11.0"),
    "DEQUANTIZE": ("1.13.1", "1.14.0", "1.15.0", "2.2.0", "2.7.0"),
    "EXPAND_DIMS": ("1.10.0",),
    "FULLY_CONNECTED": (
        *("1.5.0", "1.10.0", "1.14.0", "1.14.0", "2.0.0", "2.1.0", "2.3.0", "2.3.0", "2.3.0"),
        *("2.11.0", "2.15.0"),
    ),
    "HARD_SWISH": ("1.15.0",),
    "L2_NORMALIZATION": ("1.5.0", "1.14.0"),
    "LEAKY_RELU": ("1.13.1", "2.3.0"),
    "LOGISTIC": ("1.14.0", "1.14.0", "2.3.0"),
    "MAX_POOL_2D": ("1.5.0", "1.14.0", "2.3.0"),
    "MEAN": ("1.6.0", "1.14.0", "2.4.0"),
    "MUL": ("1.5.0", "1.14.0", "1.15.0", "2.3.0", "2.6.0", "2.11.0", "2.13.0", "2.23.0"),
    "PAD": ("1.5.0", "1.14.0", "2.4.0", "2.6.0", "2.20.0"),
    "QUANTIZE": ("1.14.0", "1.15.0", "2.7.0"),
    "RELU": ("1.5.0", "2.1.0", "2.5.0"),
    "RELU6": ("1.5.0", "1.14.0", "2.5.0"),
    "RESHAPE": ("1.5.0",),
    "RESIZE_BILINEAR": ("1.7.0", "1.14.0", "2.2.0", "2.5.0"),
    "RESIZE_NEAREST_NEIGHBOR": ("1.13.1", "1.14.0", "2.3.0", "2.4.0"),
    "RSQRT": ("1.10.0", "2.5.0"),
    "SLICE": ("1.14.0", "1.14.0", "1.14.0", "2.4.0", "2.5.0"),
    "SOFTMAX": ("1.5.0", "1.14.0", "2.3.0"),
    "SQUARE": ("1.12.0",),
    "STRIDED_SLICE": ("1.6.0", "1.14.0", "2.1.0", "2.2.0", "2.5.0", "2.6.0", "2.14.0", "2.14.0"),
    "SUB": ("1.6.0", "1.14.0", "2.3.0", "2.4.0", "2.4.0"),
    "TILE": ("1.10.1", "2.2.0", "2.8.0"),  # UpSampling2D
    "TRANSPOSE": ("1.6.0", "1.14.0", "1.15.0", "2.3.0", "2.4.0", "2.12.0"),
    "TRANSPOSE_CONV": ("1.9.0", "2.2.0", "2.3.0", "2.13.0", "2.15.0"),
}

_NAMES = {
    number: name for name, number in vars(schema.BuiltinOperator).items() if name[0].isupper()
}


def operator_name(code: schema.OperatorCodeT) -> str:
    """Name of an entry of the file's operator table."""
    # Files for old runtimes hold the number in the first field, which ends at 127.
    return _NAMES.get(max(code.builtinCode, code.deprecatedBuiltinCode), "UNKNOWN")


def too_new(model: schema.ModelT) -> list[str]:
    """Operators that OLDEST_RUNTIME does not run, or that FIRST_RELEASE does not list."""
    found = []
    for code in model.operatorCodes:
        release = _first_release(code)
        if release is None or _key(release) > _key(OLDEST_RUNTIME):
            known = f"from TensorFlow {release}" if release else "not known to any listed release"
            found.append(f"{operator_name(code)} version {code.version} ({known})")
    return found


def minimum_runtime(model: schema.ModelT) -> str:
    """The oldest TensorFlow release whose runtime runs the file, such as "2.3.0".

    The larger of what the operators' versions say and what the converter noted.
    """
    releases = [_first_release(code) for code in model.operatorCodes]
    return max([*filter(None, releases), *_noted(model)], key=_key, default="1.5.0")


def _first_release(code: schema.OperatorCodeT) -> str | None:
    releases = FIRST_RELEASE.get(operator_name(code), ())
    return releases[code.version - 1] if 1 <= code.version <= len(releases) else None


def _noted(model: schema.ModelT) -> list[str]:
    for entry in model.metadata or ():
        if entry.name == b"min_runtime_version":
            text = bytes(model.buffers[entry.buffer].data).rstrip(b"\0").decode("ascii", "replace")
            return [text] if _is_version(text) else []
    return []


def _is_version(text: str) -> bool:
    return bool(text) and all(part.isdigit() for part in text.split("."))


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
