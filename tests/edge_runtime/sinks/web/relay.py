"""A proxy that takes all that the page sends as fast as it comes, and passes streams on slowly."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing, suppress
from queue import Queue

CHUNK = 16384


class HoardingProxy:
    """On a port of its own, in front of another; as nginx is without X-Accel-Buffering.

    Attributes:
        hoarded: bytes that it has taken and not passed on.
    """

    def __init__(self, upstream: int, seconds_per_chunk: float) -> None:
        """seconds_per_chunk: pause of a stream's receiver after each CHUNK bytes."""
        self._upstream = upstream
        self._pause = seconds_per_chunk
        self.hoarded = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), closing(client):
            request = b""
            while b"\r\n\r\n" not in request:
                data = client.recv(CHUNK)
                if not data:
                    return
                request += data
            with closing(socket.create_connection(("127.0.0.1", self._upstream))) as upstream:
                upstream.sendall(request)
                taken: Queue[bytes] = Queue()
                threading.Thread(target=self._take, args=(upstream, taken), daemon=True).start()
                try:
                    self._pass_on(client, taken, b"/stream.mjpg" in request.split(b"\r\n")[0])
                finally:
                    with suppress(OSError):
                        upstream.shutdown(socket.SHUT_RDWR)

    def _take(self, upstream: socket.socket, taken: Queue[bytes]) -> None:
        data = b"x"
        while data:
            try:
                data = upstream.recv(CHUNK)
            except OSError:
                data = b""
            self.hoarded += len(data)
            taken.put(data)

    def _pass_on(self, client: socket.socket, taken: Queue[bytes], is_stream: bool) -> None:
        while data := taken.get():
            self.hoarded -= len(data)
            client.sendall(data)
            if is_stream:
                time.sleep(self._pause)
