"""MQTT connection: reconnects by itself, in a thread of its own.

Delivers the outbox in order, and retained states, of which only the latest value counts.
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from edge_runtime.sinks.mqtt.broker import PASSWORD, USER, Broker, Login
from edge_runtime.sinks.mqtt.outbox import Outbox
from edge_runtime.sinks.mqtt.retained_states import RetainedStates, State
from edge_runtime.sinks.mqtt.tls_errors import OURS, explain
from edge_runtime.system.log_limit import LogLimit
from edge_runtime.system.optional_imports import cure, require

if TYPE_CHECKING:
    from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

log = logging.getLogger(__name__)

FIRST_DELAY, LAST_DELAY = 1.0, 60.0  # seconds between attempts, doubling
KEEPALIVE_SECONDS = 30  # a broker declares us dead after one and a half of it
EVENTS_IN_FLIGHT = 16
STATES_IN_FLIGHT = 8
GOODBYE_SECONDS = 0.2
SUSPICIOUS_SECONDS = 3.0  # thrown out so soon
# Let in for so long, pauses are short again, whatever they have grown to: weak Wi-Fi breaks off
# every few seconds.
ENOUGH_SECONDS = 5.0
STEADY_SECONDS = 300.0  # above the longest pause of another client of our name
CONNECT_SECONDS = 5.0
MOST_HEARD = 16_000_000  # bytes of one message; Home Assistant's have a few
RECEIVE_BUFFER = 65536  # bytes; paho takes a hundred of them before we can look at what comes
WANTS_TLS = "does that port want TLS, mqtts://? Is it a broker's, mostly 1883, or 8883 with TLS?"


@dataclass(frozen=True)
class ConnectionOptions:
    """How to connect, and what the broker does for us.

    Attributes:
        client_id: the same in every run, so that after a power cut the broker throws the old
            connection out, and says its last will, before the new one begins.
        state_topic: "online" there, retained; "offline" at the end, also as last will; "" for
            who only looks in.
        topics: to listen to.
        ca: file of the authorities in `tls`, where the user named one.
    """

    broker: Broker
    login: Login
    tls: ssl.SSLContext | None
    client_id: str
    state_topic: str
    topics: Sequence[str] = ()
    ca: str | None = None


def require_paho() -> ModuleType:
    """paho-mqtt, of the version that is needed. Raises: ImportError with the cure."""
    paho = require("paho.mqtt.client", "mqtt")
    if not hasattr(paho, "CallbackAPIVersion"):
        raise ImportError(f"paho-mqtt 2 expected, an older one is installed; {cure('mqtt')}")
    return paho


def why_closed(was_in: bool, is_tls: bool) -> str:
    """Words for the broker's end of a connection. was_in: it had let us in."""
    if was_in:
        return "the connection was closed"
    return f"the connection was closed before it began; {OURS if is_tls else WANTS_TLS}"


def why_refused(reason: object) -> str:
    """Words for a broker that does not let us in. reason: its own."""
    return (
        f"it refuses us: {reason}; check {USER} and {PASSWORD}, or --mqtt-password-file, and what "
        "the broker allows"
    )


def make_client(options: ConnectionOptions, in_flight: int) -> Client:
    """A client that is not yet connected, with its last will.

    in_flight: messages at most that wait for the broker's acknowledgement.
    """
    paho = require_paho()
    client: Client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=options.client_id)
    client.connect_timeout = CONNECT_SECONDS
    client.max_inflight_messages_set(in_flight)
    if options.state_topic:
        client.will_set(options.state_topic, "offline", qos=1, retain=True)
    if options.login.user is not None:
        client.username_pw_set(options.login.user, options.login.password)
    if options.tls is not None:
        client.tls_set_context(options.tls)
    return client


