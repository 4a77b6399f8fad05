"""Results for an MQTT broker, and for Home Assistant there: the flags."""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Sequence
from pathlib import Path

from edge_runtime.arguments import local_path, number_between, path_of_file
from edge_runtime.sinks.base import Sink
from edge_runtime.sinks.flags import SinkFlags
from edge_runtime.sinks.mqtt.broker import PASSWORD, USER, make_tls, parse_broker, read_login
from edge_runtime.sinks.mqtt.connection import ConnectionOptions
from edge_runtime.sinks.mqtt.home_assistant import PREFIX, Topics, birth_topic, config_filter
from edge_runtime.sinks.mqtt.leftovers import Leftovers, earlier_slugs
from edge_runtime.sinks.mqtt.sink import MqttSink


def add_broker_arguments(group: argparse._ArgumentGroup) -> None:
    """Add the flags that say how to reach a broker, and where discovery is."""
    group.add_argument(
        "--mqtt",
        metavar="URL",
        help="mqtt://HOST[:PORT], or mqtts:// for TLS; user and password come from the "
        f"environment's {USER} and {PASSWORD}, or from --mqtt-password-file",
    )
    group.add_argument(
        "--mqtt-password-file",
        metavar="FILE",
        type=local_path,
        help="with the line user:password, chmod 600",
    )
    group.add_argument(
        "--mqtt-ca",
        metavar="FILE",
        type=local_path,
        help="authorities to believe (default: the system's)",
    )
    group.add_argument(
        "--mqtt-cert",
        metavar="FILE",
        type=local_path,
        help="our own certificate, where the broker asks for one",
    )
    group.add_argument(
        "--mqtt-key", metavar="FILE", type=local_path, help="its key, if that is another file"
    )
    group.add_argument(
        "--mqtt-discovery",
        default=PREFIX,
        metavar="PREFIX",
        help="of Home Assistant's discovery, '' for none (default: %(default)s)",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --mqtt and what belongs to it."""
    group = parser.add_argument_group("MQTT and Home Assistant")
    add_broker_arguments(group)
    group.add_argument(
        "--mqtt-name",
        metavar="NAME",
        help="of this camera: topics are edge_runtime/NAME/… (default: the host's name)",
    )
    group.add_argument(
        "--mqtt-interval",
        type=number_between(0, 1e9, "0 to 1000000000 seconds"),
        default=1.0,
        metavar="S",
        help="seconds between detections while nothing changes; 0: every frame that has some "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--mqtt-buffer",
        type=number_between(0.1, 1e6, "0.1 to 1000000 megabytes"),
        default=16.0,
        metavar="MB",
        help="of disk for events while the broker is away (default: %(default)s)",
    )
    add_state_argument(group)


def add_state_argument(group: argparse._ActionsContainer) -> None:
    """Add the flag that says where events wait."""
    group.add_argument(
        "--state-dir",
        metavar="DIR",
        type=path_of_file,
        help="where events wait (default: $STATE_DIRECTORY, else ~/.local/state/edge-runtime)",
    )


def outbox_folder(args: argparse.Namespace) -> Path:
    """Folder of the outboxes, one a camera's name, of `add_state_argument`."""
    state: Path = args.state_dir or state_folder()
    return state / "mqtt"


def make_options(
    args: argparse.Namespace, client_id: str, state_topic: str, topics: Sequence[str]
) -> ConnectionOptions:
    """Options of a connection, of `add_broker_arguments`.

    Raises: ValueError, OSError for flags that do not fit.
    """
    broker = parse_broker(args.mqtt)
    tls = make_tls(broker, args.mqtt_ca, args.mqtt_cert, args.mqtt_key)
    login = read_login(args.mqtt_password_file)
    return ConnectionOptions(broker, login, tls, client_id, state_topic, topics, args.mqtt_ca)


def discovery_prefix(args: argparse.Namespace) -> str:
    """Prefix of the discovery, "" for none. Raises: ValueError for one that is no topic."""
    prefix: str = args.mqtt_discovery.strip("/")
    if set("+#") & set(prefix):
        raise ValueError(f"--mqtt-discovery: a topic without + and # expected, got {prefix!r}")
    return prefix


def create(args: argparse.Namespace) -> Sink:
    """The sink that the flags ask for. Raises: ValueError, OSError for flags that do not fit."""
    parse_broker(args.mqtt)
    name = socket.gethostname() if args.mqtt_name is None else args.mqtt_name.strip()
    if not name:
        raise ValueError("--mqtt-name: a name of this camera expected, got none")
    topics = Topics(name)
    prefix = discovery_prefix(args)
    folder = outbox_folder(args)
    earlier = earlier_slugs(folder, topics.slug) if is_services_own(args.state_dir) else []
    listen = [f"{topics.seen}/+", *Leftovers(prefix, earlier).filters]
    if prefix:
        listen += [birth_topic(prefix), config_filter(prefix, topics)]
    options = make_options(args, topics.node, topics.state, listen)
    limit = int(1e6 * args.mqtt_buffer)
    place = folder / topics.slug
    return MqttSink(options, name, place, limit, args.mqtt_interval, prefix, earlier=earlier)


FLAGS = SinkFlags(
    "--mqtt",
    add_arguments,
    create,
    reads=("--mqtt-ca", "--mqtt-cert", "--mqtt-key", "--mqtt-password-file"),
    fills=("--state-dir",),
)


def is_services_own(state_dir: Path | None) -> bool:
    """True if the state folder is one that systemd made for this service: all names in it were this
    camera's. Elsewhere they may be those of cameras that are only switched off."""
    return state_dir is None and bool(os.environ.get("STATE_DIRECTORY"))


def state_folder() -> Path:
    """State folder of this program: systemd's choice, else the user's."""
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given)
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "edge-runtime"
