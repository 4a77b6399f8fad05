"""A short run of the fuzz target of MQTT payloads, and messages without an end."""

import socket
import threading

import pytest

from edge_runtime.sinks.mqtt import connection
from studies.fuzz.targets.payloads import (
    LET_IN,
    TOPICS,
    _open_sink,
    inputs,
    payload,
    publish,
)
from tests.edge_runtime.sinks.mqtt.mosquitto import wait_for

pytest.importorskip("paho.mqtt.client", reason="no paho-mqtt here: the extra `mqtt`")


def test_whatever_a_broker_sends():
    hypothesis = pytest.importorskip("hypothesis", reason="no hypothesis here: make setup")
    seen = set()

    @hypothesis.settings(max_examples=60, database=None, deadline=None, derandomize=True)
    @hypothesis.given(inputs())
    def send(data):
        seen.add(payload(data))

    send()
    assert "hung up at the end" in seen


@pytest.mark.parametrize(
    "topic", [b"edge_runtime/door/seen/#", b"edge_runtime/door/seen/a/b", b"other/topic",
              b"edge_runtime/gate/#", b"homeassistant/sensor/edge_runtime_door/+/config"]
)  # fmt: skip
def test_a_topic_that_is_not_ours_is_not_answered(tmp_path, topic):
    """To publish on one with a wildcard would end every later connection, too."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        sink = _open_sink(tmp_path, server.getsockname()[1])
        sink._heard(topic.decode(), "x")
        sink._leftovers_due = 0
        sink.idle()
        assert not sink._connection.knows(topic.decode())
        sink._heard(f"{TOPICS.seen}/cow", "3")  # of an earlier run
        assert sink._connection.knows(f"{TOPICS.seen}/cow")
        sink.close()


def test_a_message_without_an_end_is_not_kept(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(connection, "MOST_HEARD", 100_000)
    message = publish(b"homeassistant/status", b"x" * 10_000_000)
    with socket.create_server(("127.0.0.1", 0)) as server:
        sink = _open_sink(tmp_path, server.getsockname()[1])

        def serve():
            with server.accept()[0] as client:
                try:
                    client.sendall(LET_IN + message)
                    client.recv(1 << 16)
                except OSError:
                    pass  # it hangs up long before the end

        thread = threading.Thread(target=serve)
        thread.start()
        wait_for(lambda: "a message of 10 MB" in caplog.text, "it is refused")
        sink.close()
        thread.join()
