"""Fuzz target: bytes that a client sends to the page, with a token and without."""

from __future__ import annotations

import logging
import socket
import time
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.detector.detections import Detections
from edge_runtime.frame import Frame, Result
from edge_runtime.sinks.base import Context
from edge_runtime.sinks.web.address import Address
from edge_runtime.sinks.web.sink import WebSink
from studies.fuzz.targets.base import Target

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

TOKEN = "a-token-of-some-length"
SECONDS = 5.0  # for an answer; most need a thousandth
ENOUGH = 200_000  # bytes of an answer: the stream has no end


class Errors(logging.Handler):
    """Keeps what the page logs as its own mistake."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(f"{record.getMessage()}: {record.exc_info}")


ERRORS = Errors()


@cache
def ports() -> tuple[int, int]:
    """Of a page with a token, and one without; started by the first call in a process."""
    logging.getLogger("edge_runtime").addHandler(ERRORS)
    found = []
    for token in (TOKEN, None):
        page = WebSink(Address("127.0.0.1", 0), token)
        page.open(Context("m.tflite", ("cat",), "usb:0"))
        assert page._server is not None
        # No pause after a wrong token.
        vars(page._server.closing)["wait"] = lambda timeout=None: True
        image = np.zeros((40, 60, 3), np.uint8)
        nothing = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int), ("cat",))
        page.write(Result(Frame((40, 60), time.monotonic(), time.time(), 0, image), nothing))
        found.append(int(page.url.rstrip("/").rpartition(":")[2]))
    return found[0], found[1]


def request(data: bytes) -> str:
    """Send it, and look at the answers. Returns: the status of the page without a token.

    Raises: AssertionError for no end, for what is no HTTP, and for a mistake that was logged.
    """
    said = [_ask(port, data) for port in ports()]
    assert not ERRORS.records, ERRORS.records
    return said[1]


def _ask(port: int, data: bytes) -> str:
    deadline = time.monotonic() + SECONDS
    answer = b""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while len(answer) < ENOUGH:
                client.settimeout(max(0.01, deadline - time.monotonic()))
                part = client.recv(1 << 16)
                if not part:
                    break
                answer += part
                if b"multipart/x-mixed-replace" in answer:
                    break
        except TimeoutError as error:
            raise AssertionError(f"no end after {SECONDS:.0f} s, {len(answer)} bytes") from error
        except OSError:
            pass  # it hung up before it had read all
    if not answer:
        return "hung up"
    assert answer.startswith(b"HTTP/1.0 "), answer[:100]
    status = answer[9:12].decode()
    assert status in ("200", "303", "400", "401", "403", "404", "405", "408", "413", "414", "431",
                      "501", "503", "505"), status  # fmt: skip
    assert TOKEN.encode() not in answer
    return status


def inputs() -> SearchStrategy[bytes]:
    """Any bytes, and requests whose parts are drawn from what does harm."""
    from hypothesis import strategies as st

    paths = st.sampled_from(
        [b"/", b"/login", b"/stream.mjpg", b"/snapshot.jpg", b"/detections.json", b"/metrics",
         b"/healthz", b"//evil", b"/../x", b"*", b"http://a/", b"/login?a=%ff&viewer=x", b"/%00"]
    ) | st.binary(max_size=50)  # fmt: skip
    names = st.sampled_from(
        [b"Host", b"Cookie", b"Authorization", b"Content-Length", b"Content-Type", b"Expect",
         b"Transfer-Encoding", b"X-Requested-With", b"X-Forwarded-Proto", b"X-Forwarded-For",
         b"Sec-Fetch-Site", b"", b" a"]
    ) | st.binary(max_size=10)  # fmt: skip
    values = st.sampled_from(
        [b"localhost", b"[::1", b"[::1]:1:2", b"127.0.0.1", b"a@b", b"Basic Og==", b"Basic =",
         b"Bearer " + b"x" * 20, b"edge_runtime_1=9.a; ;=", b"100-continue", b"-1", b"0", b"7",
         b"9999", b"chunked", b"multipart/x; boundary=", b"\xff\xfe", b"\xed\xa0\x80"]
    ) | st.binary(max_size=60)  # fmt: skip
    long = st.builds(lambda part, n: part * n, st.sampled_from([b"\\", b";", b'"', b"=", b"a"]),
                     st.sampled_from([100, 4000, 60000]))  # fmt: skip
    # Most are right, or none would come as far as the next part.
    ends = st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\r", b"\0\r\n"])
    colons = st.sampled_from([b": "] * 12 + [b":", b" : ", b""])
    header = st.tuples(names, colons, values | long, ends)
    methods = st.sampled_from([b"GET"] * 6 + [b"HEAD", b"POST", b"POST", b"PUT", b"get", b"X" * 40])
    versions = st.sampled_from([b"HTTP/1.1"] * 8 + [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9", b""])
    line = st.tuples(methods, st.just(b" "), paths, st.just(b" "), versions, st.just(b"\r\n"))
    hosts = st.sampled_from([b"Host: localhost\r\n", b""])
    rows = st.lists(header, max_size=6).map(lambda rows: b"".join(map(b"".join, rows)))
    heads = st.tuples(hosts, rows).map(b"".join)
    bodies = st.sampled_from([b"", b"token=" + b"%41" * 30, b"&" * 5000]) | st.binary(max_size=40)
    whole = st.tuples(line.map(b"".join), heads, st.sampled_from([b"\r\n", b""]), bodies)
    return whole.map(b"".join) | st.binary(max_size=300)


TARGETS = (Target("request", "what a client sends to the page", request, inputs),)
