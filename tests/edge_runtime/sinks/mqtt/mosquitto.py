"""A real broker for tests, and somebody who listens."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PATIENCE = 30.0  # seconds, for what takes a fraction of one


def program() -> str:
    """Debian installs it where not every user looks."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if found is None:
        pytest.skip("no mosquitto here: sudo apt install mosquitto")
    return found


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.01)


class Mosquitto:
    """On a free port of the loopback; sessions outlive `stop`, though not `kill`."""

    def __init__(self, folder: Path, lines: tuple[str, ...] = ("allow_anonymous true",)) -> None:
        self._program = program()
        self._folder = folder
        self._lines = lines
        self._process: subprocess.Popen | None = None
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def __enter__(self) -> Mosquitto:
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.kill()  # a frozen one takes no other way

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        config = self._folder / "mosquitto.conf"
        config.write_text(
            "\n".join(
                [
                    f"listener {self.port} 127.0.0.1",
                    "persistence true",
                    f"persistence_location {self._folder}/",
                    "max_queued_messages 0",
                    "user root",
                    *self._lines,
                ]
            )
            + "\n"
        )
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(config)], stdout=log, stderr=log
            )
        wait_for(self._listens, "mosquitto listens")

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(PATIENCE)
            self._process = None

    def freeze(self) -> None:
        """It takes no notice of anything any more; only `kill` ends that."""
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def _listens(self) -> bool:
        assert self._process.poll() is None, (self._folder / "mosquitto.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Listener:
    """Keeps what it hears, in order.

    Attributes:
        messages: (topic, payload, whether it was retained).
    """

    def __init__(self, port: int, *topics: str, session: bool = False) -> None:
        """session: whether the broker keeps what comes between two listeners, for the second."""
        self.messages: list[tuple[str, str, bool]] = []
        self._topics = topics
        # An acknowledgement that a killed broker does not take would cost what it has sent before.
        self._qos = 1 if session else 0
        self._ready = threading.Event()
        paho = pytest.importorskip("paho.mqtt.client", reason="no paho-mqtt here: the extra `mqtt`")
        self._client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id="listener", clean_session=not session
        )
        self._client.reconnect_delay_set(0.05, 0.2)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_disconnect = lambda *_: self._ready.clear()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Until it listens; also again, after the broker was away."""
        assert self._ready.wait(PATIENCE), "the broker did not let the listener in"

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: str, retain: bool = False) -> None:
        self._client.publish(topic, payload, 1, retain).wait_for_publish(PATIENCE)

    def of(self, topic: str) -> list[str]:
        """Payloads that came on a topic."""
        return [payload for name, payload, _ in list(self.messages) if name == topic]

    def wait(self, topic: str, payload: str) -> None:
        """Until the last word on a topic is `payload`."""
        wait_for(lambda: self.of(topic)[-1:] == [payload], f"{topic} {payload}")

    def _on_connect(self, client, userdata, flags, reason_code, properties) -> None:
        for topic in self._topics:
            client.subscribe(topic, self._qos)

    def _on_message(self, client, userdata, message) -> None:
        self.messages.append((message.topic, message.payload.decode(), message.retain))
