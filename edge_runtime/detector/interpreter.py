"""TFLite interpreter: the installed one, found, checked and wrapped in one small class."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.detector.interpreter_errors import cure_of, reason_of
from edge_runtime.detector.model_file import read_network_bytes
from edge_runtime.detector.spec import SpecError

RUNTIME_VERSION_MEMBER = "min_runtime_version.txt"  # in TensorFlow's numbering

LITERT = "ai-edge-litert"
MOST_THREADS = 256  # each is one of the system's, with a stack of its own

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
    interpreter_class: Callable[..., Any]

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


def find_runtime() -> Runtime:
    """The first installed of ai-edge-litert, tflite-runtime and tensorflow.

    Raises: ImportError with the command that installs one.
    """
    broken = []
    for distribution, module_name, path in CANDIDATES:
        try:
            found: Any = importlib.import_module(module_name)
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
        # Not above: it loads half of `email`, and LiteRT's package says its version itself.
        from importlib import metadata

        try:
            version = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            version = "unknown"  # a nightly build, say, under another distribution name
    return str(version)


def check_runtime_version(runtime: Runtime, path: str | Path, needed: str | None) -> None:
    """Raises: ImportError if the file says that it needs a newer runtime.

    LiteRT counts its own versions from 1.0; all of them are newer than what a file may need.

    needed: text of the file's RUNTIME_VERSION_MEMBER; None without it.
    """
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
        digits = part[: next((i for i, c in enumerate(part[:9]) if not c.isdigit()), 9)]
        numbers.append(int(digits or 0))
    return tuple(numbers + [0] * (3 - len(numbers)))


class NetworkError(ValueError):
    """The interpreter fails at a file that it opened, and that may have run before."""


@dataclass(frozen=True)
class Tensor:
    """One input or output. quantization: (scale, zero point), None for a float tensor."""

    index: int
    shape: tuple[int, ...]
    dtype: type
    quantization: tuple[float, int] | None


def available_cores() -> int:
    """CPU cores this process may use: fewer than the board has under taskset or in a container."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Network:
    """A .tflite file ready to run: one input, and outputs by their signature names.

    Attributes:
        runtime: which interpreter runs it.
        num_threads: that the interpreter was given.
        input: the `Tensor` of the only input.
        outputs: signature name → `Tensor`; of one that no signature names, the tensor's own name.
    """

    def __init__(
        self, path: str | Path, num_threads: int | None = None, content: bytes | None = None
    ) -> None:
        """Load a model.

        Args:
            num_threads: 1 to MOST_THREADS; None for all cores that this process may use.
            content: of the file, read before; it may have been replaced since.

        Raises: FileNotFoundError; ImportError if no interpreter works; ValueError (SpecError
            where it is the model's interface) if the file cannot be run.
        """
        self.path = Path(path)
        self.num_threads = available_cores() if num_threads is None else num_threads
        self.runtime = find_runtime()
        if content is None:
            content = read_network_bytes(self.path)
        self._interpreter = self._open(content)
        try:
            inputs, self.outputs = self._signature()
            self._interpreter.allocate_tensors()
        except SpecError:
            raise
        except Exception as error:  # an operator that it lacks, a damaged name: of every kind
            raise ValueError(
                f"{self.path}: {self.runtime} cannot run it: {reason_of(error)}; "
                + cure_of(error, "convert or export it again")
            ) from error
        if len(inputs) != 1:
            raise SpecError(f"{self.path}: one input expected, found {sorted(inputs)}")
        (self.input,) = inputs.values()

    def _open(self, content: bytes) -> Any:
        """The runtime's own interpreter with the file loaded."""
        try:
            with warnings.catch_warnings():  # TensorFlow's says only that LiteRT is newer
                warnings.filterwarnings("ignore", r"\s*Warning: tf.lite.Interpreter is deprecated")
                # Not by its path: the interpreter would map the file, and overwriting it in place
                # would kill the process (SIGBUS) that maps it.
                return self.runtime.interpreter_class(
                    model_content=content, num_threads=self.num_threads
                )
        except (SystemError, ImportError, AttributeError) as error:
            # Built against NumPy 1; under NumPy 2 it fails here, in words that hide the reason.
            if self.runtime.distribution == LITERT or np.__version__.startswith("1."):
                raise
            raise ImportError(
                f"{self.runtime} does not work with NumPy {np.__version__}; "
                "pip install 'numpy<2', or pip install ai-edge-litert"
            ) from error
        except Exception as error:
            raise ValueError(
                f"{self.path}: {self.runtime} cannot load it ({reason_of(error)}); "
                + cure_of(error, "the file may be truncated: copy or convert it again")
            ) from error

    def _signature(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Inputs and outputs by name.

        The runner is only asked for the tensors' numbers: calling it resizes, allocates and copies
        each time, and while one is alive the interpreter itself refuses to work.
        """
        names = list(self._interpreter.get_signature_list())
        if not names:
            return (
                _tensors(_by_own_name(self._interpreter.get_input_details())),
                _tensors(_by_own_name(self._interpreter.get_output_details())),
            )
        if len(names) != 1:
            raise SpecError(
                f"{self.path}: one signature expected, found {names}; "
                "convert or export it again with one"
            )
        runner = self._interpreter.get_signature_runner(names[0])
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        # A signature may leave out some of the graph's outputs.
        signed = {detail["index"] for detail in outputs.values()}
        unsigned = _by_own_name(
            [d for d in self._interpreter.get_output_details() if d["index"] not in signed]
        )
        # The own name of one may be the signature's of another.
        others = {
            f"{name} ({detail['index']})" if name in outputs else name: detail
            for name, detail in unsigned.items()
        }
        return _tensors(inputs), _tensors(others | outputs)

    def invoke(self, input_tensor: np.ndarray) -> dict[str, np.ndarray]:
        """Run once: array of `input`'s shape and dtype → output arrays by name, in their dtypes.

        Raises: NetworkError, naming the file.
        """
        self._interpreter.set_tensor(self.input.index, input_tensor)
        try:
            self._interpreter.invoke()
            return {
                name: self._interpreter.get_tensor(tensor.index)
                for name, tensor in self.outputs.items()
            }
        except Exception as error:  # damage in the middle of a file shows here first
            raise NetworkError(
                f"{self.path}: {self.runtime} cannot run it: {reason_of(error)}; "
                "it is damaged: copy or convert it again"
            ) from error


def _by_own_name(details: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    named = {str(detail["name"]): detail for detail in details}
    # Two of one name are told apart by their numbers.
    return named if len(named) == len(details) else {str(d["index"]): d for d in details}


def _tensors(details: dict[str, dict[str, Any]]) -> dict[str, Tensor]:
    return {
        name: Tensor(
            index=int(detail["index"]),
            shape=tuple(int(side) for side in detail["shape"]),
            dtype=detail["dtype"],
            # A float tensor is reported with a scale of 0.
            quantization=tuple(detail["quantization"]) if detail["quantization"][0] else None,
        )
        for name, detail in details.items()
    }