class Connection:
    """Delivers an outbox, and states, of which only the latest value counts.

    States are published again after each reconnection; events come from the outbox, in order.
    paho's client is driven from one thread and made anew for each connection: its own queue and
    its own reconnection would neither be bounded, nor say why a connection failed.

    Attributes:
        connected: whether the broker has let us in.
        error: why not, None where nothing is known against it.
    """

    def __init__(
        self, options: ConnectionOptions, outbox: Outbox, on_message: Callable[[str, str], None]
    ) -> None:
        """on_message: topic and payload of what is heard, in the connection's thread."""
        self.connected = False
        self.error: str | None = None
        require_paho()
        self._options = options
        self._outbox = outbox
        self._on_message = on_message
        self._states = RetainedStates({options.state_topic: "online"})
        self._events_out: dict[int, int] = {}  # paho's id of a message → its number in the outbox
        self._states_out: dict[int, str] = {}  # … → its topic
        self._refusal: str | None = None
        self._log_limit = LogLimit()
        self._said = False  # that it is not connected
        self._connected_at = float("-inf")
        self._thrown_out = 0  # times in a row, each soon after we came back at the first attempt
        self._closing = threading.Event()
        self._deadline = float("inf")
        self._bell, self._ringer = socket.socketpair()
        self._bell.setblocking(False)
        self._ringer.setblocking(False)
        self._thread = threading.Thread(target=self._work, name="mqtt", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There is something in the outbox."""
        with suppress(OSError):  # it rings already
            self._ringer.send(b"!")

    def set(self, topic: str, payload: str, retain: bool = True) -> None:
        """The value of a state from now on. An empty payload removes a retained one."""
        if self._states.set(State(topic, payload, retain)):
            self.wake()

    def knows(self, topic: str) -> bool:
        """Whether a state of that topic was set."""
        return self._states.knows(topic)

    def repeat(self) -> None:
        """Publish all states again."""
        self._states.repeat()
        self.wake()

    def close(self, seconds: float) -> None:
        """Deliver for so long at most, say goodbye, end the thread.

        A thread that waits for the network's answer to a connection ends after that.
        """
        self._deadline = time.monotonic() + seconds
        self._closing.set()
        self.wake()
        self._thread.join(seconds + 2 * GOODBYE_SECONDS)

    def _work(self) -> None:
        with self._bell, self._ringer:
            self._come_back()

    def _come_back(self) -> None:
        delay = FIRST_DELAY
        while not self._closing.is_set():
            try:
                self._session()
            except Exception as error:  # whatever a broker sends, the thread must live
                if self._has_helped(delay):
                    delay = FIRST_DELAY
                if not self.connected or time.monotonic() - self._connected_at > STEADY_SECONDS:
                    self._thrown_out = 0  # the broker was away, or all went well for long
                self.connected = False
                if not self._closing.is_set():
                    self._say(error)
            self._outbox.rewind()
            self._closing.wait(delay)
            delay = min(2 * delay, LAST_DELAY)

    def _has_helped(self, delay: float) -> bool:
        """True if the connection, made after this delay, lasted. Two clients of one name throw each
        other out: not at once again."""
        lasted = time.monotonic() - self._connected_at
        return self.connected and lasted >= min(delay, ENOUGH_SECONDS)

    def _session(self) -> None:
        """One connection, from its beginning to its end.

        Raises: OSError, ValueError, or what paho makes of a broker that sends nonsense.
        """
        self._refusal = None
        self._events_out, self._states_out = {}, {}
        client = self._client()
        try:
            client.connect(self._options.broker.host, self._options.broker.port, KEEPALIVE_SECONDS)
            connection = client.socket()
            if isinstance(connection, socket.socket):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            while not self._finished():
                self._feed(client)
                self._exchange(client)
            self._say_goodbye(client)
        finally:
            connection = client.socket()
            if connection is not None:
                connection.close()

    def _client(self) -> Client:
        client = make_client(self._options, EVENTS_IN_FLIGHT + STATES_IN_FLIGHT + 1)
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.on_message = self._on_heard
        return client

    def _exchange(self, client: Client) -> None:
        """Wait for the network or `wake`, read and write. Raises: OSError where it has ended."""
        connection = client.socket()
        if connection is None:
            reason = self._refusal or why_closed(self.connected, self._options.tls is not None)
            raise ConnectionError(reason + self._suspicion())
        # What TLS has decrypted already is not seen by select.
        pending = isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
        writing = [connection] if client.want_write() else []
        readable, writable, _ = select.select(
            [connection, self._bell], writing, [], 0 if pending else 1
        )
        if self._bell in readable:
            self._bell.recv(4096)
        if pending or connection in readable:
            client.loop_read()
            _check_size(client)
        if writable:
            client.loop_write()
        client.loop_misc()

    def _suspicion(self) -> str:
        """Of another client of our name, which a broker lets in and throws us out: a connection
        ends at once, or ends twice in good order while the broker lets us in each time."""
        if not self.connected:
            return ""
        self._thrown_out += 1
        lasted = time.monotonic() - self._connected_at
        if lasted > SUSPICIOUS_SECONDS and self._thrown_out < 2:
            return ""
        return (
            f"; is another client {self._options.client_id}, too? Then give one of them another "
            "--mqtt-name"
        )

    def _feed(self, client: Client) -> None:
        """Publish what there is, as far as the broker has acknowledged what was before."""
        if not self.connected:
            return
        while len(self._states_out) < STATES_IN_FLIGHT:
            state = self._states.take()
            if state is None:
                break
            mid = client.publish(state.topic, state.payload, 1, state.retain).mid
            self._states_out[mid] = state.topic
        while len(self._events_out) < EVENTS_IN_FLIGHT:
            message = self._outbox.take()
            if message is None:
                break
            mid = client.publish(message.topic, message.payload, qos=1).mid
            self._events_out[mid] = message.number

    def _on_connect(
        self,
        client: Client,
        userdata: object,
        flags: ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason_code.is_failure:
            self._refusal = why_refused(reason_code)
            return
        for topic in self._options.topics:
            client.subscribe(topic)
        self.connected, self._connected_at = True, time.monotonic()
        self.repeat()
        self._say_connected()

    def _on_publish(
        self,
        client: Client,
        userdata: object,
        mid: int,
        reason_code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if mid in self._events_out:
            self._outbox.acknowledge(self._events_out.pop(mid))
        elif mid in self._states_out:
            self._states.told(self._states_out.pop(mid))

    def _on_heard(self, client: Client, userdata: object, message: MQTTMessage) -> None:
        self._on_message(message.topic, message.payload.decode(errors="replace"))

    def _finished(self) -> bool:
        if not self._closing.is_set():
            return False
        idle = not (self._states.untold or self._states_out or self._outbox.waiting)
        return (self.connected and idle) or time.monotonic() >= self._deadline

    def _say_goodbye(self, client: Client) -> None:
        if self.connected:
            mid = client.publish(self._options.state_topic, "offline", 1, True).mid
            self._states_out[mid] = self._options.state_topic
            deadline = time.monotonic() + GOODBYE_SECONDS
            while mid in self._states_out and time.monotonic() < deadline:
                self._exchange(client)
        self.connected = False
        client.disconnect()

    def _say_connected(self) -> None:
        self.error = None
        if self._said:
            self._said = False
            waiting = self._outbox.waiting
            log.warning(
                "mqtt: connected to %s again, %d events wait", self._options.broker, waiting
            )

    def _say(self, error: Exception) -> None:
        """Each trouble once a minute."""
        words = str(error)
        if isinstance(error, ssl.SSLError):
            words = explain(error, self._options.broker.host, self._options.ca)
        text = f"{self._options.broker}: {words}"
        if self._log_limit.is_due(text):
            self._said = True
            log.error("mqtt: %s; events wait, and it is tried again", text)
        self.error = text


def _check_size(client: Client) -> None:
    """Refuse a message that would fill the memory. Raises: ConnectionError.

    paho has no bound of its own, and no public way to see what is on its way.
    """
    size = getattr(client, "_in_packet", {}).get("remaining_length", 0)
    if size > MOST_HEARD:
        raise ConnectionError(
            f"it sends a message of {size / 1e6:.0f} MB, and {MOST_HEARD / 1e6:.0f} MB are taken; "
            "who publishes that on a topic of ours?"
        )
