"""What all answers have in common."""

from __future__ import annotations

import logging
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

log = logging.getLogger(__name__)

SOCKET_SECONDS = 10.0  # for a frame to leave: a viewer slower than that is let go

HEADERS = {
    "Cache-Control": "no-store",
    "Connection": "close",
    # Script and style stand in the one file; names of classes and files go in as text only.
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; connect-src 'self'; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Replies(BaseHTTPRequestHandler):
    """Whole answers, with the same careful headers; nothing of a request gets into the log."""

    timeout = SOCKET_SECONDS

    def version_string(self) -> str:
        """No versions for who has not shown a token."""
        return "edge-runtime"

    def unavailable(self, why: str) -> None:
        self.text(HTTPStatus.SERVICE_UNAVAILABLE, why, {"Retry-After": "5"})

    def redirect(self, place: str, headers: dict[str, str] | None = None) -> None:
        self.text(HTTPStatus.SEE_OTHER, place, {"Location": place} | (headers or {}))

    def text(self, status: HTTPStatus, text: str, headers: dict[str, str] | None = None) -> None:
        self.reply(status, "text/plain; charset=utf-8", f"{text}\n".encode(), headers)

    def reply(
        self, status: HTTPStatus, kind: str, body: bytes, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_request(self, code="-", size="-") -> None:
        path = getattr(self, "path", "").partition("?")[0]
        log.debug("%s %s %r %s", self.client_address[0], self.command, path[:100], int(code))

    def log_message(self, format: str, *args) -> None:
        """Nothing: these would quote what the client sent."""
