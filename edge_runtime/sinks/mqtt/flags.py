"""Results for an MQTT broker, and for Home Assistant there: the flags."""

from __future__ import annotations

import argparse
import math
import os
import socket
from pathlib import Path

from edge_runtime.arguments import number_between
from edge_runtime.sinks.base import Sink
from edge_runtime.sinks.flags import SinkFlags
from edge_runtime.sinks.mqtt.broker import PASSWORD, USER, make_tls, parse_broker, read_login
from edge_runtime.sinks.mqtt.connection import ConnectionOptions
from edge_runtime.sinks.mqtt.home_assistant import PREFIX, Topics, birth_topic, config_filter, slug
from edge_runtime.sinks.mqtt.sink import MqttSink


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --mqtt and what belongs to it."""
    group = parser.add_argument_group("MQTT and Home Assistant")
    group.add_argument(
        "--mqtt",
        metavar="URL",
        help="mqtt://HOST[:PORT], or mqtts:// for TLS; user and password come from the "
        f"environment's {USER} and {PASSWORD}, or from --mqtt-password-file",
    )
    group.add_argument(
        "--mqtt-name",
        metavar="NAME",
        help="of this camera: topics are edge_runtime/NAME/… (default: the host's name)",
    )
    group.add_argument(
        "--mqtt-password-file", metavar="FILE", help="with the line user:password, chmod 600"
    )
    group.add_argument(
        "--mqtt-ca", metavar="FILE", help="authorities to believe (default: the system's)"
    )
    group.add_argument(
        "--mqtt-cert", metavar="FILE", help="our own certificate, where the broker asks for one"
    )
    group.add_argument("--mqtt-key", metavar="FILE", help="its key, if that is another file")
    group.add_argument(
        "--mqtt-interval",
        type=number_between(0, math.inf, "0 or more seconds"),
        default=1.0,
        metavar="S",
        help="seconds between detections while nothing changes; 0: every frame that has some "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--mqtt-discovery",
        default=PREFIX,
        metavar="PREFIX",
        help="of Home Assistant's discovery, '' for none (default: %(default)s)",
    )
    group.add_argument(
        "--mqtt-buffer",
        type=number_between(0.1, 1e6, "0.1 to 1000000 megabytes"),
        default=16.0,
        metavar="MB",
        help="of disk for events while the broker is away (default: %(default)s)",
    )
    group.add_argument(
        "--state-dir",
        metavar="DIR",
        type=Path,
        help="where they wait (default: $STATE_DIRECTORY, else ~/.local/state/edge-runtime)",
    )


def create(args: argparse.Namespace) -> Sink:
    """The sink that the flags ask for. Raises: ValueError, OSError for flags that do not fit."""
    broker = parse_broker(args.mqtt)
    name = args.mqtt_name or socket.gethostname()
    topics = Topics(name)
    prefix = args.mqtt_discovery.strip("/")
    if set("+#") & set(prefix):
        raise ValueError(f"--mqtt-discovery: a topic without + and # expected, got {prefix!r}")
    listen = [f"{topics.seen}/+"]
    if prefix:
        listen += [birth_topic(prefix), config_filter(prefix, topics)]
    options = ConnectionOptions(
        broker,
        read_login(args.mqtt_password_file),
        make_tls(broker, args.mqtt_ca, args.mqtt_cert, args.mqtt_key),
        topics.node,
        topics.state,
        listen,
        args.mqtt_ca,
    )
    folder = (args.state_dir or state_folder()) / "mqtt" / slug(name)
    limit = int(1e6 * args.mqtt_buffer)
    return MqttSink(options, name, folder, limit, args.mqtt_interval, prefix)


FLAGS = SinkFlags(
    "--mqtt",
    add_arguments,
    create,
    reads=("--mqtt-ca", "--mqtt-cert", "--mqtt-key", "--mqtt-password-file"),
    fills=("--state-dir",),
)


def state_folder() -> Path:
    """State folder of this program: systemd's choice, else the user's."""
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given)
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "edge-runtime"
