"""Authentication of the web page: token, login cookie, and names on loopback.

With a token: who shows it, as `Authorization: Bearer`, as the password of HTTP Basic (Home
Assistant's MJPEG camera, Prometheus), or as the cookie that the login form gave. The cookie is an
HMAC under the token: who reads it can neither learn the token nor make one that is valid longer.
It outlives a restart of the service, and a new token ends all of them. A link from another page
brings it along (SameSite=Lax); a picture, a script or a form of another page does not, and nothing
that a link can open changes anything.

Without a token, on loopback only: who asks for a loopback name. A page of the Internet whose name
was made to point at 127.0.0.1 (DNS rebinding) would ask for its own.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import hmac
import logging
import os
import re
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from edge_runtime.sinks.web.address import is_loopback
from edge_runtime.system.paths import read_secret

log = logging.getLogger(__name__)

ENVIRONMENT = "EDGE_RUNTIME_WEB_TOKEN"
MAX_NAME = 260  # characters of a host's name and port
MIN_TOKEN = 16  # characters; with fewer, guessing is no longer hopeless
COOKIE_SECONDS = 180 * 24 * 3600  # a tablet on the wall should not ask every week
MAKE_TOKEN = (
    "make one with: (umask 077; python3 -c 'import secrets; print(secrets.token_urlsafe())' > "
    "web-token), then --web-token-file web-token"
)


class Headers(Protocol):
    """Headers of a request: the standard library's message, or a dict."""

    def get(self, name: str, default: str, /) -> str: ...


class Access(enum.Enum):
    """Verdict on a request."""

    ALLOWED = enum.auto()
    MISSING = enum.auto()  # a token is needed and none came
    WRONG = enum.auto()  # a token came and is wrong
    FOREIGN = enum.auto()  # for a name that is not this computer's


def read_token(path: str | None, environment: Mapping[str, str] = os.environ) -> str | None:
    """The token in a file, else that in the environment, else None.

    Raises: OSError where the file cannot be read; ValueError for a token that is short or has
        letters that a header cannot carry. Neither names the token.
    """
    if path is None:
        token, where = environment.get(ENVIRONMENT, "").strip(), ENVIRONMENT
        if not token:
            return None
    else:
        try:
            token, where = read_secret(path).strip(), path
        except OSError as error:
            raise OSError(
                error.errno, f"--web-token-file {path}: {error.strerror}; {MAKE_TOKEN}"
            ) from error
        if stat.S_IMODE(Path(path).stat().st_mode) & (stat.S_IROTH | stat.S_IWOTH):
            log.warning("every user of this computer can read %s: chmod 600 %s", path, path)
    if len(token) < MIN_TOKEN or not re.fullmatch(r"[!-~]+", token):
        raise ValueError(
            f"a token of at least {MIN_TOKEN} ASCII characters without spaces expected in {where}, "
            f"got {len(token)} characters; {MAKE_TOKEN}"
        )
    return token


class Auth:
    """Judges requests. Any thread may call it."""

    def __init__(self, token: str | None, host: str, port: int, is_framed: bool = False) -> None:
        """host, port: where the page listens; several runtimes on a computer share its cookies.
        is_framed: whether pages of other origins may show it."""
        self._token = token
        self._host = host.lower()
        self._cookie = f"edge_runtime_{port}"
        # Looked for, not parsed: those of others are as they are, and commas may be between them.
        self._cookies = re.compile(
            rf'(?:^|[;,\s])(?:__Secure-)?{self._cookie}="?([0-9]{{1,12}})\.([0-9a-f]{{64}})(?![^;,\s"])'
        )
        self._is_framed = is_framed

    @property
    def needs_token(self) -> bool:
        """True if there is a token, and so a login form."""
        return self._token is not None

    def check(self, headers: Headers) -> Access:
        """The verdict on a request with these headers."""
        if self._token is None:
            known = self._is_this_computer(headers.get("Host", ""))
            return Access.ALLOWED if known else Access.FOREIGN
        # First: a proxy with passwords of its own passes them on, and they are not ours.
        if self._has_cookie(headers):
            return Access.ALLOWED
        shown = _shown_token(headers.get("Authorization", ""))
        if shown is None:
            return Access.MISSING
        return Access.ALLOWED if self.accepts(shown) else Access.WRONG

    def knows(self, headers: Headers) -> bool:
        """True for a request that `check` allows by its cookie or, without a token, by its name:
        for which a token can be guessed at full speed by nobody."""
        if self._token is None:
            return self.check(headers) is Access.ALLOWED
        return self._has_cookie(headers)

    def accepts(self, shown: str) -> bool:
        """True if `shown` is the token, in a time that does not tell how much of it is right."""
        expected = (self._token or "").encode()
        return bool(expected) and hmac.compare_digest(shown.encode(), expected)

    def new_cookie(self, is_encrypted: bool = False) -> str:
        """Value of Set-Cookie for who has shown the token.

        is_encrypted: a TLS proxy stands before us. A page of another site may frame ours only then:
        browsers give its cookie to no frame without.
        """
        expires = str(int(time.time()) + COOKIE_SECONDS)
        name, rules = self._cookie, "SameSite=Lax"
        if self._is_framed and is_encrypted:
            name, rules = f"__Secure-{name}", "SameSite=None; Secure; Partitioned"
        return (
            f"{name}={expires}.{self._sign(expires)}; Path=/; Max-Age={COOKIE_SECONDS}; "
            f"HttpOnly; {rules}"
        )

    def _sign(self, expires: str) -> str:
        message = f"edge-runtime web session until {expires}".encode()
        return hmac.new((self._token or "").encode(), message, hashlib.sha256).hexdigest()

    def _has_cookie(self, headers: Headers) -> bool:
        """True if one of the cookies is ours and good."""
        found = self._cookies.finditer(headers.get("Cookie", ""))
        return any(self._is_good(cookie[1], cookie[2]) for cookie in found)

    def _is_good(self, expires: str, signature: str) -> bool:
        return hmac.compare_digest(signature, self._sign(expires)) and int(expires) > time.time()

    def _is_this_computer(self, host: str) -> bool:
        # urlsplit would take what stands before an @ for a user's name.
        if "@" in host or len(host) > MAX_NAME:
            return False
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name == self._host or name == "localhost" or name.endswith(".localhost"):
            return bool(name)
        try:
            return is_loopback(name)
        except ValueError:
            return False


def _shown_token(authorization: str) -> str | None:
    """Token of an Authorization header; None without one, "" for a kind that is not known."""
    kind, _, value = authorization.replace("\t", " ").strip().partition(" ")
    value = value.strip()
    if not kind:
        return None
    if kind.lower() == "bearer":
        return value
    if kind.lower() == "basic":
        try:
            pair = base64.b64decode(value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4))
        except ValueError:
            return ""
        # Browsers write a user's accents in one encoding or another; the token has none.
        return pair.decode("latin-1").partition(":")[2]
    return ""
