"""Names of topics."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

ROOT = "edge_runtime"


def slug(text: str) -> str:
    """What Home Assistant allows in a topic, letters, digits, _ and -, of any text.

    An accent falls off; where nothing is left, the letters' numbers stand in.
    """
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", plain).strip("_")
    return name or "u" + "_".join(f"{ord(letter):x}" for letter in text)


def class_slugs(class_names: Iterable[str]) -> dict[str, str]:
    """Class name → slug, no two alike: beside "a b" and its "a_b", "a_b" becomes "a_b_2"."""
    taken: dict[str, str] = {}
    for name in class_names:
        short, number = slug(name), 2
        while short in taken:
            short, number = f"{slug(name)}_{number}", number + 1
        taken[short] = name
    return {name: short for short, name in taken.items()}


class Topics:
    """Those of one camera, below `edge_runtime/NAME/`.

    Attributes:
        node: `edge_runtime_NAME`, its name for Home Assistant and for the broker.
        state: "online" or "offline": this program, by its last will too.
        camera: "online" while frames come.
        detections: JSON of `Result.to_dict`, an event.
        motion: "ON" or "OFF", retained.
        motion_event: JSON of time and motion at each change, an event.
        status: JSON of frames a second, temperature and the like.
        seen: above one topic a class, with the number of objects in sight, retained.
    """

    def __init__(self, name: str) -> None:
        base = f"{ROOT}/{slug(name)}"
        self.node = f"{ROOT}_{slug(name)}"
        self.state = f"{base}/state"
        self.camera = f"{base}/camera"
        self.detections = f"{base}/detections"
        self.motion = f"{base}/motion"
        self.motion_event = f"{base}/motion/event"
        self.status = f"{base}/status"
        self.seen = f"{base}/seen"
