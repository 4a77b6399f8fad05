"""HTTP request handler: routes, the MJPEG stream and all other answers.

HTTP/1.0, a connection for each: none is held open but the streams', so that few threads do.
"""

from __future__ import annotations

import json
import logging
import re
import socket
import time
from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib import resources
from urllib.parse import parse_qs

from edge_runtime.frame import Result
from edge_runtime.media.draw import class_color
from edge_runtime.sinks.web.address import forwarded_client
from edge_runtime.sinks.web.auth import Access
from edge_runtime.sinks.web.mjpeg import MjpegStream, TooManyViewersError
from edge_runtime.sinks.web.prometheus import CONTENT_TYPE, metrics_text
from edge_runtime.sinks.web.request import MAX_LINE, BadRequestError, Headers, read_head
from edge_runtime.sinks.web.server import WebServer

log = logging.getLogger(__name__)

SOCKET_SECONDS = 10.0  # for a frame to leave: a viewer slower than that is let go
FIRST_SECONDS = 5.0  # a stream waits for the first frame, then says that there is none
# Chromium shows a frame when the next one begins: where none follows soon, it comes twice.
AGAIN_SECONDS = 0.3
RESEND_SECONDS = 3.0  # the last frame again: keeps proxies awake and finds viewers that are gone
PENALTY_SECONDS = 1.0  # for a wrong token
# Linux would let megabytes pile up for a slow viewer, who would then see the past.
SEND_BUFFER = 128 * 1024
BOUNDARY = b"edge-runtime-frame"


