"""HTTP authentication of a client: Basic (RFC 7617) and Digest (RFC 7616)."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterable

_FIELD = re.compile(r'\b(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')
_HASHES: dict[str, Callable[[bytes], str]] = {
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    # What cameras have; RFC 7616 keeps it for them.
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}


class Login:
    """A user and a password, told to a server only as it asks for them."""

    def __init__(self, user: str, password: str) -> None:
        # As text of HTTP, a byte a sign (latin-1): a realm is hashed as its bytes came.
        self._user = user.encode("utf-8", "surrogateescape").decode("latin-1")
        self._password = password.encode("utf-8", "surrogateescape").decode("latin-1")
        self._challenge: dict[str, str] | None = None  # of Digest
        self._basic = False
        self._count = 0  # of requests with the challenge's nonce

    def take_challenge(self, headers: Iterable[str]) -> bool:
        """Take the values of WWW-Authenticate headers. Returns: whether one can be answered."""
        text = ", ".join(headers)
        digest = re.search(r"(?i)\bdigest\s+(.*)", text)
        if digest:
            challenge = {
                name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain
                for name, quoted, plain in _FIELD.findall(digest[1])
            }
            if "nonce" in challenge and _algorithm(challenge) in _HASHES:
                self._challenge, self._count = challenge, 0
                return True
        self._basic = re.search(r"(?i)\bbasic\b", text) is not None
        return self._basic

    def header(self, method: str, target: str) -> str | None:
        """The value of an Authorization header; None before a challenge.

        target: path and query of the request, as sent.
        """
        if self._challenge is not None:
            return self._digest(self._challenge, method, target)
        if self._basic:
            pair = f"{self._user}:{self._password}".encode("latin-1")
            return f"Basic {base64.b64encode(pair).decode('ascii')}"
        return None

    def _digest(self, challenge: dict[str, str], method: str, target: str) -> str:
        algorithm = _HASHES[_algorithm(challenge)]

        def hashed(text: str) -> str:
            return algorithm(text.encode("latin-1"))

        self._count += 1
        nonce, realm = challenge["nonce"], challenge.get("realm", "")
        count, client_nonce = f"{self._count:08x}", secrets.token_hex(8)
        secret = hashed(f"{self._user}:{realm}:{self._password}")
        if challenge.get("algorithm", "").lower().endswith("-sess"):
            secret = hashed(f"{secret}:{nonce}:{client_nonce}")
        request = hashed(f"{method}:{target}")
        fields = {"username": self._user, "realm": realm, "nonce": nonce, "uri": target}
        if "auth" in re.split(r"[\s,]+", challenge.get("qop", "")):
            between = f"{nonce}:{count}:{client_nonce}:auth"
            fields["cnonce"] = client_nonce
            plain = f", qop=auth, nc={count}"
        else:  # as RFC 2069 had it
            between, plain = nonce, ""
        fields["response"] = hashed(f"{secret}:{between}:{request}")
        if "opaque" in challenge:
            fields["opaque"] = challenge["opaque"]
        if "algorithm" in challenge:
            plain += f", algorithm={challenge['algorithm']}"
        return "Digest " + ", ".join(f'{k}="{_quoted(v)}"' for k, v in fields.items()) + plain


def _algorithm(challenge: dict[str, str]) -> str:
    return challenge.get("algorithm", "MD5").upper().removesuffix("-SESS")


def _quoted(text: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", text)
