"""paho's client for one connection, as the options say."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from edge_runtime.sinks.mqtt.broker import Broker, Login
from edge_runtime.system.optional_imports import cure, require

CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Options:
    """How to connect, and what the broker does for us.

    Attributes:
        client_id: the same in every run, so that after a power cut the broker throws the old
            connection out, and says its last will, before the new one begins.
        state_topic: "online" there, retained; "offline" at the end, also as last will.
        topics: to listen to.
    """

    broker: Broker
    login: Login
    tls: ssl.SSLContext | None
    client_id: str
    state_topic: str
    topics: Sequence[str] = ()


def require_paho() -> ModuleType:
    """paho-mqtt, of the version that is needed. Raises: ImportError with the cure."""
    paho = require("paho.mqtt.client", "mqtt")
    if not hasattr(paho, "CallbackAPIVersion"):
        raise ImportError(f"paho-mqtt 2 expected, an older one is installed; {cure('mqtt')}")
    return paho


def make_client(options: Options, in_flight: int):
    """A client that is not yet connected, with its last will.

    in_flight: messages at most that wait for the broker's acknowledgement.
    """
    paho = require_paho()
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=options.client_id)
    client.connect_timeout = CONNECT_SECONDS
    client.max_inflight_messages_set(in_flight)
    client.will_set(options.state_topic, "offline", qos=1, retain=True)
    if options.login.user is not None:
        client.username_pw_set(options.login.user, options.login.password)
    if options.tls is not None:
        client.tls_set_context(options.tls)
    return client
