"""`edge-runtime mqtt-forget`: removes what a camera that is no more has left at the broker."""

from __future__ import annotations

import argparse
import secrets
from pathlib import Path

from edge_runtime.arguments import CURABLE, PROGRAM, SubParsers, run_command
from edge_runtime.sinks.mqtt.flags import (
    add_broker_arguments,
    add_state_argument,
    discovery_prefix,
    make_options,
    outbox_folder,
)
from edge_runtime.sinks.mqtt.forget import Visit
from edge_runtime.sinks.mqtt.home_assistant import device_slug, slug
from edge_runtime.sinks.mqtt.inheritance import forget_waiting
from edge_runtime.sinks.mqtt.leftovers import Device, Leftovers

DESCRIPTION = """\
Remove what a camera of that --mqtt-name has left at the broker, after it was renamed
or given away: else Home Assistant keeps a device that is dead. Without NAME: list the
cameras that the broker knows. One that is online is left alone. Events that wait for it
in this user's state folder are deleted.
Exit status: 0; 1 if a NAME was not there or is online; 2 if the broker is out of reach.
"""


def add_parser(subparsers: SubParsers) -> None:
    """Add `mqtt-forget` to the sub-commands."""
    parser = subparsers.add_parser(
        "mqtt-forget",
        help="remove a camera that is no more from the broker and Home Assistant",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help="as it was given to --mqtt-name")
    add_broker_arguments(parser.add_argument_group("broker"))
    add_state_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List or forget. Returns: the exit status."""
    return run_command(PROGRAM, lambda: _visit(args), CURABLE)


def _visit(args: argparse.Namespace) -> int:
    if not args.mqtt:
        raise ValueError("--mqtt mqtt://HOST expected: which broker?")
    leftovers = Leftovers(discovery_prefix(args))
    # A name of its own: under the camera's, the broker would throw that out.
    options = make_options(args, f"edge_runtime_forget_{secrets.token_hex(4)}", "", ())
    with Visit(options, leftovers) as visit:
        visit.look()
        if not args.names:
            return _list(leftovers)
        folder = outbox_folder(args)
        return max([_forget(visit, leftovers, folder, name) for name in args.names])


def _list(leftovers: Leftovers) -> int:
    for short, device in sorted(leftovers.devices.items()):
        if device.topics:
            state = "online" if device.is_online else "offline"
            names = ", ".join(sorted(device.names)) or short
            print(f"{names}: edge_runtime/{short}, {state}, {len(device.topics)} topics")
    return 0


def _forget(visit: Visit, leftovers: Leftovers, folder: Path, name: str) -> int:
    found = _find(leftovers, name)
    topics = [] if found is None else sorted(found.topics)
    if found is not None and topics and found.is_online and visit.is_alive(found.slug):
        print(f"{name} is online: end that run first, it would tell all of it again")
        return 1
    visit.remove(topics)
    if topics:
        print(f"{name}: {len(topics)} topics are removed")
    waiting = forget_waiting(folder / device_slug(name))
    if waiting is not None:
        print(f"{name}: {waiting} events that waited here for the broker are deleted")
    if not topics and waiting is None:
        print(f"{name}: the broker keeps nothing of it; without NAME, all are listed")
        return 1
    return 0


def _find(leftovers: Leftovers, name: str) -> Device | None:
    short = device_slug(name)
    if short in leftovers.devices:
        return leftovers.devices[short]
    # Before names had a hash, two of them could be one device: only if it says that it is this one.
    older = leftovers.devices.get(slug(name))
    return older if older is not None and older.names == {name.strip()} else None
