"""Which TFLite interpreter is installed, and whether it is new enough for a file."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from edge_runtime.detector.spec import read_member

RUNTIME_VERSION_MEMBER = "min_runtime_version.txt"  # in TensorFlow's numbering

LITERT = "ai-edge-litert"

# (distribution, module, attribute path of the class), best first: LiteRT is the maintained one.
CANDIDATES = (
    (LITERT, "ai_edge_litert.interpreter", "Interpreter"),
    ("tflite-runtime", "tflite_runtime.interpreter", "Interpreter"),
    ("tensorflow", "tensorflow", "lite.Interpreter"),
)


@dataclass(frozen=True)
class Runtime:
    """An interpreter class and where it comes from."""

    distribution: str
    version: str  # "unknown" if its package does not say
    interpreter_class: type

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


def find_runtime() -> Runtime:
    """The first installed of ai-edge-litert, tflite-runtime and tensorflow.

    Raises: ImportError with the command that installs one.
    """
    broken = []
    for distribution, module_name, path in CANDIDATES:
        try:
            found = importlib.import_module(module_name)
            for name in path.split("."):
                found = getattr(found, name)
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] != module_name.split(".")[0]:
                broken.append(f"{distribution}: {error}")
        except (ImportError, AttributeError) as error:
            broken.append(f"{distribution}: {error}")
        else:
            return Runtime(distribution, _version(distribution, module_name), found)
    cure = "pip install ai-edge-litert"
    if sys.version_info < (3, 12):
        cure += "; where it has no wheel (32-bit Arm): pip install tflite-runtime 'numpy<2'"
    reasons = f" (found, but broken: {'; '.join(broken)})" if broken else ""
    raise ImportError(f"no TFLite interpreter is installed{reasons}; {cure}")


def _version(distribution: str, module_name: str) -> str:
    package = sys.modules.get(module_name.split(".")[0])
    version = getattr(package, "__version__", None)
    if version is None:
        try:
            version = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            version = "unknown"  # a nightly build, say, under another distribution name
    return str(version)


def check_runtime_version(runtime: Runtime, path: str | Path) -> None:
    """Raises: ImportError if the file says that it needs a newer runtime.

    LiteRT counts its own versions from 1.0; all of them are newer than what a file may need.
    """
    needed = read_member(path, RUNTIME_VERSION_MEMBER)
    if needed is None or runtime.distribution == LITERT or runtime.version == "unknown":
        return
    if _numbers(runtime.version) < _numbers(needed):
        raise ImportError(
            f"{path} needs a runtime of TensorFlow {needed.strip()} or newer, found {runtime}; "
            "pip install ai-edge-litert"
        )


def _numbers(version: str) -> tuple[int, ...]:
    """ "2.14.0-rc1" → (2, 14, 0): enough to compare releases."""
    numbers = []
    for part in version.strip().split(".")[:3]:
        digits = part[: next((i for i, c in enumerate(part) if not c.isdigit()), len(part))]
        numbers.append(int(digits or 0))
    return tuple(numbers + [0] * (3 - len(numbers)))
