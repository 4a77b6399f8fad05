"""Members of the zip behind a model file, read within limits.

The bytes are untrusted: what is damaged or too large is named, and never unpacked beyond a limit.
"""

from __future__ import annotations

import io
import struct
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

# Names of ten thousand classes fit; a member that unpacks to gigabytes does not.
MOST_BYTES = 1 << 20
MOST_MEMBERS = 64
MOST_LIST_BYTES = 64 << 10  # of the list of members: `zipfile` makes an object of each

_END = b"PK\5\6"  # of a zip: its end record, APPNOTE.TXT 4.3.16
_END_BYTES = 22
_LOCATOR = b"PK\6\7"  # of a ZIP64's own end record, which no model file needs
_LOCATOR_BYTES = 20
# Where the list ends: a comment may stand behind the end record.
TAIL_BYTES = _LOCATOR_BYTES + _END_BYTES + 0xFFFF
# Others unpack without a limit, or ask for gigabytes themselves (LZMA).
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class DamagedMemberError(ValueError):
    """A member, or the list of members, cannot be read."""


@dataclass(frozen=True)
class Members:
    """All members of a zip.

    Attributes:
        contents: name → bytes of those that can be read.
        damaged: name → what is wrong with the others; "" stands for the list itself.
        front: bytes before the zip, the model's own; all of a file without a zip.
    """

    front: int
    contents: dict[str, bytes] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """A member in UTF-8; None where there is none of that name. Raises: DamagedMemberError."""
        if name in self.damaged:
            raise DamagedMemberError(f"{name} is damaged ({self.damaged[name]})")
        data = self.contents.get(name)
        return None if data is None else _text(name, data)


def read_members(content: bytes) -> Members:
    """The members of a file that is in memory already."""
    try:
        archive = _open(io.BytesIO(content))
    except DamagedMemberError as error:
        return Members(len(content), damaged={"": str(error)})
    if archive is None:
        return Members(len(content))
    infos = archive.infolist()
    front = min((info.header_offset for info in infos), default=len(content))
    members = Members(front)
    for info in infos:
        try:
            members.contents[info.filename] = _read(archive, info)
        except DamagedMemberError as error:
            members.damaged[info.filename] = str(error)
    return members


def find_text(path: Path, name: str) -> str | None:
    """Text of one member of a file, of which no more than that is read; None without it.

    Raises: DamagedMemberError where the file names it and it cannot be read; OSError.
    """
    with path.open("rb") as file:
        try:
            archive = _open(file)
        except DamagedMemberError:
            if is_named(file, name):
                raise
            return None  # another maker's
        if archive is None:
            if is_named(file, name):
                raise DamagedMemberError("it is cut off: the end of its zip is missing")
            return None
        info = archive.NameToInfo.get(name)
        return None if info is None else _text(name, _read(archive, info))


def is_named(file: IO[bytes], name: str) -> bool:
    """Whether the end of a file, where a zip lists its members, has this name in it."""
    return name.encode() in _tail(file)


def read_texts(content: bytes) -> dict[str, str]:
    """Name → text of a file's members in UTF-8, stored or deflated.

    Members that are damaged, too large or no text are left out; {} for a file without a zip.
    """
    texts: dict[str, str] = {}
    for name, data in read_members(content).contents.items():
        try:
            texts[name] = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
    return texts


def _open(file: IO[bytes]) -> zipfile.ZipFile | None:
    """A zip whose list is short; None for a file without one. Raises: DamagedMemberError."""
    tail = _tail(file)
    place = tail.rfind(_END)
    if place < 0:
        return None
    if len(tail) - place < _END_BYTES or tail[place - _LOCATOR_BYTES :].startswith(_LOCATOR):
        raise DamagedMemberError("the list of its members cannot be read")
    count, size = struct.unpack_from("<HL", tail, place + 10)
    if count > MOST_MEMBERS or size > MOST_LIST_BYTES:
        raise DamagedMemberError(f"{MOST_MEMBERS} members at most expected, got {count}")
    try:
        archive = zipfile.ZipFile(file)
    except Exception as error:  # of a damaged list, zipfile raises much
        raise DamagedMemberError(f"the list of its members cannot be read ({error})") from error
    found = len(archive.NameToInfo)
    if found != count:  # a damaged length hides the members behind it
        raise DamagedMemberError(f"{count} members expected, found {found} in its list")
    return archive


def _tail(file: IO[bytes]) -> bytes:
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - TAIL_BYTES))
    return file.read(TAIL_BYTES)


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A member's bytes, checked by its own sum. Raises: DamagedMemberError."""
    if info.compress_type not in _METHODS:
        raise DamagedMemberError("a stored or deflated member expected")
    try:
        with archive.open(info) as member:
            data = member.read(MOST_BYTES + 1)  # whatever the list says of its size
            if len(data) <= MOST_BYTES:
                data += member.read(1)  # the end, where its sum is compared
    except Exception as error:  # zlib.error, LZMAError, NotImplementedError, RuntimeError: much
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DamagedMemberError(reason) from error
    if len(data) > MOST_BYTES:
        raise DamagedMemberError(f"{MOST_BYTES} bytes at most expected, got more")
    if len(data) != info.file_size:
        raise DamagedMemberError(f"{info.file_size} bytes expected, got {len(data)}")
    return data


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DamagedMemberError(f"{name} is damaged (text in UTF-8 expected: {error})") from error
