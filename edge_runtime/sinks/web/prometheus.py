"""Prometheus metrics: the snapshot of a run as text, exposition format 0.0.4."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import NamedTuple

from edge_runtime.pipeline.snapshot import Snapshot
from edge_runtime.system.board import THROTTLE_BITS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Sample(NamedTuple):
    """One line: labels and value, None where it was not measured."""

    labels: Mapping[str, str]
    value: float | None


class Family(NamedTuple):
    """Samples of one metric.

    Attributes:
        name: without the prefix edge_runtime_.
        kind: "gauge" or "counter".
        text: of the HELP line.
    """

    name: str
    kind: str
    text: str
    samples: list[Sample]


def metrics_text(run: Snapshot, info: Mapping[str, str], viewers: int) -> str:
    """All metrics; one that was not measured is left out.

    Args:
        info: labels of edge_runtime_info, whose value is always 1.
        viewers: of the live stream.
    """
    families = [Family("info", "gauge", "What runs.", [Sample(info, 1)])]
    families.append(_one("web_viewers", "gauge", "Viewers of the live picture.", viewers))
    for part in (_results, _losses, _board, _sinks, _mqtt):
        families += part(run)
    lines = []
    for name, kind, text, samples in families:
        measured = [(labels, value) for labels, value in samples if value is not None]
        if measured:
            lines += [f"# HELP edge_runtime_{name} {text}", f"# TYPE edge_runtime_{name} {kind}"]
        for labels, value in measured:
            lines.append(f"edge_runtime_{name}{_braces(labels)} {_number(value)}")
    return "\n".join(lines) + "\n"


def _results(run: Snapshot) -> Iterator[Family]:
    latency = {} if run.latency_ms is None else asdict(run.latency_ms)
    yield _one("healthy", "gauge", "1 while frames flow, else 0.", run.healthy)
    yield _one("uptime_seconds", "gauge", "Since the start of the run.", run.uptime_s)
    yield _one("results_total", "counter", "Frames looked at.", run.results)
    yield _one("frames_per_second", "gauge", "Frames looked at, of late.", run.fps)
    text = "Since the newest frame was captured."
    yield _one("frame_age_seconds", "gauge", text, run.frame_age_s)
    seconds = {stat: _seconds(milliseconds) for stat, milliseconds in latency.items()}
    yield _each("latency_seconds", "gauge", "From capture to result, of late.", "stat", seconds)
    steps = {step: _seconds(milliseconds) for step, milliseconds in run.ms.items()}
    yield _each("step_seconds", "gauge", "Median time of each step, of late.", "step", steps)
    text = "Detections of each class."
    yield _each("detections_total", "counter", text, "class", run.detections)


def _losses(run: Snapshot) -> Iterator[Family]:
    text = "Frames that nobody looked at, by where they were dropped."
    yield _each("dropped_frames_total", "counter", text, "where", asdict(run.dropped))
    text = "Times the source was reopened."
    yield _one("source_restarts_total", "counter", text, run.restarts)
    text = "1 for the state that the source is in."
    yield _each("source_state", "gauge", text, "state", {run.state: 1})
    if run.model is not None:
        text = "Times a new model was loaded."
        yield _one("model_reloads_total", "counter", text, run.model.reloads)
        text = "New model files that could not be used."
        yield _one("model_reload_failures_total", "counter", text, run.model.reload_failures)


def _board(run: Snapshot) -> Iterator[Family]:
    board = run.board
    yield _one("cpu_temperature_celsius", "gauge", "Of the processor.", board.temperature_c)
    yield _one("resident_memory_bytes", "gauge", "Of this process.", board.memory_bytes)
    if board.throttling is not None:
        for name, reasons, text in (
            ("throttled", board.throttling.now, "1 while the firmware holds the board back."),
            (
                "throttled_since_boot",
                board.throttling.since_boot,
                "1 if it has since the board was switched on.",
            ),
        ):
            values = {reason: reason in reasons for reason in THROTTLE_BITS.values()}
            yield _each(name, "gauge", text, "reason", values)


def _sinks(run: Snapshot) -> Iterator[Family]:
    for key, text in (
        ("written", "Results that a sink took."),
        ("dropped", "Results that a sink had no time for."),
        ("failed", "Results that a sink could not take."),
    ):
        values = {name: getattr(counters, key) for name, counters in run.sinks.items()}
        yield _each(f"sink_{key}_total", "counter", text, "sink", values)


def _mqtt(run: Snapshot) -> Iterator[Family]:
    own = run.sinks["mqtt"].own if "mqtt" in run.sinks else {}
    for name, kind, key, text in (
        ("connected", "gauge", "connected", "1 while the broker has let us in."),
        ("waiting_events", "gauge", "waiting", "Events that it has not acknowledged."),
        ("delivered_events_total", "counter", "delivered", "Events that it has acknowledged."),
        ("overflowed_events_total", "counter", "overflowed", "Events lost while it was away."),
    ):
        yield _one(f"mqtt_{name}", kind, text, own.get(key))


def _one(name: str, kind: str, text: str, value: float | None) -> Family:
    """A metric of one sample without labels."""
    return Family(name, kind, text, [Sample({}, value)])


def _each(
    name: str, kind: str, text: str, label: str, values: Mapping[str, float | None]
) -> Family:
    """A metric of one sample for each value of a label."""
    return Family(name, kind, text, [Sample({label: key}, value) for key, value in values.items()])


def _seconds(milliseconds: float) -> float:
    return round(milliseconds / 1000, 6)


def _number(value: float) -> str:
    return repr(value + 0)  # True is 1


def _braces(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    escaped = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + ",".join(escaped) + "}"


def _escaped(value: str) -> str:
    return str(value).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
