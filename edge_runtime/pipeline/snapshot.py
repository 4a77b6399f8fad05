"""Snapshot: the state of a run at one moment, for the web page, Prometheus, MQTT and systemd.

Attributes bear the names that they have as JSON, which other people's programs read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edge_runtime.detector.resize import PILLOW


@dataclass(frozen=True)
class Latency:
    """Milliseconds from capture to result."""

    median: float
    p90: float


@dataclass(frozen=True)
class Dropped:
    """Frames that nobody looked at: left out by the source, or by the detector's queue."""

    source: int = 0
    pipeline: int = 0


@dataclass(frozen=True)
class Throttling:
    """Reasons, of `board.THROTTLE_BITS`, for which the firmware holds the board back."""

    now: tuple[str, ...] = ()
    since_boot: tuple[str, ...] = ()


@dataclass(frozen=True)
class BoardState:
    """Health of the board; None where the system does not say.

    Attributes:
        temperature_c: of the processor, in degrees Celsius.
        memory_bytes: of this process (its resident set).
    """

    temperature_c: float | None = None
    throttling: Throttling | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True)
class ModelState:
    """The model in use.

    Attributes:
        path: of its file.
        classes: names that are reported, in the model's order.
        threads: of the interpreter.
        runtime: name and version of the interpreter.
        reloads: how often a new file took the place of the old.
        reload_failures: new files that could not be used.
        reload_error: why not the last one; None where it is in use.
        resizer: what brings frames to the network's size, see `edge_runtime.detector.resize`.
    """

    path: str
    classes: tuple[str, ...]
    threads: int
    runtime: str
    reloads: int = 0
    reload_failures: int = 0
    reload_error: str | None = None
    resizer: str = PILLOW


@dataclass(frozen=True)
class SinkCounters:
    """Results of one sink.

    Attributes:
        written: results that it took.
        dropped: results that it had no time for.
        failed: results that it could not take.
        error: what ails it now, or None.
        own: name → what this kind of sink counts besides; JSON has them beside the others.
    """

    written: int = 0
    dropped: int = 0
    failed: int = 0
    error: str | None = None
    own: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready, without the fold of `own`."""
        fields = asdict(self)
        return fields.pop("own") | fields


@dataclass(frozen=True)
class Snapshot:
    """Counters since the start of a run, and its state now; by default before the first frame.

    Attributes:
        uptime_s: seconds since the start.
        results: frames that were looked at.
        fps: results a second over the last `stats.FPS_SECONDS`.
        latency_ms: of the last `stats.WINDOW` results; None before the first.
        ms: step of the detector → median milliseconds of the last `stats.WINDOW` results.
        frame_age_s: seconds since the newest frame that was looked at was captured; None before it.
        detections: class name → how many since the start.
        state: the source's, see `Source`.
        healthy: whether a frame came in the last `stats.HEALTHY_SECONDS`, or none need come.
        restarts: how often the source was opened again.
        model: None where no pipeline runs yet.
        sinks: name → counters.
    """

    uptime_s: float = 0.0
    results: int = 0
    fps: float = 0.0
    latency_ms: Latency | None = None
    ms: Mapping[str, float] = field(default_factory=dict)
    frame_age_s: float | None = None
    detections: Mapping[str, int] = field(default_factory=dict)
    state: str = "starting"
    healthy: bool = False
    restarts: int = 0
    dropped: Dropped = Dropped()
    board: BoardState = BoardState()
    model: ModelState | None = None
    sinks: Mapping[str, SinkCounters] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready: a dict of the attributes, nested ones as dicts as well."""
        sinks = {name: counters.to_json() for name, counters in self.sinks.items()}
        return asdict(self) | {"sinks": sinks}