class Handler(BaseHTTPRequestHandler):
    """Answers one request, always with the same careful headers.

    Nothing of a request but its path gets into the log.
    """

    timeout = SOCKET_SECONDS
    server: WebServer
    headers: Headers  # type: ignore[assignment]
    raw_requestline: bytes
    error_message_format = "%(message)s\n"  # the standard library's own errors
    error_content_type = "text/plain; charset=utf-8"

    def parse_request(self) -> bool:
        """Read the head. Returns: whether it can be answered; if not, that has been said."""
        self.close_connection = True
        self.request_version = self.protocol_version  # or the answer would have no headers
        self.command = self.path = self.requestline = ""
        try:
            if not self.raw_requestline.strip(b"\r\n"):  # what an earlier request may leave behind
                self.raw_requestline = self.rfile.readline(MAX_LINE)
            head = read_head(self.raw_requestline, self.rfile)
        except BadRequestError as error:
            self._text(error.status, str(error))
            return False
        self.command, self.path, self.headers = head
        return True

    def do_GET(self) -> None:
        if not self._has_place():
            return
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
            self._text(HTTPStatus.NOT_FOUND, "there is no such page; / is the one to look at")
        # Whether frames flow says nothing about what they show, and watchdogs have no token.
        elif path in ("/login", "/healthz") or self._admitted(path):
            answer()

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        auth = self.server.site.auth
        if self.path.partition("?")[0] != "/login" or not auth.needs_token:
            self._text(HTTPStatus.METHOD_NOT_ALLOWED, "this page can only be read")
            return
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"[0-9]{1,4}", length):
            self._text(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "a small form was expected")
            return
        form = parse_qs(self.rfile.read(int(length)).decode(errors="replace"))
        if not self._has_place():
            return
        if self.headers.get("Sec-Fetch-Site") == "cross-site":
            self._text(HTTPStatus.FORBIDDEN, "log in on the page itself")
        elif auth.accepts(form.get("token", [""])[0].strip()):
            # Of several proxies, the browser speaks to the first.
            scheme = self.headers.get("X-Forwarded-Proto").partition(",")[0]
            is_encrypted = scheme.strip().lower() == "https"
            self._redirect("./", ("Set-Cookie", auth.new_cookie(is_encrypted)))
        else:
            self._penalty()
            self._login("That is not the token.", HTTPStatus.FORBIDDEN)

    def _has_place(self) -> bool:
        """True if the request, which is whole now, is to be answered; if not, that is said."""
        place = self.server.asked(self.connection, self._forwarded_client())
        if place is None:  # it was hung up just now
            return False
        if not place.is_spare or self.path.partition("?")[0] == "/healthz":
            return True
        # Not by the token: who guesses is made to wait, and for that there is no room.
        auth = self.server.site.auth
        if auth.knows(self.headers) and self.server.admit(self.connection, auth.needs_token):
            return True
        self._unavailable("too many connections")
        return False

    def _admitted(self, path: str) -> bool:
        access = self.server.site.auth.check(self.headers)
        if access is Access.ALLOWED:
            self.server.admit(self.connection)
            return True
        if access is Access.FOREIGN:
            self._text(
                HTTPStatus.FORBIDDEN,
                "without a token this page answers to localhost and 127.0.0.1 only; for another "
                "name give the runtime a token",
            )
            return False
        if access is Access.WRONG:
            self._penalty()
        if path == "/":
            self._redirect("./login")
            return False
        # Basic lets players and cameras ask their user. Within the page, which has a form for
        # that, the browser's own box must not pop up.
        own = self.headers.get("X-Requested-With") == "page"  # apps name themselves there
        # Each in a header of its own, and what players know first: FFmpeg reads no further.
        schemes = ("Bearer",) if own else ("Basic", "Bearer")
        challenges = [("WWW-Authenticate", f'{scheme} realm="edge-runtime"') for scheme in schemes]
        self._text(HTTPStatus.UNAUTHORIZED, "a token is needed", challenges)
        return False

    def _forwarded_client(self) -> str | None:
        return forwarded_client(self.client_address[0], self.headers.get("X-Forwarded-For"))

    def _penalty(self) -> None:
        self.server.report_wrong_token(self._forwarded_client() or self.client_address[0])
        self.server.closing.wait(PENALTY_SECONDS)  # in this viewer's own thread

    def _page(self) -> None:
        self._reply(HTTPStatus.OK, "text/html; charset=utf-8", _file("page.html"))

    def _login(self, message: str = "", status: HTTPStatus = HTTPStatus.OK) -> None:
        auth = self.server.site.auth
        if not auth.needs_token or (not message and auth.check(self.headers) is Access.ALLOWED):
            self._redirect("./")
            return
        body = _file("login.html").replace(b"<!-- message -->", message.encode())
        self._reply(status, "text/html; charset=utf-8", body)

    def _stream(self) -> None:
        mjpeg = self.server.site.mjpeg
        try:
            with mjpeg.viewer(self._viewer_name()):
                self._send_stream(mjpeg)
        except TooManyViewersError:
            most = mjpeg.max_viewers
            self._unavailable(f"{most} viewers are watching already, and that is the most")

    def _send_stream(self, mjpeg: MjpegStream) -> None:
        frame = mjpeg.frame(0, FIRST_SECONDS)
        if frame is None:
            self._unavailable("no frame yet")
            return
        self.server.take_your_time(self.connection)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send_response(HTTPStatus.OK)
        kind = f"multipart/x-mixed-replace; boundary={BOUNDARY.decode()}"
        self.send_header("Content-Type", kind)
        # nginx would take frames as fast as they come and keep them for a viewer who does not.
        self.send_header("X-Accel-Buffering", "no")
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(b"--%s\r\n" % BOUNDARY)
        patience = AGAIN_SECONDS
        while not mjpeg.closed:
            head = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\nX-Timestamp: %.3f\r\n\r\n"
            head %= (len(frame.jpeg), frame.time)
            # The next boundary at once: it says that the frame is whole.
            self.wfile.write(b"%s%s\r\n--%s\r\n" % (head, frame.jpeg, BOUNDARY))
            newer = mjpeg.frame(frame.number, patience)
            patience = RESEND_SECONDS if newer is None else AGAIN_SECONDS
            frame = newer or frame

    def _snapshot(self) -> None:
        frame = self.server.site.mjpeg.frame()
        if frame is None:
            self._unavailable("no frame yet")
        else:
            stamp = ("X-Timestamp", f"{frame.time:.3f}")
            self._reply(HTTPStatus.OK, "image/jpeg", frame.jpeg, [stamp])

    def _detections(self) -> None:
        site = self.server.site
        newest = site.mjpeg.newest
        answer = {
            "time": time.time(),
            "model": site.context.model,
            "source": site.context.source,
            "result": None if newest is None else newest.to_dict(),
            "colors": {} if newest is None else _colors(newest),
            "run": site.context.snapshot().to_json(),
            "viewers": site.mjpeg.viewers,
            "max_viewers": site.mjpeg.max_viewers,
            "watching": site.mjpeg.has_viewer(self._viewer_name()),
        }
        self._reply(HTTPStatus.OK, "application/json", json.dumps(answer).encode())

    def _metrics(self) -> None:
        site = self.server.site
        run = site.context.snapshot()
        info = {
            "model": site.context.model,
            "source": site.context.source,
            "interpreter": "" if run.model is None else run.model.runtime,
        }
        text = metrics_text(run, info, site.mjpeg.viewers)
        # A path need not be UTF-8, a label must.
        self._reply(HTTPStatus.OK, CONTENT_TYPE, text.encode(errors="backslashreplace"))

    def _healthz(self) -> None:
        run = self.server.site.context.snapshot()
        age = run.frame_age_s
        if run.healthy:
            self._text(HTTPStatus.OK, "ok")
        else:
            self._unavailable("no frame yet" if age is None else f"no frame for {age:.0f} s")

    def _viewer_name(self) -> str:
        """Of the page's own making: the parameter `viewer`, "" without one."""
        match = re.fullmatch(r"viewer=([0-9a-z]{1,32})", self.path.partition("?")[2])
        return "" if match is None else match[1]

    def _unavailable(self, why: str) -> None:
        self._text(HTTPStatus.SERVICE_UNAVAILABLE, why, [("Retry-After", "5")])

    def _redirect(self, place: str, *headers: tuple[str, str]) -> None:
        self._text(HTTPStatus.SEE_OTHER, place, [("Location", place), *headers])

    def _text(self, status: HTTPStatus, text: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        self._reply(status, "text/plain; charset=utf-8", f"{text}\n".encode(), headers)

    def _reply(
        self, status: HTTPStatus, kind: str, body: bytes, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def end_headers(self) -> None:
        for name, value in self.server.site.headers.items():
            self.send_header(name, value)
        super().end_headers()

    def version_string(self) -> str:
        """Name of the server: no versions for who has not shown a token."""
        return "edge-runtime"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        path = getattr(self, "path", "").partition("?")[0]
        log.debug("%s %s %r %s", self.client_address[0], self.command, path[:100], int(code))

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: these messages quote what the client sent."""


def _colors(result: Result) -> dict[str, str]:
    """Class name → "#rrggbb", that of its boxes."""
    found = result.detections
    pairs = zip(found.names, found.class_ids, strict=True)
    return {name: "#{:02x}{:02x}{:02x}".format(*class_color(int(i))) for name, i in pairs}


@lru_cache(maxsize=4)
def _file(name: str) -> bytes:
    return resources.files("edge_runtime.sinks.web").joinpath(name).read_bytes()
