"""Fuzz target: bytes that a broker sends after it has let us in, to the whole sink."""

from __future__ import annotations

import socket
import struct
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.pipeline.snapshot import Snapshot
from edge_runtime.sinks.base import Context
from edge_runtime.sinks.mqtt.broker import Broker, Login
from edge_runtime.sinks.mqtt.connection import ConnectionOptions
from edge_runtime.sinks.mqtt.home_assistant import Topics
from edge_runtime.sinks.mqtt.sink import MqttSink
from studies.fuzz.targets.base import NotHereError, Target

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

SECONDS = 5.0  # for what takes a thousandth
LET_IN = b"\x20\x02\x00\x00"  # CONNACK
TOPICS = Topics("door")


def payload(data: bytes) -> str:
    """Let the sink in and send it the bytes. Returns: whether it stays or hangs up.

    Raises: AssertionError where its thread is gone, or takes no notice.
    """
    failed: list[BaseException | None] = []
    before, threading.excepthook = threading.excepthook, lambda args: failed.append(args.exc_value)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            socket.create_server(("127.0.0.1", 0)) as server,
        ):
            sink = _open_sink(Path(folder), server.getsockname()[1])
            try:
                outcome = _serve(server, data)
                sink.idle()
                assert sink._connection._thread.is_alive(), "its thread is gone"
            finally:
                sink._connection._deadline = float("-inf")
                sink.close()
                sink._connection._thread.join(SECONDS)
            assert not sink._connection._thread.is_alive(), "its thread does not end"
    finally:
        threading.excepthook = before
    assert not failed, failed
    return outcome


def _open_sink(folder: Path, port: int) -> MqttSink:
    broker = Broker("127.0.0.1", port, False)
    listen = [f"{TOPICS.seen}/+"]
    options = ConnectionOptions(broker, Login(), None, TOPICS.node, TOPICS.state, listen)
    sink = MqttSink(options, "door", folder, 10**6, earlier=["gate"])
    sink.open(Context("m.tflite", ("cat",), "s", snapshot=Snapshot))
    return sink


def _serve(server: socket.socket, data: bytes) -> str:
    """The broker's side."""
    server.settimeout(SECONDS)
    connection, _ = server.accept()
    with connection:
        connection.settimeout(SECONDS)
        connection.recv(1 << 16)  # CONNECT
        try:
            connection.sendall(LET_IN + data)
            connection.shutdown(socket.SHUT_WR)
            deadline = time.monotonic() + SECONDS
            while connection.recv(1 << 16):  # what it has to tell, until it sees that we are gone
                assert time.monotonic() < deadline, "it does not hang up"
        except TimeoutError as error:
            raise AssertionError("it does not hang up") from error
        except OSError:  # reset, or no longer connected
            return "hung up before the end"
    return "hung up at the end"


def publish(topic: bytes, text: bytes, flags: int = 1) -> bytes:
    """A PUBLISH packet of MQTT 3.1.1, section 3.3."""
    body = struct.pack(">H", len(topic) & 0xFFFF) + topic
    if flags & 6:
        body += b"\0\7"
    return bytes([0x30 | flags & 15]) + length(len(body) + len(text)) + body + text


def length(value: int) -> bytes:
    """Remaining length, section 2.2.3."""
    found = b""
    while True:
        value, digit = divmod(value, 128)
        found += bytes([digit | (128 if value else 0)])
        if not value:
            return found


def inputs() -> SearchStrategy[bytes]:
    """Any bytes, packets of every kind with any content, and messages on topics that are heard."""
    from hypothesis import strategies as st

    node = TOPICS.node.encode()
    topics = st.sampled_from(
        [b"homeassistant/status", TOPICS.seen.encode() + b"/cat", TOPICS.seen.encode() + b"/#",
         TOPICS.seen.encode() + b"/a/b", TOPICS.state.encode(), b"edge_runtime/gate/state",
         b"edge_runtime/gate/#", b"edge_runtime/gate/seen/\0", b"", b"#", b"\xff\xfe",
         b"homeassistant/sensor/" + node + b"/seen_cow/config",
         b"homeassistant/sensor/" + node + b"/+/config",
         b"homeassistant/sensor/edge_runtime_gate/fps/config"]
    ) | st.binary(max_size=40)  # fmt: skip
    texts = st.sampled_from(
        [b"online", b"offline", b"", b"1", b"[" * 20000, b'{"origin":', b"\xff\xfe", b"9" * 6000]
    ) | st.binary(max_size=60)  # fmt: skip
    messages = st.builds(publish, topics, texts, st.integers(0, 15))
    others = st.builds(
        lambda kind, body: bytes([kind]) + length(len(body)) + body,
        st.integers(0, 255),
        st.binary(max_size=20),
    )
    unfinished = st.builds(
        lambda kind, size: bytes([kind]) + size,
        st.integers(0, 255),
        st.sampled_from([b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff\x01", b"\x80" * 8, b"\x7f"]),
    )
    parts = st.lists(
        messages | others | unfinished | st.binary(max_size=20), min_size=1, max_size=6
    )
    return parts.map(b"".join)


def prepare() -> None:
    try:
        import paho.mqtt.client  # noqa: F401
    except ImportError as error:
        raise NotHereError(f"{error.name} is not installed: the extra `mqtt`") from error


TARGETS = (Target("mqtt", "what a broker sends", payload, inputs, prepare),)
