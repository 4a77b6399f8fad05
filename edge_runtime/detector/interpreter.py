"""Whichever TFLite interpreter is installed, behind one small class."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_runtime.detector.spec import SpecError
from edge_runtime.runtime import LITERT, check_runtime_version, find_runtime


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
        outputs: signature name → `Tensor`.
    """

    def __init__(self, path: str | Path, num_threads: int | None = None) -> None:
        """Load a model.

        Args:
            num_threads: at least 1; None for all cores that this process may use.

        Raises: FileNotFoundError; ImportError if no interpreter works; ValueError (SpecError
            where it is the model's interface) if the file cannot be run.
        """
        self.path = Path(path)
        self.num_threads = available_cores() if num_threads is None else num_threads
        self.runtime = find_runtime()
        check_runtime_version(self.runtime, self.path)
        self._interpreter = self._open()
        try:
            inputs, self.outputs = self._signature()
            self._interpreter.allocate_tensors()
        except RuntimeError as error:  # an operator the interpreter lacks, for one
            raise ValueError(
                f"{self.path}: {self.runtime} cannot run it: {_one_line(error)}; "
                "convert again with `python -m convert`"
            ) from error
        if len(inputs) != 1:
            raise SpecError(f"{self.path}: one input expected, found {sorted(inputs)}")
        (self.input,) = inputs.values()

    def _open(self):
        with self.path.open("rb") as file:
            if file.read(8)[4:] != b"TFL3":
                raise ValueError(
                    f"{self.path} is not a TFLite file; convert a .keras one with "
                    "`python -m convert`, or copy the file again"
                )
        try:
            with warnings.catch_warnings():  # TensorFlow's says only that LiteRT is newer
                warnings.filterwarnings("ignore", r"\s*Warning: tf.lite.Interpreter is deprecated")
                # Not by its path: the interpreter would map the file, and overwriting it in place
                # would kill the process (SIGBUS) that maps it.
                return self.runtime.interpreter_class(
                    model_content=self.path.read_bytes(), num_threads=self.num_threads
                )
        except (SystemError, ImportError, AttributeError) as error:
            # Built against NumPy 1; under NumPy 2 it fails here, in words that hide the reason.
            if self.runtime.distribution == LITERT or np.__version__.startswith("1."):
                raise
            raise ImportError(
                f"{self.runtime} does not work with NumPy {np.__version__}; "
                "pip install 'numpy<2', or pip install ai-edge-litert"
            ) from error
        except (ValueError, RuntimeError) as error:
            raise ValueError(
                f"{self.path}: {self.runtime} cannot load it ({_one_line(error)}); "
                "the file may be truncated: copy or convert it again"
            ) from error

    def _signature(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Inputs and outputs by name.

        The runner is only asked for the tensors' numbers: calling it resizes, allocates and copies
        each time, and while one is alive the interpreter itself refuses to work.
        """
        names = list(self._interpreter.get_signature_list())
        if len(names) != 1:
            raise SpecError(
                f"{self.path}: one signature expected, found {names}; "
                "convert again with `python -m convert`"
            )
        runner = self._interpreter.get_signature_runner(names[0])
        return _tensors(runner.get_input_details()), _tensors(runner.get_output_details())

    def invoke(self, input_tensor: np.ndarray) -> dict[str, np.ndarray]:
        """Run once: array of `input`'s shape and dtype → output arrays by name, in their dtypes."""
        self._interpreter.set_tensor(self.input.index, input_tensor)
        self._interpreter.invoke()
        return {
            name: self._interpreter.get_tensor(tensor.index)
            for name, tensor in self.outputs.items()
        }


def _tensors(details: dict) -> dict[str, Tensor]:
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


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
