"""The sink: what is told of the results, when, and on which topic."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge_runtime.frame import Result
from edge_runtime.pipeline.snapshot import Snapshot
from edge_runtime.sinks.base import Context, Sink, SinkState
from edge_runtime.sinks.mqtt.connection import Connection, ConnectionOptions
from edge_runtime.sinks.mqtt.home_assistant import (
    PREFIX,
    Topics,
    birth_topic,
    class_slugs,
    config_filter,
    discovery,
)
from edge_runtime.sinks.mqtt.inheritance import inherit
from edge_runtime.sinks.mqtt.leftovers import Leftovers, is_plain
from edge_runtime.sinks.mqtt.outbox import Outbox
from edge_runtime.system.log_limit import LogLimit

log = logging.getLogger(__name__)

CHANGE_SECONDS = 0.2  # a class that flickers at the threshold changes in every frame
MOTION_SECONDS = 5.0
BLIND_SECONDS = 15.0
STATUS_SECONDS = 30.0
FIRST_STATUS_SECONDS = 5.0  # the rate of frames is a mean over as many
CLOSING_SECONDS = 0.5
LEFTOVER_SECONDS = 2.0
SILENCE_SECONDS = STATUS_SECONDS + 15.0  # of a camera that says it is online, and tells nothing


class MqttSink(Sink):
    """Publishes what is seen, with QoS 1.

    Detections are published at once when the number of any class changes, though not more often
    than every `CHANGE_SECONDS`; while nothing changes and something is in sight, every `interval`
    seconds; when the last object has gone, once, with none. `seen/…` follows them. Motion is on
    with the first object, and off when none was there for `MOTION_SECONDS`.

    Detections and changes of motion are events: they wait on disk while the broker is away, and
    come with the time at which they happened. All else are states: after a pause only the latest
    is told, so that a lamp is not switched on for somebody who has long gone.
    """

    name = "mqtt"
    _context: Context  # from `open` on

    def __init__(
        self,
        options: ConnectionOptions,
        name: str,
        folder: Path,
        limit: int,
        interval: float = 1.0,
        prefix: str = PREFIX,
        clock: Callable[[], float] = time.monotonic,
        earlier: Sequence[str] = (),
    ) -> None:
        """name: as people read it. folder, limit: of the outbox. prefix: "" for no discovery.
        earlier: slugs that this very camera had before."""
        self._options = options
        self._device = name
        self._folder = folder
        self._limit = limit
        self._interval = interval
        self._prefix = prefix
        self._clock = clock
        self._topics = Topics(name)
        self._seen: dict[str, str] = {}  # class name → topic
        self._known: tuple[str, ...] | None = None  # the detector's classes at the last result
        self._told: Counter[str] = Counter()
        self._told_at = float("-inf")
        self._later: tuple[str, Counter[str]] | None = None  # a change that came too soon
        self._in_sight_at = float("-inf")
        self._motion = False
        self._result_at = float("-inf")
        self._status_due = clock() + FIRST_STATUS_SECONDS
        self._lost, self._lost_log = 0, LogLimit(clock=clock)
        self._earlier = earlier
        self._leftovers = Leftovers(prefix, earlier)
        self._leftovers_due = self._silence_due = float("inf")

    def open(self, context: Context) -> None:
        self._context = context
        self._outbox = Outbox(self._folder, self._limit, self._clock)
        inherit([self._folder.parent / name for name in self._earlier], self._outbox)
        try:
            self._connection = Connection(self._options, self._outbox, self._heard)
        except ImportError:
            self._outbox.close()
            raise
        self._connection.set(self._topics.camera, "offline")
        self._connection.set(self._topics.motion, "OFF")
        self._announce(self._context.class_names)
        self._connection.start()

    def write(self, result: Result) -> None:
        now = self._clock()
        self._result_at = now
        self._connection.set(self._topics.camera, "online")
        self._follow_model(result)
        counts = Counter(result.detections.names)
        if counts:
            self._in_sight_at = now
            self._set_motion(True, result.frame.time)
        since = now - self._told_at
        if counts != self._told:
            self._later = (json.dumps(result.to_dict()), counts)
            if since >= min(CHANGE_SECONDS, self._interval):
                self._tell(now)
        elif counts and since >= self._interval:
            self._later = (json.dumps(result.to_dict()), counts)
            self._tell(now)
        else:
            self._later = None
        self._tick(now)

    def idle(self) -> None:
        now = self._clock()
        self._tell(now)
        self._tick(now)

    def close(self) -> None:
        self._tell(self._clock())
        self._connection.close(CLOSING_SECONDS)
        self._outbox.close()

    def state(self) -> SinkState:
        counters = {
            "connected": self._connection.connected,
            "waiting": self._outbox.waiting,
            "delivered": self._outbox.delivered,
            "overflowed": self._outbox.overflowed,
        }
        return SinkState(self._connection.error or self._outbox.error, counters)

    def _tell(self, now: float) -> None:
        """Send the change that waits, if there is one."""
        if self._later is None:
            return
        line, counts = self._later
        self._outbox.append(self._topics.detections, line)
        self._connection.wake()
        for name, topic in self._seen.items():
            self._connection.set(topic, str(counts[name]))
        self._told, self._told_at, self._later = counts, now, None

    def _set_motion(self, motion: bool, moment: float) -> None:
        if motion != self._motion:
            self._motion = motion
            word = "ON" if motion else "OFF"
            event = {"time": round(moment, 3), "motion": word}
            self._outbox.append(self._topics.motion_event, json.dumps(event))
            self._connection.set(self._topics.motion, word)

    def _tick(self, now: float) -> None:
        """Work that is due without a result."""
        if now - self._in_sight_at >= MOTION_SECONDS:
            self._set_motion(False, time.time())
        if now - self._result_at >= BLIND_SECONDS:
            self._connection.set(self._topics.camera, "offline")
        if now >= self._status_due:
            self._status_due = now + STATUS_SECONDS
            snapshot = self._context.snapshot()
            self._connection.set(self._topics.status, json.dumps(summary(snapshot)), retain=False)
        self._remove_leftovers(now)
        self._outbox.sync()
        if self._outbox.overflowed != self._lost and self._lost_log.is_due():
            self._lost = self._outbox.overflowed
            reason = self._outbox.error or f"the buffer of {self._limit / 1e6:g} MB is full"
            log.error("mqtt: %d events are lost so far: %s", self._lost, reason)

    def _follow_model(self, result: Result) -> None:
        """Other classes, after the model's file was replaced, are other topics."""
        names = result.detections.class_names
        if names == self._known:
            return
        first, self._known = self._known is None, names
        model = None if first else self._context.snapshot().model
        if model is not None and tuple(self._seen) != model.classes:
            self._announce(model.classes)

    def _announce(self, class_names: Iterable[str]) -> None:
        """Publish what Home Assistant must know of these classes, and take back the others."""
        before = self._configs() | dict.fromkeys(self._seen.values())
        self._seen = {
            name: f"{self._topics.seen}/{short}" for name, short in class_slugs(class_names).items()
        }
        after = self._configs()
        for topic in before.keys() - after.keys() - set(self._seen.values()):
            self._connection.set(topic, "")
        for topic, payload in after.items():
            self._connection.set(topic, payload)
        for name, topic in self._seen.items():
            self._connection.set(topic, str(self._told[name]))

    def _configs(self) -> dict[str, str]:
        if not self._prefix:
            return {}
        model = Path(self._context.model).name
        return discovery(self._prefix, self._device, self._topics, self._seen, model)

    def _remove_leftovers(self, now: float) -> None:
        if now < min(self._leftovers_due, self._silence_due):
            return
        was_silent = now >= self._silence_due
        self._leftovers_due = float("inf")
        if was_silent:
            self._silence_due = float("inf")
        for topic in self._leftovers.removable(was_silent):
            log.info("mqtt: removed %s, which an earlier name has left", topic)
            self._connection.set(topic, "")

    def _heard(self, topic: str, payload: str) -> None:
        if self._leftovers.hear(topic, payload):
            # Not before it is known whether a camera elsewhere has that name now.
            self._leftovers_due = self._clock() + LEFTOVER_SECONDS
            self._silence_due = min(self._silence_due, self._clock() + SILENCE_SECONDS)
        elif self._prefix and topic == birth_topic(self._prefix):
            if payload == "online":
                self._connection.repeat()
        elif payload and self._is_ours(topic) and not self._connection.knows(topic):
            self._connection.set(topic, "")  # an earlier run's: other classes

    def _is_ours(self, topic: str) -> bool:
        """True for a topic of a class, or a configuration: a broker may send what it likes."""
        parts = topic.split("/")
        if not is_plain(topic):
            return False
        if topic.startswith(f"{self._topics.seen}/"):
            return len(parts) == self._topics.seen.count("/") + 2
        filters = config_filter(self._prefix, self._topics).split("/") if self._prefix else []
        return len(parts) == len(filters) and all(
            wanted in ("+", part) for wanted, part in zip(filters, parts, strict=True)
        )


def summary(run: Snapshot) -> dict[str, Any]:
    """JSON-ready message of `status`; None where a run does not know."""
    board, throttling = run.board, run.board.throttling
    return {
        "fps": run.fps,
        "latency_ms": None if run.latency_ms is None else run.latency_ms.median,
        "temperature_c": board.temperature_c,
        "throttling": None if throttling is None else list(throttling.now),
        "memory_bytes": board.memory_bytes,
        "uptime_s": run.uptime_s,
        "source": run.state,
        "restarts": run.restarts,
        "dropped": asdict(run.dropped),
        "model_error": None if run.model is None else run.model.reload_error,
    }
