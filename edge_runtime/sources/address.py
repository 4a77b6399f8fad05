"""Source address: what of it may be shown, and whether it holds a secret.

Cameras take passwords in many places: before an @, behind a question mark under any name, in the
path. So nothing but scheme, host and port is ever shown, and where it is not certain which part is
the host, not even that.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from edge_runtime.system.paths import is_there

HIDDEN = "…"
# https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1
ESCAPES = "in a user or password, # ? / @ are written %23 %3F %2F %40"

# What copying, an env-file and quotes leave around an address.
AROUND = " \t\r\n\v\f\xa0\u200b\ufeff\"'"

_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<rest>.*)", re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_CAMERA = re.compile(r"(?:picamera2|usb)(?::\S*)?", re.IGNORECASE)
_HOST = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.-]+)?\])(?::[0-9]{1,5})?")
# A part of a path that may be shown to everybody: a word, a number, or several with - or _; and
# the words beside which a password is one, too.
_PLAIN_PART = re.compile(r"[A-Za-z]{0,20}[0-9]{0,4}(?:[._-][A-Za-z]{0,20}[0-9]{0,4})*")
_TELLING = re.compile(r"user|usr|login|admin|pass|pwd|psw|token|auth|key|secret", re.IGNORECASE)
_WITHOUT_SCHEME = re.compile(
    r"[^/]*:[^@]*@"  # admin:…@host
    r"|[^/]*//[^/]*:[^@]*@"  # //admin:…@host, rtsp//admin:…@host
    r"|[^?]*\?.*="  # host/stream?u=admin&p=…
    r"|.*(?:[Pp]ass|[Pp]wd|[Pp]sw|[Tt]oken|[Ss]ecret)[a-z]*="  # host/user=admin&password=…
    r"|[A-Za-z]{2,}:/+\S"  # rtsp:/host/…
    r"|[^/]{2,}://\S",  # ffmpeg:rtsp://host/…
    re.DOTALL,
)
MOST_WORD = 1000  # characters of a message's word that are looked at


def tidied_source(text: str) -> str:
    """A source as it was meant: an address or a camera without blanks and quotes around it, its
    scheme in small letters; any other, and what names a file, as it is."""
    if is_there(text):
        return text
    bare = text.strip(AROUND)
    if _CAMERA.fullmatch(bare):
        return bare.lower()
    match = _ADDRESS.fullmatch(bare)
    return text if match is None else f"{match['scheme'].lower()}://{match['rest']}"


def public_source(text: str) -> str:
    """A source fit for messages, pages and journals: scheme, host and port of an address, and any
    other as it is."""
    match = _ADDRESS.fullmatch(text.strip(AROUND))
    if match is not None:
        return f"{match['scheme']}://{_host(match['rest']) or HIDDEN}"
    return HIDDEN if looks_like_address(text) else text


def public_text(text: str) -> str:
    """A message of others in one line, without what stands in addresses in it, and without what a
    terminal takes for a command."""
    return " ".join(map(_public_word, text.split()))


def _public_word(word: str) -> str:
    if len(word) > MOST_WORD:
        return HIDDEN
    word = "".join(filter(str.isprintable, word))
    scheme = _SCHEME.search(word)
    if scheme is not None:
        return public_source(word[: scheme.start()]) + public_source(word[scheme.start() :])
    flag, equals, value = word.partition("=")
    if equals and flag.startswith("--"):
        return f"{flag}={public_source(value)}"
    return public_source(word)


def looks_like_address(text: str) -> bool:
    """True for an address, also for one whose scheme is missing or misspelt; no file's name."""
    if _ADDRESS.fullmatch(text.strip(AROUND)):
        return True
    return _WITHOUT_SCHEME.match(text) is not None and not is_there(text)


def holds_secret(text: str) -> bool:
    """True for an address with anything that may be one: a user, a query, a path beyond words or
    with one that tells of a login."""
    match = _ADDRESS.fullmatch(text.strip(AROUND))
    if match is None:
        return looks_like_address(text)
    host, *path = match["rest"].split("/")
    plain = _HOST.fullmatch(host) and all(map(_PLAIN_PART.fullmatch, path))
    return not plain or any(map(_TELLING.search, path))


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
    if not text.isprintable():  # what is no UTF-8 is not printable either
        raise ValueError(
            "an address of visible characters in UTF-8 expected, in which others are written %XX, "
            f"got {public_source(text)}"
        )
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
