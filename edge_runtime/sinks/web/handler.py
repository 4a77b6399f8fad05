"""Answers one request.

HTTP/1.0, a connection for each: none is held open but the streams', so that few threads do.
"""

from __future__ import annotations

import json
import logging
import re
import socket
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib import resources
from urllib.parse import parse_qs

from edge_runtime.frame import Result
from edge_runtime.media.draw import class_color
from edge_runtime.sinks.web.auth import Access
from edge_runtime.sinks.web.mjpeg import TooManyViewersError
from edge_runtime.sinks.web.prometheus import CONTENT_TYPE, metrics_text

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


FIRST_SECONDS = 5.0  # a stream waits for the first frame, then says that there is none
# Chromium shows a frame when the next one begins: where none follows soon, it comes twice.
AGAIN_SECONDS = 0.3
RESEND_SECONDS = 3.0  # the last frame again: keeps proxies awake and finds viewers that are gone
PENALTY_SECONDS = 1.0  # for a wrong token
# Linux would let megabytes pile up for a slow viewer, who would then see the past.
SEND_BUFFER = 128 * 1024
BOUNDARY = b"edge-runtime-frame"


class Handler(Replies):
    """Routes; `self.server` is a `WebServer`."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        answer = {
            "/": self._page,
            "/login": self._login,
            "/stream.mjpg": self._stream,
            "/snapshot.jpg": self._snapshot,
            "/detections.json": self._detections,
            "/metrics": self._metrics,
            "/healthz": self._healthz,
        }.get(path)
        if answer is None:
            self.text(HTTPStatus.NOT_FOUND, "there is no such page; / is the one to look at")
        # Whether frames flow says nothing about what they show, and watchdogs have no token.
        elif path in ("/login", "/healthz") or self._admitted(path):
            answer()

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        auth = self.server.site.auth
        if self.path.partition("?")[0] != "/login" or not auth.needs_token:
            self.text(HTTPStatus.METHOD_NOT_ALLOWED, "this page can only be read")
            return
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"[0-9]{1,4}", length):
            self.text(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "a small form was expected")
            return
        form = parse_qs(self.rfile.read(int(length)).decode(errors="replace"))
        if auth.accepts(form.get("token", [""])[0].strip()):
            self.redirect("./", {"Set-Cookie": auth.new_cookie()})
        else:
            self._penalty()
            self._login("That is not the token.", HTTPStatus.FORBIDDEN)

    def _admitted(self, path: str) -> bool:
        access = self.server.site.auth.check(self.headers)
        if access is Access.ALLOWED:
            return True
        if access is Access.FOREIGN:
            self.text(
                HTTPStatus.FORBIDDEN,
                "without a token this page answers to localhost and 127.0.0.1 only; for another "
                "name give the runtime a token",
            )
            return False
        if access is Access.WRONG:
            self._penalty()
        if path == "/" and access is Access.MISSING:
            self.redirect("./login")
            return False
        # Basic lets players and cameras ask their user. Within the page, which has a form for
        # that, the browser's own box must not pop up.
        own = "X-Requested-With" in self.headers
        challenge = 'Bearer realm="edge-runtime"' + ("" if own else ', Basic realm="edge-runtime"')
        self.text(HTTPStatus.UNAUTHORIZED, "a token is needed", {"WWW-Authenticate": challenge})
        return False

    def _penalty(self) -> None:
        self.server.report_wrong_token(self.client_address[0])
        self.server.closing.wait(PENALTY_SECONDS)  # in this viewer's own thread

    def _page(self) -> None:
        self.reply(HTTPStatus.OK, "text/html; charset=utf-8", _file("page.html"))

    def _login(self, message: str = "", status: HTTPStatus = HTTPStatus.OK) -> None:
        if not self.server.site.auth.needs_token:
            self.redirect("./")
            return
        body = _file("login.html").replace(b"<!-- message -->", message.encode())
        self.reply(status, "text/html; charset=utf-8", body)

    def _stream(self) -> None:
        broadcast = self.server.site.broadcast
        try:
            with broadcast.viewer(self._viewer_name()):
                self._send_stream(broadcast)
        except TooManyViewersError:
            most = broadcast.max_viewers
            self.unavailable(f"{most} viewers are watching already, and that is the most")

    def _send_stream(self, broadcast) -> None:
        picture = broadcast.picture(0, FIRST_SECONDS)
        if picture is None:
            self.unavailable("no frame yet")
            return
        self.server.take_your_time(self.connection)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send_response(HTTPStatus.OK)
        kind = f"multipart/x-mixed-replace; boundary={BOUNDARY.decode()}"
        self.send_header("Content-Type", kind)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(b"--%s\r\n" % BOUNDARY)
        patience = AGAIN_SECONDS
        while not broadcast.closed:
            head = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture.jpeg)
            # The next boundary at once: it says that the frame is whole.
            self.wfile.write(b"%s%s\r\n--%s\r\n" % (head, picture.jpeg, BOUNDARY))
            newer = broadcast.picture(picture.number, patience)
            patience = RESEND_SECONDS if newer is None else AGAIN_SECONDS
            picture = newer or picture

    def _snapshot(self) -> None:
        picture = self.server.site.broadcast.picture()
        if picture is None:
            self.unavailable("no frame yet")
        else:
            self.reply(HTTPStatus.OK, "image/jpeg", picture.jpeg)

    def _detections(self) -> None:
        site = self.server.site
        newest = site.broadcast.newest
        answer = {
            "model": site.context.model,
            "source": site.context.source,
            "result": None if newest is None else newest.to_dict(),
            "colors": {} if newest is None else _colors(newest),
            "run": site.context.snapshot(),
            "viewers": site.broadcast.viewers,
            "max_viewers": site.broadcast.max_viewers,
            "watching": site.broadcast.has_viewer(self._viewer_name()),
        }
        self.reply(HTTPStatus.OK, "application/json", json.dumps(answer).encode())

    def _metrics(self) -> None:
        site = self.server.site
        state = site.context.snapshot()
        info = {
            "model": site.context.model,
            "source": site.context.source,
            "interpreter": state.get("model", {}).get("runtime", ""),
        }
        text = metrics_text(state, info, site.broadcast.viewers)
        self.reply(HTTPStatus.OK, CONTENT_TYPE, text.encode())

    def _healthz(self) -> None:
        state = self.server.site.context.snapshot()
        age = state.get("frame_age_s")
        if state.get("healthy"):
            self.text(HTTPStatus.OK, "ok")
        else:
            self.unavailable("no frame yet" if age is None else f"no frame for {age:.0f} s")

    def _viewer_name(self) -> str:
        return parse_qs(self.path.partition("?")[2]).get("viewer", [""])[0][:64]


def _colors(result: Result) -> dict[str, str]:
    """Class name → "#rrggbb", that of its boxes."""
    found = result.detections
    pairs = zip(found.names, found.class_ids, strict=True)
    return {name: "#{:02x}{:02x}{:02x}".format(*class_color(int(i))) for name, i in pairs}


@lru_cache(maxsize=4)
def _file(name: str) -> bytes:
    return resources.files("edge_runtime.sinks.web").joinpath(name).read_bytes()
