"""Web server: listens for viewers, and gives each a thread and a bounded time."""

from __future__ import annotations

import errno
import logging
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from edge_runtime.sinks.base import Context
from edge_runtime.sinks.web.address import Address, resolve
from edge_runtime.sinks.web.auth import Auth
from edge_runtime.sinks.web.mjpeg import MjpegStream
from edge_runtime.sinks.web.places import Place, Places
from edge_runtime.sinks.web.security_headers import security_headers
from edge_runtime.system.log_limit import LogLimit

log = logging.getLogger(__name__)

POLL_SECONDS = 0.25
CLOSING_SECONDS = 0.5
BUSY = (
    b"HTTP/1.0 503 Service Unavailable\r\nContent-Type: text/plain\r\nRetry-After: 5\r\n"
    b"Connection: close\r\n\r\ntoo many connections\n"
)
TOO_SLOW = (
    b"HTTP/1.0 408 Request Timeout\r\nContent-Type: text/plain\r\n"
    b"Connection: close\r\n\r\nthe request took too long\n"
)
PORT_TAKEN = "another program has this port; choose another, --web 127.0.0.1:8081, say"
REASONS = {
    errno.EADDRINUSE: PORT_TAKEN,
    errno.EACCES: "ports below 1024 are for root; choose a higher one",
    errno.EADDRNOTAVAIL: "this is no address of this computer; 0.0.0.0 stands for all of them",
}


@dataclass(frozen=True)
class Site:
    """Sources of all answers: the run, its live stream, and who may see them.

    Attributes:
        headers: of every answer.
    """

    context: Context
    mjpeg: MjpegStream
    auth: Auth
    headers: Mapping[str, str] = field(default_factory=security_headers)


class WebServer(ThreadingHTTPServer):
    """HTTP server that is bounded in threads, and in the time that a client may take.

    Attributes:
        host: address in numbers that it listens on.
        port: that it listens on.
        site: of its answers; given to `start`.
        closing: set by `close`.
    """

    daemon_threads = True
    request_queue_size = 64
    site: Site

    def __init__(self, address: Address, handler: type[BaseHTTPRequestHandler]) -> None:
        """Listen. handler: answers one request. Raises: OSError: why not, and what to do."""
        self.address_family, place = resolve(address)
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._places = Places()
        self._wrong_token = LogLimit()
        self._thread = threading.Thread(
            target=self.serve_forever, args=(POLL_SECONDS,), name="web server", daemon=True
        )
        try:
            super().__init__(place, handler)
        except OSError as error:
            reason = REASONS.get(error.errno or 0, error.strerror)
            raise OSError(f"the web page cannot listen on {address}: {reason}") from error

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6 and hasattr(socket, "IPV6_V6ONLY"):
            # [::] is to mean IPv4 as well, whatever the system's default.
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        socketserver.TCPServer.server_bind(self)  # HTTPServer's asks the DNS for a name: slow
        host, port = self.server_address[:2]
        self.host, self.port = self.server_name, self.server_port = str(host), int(port)

    def start(self, site: Site) -> None:
        """Answer from `site`, in threads of its own."""
        self.site = site
        self._thread.start()

    def close(self) -> None:
        """End all connections and stop listening, within a second."""
        self.closing.set()
        if self._thread.is_alive():
            self.shutdown()
        with self._lock:
            for connection in self._places.connections():
                _hang_up(connection)
        deadline = time.monotonic() + CLOSING_SECONDS
        while len(self._places) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.server_close()

    def asked(self, connection: socket.socket, client: str | None = None) -> Place | None:
        """The request of a connection is whole. Returns: its place; None: it was hung up.

        client: address for which a proxy asks.
        """
        with self._lock:
            return self._places.asked(connection, client)

    def admit(self, connection: socket.socket, makes_room: bool = False) -> bool:
        """Who has shown the token takes no place away from strangers. Returns: whether there is
        room. makes_room: if need be by ending a stranger who has not said what he wants."""
        with self._lock:
            loses = None
            if not self._places.admit(connection) and makes_room:
                loses = self._places.make_room()
            if loses is not None:
                _hang_up(loses[0], BUSY)
            return self._places.admit(connection)

    def take_your_time(self, connection: socket.socket) -> None:
        """Lift the limit of a connection: a stream may last; only each frame has its time."""
        with self._lock:
            self._places.stay(connection)

    def report_wrong_token(self, client: str) -> None:
        """Log a wrong token, but not as often as somebody guesses."""
        if self._wrong_token.is_due():
            log.warning("web page: wrong token from %s", client)

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            return super().get_request()
        except OSError:
            time.sleep(POLL_SECONDS)  # no file descriptor left: do not ask again at once
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            loses = self._places.take(request, client_address[0])
            if loses is not None:
                connection, place = loses
                _hang_up(connection, BUSY if place.is_asking else b"")
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        with self._lock:
            for connection, place in self._places.end_overdue():
                last = BUSY if place.is_spare else TOO_SLOW
                _hang_up(connection, last if place.is_asking else b"")

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._lock:
            self._places.leave(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, OSError):  # the viewer is gone
            log.debug("%s: %s", client_address[0], error)
        else:
            log.error("a request of the web page failed", exc_info=True)


def _hang_up(connection: Any, last: bytes = b"") -> None:
    """End it from any thread. last: words to one that was told nothing yet: they fit its buffer."""
    with suppress(OSError):
        if last:
            connection.send(last)
        connection.shutdown(socket.SHUT_RDWR)
