"""Run a quantized SSD detector on a Raspberry Pi, with NumPy and a TFLite interpreter."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from edge_runtime import moved

if TYPE_CHECKING:
    from edge_runtime.detector.detections import Detections
    from edge_runtime.detector.detector import Detector
    from edge_runtime.detector.spec import AnchorLevel, DetectorSpec, SpecError, read_spec

__all__ = ["AnchorLevel", "Detections", "Detector", "DetectorSpec", "SpecError", "read_spec"]

_MODULES = {"Detections": "detections", "Detector": "detector"}  # of the others: spec

moved.install(__name__)


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for (PEP 562).

    NumPy and Pillow are most of an import, and a command's help, the doctor or
    a parent of worker processes may need none of it.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.detector.{_MODULES.get(name, 'spec')}")
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
