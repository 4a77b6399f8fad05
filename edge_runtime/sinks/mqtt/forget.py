"""MQTT forgetting: a visit to the broker that looks at what cameras have left, and removes it."""

from __future__ import annotations

import secrets
import ssl
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from edge_runtime.sinks.mqtt.connection import (
    ConnectionOptions,
    make_client,
    why_closed,
    why_refused,
)
from edge_runtime.sinks.mqtt.home_assistant import Topics
from edge_runtime.sinks.mqtt.leftovers import Leftovers
from edge_runtime.sinks.mqtt.tls_errors import explain

if TYPE_CHECKING:
    from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

QUIET_SECONDS = 1.5  # without a message, after which the broker has told all that it keeps
LONGEST_SECONDS = 15.0  # where it is never quiet
PROBE_SECONDS = 10.0  # for a camera to answer; one that has just lost its Wi-Fi is back by then
ANSWER_SECONDS = 10.0  # for the connection, and for acknowledgements
POLL_SECONDS = 0.1


class Visit:
    """One connection to the broker, for as long as the context lasts.

    All raise OSError where the broker is not there, refuses us or goes away.
    """

    def __init__(self, options: ConnectionOptions, leftovers: Leftovers) -> None:
        """Raises: ImportError with the cure."""
        self._options = options
        self._leftovers = leftovers
        self._answer: ReasonCode | None = None
        self._heard_at = time.monotonic()
        self._unacknowledged: set[int] = set()
        self._probe, self._is_answered = "", False
        self._client = make_client(options, in_flight=20)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish

    def __enter__(self) -> Visit:
        broker = self._options.broker
        try:
            self._client.connect(broker.host, broker.port)
        except ssl.SSLError as error:
            raise self._error(explain(error, broker.host, self._options.ca)) from error
        except (OSError, ValueError) as error:
            raise self._error(str(error)) from error
        self._work(lambda: self._answer is not None, ANSWER_SECONDS)
        if self._answer is None:
            raise self._error("it says nothing; is that port a broker's?")
        if self._answer.is_failure:
            raise self._error(why_refused(self._answer))
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()

    def look(self) -> None:
        """Hear what there is."""
        for topic in self._leftovers.filters:
            self._client.subscribe(topic, 1)
        self._heard_at = time.monotonic()
        self._work(lambda: time.monotonic() - self._heard_at > QUIET_SECONDS, LONGEST_SECONDS)

    def is_alive(self, short: str) -> bool:
        """True if a camera that is said to be online answers. short: its slug.

        It takes back at once what it hears of a class that it has not (`MqttSink._heard`).
        """
        self._is_answered = False
        self._probe = f"{Topics(short).seen}/probe_{secrets.token_hex(4)}"
        self._client.publish(self._probe, "?", 1)
        self._work(lambda: self._is_answered, PROBE_SECONDS)
        return self._is_answered

    def remove(self, topics: Sequence[str]) -> None:
        """Remove what is retained there."""
        for topic in topics:
            self._unacknowledged.add(self._client.publish(topic, "", 1, True).mid)
        self._work(lambda: not self._unacknowledged, ANSWER_SECONDS)
        if self._unacknowledged:
            raise self._error(f"{len(self._unacknowledged)} removals are not confirmed")

    def _work(self, done: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not done() and time.monotonic() < deadline:
            if self._client.loop(POLL_SECONDS) and not done():
                was_in = self._answer is not None
                raise self._error(why_closed(was_in, self._options.tls is not None))

    def _error(self, why: str) -> ConnectionError:
        return ConnectionError(f"{self._options.broker}: {why}")

    def _on_connect(
        self,
        client: Client,
        userdata: object,
        flags: ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._answer = reason_code

    def _on_message(self, client: Client, userdata: object, message: MQTTMessage) -> None:
        self._heard_at = time.monotonic()
        if message.topic == self._probe:
            self._is_answered |= not message.payload
            return
        self._leftovers.hear(message.topic, message.payload.decode(errors="replace"))

    def _on_publish(
        self,
        client: Client,
        userdata: object,
        mid: int,
        reason_code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._unacknowledged.discard(mid)
