"""Trial worker: the child process of `edge_runtime.detector.trial_run`.

python -m edge_runtime.detector.trial_worker PATH SECONDS < FILE
"""

from __future__ import annotations

import json
import os
import resource
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.detector.interpreter import Network
from edge_runtime.detector.trial_run import TrialOutput

# What this process may allocate: more than any detector for such boards takes, and less than the
# board has, whose kernel would else end whatever it likes.
MEMORY_BYTES = 2 << 30
MEMORY_SHARE = 0.75


def main() -> None:
    """Run the file from stdin, and print one JSON line about it."""
    path, seconds = sys.argv[1:]
    # Libraries print to stdout, too: the answer goes where only this function writes.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    limit(int(seconds))
    print(json.dumps(answer(path, sys.stdin.buffer.read())), file=answers, flush=True)
    os._exit(0)  # exit handlers of a damaged interpreter may hang


def answer(path: str, content: bytes) -> dict[str, Any]:
    """Run a file once: JSON-ready "outputs", or "error" and whether the interpreter is missing."""
    try:
        return {"outputs": describe_outputs(Network(path, 1, content))}
    except Exception as error:  # whatever an interpreter makes of damage
        known = isinstance(error, (ValueError, ImportError, OSError))
        text = str(error) if known else f"{path}: {type(error).__name__}: {error}"
        return {"error": " ".join(text.split()), "missing": isinstance(error, ImportError)}


def limit(seconds: int) -> None:
    """Bound this process's memory and time; the kernel shall end it before any other."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    board = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    memory = min(MEMORY_BYTES, int(MEMORY_SHARE * board))
    for kind, value in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
    ):
        _, most = resource.getrlimit(kind)
        wanted = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(kind, (wanted, wanted))


def describe_outputs(network: Network) -> dict[int, dict[str, Any]]:
    """What each output is after one picture of noise, by the number of its tensor; JSON-ready."""
    noise = np.random.default_rng(0)
    tensor = network.input
    if np.issubdtype(tensor.dtype, np.integer):
        limits = np.iinfo(tensor.dtype)
        picture = noise.integers(limits.min, limits.max, tensor.shape, tensor.dtype, endpoint=True)
    else:
        picture = noise.random(tensor.shape, np.float32).astype(tensor.dtype)
    arrays = network.invoke(picture)
    return {
        network.outputs[name].index: asdict(_describe(array, network.outputs[name].quantization))
        for name, array in arrays.items()
    }


def _describe(array: np.ndarray, quantization: tuple[float, int] | None) -> TrialOutput:
    """quantization: numbers are described as what they stand for, not as they are stored."""
    values = np.nan_to_num(array).astype(np.float64)
    step = 0.0
    if quantization is not None:
        step, zero_point = map(float, quantization)
        values = (values - zero_point) * step
    return TrialOutput(
        shape=tuple(array.shape),
        low=float(values.min()) if values.size else 0.0,
        high=float(values.max()) if values.size else 0.0,
        whole=bool((np.abs(values - np.rint(values)) <= step / 2).all()),
        channels=_channels(values),
        step=step,
    )


def _channels(values: np.ndarray) -> tuple[tuple[float, float, float], ...]:
    """(low, mean, high) along the longer side of [A, B] or [1, A, B]; () for another shape.

    Sides of 1 in front say nothing: converters drop and add them.
    """
    if values.ndim < 2 or not values.size or values.size != np.prod(values.shape[-2:]):
        return ()
    rows = values.reshape(values.shape[-2:])
    cells = int(np.argmax(rows.shape))
    lows, means, highs = (
        measure(rows, axis=cells).tolist() for measure in (np.min, np.mean, np.max)
    )
    return tuple(zip(lows, means, highs, strict=True))


if __name__ == "__main__":
    main()
