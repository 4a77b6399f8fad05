"""Web server: listens for viewers, and gives each a thread and a bounded time."""

from __future__ import annotations

import errno
import logging
import socket
import socketserver
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from edge_runtime.sinks.base import Context
from edge_runtime.sinks.web.address import Address, resolve
from edge_runtime.sinks.web.auth import Auth
from edge_runtime.sinks.web.mjpeg import MjpegStream
from edge_runtime.system.log_limit import LogLimit

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 64  # viewers, and as many again that ask for something short
REQUEST_SECONDS = 20.0  # for all but the stream, however slowly a client drips
POLL_SECONDS = 0.25
CLOSING_SECONDS = 0.5
BUSY = (
    b"HTTP/1.0 503 Service Unavailable\r\nContent-Type: text/plain\r\nRetry-After: 5\r\n"
    b"Connection: close\r\n\r\ntoo many connections\n"
)
PORT_TAKEN = "another program has this port; choose another, --web 127.0.0.1:8081, say"
REASONS = {
    errno.EADDRINUSE: PORT_TAKEN,
    errno.EACCES: "ports below 1024 are for root; choose a higher one",
    errno.EADDRNOTAVAIL: "this is no address of this computer; 0.0.0.0 stands for all of them",
}


@dataclass(frozen=True)
class Site:
    """Sources of all answers: the run, its live stream, and who may see them."""

    context: Context
    mjpeg: MjpegStream
    auth: Auth


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
        self._until: dict[socket.socket, float] = {}  # connection → when its time is over
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
            for connection in self._until:
                _hang_up(connection)
        deadline = time.monotonic() + CLOSING_SECONDS
        while self._until and time.monotonic() < deadline:
            time.sleep(0.01)
        self.server_close()

    def take_your_time(self, connection: socket.socket) -> None:
        """Lift the limit of a connection: a stream may last; only each frame has its time."""
        with self._lock:
            if connection in self._until:
                self._until[connection] = float("inf")

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
            free = len(self._until) < MAX_CONNECTIONS
            if free:
                self._until[request] = time.monotonic() + REQUEST_SECONDS
        if free:
            super().process_request(request, client_address)
            return
        with suppress(OSError):
            request.setblocking(False)
            request.send(BUSY)
        self.shutdown_request(request)

    def service_actions(self) -> None:
        now = time.monotonic()
        with self._lock:
            for connection, until in self._until.items():
                if until < now:
                    _hang_up(connection)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._lock:
            self._until.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, OSError):  # the viewer is gone
            log.debug("%s: %s", client_address[0], error)
        else:
            log.error("a request of the web page failed", exc_info=True)


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
