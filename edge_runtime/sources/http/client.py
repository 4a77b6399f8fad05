"""HTTP client of cameras: one GET, with a login, redirects, time-outs and bounds."""

from __future__ import annotations

import http.client
import socket
import ssl
from contextlib import suppress
from urllib.parse import quote, unquote, urljoin, urlsplit

from edge_runtime.sources.base import SourceError
from edge_runtime.sources.diagnosis import BAD_ADDRESS
from edge_runtime.sources.http.login import Login

MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
_KEPT = "/?#[]@!$&'()*+,;=%:~-._"  # of an address; anything else is written as %XX


class CameraClient:
    """Asks one address again and again; a login that was accepted is used at once the next time.

    Attributes:
        seconds: to wait at most for each answer of the network.
        asked: the address that was asked last, after redirects.
    """

    def __init__(self, url: str, seconds: float) -> None:
        """Raises: SourceError for what is no address."""
        self._url = self.asked = url
        self.seconds = seconds
        self._connection: http.client.HTTPConnection | None = None
        self._response: http.client.HTTPResponse | None = None
        self._socket: socket.socket | None = None
        try:
            parts = urlsplit(url)
            self._scheme, self._host = parts.scheme, (parts.hostname, parts.port)
        except ValueError as error:
            raise SourceError(BAD_ADDRESS) from error
        if not parts.hostname:
            raise SourceError(BAD_ADDRESS)
        self._login: Login | None = None
        if parts.username is not None:
            self._login = Login(unquote(parts.username), unquote(parts.password or ""))

    def get(self) -> http.client.HTTPResponse:
        """The answer, its headers read. Raises: SourceError for a status other than 200; OSError
        and http.client.HTTPException of the network."""
        url, asked = self._url, False
        for _ in range(MOST_REDIRECTS + 2):
            response = self._send(url)
            status = response.status
            if status in REDIRECTS and (location := response.headers.get("Location")):
                url = _redirected(url, location)
            elif status == 401 and not asked and self._may_log_in(url, response):
                asked = True
            elif status == 200:
                return response
            else:
                raise SourceError(self._refusal(status, response.reason))
        raise SourceError(f"it redirects more than {MOST_REDIRECTS} times; check the path")

    def interrupt(self) -> None:
        """Cut the line: a read in another thread ends."""
        line = self._socket
        if line is not None:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection; in the thread that reads."""
        self.interrupt()
        for held in (self._response, self._connection):
            if held is not None:
                with suppress(OSError):
                    held.close()
        self._response = self._connection = self._socket = None

    def _send(self, url: str) -> http.client.HTTPResponse:
        self.close()
        self.asked = url
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SourceError(f"it redirects to an address of {parts.scheme or 'no scheme'}")
        # A new one each time: many cameras keep none, and a few forget that they do.
        if parts.scheme == "https":
            self._connection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=self.seconds, context=_trusting()
            )
        else:
            self._connection = http.client.HTTPConnection(
                parts.hostname, parts.port, timeout=self.seconds
            )
        target = quote(parts.path or "/", safe=_KEPT)
        if parts.query:
            target += f"?{quote(parts.query, safe=_KEPT)}"
        headers = {"Accept": "*/*", "User-Agent": "edge-runtime", "Connection": "close"}
        if self._login is not None and self._is_camera(url):
            answer = self._login.header("GET", target)
            headers |= {} if answer is None else {"Authorization": answer}
        self._connection.connect()
        self._socket = self._connection.sock
        self._connection.request("GET", target, headers=headers)
        self._response = self._connection.getresponse()
        return self._response

    def _may_log_in(self, url: str, response: http.client.HTTPResponse) -> bool:
        if self._login is None or not self._is_camera(url):
            return False
        return self._login.take_challenge(response.headers.get_all("WWW-Authenticate", []))

    def _is_camera(self, url: str) -> bool:
        """True for the host that the password was written for, not one that it redirects to."""
        parts = urlsplit(url)
        safe = parts.scheme == "https" or self._scheme == "http"
        return safe and (parts.hostname, parts.port) == self._host

    def _refusal(self, status: int, reason: str) -> str:
        if status == 401 and self._login is None:
            return f"it answers 401 {reason}: it wants a login, USER:PASSWORD@ before the host"
        return f"it answers {status} {reason}; check path, user and password"


def _redirected(url: str, location: str) -> str:
    """Address that a camera names. Raises: SourceError for none, which is not shown."""
    try:
        found = urljoin(url, location)
        urlsplit(found).port  # noqa: B018 - raises
    except ValueError:
        raise SourceError("it redirects to what is no address; check the path") from None
    return found


def _trusting() -> ssl.SSLContext:
    """Encryption without a check of the certificate, as FFmpeg has for streams: cameras sign their
    own."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
