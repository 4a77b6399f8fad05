"""Cameras that speak HTTP, on this computer: what each path does is written in `Answers`."""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import re
import threading
import time

from PIL import Image

from tests.edge_runtime.sources.numbered_video import draw

USER, PASSWORD = "user", "se:cret@/#"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def jpeg(number: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(draw(number % 256)).save(file, "JPEG", quality=95)
    return file.getvalue()


class Cameras(http.server.ThreadingHTTPServer):
    """A server on loopback.

    Attributes:
        asked: path → how often. headers: path → those of the last request.
        failing: whether /flaky fails.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: dict[str, int] = {}
        self.headers: dict[str, dict] = {}
        self.failing = False
        self.over = threading.Event()
        self.nonces = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def url_with_login(self) -> str:
        return f"http://{USER}:se%3Acret%40%2F%23@127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address) -> None:
        """A viewer that leaves is no error."""


class Answers(http.server.BaseHTTPRequestHandler):
    server: Cameras

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        number = self.server.asked.get(path, 0)
        self.server.asked[path] = number + 1
        self.server.headers[path] = dict(self.headers)
        getattr(self, path.strip("/").split("/")[0].replace(".", "_").replace("-", "_"))(number)

    def snap_jpg(self, number: int) -> None:
        self.answer(jpeg(number))

    def cgi(self, number: int) -> None:  # no suffix tells what it is
        self.answer(jpeg(number), "image/jpeg; charset=binary")

    def untyped(self, number: int) -> None:
        self.answer(jpeg(number), None)

    def flaky(self, number: int) -> None:
        if self.server.failing:
            self.send_error(503)
        else:
            self.answer(jpeg(number))

    def every_other(self, number: int) -> None:
        bodies = [jpeg(number), b"", jpeg(number), jpeg(number)[:300]]
        self.answer(bodies[number % 4])

    def basic(self, number: int) -> None:
        if self.headers.get("Authorization") != BASIC:
            self.unauthorized('Basic realm="camera"')
        else:
            self.answer(jpeg(number))

    def digest(self, number: int) -> None:
        match = dict(re.findall(r'(\w+)="?([^",]+)"?', self.headers.get("Authorization", "")))
        expected = None
        if match:
            secret = hashlib.md5(f"{USER}:a camera:{PASSWORD}".encode()).hexdigest()
            request = hashlib.md5(f"GET:{self.path}".encode()).hexdigest()
            between = ":".join(match[name] for name in ("nonce", "nc", "cnonce", "qop"))
            expected = hashlib.md5(f"{secret}:{between}:{request}".encode()).hexdigest()
        if match and match["response"] == expected and match["nonce"] == f"n{self.server.nonces}":
            self.answer(jpeg(number))
        else:
            self.server.nonces += 1
            nonce = f"n{self.server.nonces}"
            self.unauthorized(f'Digest realm="a camera", qop="auth", nonce="{nonce}"')

    def png(self, number: int) -> None:
        file = io.BytesIO()
        Image.fromarray(draw(number % 256)).save(file, "PNG")
        self.answer(file.getvalue(), "image/png")

    def called_a_page(self, number: int) -> None:
        self.answer(b"\r\n" + jpeg(number), "text/html")

    def left_open(self, number: int) -> None:
        """No length, and no end."""
        self.begin_stream("image/jpeg")
        self.wfile.write(jpeg(number))
        self.server.over.wait()

    def too_long_a_length(self, number: int) -> None:
        self.begin_stream("image/jpeg", length=10**6)
        self.wfile.write(jpeg(number))
        self.server.over.wait()

    def chunks_without_end(self, number: int) -> None:
        data = jpeg(number)
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n" % len(data) + data + b"\r\n")

    def broken_chunk(self, number: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"zz\r\nyy\r\n")

    def no_http(self, number: int) -> None:
        self.wfile.write(b"\x1b[2J\xff\xd8\r\n\r\n")

    def moved(self, number: int) -> None:
        self.redirect("/snap.jpg")

    def round_and_round(self, number: int) -> None:
        self.redirect("/round-and-round")

    def elsewhere(self, number: int) -> None:
        self.redirect(f"http://localhost:{self.server.server_port}/basic")

    def to_a_file(self, number: int) -> None:
        self.redirect("file:///etc/passwd")

    def to_no_port(self, number: int) -> None:
        self.redirect("http://host:hunter2/")

    def to_nobody(self, number: int) -> None:
        self.redirect("http://u:hunter2@127.0.0.1:1/hunter2")

    def odd_length(self, number: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", "\xb2")
        self.end_headers()
        self.wfile.write(jpeg(number))

    def huge(self, number: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(10**9))
        self.end_headers()

    def endless(self, number: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.end_headers()
        while not self.server.over.is_set():
            self.wfile.write(bytes(1 << 20))

    def page(self, number: int) -> None:
        self.answer(b"<html>Log in</html>", "text/html")

    def silent(self, number: int) -> None:
        self.server.over.wait()

    def stream(self, number: int) -> None:
        """Empty and text parts between the pictures."""
        self.begin_stream()
        for count in range(10**6):
            self.part(b"")
            self.part(jpeg(count))
            self.part(b"camera busy", b"text/plain")
            if self.server.over.wait(0.02):
                return

    def without_lengths(self, number: int) -> None:
        self.begin_stream("multipart/x-mixed-replace")
        for count in range(10**6):
            self.wfile.write(b"--x\r\n\r\n--x\r\nContent-Type: image/jpeg\r\n\r\n" + jpeg(count))
            self.wfile.write(b"\r\n")
            if self.server.over.wait(0.02):
                return

    def bare(self, number: int) -> None:
        """JPEGs without any boundary."""
        self.begin_stream("video/x-motion-jpeg")
        for count in range(10**6):
            self.wfile.write(jpeg(count))
            if self.server.over.wait(0.02):
                return

    def nonsense_lengths(self, number: int) -> None:
        """A length of 0, below 0, of letters; a picture that is called something else."""
        self.begin_stream()
        for count in range(8):
            said = (b"0", b"-1", b"abc", b"%d" % len(jpeg(count)))[count % 4]
            head = b"--frame\r\nContent-Type: application/octet-stream\r\nContent-Length: " + said
            self.wfile.write(head + b"\r\n\r\n" + jpeg(count) + b"\r\n")

    def short_lengths(self, number: int) -> None:
        """Every other part is longer than it says."""
        self.begin_stream()
        for count in range(12):
            data = jpeg(count)
            said = len(data) - (200 if count % 2 else 0)
            self.wfile.write(b"--frame\r\nContent-Length: %d\r\n\r\n" % said + data + b"\r\n")

    def damaged(self, number: int) -> None:
        self.begin_stream()
        for _ in range(100):
            self.part(b"no picture")

    def stops(self, number: int) -> None:
        self.begin_stream()
        for count in range(5):
            self.part(jpeg(count))

    def begin_stream(
        self,
        kind: str = "multipart/x-mixed-replace; boundary=--frame",
        length: int | None = None,
    ) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def part(self, data: bytes, kind: bytes = b"image/jpeg") -> None:
        head = b"--frame\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (kind, len(data))
        self.wfile.write(head + data + b"\r\n")

    def answer(self, data: bytes, kind: str | None = "image/jpeg") -> None:
        self.send_response(200)
        if kind is not None:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def redirect(self, place: str) -> None:
        self.send_response(302)
        self.send_header("Location", place)
        self.end_headers()

    def unauthorized(self, challenge: str) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_) -> None:
        pass


def started() -> tuple[Cameras, threading.Thread]:
    """A server and its thread."""
    cameras = Cameras()
    thread = threading.Thread(target=cameras.serve_forever, args=(0.05,))
    thread.start()
    return cameras, thread


def stop(cameras: Cameras, thread: threading.Thread) -> None:
    cameras.over.set()
    cameras.shutdown()
    thread.join()
    cameras.server_close()
    time.sleep(0)
