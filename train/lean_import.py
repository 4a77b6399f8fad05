"""Lean import of Keras and TensorFlow: without what they only would like to have.

Keras has a wrapper for scikit-learn, TensorFlow's converter one for JAX; both do without where
there is none. They are hidden while the importing package is executed, and can be imported after.
What that makes stays for good: no garbage collection goes through it, then or later, neither those
of Python nor the one that TensorFlow's converter asks for before each file.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

IDLE = {"keras": "sklearn", "tensorflow": "jax"}


class LeanFinder:
    """Finds the packages that are keys of IDLE, to be executed while its value is hidden.

    Not an `importlib.abc.MetaPathFinder`, as the finder of edge_runtime/moved.py.
    """

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname not in IDLE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None  # another finder may know it, and execute it as ever
        execute = spec.loader.exec_module

        def execute_lean(module: ModuleType) -> None:
            with _hidden(IDLE[fullname]), _no_garbage_collection():
                execute(module)

        spec.loader.exec_module = execute_lean  # type: ignore[method-assign]
        return spec


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Let imports of `package` fail, unless it has been imported before."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # the import system's "not there"
    try:
        yield
    finally:
        del sys.modules[package]


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """None in the block, and none later of what it has made."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


_finder = LeanFinder()


def install() -> None:
    """To be called before the first import of either; later it changes nothing."""
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
