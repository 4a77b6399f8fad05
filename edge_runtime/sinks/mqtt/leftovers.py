"""MQTT leftovers: retained topics of cameras that no longer have that name.

A broker keeps them for ever, and Home Assistant shows a device that nothing feeds.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from edge_runtime.sinks.mqtt.home_assistant import ROOT, Topics, config_filter, device_slug
from edge_runtime.sinks.mqtt.message_store import is_locked

MAX_PAYLOAD = 65536  # bytes of a configuration, which has one or two thousand


@dataclass
class Device:
    """What the broker keeps of one camera.

    Attributes:
        slug: of its name.
        topics: retained, with something in them.
        state: "online", "offline", or None for a camera that tells nothing of itself.
        names: as people read them, of its configurations.
        is_heard: it has told how it does, which no broker keeps.
    """

    slug: str = ""
    topics: set[str] = field(default_factory=set)
    state: str | None = None
    names: set[str] = field(default_factory=set)
    is_heard: bool = False

    @property
    def is_online(self) -> bool:
        """True for a camera that somebody still feeds, or whose last will got lost."""
        return self.state == "online"


class Leftovers:
    """Collects what is heard on `filters`.

    Attributes:
        devices: slug of a camera → what there is of it.
    """

    def __init__(self, prefix: str, slugs: Iterable[str] | None = None) -> None:
        """prefix: of the discovery, "" for none. slugs: of the cameras; None for all there are."""
        self._prefix = prefix
        self._slugs = None if slugs is None else frozenset(slugs)
        self.devices: defaultdict[str, Device] = defaultdict(Device)

    @property
    def filters(self) -> list[str]:
        """To listen to."""
        if self._slugs is None:
            return [*_own_filters("+"), *([f"{self._prefix}/+/+/+/config"] if self._prefix else [])]
        found: list[str] = []
        for short in sorted(self._slugs):
            found += _own_filters(short)
            if self._prefix:
                found.append(config_filter(self._prefix, Topics(short)))
        return found

    def hear(self, topic: str, payload: str) -> bool:
        """Take note of a message. Returns: whether it belongs to one of these cameras."""
        short, is_config = self._slug_of(topic)
        if (
            not short
            or not is_plain(topic)
            or (self._slugs is not None and short not in self._slugs)
        ):
            return False
        if is_config and self._slugs is None and _origin(payload) != "edge-runtime":
            return False  # of another program, whose node only begins as ours do
        device = self.devices[short]
        device.slug = short
        if topic == Topics(short).status:
            device.is_heard = True
            return True
        if topic == f"{ROOT}/{short}/state":
            device.state = payload or None
        if is_config:
            device.names |= {name for name in [_device_name(payload)] if name}
        (device.topics.add if payload else device.topics.discard)(topic)
        return True

    def removable(self, was_silent: bool = False) -> list[str]:
        """Topics of cameras that are not online. They count as removed.

        was_silent: all had the time to tell how they do. One that has not is gone, though it be
        "online": its broker died with it, and never said its last will.
        """
        found: list[str] = []
        for device in self.devices.values():
            if not device.is_online or (was_silent and not device.is_heard):
                found += sorted(device.topics)
                device.topics.clear()
        return found

    def _slug_of(self, topic: str) -> tuple[str, bool]:
        parts = topic.split("/")
        if parts[0] == ROOT and len(parts) > 2:
            return parts[1], False
        tail = topic.removeprefix(f"{self._prefix}/").split("/") if self._prefix else []
        if len(tail) == 4 and tail[3] == "config" and tail[1].startswith(f"{ROOT}_"):
            return tail[1].removeprefix(f"{ROOT}_"), True
        return "", False


def is_plain(topic: str) -> bool:
    """True for a topic that can be published to: no wildcard in it, and nothing invisible."""
    return topic.isprintable() and not set("+#") & set(topic)


def earlier_slugs(folder: Path, own: str) -> list[str]:
    """Slugs of the cameras whose outboxes lie beside our own, and that no process uses.

    folder: of the outboxes of one service, which has one name at a time.
    """
    if not folder.is_dir():
        return []
    names = {path.name for path in folder.iterdir() if (path / "lock").exists()} - {own}
    ours = [name for name in names if device_slug(name) == name]
    return sorted(name for name in ours if not is_locked(folder / name))


def _own_filters(short: str) -> list[str]:
    base = f"{ROOT}/{short}"
    return [f"{base}/{name}" for name in ("state", "camera", "motion", "status", "seen/+")]


def _origin(payload: str) -> str | None:
    return _text(payload, "origin")


def _device_name(payload: str) -> str | None:
    return _text(payload, "device")


def _text(payload: str, key: str) -> str | None:
    """The name in an object of a configuration, None where there is none."""
    if len(payload) > MAX_PAYLOAD:
        return None
    try:
        name = json.loads(payload)[key]["name"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return None
    return name if isinstance(name, str) else None
