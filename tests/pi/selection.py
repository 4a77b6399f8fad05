"""Selection of the tests that must pass on a Pi: read from their imports, so no list is kept.

`python -m tests.pi.selection` shows what is taken and what is left out, and why.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent.parent
RUNTIME = "edge_runtime"
# What only a desktop has.
DESKTOP = {"train", "convert", "studies", "tensorflow", "keras", "jax", "ai_edge_quantizer"}


def select(folder: Path = TESTS) -> tuple[list[str], dict[str, str]]:
    """Paths below `folder` of the modules to run, and of those left out with the reason."""
    taken, left = [], {}
    for path in sorted(folder.rglob("test_*.py")):
        name = str(path.relative_to(folder))
        found = imports(path, everywhere=True, folder=folder)
        desktop = sorted(found & DESKTOP)
        if desktop:
            left[name] = f"imports {', '.join(desktop)}"
        elif RUNTIME not in found:
            left[name] = f"does not import {RUNTIME}"
        else:
            taken.append(name)
    return taken, left


def imports(path: Path, everywhere: bool, folder: Path = TESTS) -> set[str]:
    """Top-level packages that a file imports, itself or through other files of the tests.

    folder: of all tests. everywhere: also inside functions. Of a helper only the imports that
    loading it needs count: it may have a function that no test on a Pi calls.
    """
    packages: set[str] = set()
    seen: set[Path] = set()
    waiting = [(path, everywhere)]
    while waiting:
        file, whole = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        for name in _imported(file, whole):
            helper = folder / (name.removeprefix("tests.").replace(".", "/") + ".py")
            if name.startswith("tests.") and helper.is_file():
                waiting.append((helper, False))
            else:
                packages.add(name.split(".")[0])
    return packages


@cache
def _imported(file: Path, whole: bool) -> frozenset[str]:
    """Full names of imported modules; `from a import b` counts as a and as a.b."""
    names: set[str] = set()
    for node in _statements(ast.parse(file.read_bytes()), whole):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


def _statements(tree: ast.AST, whole: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(tree):
        yield child
        if whole or not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _statements(child, whole)


if __name__ == "__main__":
    taken, left = select()
    print(*taken, sep="\n")
    for name, reason in left.items():
        print(f"left out: {name}: {reason}")
