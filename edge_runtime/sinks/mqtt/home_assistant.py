"""Home Assistant's MQTT discovery: one topic an entity.

One topic a device exists since 2024.11 only. https://www.home-assistant.io/integrations/mqtt/
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping

from edge_runtime.system.machine import package_version

PREFIX = "homeassistant"
EXPIRE_SECONDS = 120  # four times the pause between two messages of `status`


def birth_topic(prefix: str) -> str:
    """Topic on which Home Assistant says "online" when it has started."""
    return f"{prefix}/status"


def config_filter(prefix: str, topics: Topics) -> str:
    """All our configurations, also those that an earlier run left."""
    return f"{prefix}/+/{topics.node}/+/config"


def discovery(
    prefix: str, name: str, topics: Topics, class_topics: Mapping[str, str], model: str
) -> dict[str, str]:
    """Topic → payload, both to be retained.

    A sensor for each class, one for motion, and what tells how the program does.

    Args:
        name: of the device, as people read it.
        class_topics: class name → topic of its number in sight.
        model: name of the model, as people read it.
    """
    shared = {
        "qos": 1,
        "device": {
            "identifiers": [topics.node],
            "name": name,
            "manufacturer": "edge-runtime",
            "model": model,
            "sw_version": package_version() or "unknown",
        },
        "origin": {"name": "edge-runtime", "sw_version": package_version() or "unknown"},
    }
    return {
        f"{prefix}/{component}/{topics.node}/{short}/config": json.dumps(
            {"unique_id": f"{topics.node}_{short}", **entity, **shared}
        )
        for (component, short), entity in _entities(topics, class_topics).items()
    }


def _entities(topics: Topics, class_topics: Mapping[str, str]) -> dict[tuple[str, str], dict]:
    """(component, short name) → what is said of that entity alone."""
    entities: dict[tuple[str, str], dict] = {
        ("binary_sensor", "motion"): {
            "name": "Motion",
            "device_class": "motion",
            "state_topic": topics.motion,
            **_while_seeing(topics),
        }
    }
    for class_name, topic in class_topics.items():
        entities["sensor", f"seen_{topic.rsplit('/', 1)[1]}"] = {
            "name": class_name,
            "icon": "mdi:eye",
            "state_class": "measurement",
            "state_topic": topic,
            **_while_seeing(topics),
        }
    for (component, short), entity in _diagnostics(topics).items():
        entities[component, short] = entity | {
            "entity_category": "diagnostic",
            "availability_topic": topics.state,
        }
    return entities


def _while_seeing(topics: Topics) -> dict:
    """Nothing is known of what is in sight while the camera is blind."""
    return {
        "availability": [{"topic": topics.state}, {"topic": topics.camera}],
        "availability_mode": "all",
    }


def _diagnostics(topics: Topics) -> dict[tuple[str, str], dict]:
    def measured(name: str, key: str, **more: str) -> dict:
        return {
            "name": name,
            "state_topic": topics.status,
            "value_template": f"{{{{ value_json.{key} }}}}",
            "state_class": "measurement",
            "expire_after": EXPIRE_SECONDS,
            **more,
        }

    return {
        ("binary_sensor", "camera"): {
            "name": "Camera",
            "device_class": "connectivity",
            "state_topic": topics.camera,
            "payload_on": "online",
            "payload_off": "offline",
        },
        ("sensor", "fps"): measured("Frame rate", "fps", unit_of_measurement="fps"),
        ("sensor", "latency"): measured(
            "Latency", "latency_ms", unit_of_measurement="ms", device_class="duration"
        ),
        ("sensor", "temperature"): measured(
            "Temperature",
            "temperature_c",
            unit_of_measurement="°C",
            device_class="temperature",
        ),
    }


ROOT = "edge_runtime"
HASH_DIGITS = 6  # one in 16 million for two names of one home
MOST_LETTERS = 100  # of a slug: it is a folder's name, too


def slug(text: str) -> str:
    """Slug of a text: the letters, digits, _ and - that Home Assistant allows in a topic.

    An accent falls off; where nothing is left, the letters' numbers stand in.
    """
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", _without_accents(text)).strip("_")
    return name or "u" + "_".join(f"{ord(letter):x}" for letter in text)


def _without_accents(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def device_slug(name: str) -> str:
    """Slug of a camera's name: where letters are lost, a hash of the name is added, so that "Küche"
    and "Kuche" are two devices. A blank is not lost, it is an underscore."""
    name = unicodedata.normalize("NFC", name.strip())
    short = slug(name)
    if len(short) > MOST_LETTERS:
        return f"{short[: MOST_LETTERS - HASH_DIGITS - 1]}_{_hash(name)}"
    if short == name.replace(" ", "_") or not re.search("[A-Za-z0-9-]", _without_accents(name)):
        return short  # of letters that Latin has not, all numbers are there
    return f"{short}_{_hash(name)}"


def _hash(name: str) -> str:
    digest = hashlib.sha256(name.encode(errors="backslashreplace")).hexdigest()
    return digest[:HASH_DIGITS]


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
        slug: `device_slug` of the name.
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
        """name: as people write it, or its `device_slug`."""
        self.slug = device_slug(name)
        base = f"{ROOT}/{self.slug}"
        self.node = f"{ROOT}_{self.slug}"
        self.state = f"{base}/state"
        self.camera = f"{base}/camera"
        self.detections = f"{base}/detections"
        self.motion = f"{base}/motion"
        self.motion_event = f"{base}/motion/event"
        self.status = f"{base}/status"
        self.seen = f"{base}/seen"
