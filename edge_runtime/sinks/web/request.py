"""HTTP request head: parsed strictly, in a time that grows with its length and no faster.

The standard library gives headers to its mail parser, which takes 8 seconds of a processor for one
Content-Type of 60 kB; here nothing but names and values is looked at. RFC 9112, sections 3 and 5.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple, Protocol

MAX_LINE = 65536  # bytes; the cookies of all programs on a host come in one line
MAX_HEAD = 2 * MAX_LINE
MAX_HEADERS = 100

_METHOD = re.compile(r"[A-Z]{1,16}")
_TARGET = re.compile(r"[!-~]+")
_ABSOLUTE = re.compile(r"https?://(?P<host>[^/?#]*)(?P<path>.*)", re.IGNORECASE)
_VERSION = re.compile(r"HTTP/([0-9])\.[0-9]")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Section 5.5 of RFC 9110 lets other control characters pass: they are in cookies of other programs.
_VALUE = re.compile(r"[^\x00\r\n]*")
# Two of them, and it depends on the reader which one counts.
_SINGLE = frozenset({"host", "authorization", "content-length"})


class Lines(Protocol):
    """A binary file, as far as it is used."""

    def readline(self, size: int, /) -> bytes: ...


class BadRequestError(Exception):
    """A request that is not answered: the status, and why."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class Headers:
    """Header fields, by names in any case."""

    def __init__(self, values: Mapping[str, str]) -> None:
        """values: by names in lower case."""
        self._values = values

    def get(self, name: str, default: str = "", /) -> str:
        """Value of a field, `default` without one."""
        return self._values.get(name.lower(), default)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._values


class Head(NamedTuple):
    """A request without its body.

    Attributes:
        target: path and query as they came, of visible ASCII. A client that takes us for a proxy
            names the host there, too (section 3.2.2): that then counts as the header Host.
    """

    method: str
    target: str
    headers: Headers


def read_head(first: bytes, file: Lines) -> Head:
    """The head that begins with the line `first`; the rest of it is read from `file`.

    Raises: BadRequestError; OSError as `file`.
    """
    words = first.decode("latin-1").rstrip("\r\n").split(" ")
    if len(words) != 3 or not _METHOD.fullmatch(words[0]) or not _TARGET.fullmatch(words[1]):
        raise BadRequestError(HTTPStatus.BAD_REQUEST, "METHOD PATH HTTP/1.1 was expected")
    version = _VERSION.fullmatch(words[2])
    if version is None:
        raise BadRequestError(HTTPStatus.BAD_REQUEST, "METHOD PATH HTTP/1.1 was expected")
    if version[1] != "1":
        raise BadRequestError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "this is HTTP/1")
    values = _read_headers(file, MAX_HEAD - len(first))
    target = words[1]
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None:
        values["host"] = absolute["host"]
        target = absolute["path"] if absolute["path"].startswith("/") else f"/{absolute['path']}"
    return Head(words[0], target, Headers(values))


def _read_headers(file: Lines, room: int) -> dict[str, str]:
    values: dict[str, str] = {}
    for _ in range(MAX_HEADERS + 1):
        line = file.readline(min(room, MAX_LINE) + 1)
        room -= len(line)
        if room < 0 or len(line) > MAX_LINE:
            break
        if not line.endswith(b"\n"):
            raise BadRequestError(HTTPStatus.BAD_REQUEST, "the request ends within its headers")
        text = line.decode("latin-1").rstrip("\r\n")
        if not text:
            return values
        _add(values, text)
    raise BadRequestError(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        f"at most {MAX_HEADERS} headers and {MAX_HEAD} bytes are taken",
    )


def _add(values: dict[str, str], line: str) -> None:
    name, colon, value = line.partition(":")
    value = value.strip(" \t")
    if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise BadRequestError(HTTPStatus.BAD_REQUEST, "a header NAME: VALUE was expected")
    name = name.lower()
    if name in values:
        if name in _SINGLE:
            raise BadRequestError(HTTPStatus.BAD_REQUEST, f"one header {name} was expected")
        # Split by a proxy, or by two of them: a list, in their order (RFC 9110, section 5.3).
        value = f"{values[name]}{'; ' if name == 'cookie' else ', '}{value}"
    values[name] = value
