"""Model file: a .tflite file read once, within limits, and checked before anything is made of it.

The one place where a model's bytes come in. Whatever is wrong with them is a ValueError (SpecError
for a file of this project) that names the file and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import IO

from edge_runtime.detector.checksums import CHECKSUMS_MEMBER, check_checksums
from edge_runtime.detector.sha256 import sha256
from edge_runtime.detector.spec import SPEC_MEMBER, SpecError, describe_damage
from edge_runtime.detector.zip_members import (
    TAIL_BYTES,
    DamagedMemberError,
    Members,
    read_members,
)

IDENTIFIER = b"TFL3"
# More than the largest YOLO in float32 (273 MB); a board that is to detect has not much more.
MOST_BYTES = 300 << 20


@dataclass(frozen=True, eq=False)
class ModelFile:
    """A .tflite file in memory: what is checked here is what runs, even if the file is replaced.

    Attributes:
        path: for messages.
        content: all of it.
        members: behind the network.
        is_sealed: whether it carries checksums, which hold.
    """

    path: Path
    content: bytes
    members: Members
    is_sealed: bool

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all of it."""
        return sha256(self.content)

    def text(self, name: str) -> str | None:
        """Text of a member; None without it. Raises: SpecError where it is damaged."""
        try:
            return self.members.text(name)
        except DamagedMemberError as error:
            raise SpecError(describe_damage(self.path, error)) from error


def read_model_file(path: str | Path) -> ModelFile:
    """Read and check a .tflite file; nothing of it is run.

    Raises: FileNotFoundError; ValueError for a file that is none or too large; SpecError for one of
        this project whose checksums do not hold or whose members are damaged; OSError.
    """
    path = Path(path)
    content = read_network_bytes(path)
    members = read_members(content)
    names = {*members.contents, *members.damaged}
    is_own = bool({SPEC_MEMBER, CHECKSUMS_MEMBER} & names)
    if not is_own:
        if SPEC_MEMBER.encode() in content[-TAIL_BYTES:]:
            reason = members.damaged.get("", "it is cut off: the end of its zip is missing")
            raise SpecError(describe_damage(path, reason))
        return ModelFile(path, content, members, is_sealed=False)
    for name, reason in members.damaged.items():
        raise SpecError(describe_damage(path, f"{name} cannot be read: {reason}"))
    file = ModelFile(path, content, members, is_sealed=CHECKSUMS_MEMBER in members.contents)
    if file.is_sealed:
        try:
            check_checksums(file.text(CHECKSUMS_MEMBER) or "", content, members.contents)
        except ValueError as error:
            raise SpecError(describe_damage(path, error)) from error
    return file


def read_network_bytes(path: Path) -> bytes:
    """All bytes of a .tflite file, of which not one is read where it is none or too large.

    Raises: FileNotFoundError; ValueError; OSError.
    """
    if not path.is_file():
        if not path.is_dir():
            raise FileNotFoundError(f"no model file at {path}; check the path")
        raise FileNotFoundError(f"no model file at {path}, but {_strange().describe_folder(path)}")
    with path.open("rb") as file:
        head = file.read(8)
        if head[4:8] != IDENTIFIER:
            what = _strange().describe_strange(path)
            raise ValueError(f"{path} is not a TFLite file, but {what}")
        size = path.stat().st_size
        if size <= MOST_BYTES:
            return _rest(file, path, head, size)
    raise ValueError(
        f"{path}: {MOST_BYTES >> 20} MiB at most expected, got {size >> 20} MiB; no "
        "detector for such boards is so large: copy the file again"
    )


def _rest(file: IO[bytes], path: Path, head: bytes, size: int) -> bytes:
    """All of a file, whose head is read. Raises: ValueError where memory does not suffice, and for
    a file that grows."""
    try:
        content = head + file.read(size)  # not more: as much memory is asked for at once
    except MemoryError as error:
        raise ValueError(
            f"{path}: too little memory free for its {size / 1e6:.1f} MB; end other programs, or "
            "export a smaller network"
        ) from error
    if len(content) > size:
        raise ValueError(f"{path} grows while it is read; wait until it is copied")
    return content


def _strange() -> ModuleType:
    from edge_runtime.detector import strange_file  # not above: of a right file nothing is said

    return strange_file
