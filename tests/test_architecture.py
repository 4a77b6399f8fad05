"""Architecture: imports point one way, run in no circle, and keep the device free of TensorFlow.

Read from the source, so that imports inside functions count as well.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

# From the bottom to the top: a package may import itself and those before it.
LAYERS = ("edge_runtime", "train", "convert", "studies")
DESKTOP_ONLY = ("tensorflow", "keras", "jax", "sklearn", "matplotlib")
# The interpreter inside TensorFlow is a candidate by its name, in a string, never an import.

Graph = dict[str, set[str]]


def module_name(path: Path, root: Path) -> str:
    """train/data/voc.py → train.data.formats.voc; train/data/__init__.py → train.data."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_names(path: Path, package: str) -> Iterator[tuple[str, ...]]:
    """Candidates for each import, the longest first: `from a import b` may mean a.b or a."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.name,)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                yield f"{base}.{alias.name}", base


def import_graph(root: Path, layers: tuple[str, ...] = LAYERS) -> tuple[Graph, Graph]:
    """module → the modules of this project that it imports; module → the other packages."""
    files = {
        module_name(path, root): path for layer in layers for path in (root / layer).rglob("*.py")
    }
    inside: Graph = {name: set() for name in files}
    outside: Graph = {name: set() for name in files}
    for name, path in files.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for candidates in imported_names(path, package):
            known = next((found for found in candidates if found in files), None)
            if known is None:
                outside[name].add(candidates[-1].split(".")[0])
            elif known != name:
                inside[name].add(known)
    return inside, outside


def circles(graph: Graph) -> list[list[str]]:
    """Strongly connected components of more than one module (Tarjan 1972), each sorted."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = lowest[name] = len(index)
        stack.append(name)
        for other in sorted(graph[name]):
            if other not in index:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in stack:
                lowest[name] = min(lowest[name], index[other])
        if lowest[name] == index[name]:
            start = stack.index(name)
            component = stack[start:]
            del stack[start:]
            if len(component) > 1:
                found.append(sorted(component))

    for name in sorted(graph):
        if name not in index:
            visit(name)
    return found


def one_way_round(graph: Graph, circle: list[str]) -> str:
    """The shortest path from the circle's first module back to it: a → b → a."""
    start, paths = circle[0], [[circle[0]]]
    seen: set[str] = set()
    while paths:
        path = paths.pop(0)
        for other in sorted(graph[path[-1]] & set(circle)):
            if other == start:
                return " → ".join([*path, start])
            if other not in seen:
                seen.add(other)
                paths.append([*path, other])
    raise AssertionError(f"not a circle: {circle}")


@pytest.fixture(scope="module")
def graphs() -> tuple[Graph, Graph]:
    inside, outside = import_graph(ROOT)
    assert len(inside) > 100 and sum(map(len, inside.values())) > 200  # the tree was found
    return inside, outside


def test_no_import_runs_in_a_circle(graphs):
    inside, _ = graphs
    found = [one_way_round(inside, circle) for circle in circles(inside)]
    assert not found, "imports in a circle:\n" + "\n".join(found)


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_point_one_way(graphs, layer):
    inside, _ = graphs
    allowed = LAYERS[: LAYERS.index(layer) + 1]
    upward = [
        f"{name} imports {other}"
        for name, others in inside.items()
        for other in sorted(others)
        if name.split(".")[0] == layer and other.split(".")[0] not in allowed
    ]
    assert not upward, "imports that point upward:\n" + "\n".join(upward)


def test_no_package_imports_the_tests(graphs):
    found = [name for name, others in graphs[1].items() if "tests" in others]
    assert found == []


def test_the_device_imports_nothing_of_the_desktop(graphs):
    _, outside = graphs
    heavy = [
        f"{name} imports {other}"
        for name, others in outside.items()
        for other in sorted(others & set(DESKTOP_ONLY))
        if name.split(".")[0] == "edge_runtime"
    ]
    assert not heavy, "\n".join(heavy)


def test_a_circle_and_an_arrow_that_points_up_are_found(tmp_path):
    """The test of the test: a tree of four modules with one of each, inside a function too."""
    texts = {
        "low/__init__.py": "",
        "low/a.py": "def f():\n    from low import b\n",
        "low/b.py": "from .c import thing\n",
        "low/c.py": "import low.a, keras.ops\nfrom high.top import x\n",
        "high/__init__.py": "",
        "high/top.py": "from low.a import f\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    inside, outside = import_graph(tmp_path, ("low", "high"))
    assert inside["low.c"] == {"low.a", "high.top"} and outside["low.c"] == {"keras"}
    assert circles(inside) == [["high.top", "low.a", "low.b", "low.c"]]
    assert one_way_round(inside, circles(inside)[0]) == (
        "high.top → low.a → low.b → low.c → high.top"
    )
    del inside["high.top"], inside["high"]
    inside["low.c"].remove("high.top")
    assert [one_way_round(inside, circle) for circle in circles(inside)] == [
        "low.a → low.b → low.c → low.a"
    ]
