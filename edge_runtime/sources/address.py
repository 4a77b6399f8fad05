"""Source address: what of it may be shown, and whether it holds a secret.

Cameras take passwords in many places: before an @, behind a question mark under any name, in the
path. So nothing but scheme, host and port is ever shown, and where it is not certain which part is
the host, not even that.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

HIDDEN = "…"
# https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1
ESCAPES = "in a user or password, # ? / @ are written %23 %3F %2F %40"

_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<rest>.*)", re.DOTALL)
_WITHIN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://\S+")
_HOST = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.-]+)?\])(?::[0-9]{1,5})?")
# A part of a path that may be shown to everybody: a word, a number, or several with - or _.
_PLAIN_PART = re.compile(r"[A-Za-z]{0,20}[0-9]{0,4}(?:[._-][A-Za-z]{0,20}[0-9]{0,4})*")
# host/stream?u=admin&p=…, admin:…@host/stream: an address whose scheme was forgotten
_WITHOUT_SCHEME = re.compile(r"[^/]*:[^@]*@|[^?]*\?.*=|[A-Za-z]{2,}:/+\S", re.DOTALL)


def public_source(text: str) -> str:
    """A source fit for messages, pages and journals: scheme, host and port of an address, and any
    other as it is."""
    match = _ADDRESS.fullmatch(text)
    if match is not None:
        return f"{match['scheme']}://{_host(match['rest']) or HIDDEN}"
    return HIDDEN if looks_like_address(text) else text


def public_text(text: str) -> str:
    """A message of others, without what stands in addresses in it."""
    return _WITHIN_TEXT.sub(lambda match: public_source(match[0]), text)


def looks_like_address(text: str) -> bool:
    """True for an address, also for one whose scheme is missing or misspelt; no file's name."""
    if _ADDRESS.fullmatch(text):
        return True
    return _WITHOUT_SCHEME.match(text) is not None and not Path(text).exists()


def holds_secret(text: str) -> bool:
    """True for an address with anything that may be one: a user, a query, a path beyond words."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        return looks_like_address(text)
    host, *path = match["rest"].split("/")
    return not _HOST.fullmatch(host) or not all(map(_PLAIN_PART.fullmatch, path))


def check_local(path: str) -> None:
    """Refuse an address where a file is expected; its password would be shown as part of a name.
    Nothing at all, an unset variable's, would mean the folder where the program happens to run.

    Raises: ValueError.
    """
    if not path:
        raise ValueError("a path expected, got nothing; is a variable not set?")
    if looks_like_address(path):
        raise ValueError(
            f"a path of this machine expected, got the address {public_source(path)} : fetch the "
            "file first (a camera is for `edge-runtime run MODEL --source`)"
        )


def check_address(text: str) -> None:
    """Refuse an address that no program can read as it was meant. Raises: ValueError."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port == 0:
        raise ValueError(
            f"HOST[:PORT]/PATH expected behind the scheme, or USER:PASSWORD@HOST[:PORT]/PATH, got "
            f"{public_source(text)}; {ESCAPES}"
        )


def _host(rest: str) -> str | None:
    """host[:port] of what stands behind ://, None where that is not certain."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    beyond = rest[len(authority) :]
    if "@" in beyond:
        # A / or ? in a password, or an @ in a path? Certain where no port could be meant.
        before, _, after = rest.partition("@")
        _, colon, port = authority.partition(":")
        meant = colon and not port.isdecimal() and "@" not in after and not set("=&") & {*before}
        authority = re.split(r"[/?#]", after, maxsplit=1)[0] if meant else ""
    host = authority.rpartition("@")[2]
    return host if _HOST.fullmatch(host) else None
