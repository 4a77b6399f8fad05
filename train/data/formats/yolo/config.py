"""Configuration of a YOLO set: Ultralytics' data.yaml or Darknet's obj.data, as written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import yaml

from train.data.formats.files import FolderFiles
from train.data.formats.image_ids import SPLIT_NAMES
from train.data.formats.numbers import shown
from train.data.formats.text import clean_name, read_lines, read_text

_YAML_KEY = re.compile(
    r"^[{\s]{0,9}[\"']?(names|nc|train|val|valid|validation|test)[\"']?\s*:", re.M
)
_DATA_KEY = re.compile(r"^\s*(train|valid|val|test|names|classes)\s*=", re.M)
_MOST_BYTES = 1 << 20  # a longer file is no configuration
_MOST_CLASSES = 100_000


@dataclass(frozen=True)
class Value:
    """A path in a configuration and its line."""

    text: str
    line: int


@dataclass(frozen=True)
class Config:
    """What a configuration says, nothing of it looked up yet.

    Attributes:
        sources: split → folders or lists of its pictures.
        base: Ultralytics' `path`, that the sources start from.
        names: class number → (line, name); None where there are none.
        names_file: the list that gives the names instead.
        pose_numbers: numbers that a line has after its box, of `kpt_shape`.
        notes: on what was taken how.
    """

    path: Path
    sources: dict[str, list[Value]]
    base: Value | None = None
    names: dict[int, tuple[int, str]] | None = None
    names_file: Value | None = None
    pose_numbers: int = 0
    notes: list[str] = field(default_factory=list)


def config_paths(files: FolderFiles) -> list[Path]:
    """Files that look like a configuration with splits: the named one, then the likeliest."""
    found = [path for path in files.with_suffix(".yaml", ".yml", ".data") if is_config(path)]
    known = ("data", "dataset", "obj")
    found.sort(key=lambda path: (len(files.parts(path)), path.stem.lower() not in known, path))
    if files.config is None:
        return found
    own = files.config.resolve()
    return [files.config, *(path for path in found if path.resolve() != own)]


def is_config(path: Path) -> bool:
    """Whether a file looks like a configuration with splits."""
    keys = _keys(path)
    return bool(keys & {"names", "nc", "classes"} and keys & SPLIT_NAMES.keys())


def names_paths(files: FolderFiles) -> list[Path]:
    """YAML files that name classes and no pictures."""
    return [path for path in files.with_suffix(".yaml", ".yml") if _keys(path) == {"names"}]


def _keys(path: Path) -> set[str]:
    if path.stat().st_size > _MOST_BYTES:
        return set()
    content = path.read_bytes()
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    pattern = _DATA_KEY if path.suffix.lower() == ".data" else _YAML_KEY
    return {match[1] for match in pattern.finditer(content.decode(encoding, errors="replace"))}


def read_config(path: Path) -> Config:
    """Parse a configuration.

    Raises: ValueError, naming file and line, where it is malformed. OSError.
    """
    return _read_data(path) if path.suffix.lower() == ".data" else _read_yaml(path)


def _read_data(path: Path) -> Config:
    sources: dict[str, list[Value]] = {}
    names_file = None
    for number, line in read_lines(path):
        key, _, text = (part.strip() for part in line.partition("="))
        if key.lower() in SPLIT_NAMES and text:
            sources[SPLIT_NAMES[key.lower()]] = [Value(text, number)]
        elif key.lower() == "names" and text:
            names_file = Value(text, number)
    return Config(path, sources, names_file=names_file)


def _fail(path: Path, node: yaml.Node, reason: str) -> NoReturn:
    raise ValueError(f"{path}, line {node.start_mark.line + 1}: {reason}")


def _read_yaml(path: Path) -> Config:
    root = _compose(path)
    nodes = {
        key.value.lower(): (key, value)
        for key, value in root.value
        if isinstance(key, yaml.ScalarNode) and not value.tag.endswith(":null")
    }
    sources = {}
    for key, split in SPLIT_NAMES.items():
        if key in nodes:
            sources[split] = list(_values(path, key, nodes[key][1]))
    names, names_file, notes = None, None, []
    count = _class_count(path, nodes["nc"][1]) if "nc" in nodes else None
    if "names" in nodes:
        node = nodes["names"][1]
        if isinstance(node, yaml.ScalarNode):
            names_file = _value(node)
        else:
            names = _names(path, node)
            if count not in (None, len(names)):
                line = nodes["nc"][0].start_mark.line + 1
                notes.append(
                    f"{path}, line {line}: nc is {count}, but there are {len(names)} names; "
                    "taking the names"
                )
    elif count:
        line = nodes["nc"][0].start_mark.line + 1
        names = {number: (line, str(number)) for number in range(count)}
        notes.append(
            f"{path}, line {line}: gives the number of classes and no names; they are called "
            f"0 to {count - 1}. Add names: [...] for better ones"
        )
    base = nodes.get("path", (None, None))[1]
    if base is not None and not isinstance(base, yaml.ScalarNode):
        _fail(path, base, "expected a folder as path, got a list or mapping; write one folder")
    pose = _pose_numbers(nodes["kpt_shape"][1]) if "kpt_shape" in nodes else 0
    return Config(path, sources, _value(base) if base else None, names, names_file, pose, notes)


def _compose(path: Path) -> yaml.MappingNode:
    text = read_text(path)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        raise ValueError(f"{where}: expected YAML, got {error.problem}; correct it") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ValueError(
            f"{path}, line {line}: expected text, got the character {error.character!r}; remove it"
        ) from error
    except (ValueError, OverflowError) as error:  # "\UFFFFFFFF", which is no character
        raise ValueError(f"{path}: expected YAML, got {error}; correct the file") from error
    except RecursionError as error:
        raise ValueError(
            f"{path}: expected a YAML file with names and train, got one nested too deep; "
            "correct the file"
        ) from error
    if not isinstance(root, yaml.MappingNode):
        raise ValueError(
            f"{path}: expected keys such as names and train, got none; correct the file"
        )
    return root


def _value(node: yaml.ScalarNode) -> Value:
    return Value(str(node.value), node.start_mark.line + 1)


def _values(path: Path, key: str, node: yaml.Node) -> Iterator[Value]:
    items = node.value if isinstance(node, yaml.SequenceNode) else [node]
    for item in items:
        if not isinstance(item, yaml.ScalarNode):
            _fail(path, item, f"expected a folder, a list file or several as {key}; correct it")
        yield _value(item)


def _class_count(path: Path, node: yaml.Node) -> int:
    text = str(node.value) if isinstance(node, yaml.ScalarNode) else "a list or mapping"
    if not text.isdecimal() or not 0 < int(text[:9]) <= _MOST_CLASSES:
        _fail(path, node, f"expected the number of classes as nc, got {shown(text)}; correct it")
    return int(text)


def _names(path: Path, node: yaml.Node) -> dict[int, tuple[int, str]]:
    """Class number → (line, name as written: `no` stays no and does not become False)."""
    if isinstance(node, yaml.SequenceNode):
        pairs = list(enumerate(node.value))
    else:
        pairs = [(_class_number(path, key), value) for key, value in node.value]
    names: dict[int, tuple[int, str]] = {}
    for number, value in pairs:
        if not isinstance(value, yaml.ScalarNode) or not str(value.value).strip():
            _fail(path, value, f"expected a name for class {number}; write one")
        if number in names:
            _fail(path, value, f"class {number} has a name already, {names[number][1]!r}; keep one")
        names[number] = value.start_mark.line + 1, clean_name(str(value.value))
    if not names:
        _fail(path, node, "expected class names, got none; write names: [cat, dog]")
    return dict(sorted(names.items()))


def _class_number(path: Path, key: yaml.Node) -> int:
    text = str(key.value) if isinstance(key, yaml.ScalarNode) else "a list or mapping"
    if not text.isdecimal() or len(text) > 9:
        _fail(path, key, f"expected a class number before its name, got {shown(text)}; correct it")
    return int(text)


def _pose_numbers(node: yaml.Node) -> int:
    """Key points × numbers of each, of `kpt_shape: [17, 3]`; 0 where it is something else."""
    items = node.value if isinstance(node, yaml.SequenceNode) else []
    texts = [str(item.value) for item in items if isinstance(item, yaml.ScalarNode)]
    if len(texts) != 2 or not all(text.isdecimal() and len(text) < 5 for text in texts):
        return 0
    return int(texts[0]) * int(texts[1])
