"""The state of a run as Prometheus text, format 0.0.4."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edge_runtime.system.board import THROTTLE_BITS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Labels and value, None where it was not measured.
Sample = tuple[Mapping[str, str], float | None]


def metrics_text(snapshot: dict, info: Mapping[str, str], viewers: int) -> str:
    """All metrics; one that was not measured is left out.

    Args:
        snapshot: as `Stats.snapshot` gives it.
        info: labels of edge_runtime_info, whose value is always 1.
        viewers: of the live picture.
    """
    families = [("info", "gauge", "What runs.", [(info, 1)])]
    families.append(("web_viewers", "gauge", "Viewers of the live picture.", [({}, viewers)]))
    for part in (_results, _losses, _board, _sinks, _mqtt):
        families += part(snapshot)
    lines = []
    for name, kind, what, samples in families:
        measured = [(labels, value) for labels, value in samples if value is not None]
        if measured:
            lines += [f"# HELP edge_runtime_{name} {what}", f"# TYPE edge_runtime_{name} {kind}"]
        for labels, value in measured:
            lines.append(f"edge_runtime_{name}{_braces(labels)} {_number(value)}")
    return "\n".join(lines) + "\n"


def _results(state: dict) -> Iterator[tuple[str, str, str, list[Sample]]]:
    latency = state.get("latency_ms") or {}
    yield _one("healthy", "gauge", "1 while frames flow, else 0.", state.get("healthy"))
    yield _one("uptime_seconds", "gauge", "Since the start of the run.", state.get("uptime_s"))
    yield _one("results_total", "counter", "Frames looked at.", state.get("results"))
    yield _one("frames_per_second", "gauge", "Frames looked at, of late.", state.get("fps"))
    yield _one(
        "frame_age_seconds",
        "gauge",
        "Since the newest frame was captured.",
        state.get("frame_age_s"),
    )
    yield (
        "latency_seconds",
        "gauge",
        "From capture to result, of late.",
        [({"stat": stat}, _seconds(latency.get(stat))) for stat in ("median", "p90")],
    )
    yield (
        "step_seconds",
        "gauge",
        "Median time of each step, of late.",
        [({"step": step}, _seconds(value)) for step, value in state.get("ms", {}).items()],
    )
    yield (
        "detections_total",
        "counter",
        "Detections of each class.",
        [({"class": name}, count) for name, count in state.get("detections", {}).items()],
    )


def _losses(state: dict) -> Iterator[tuple[str, str, str, list[Sample]]]:
    model = state.get("model", {})
    yield (
        "dropped_frames_total",
        "counter",
        "Frames that nobody looked at, by where they were dropped.",
        [({"where": where}, count) for where, count in state.get("dropped", {}).items()],
    )
    restarts = state.get("restarts")
    yield _one("source_restarts_total", "counter", "Times the source was reopened.", restarts)
    current = state.get("state")
    yield (
        "source_state",
        "gauge",
        "1 for the state that the source is in.",
        [] if current is None else [({"state": current}, 1)],
    )
    yield _one(
        "model_reloads_total", "counter", "Times a new model was loaded.", model.get("reloads")
    )
    yield _one(
        "model_reload_failures_total",
        "counter",
        "New model files that could not be used.",
        model.get("reload_failures"),
    )


def _board(state: dict) -> Iterator[tuple[str, str, str, list[Sample]]]:
    board = state.get("board", {})
    degrees, memory = board.get("temperature_c"), board.get("memory_bytes")
    yield _one("cpu_temperature_celsius", "gauge", "Of the processor.", degrees)
    yield _one("resident_memory_bytes", "gauge", "Of this process.", memory)
    throttling = board.get("throttling") or {}
    for name, key, what in (
        ("throttled", "now", "1 while the firmware holds the board back."),
        ("throttled_since_boot", "since_boot", "1 if it has since the board was switched on."),
    ):
        reasons = THROTTLE_BITS.values() if key in throttling else ()
        samples = [({"reason": reason}, reason in throttling[key]) for reason in reasons]
        yield name, "gauge", what, samples


def _sinks(state: dict) -> Iterator[tuple[str, str, str, list[Sample]]]:
    for key, what in (
        ("written", "Results that a sink took."),
        ("dropped", "Results that a sink had no time for."),
        ("failed", "Results that a sink could not take."),
    ):
        sinks = state.get("sinks", {}).items()
        samples = [({"sink": name}, counters.get(key)) for name, counters in sinks]
        yield f"sink_{key}_total", "counter", what, samples


def _mqtt(state: dict) -> Iterator[tuple[str, str, str, list[Sample]]]:
    mqtt = state.get("sinks", {}).get("mqtt", {})
    for name, kind, key, what in (
        ("connected", "gauge", "connected", "1 while the broker has let us in."),
        ("waiting_events", "gauge", "waiting", "Events that it has not acknowledged."),
        ("delivered_events_total", "counter", "delivered", "Events that it has acknowledged."),
        ("overflowed_events_total", "counter", "overflowed", "Events lost while it was away."),
    ):
        yield _one(f"mqtt_{name}", kind, what, mqtt.get(key))


def _one(name: str, kind: str, what: str, value: float | None) -> tuple:
    return name, kind, what, [({}, value)]


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds / 1000, 6)


def _number(value: float) -> str:
    return repr(value + 0)  # True is 1


def _braces(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    escaped = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + ",".join(escaped) + "}"


def _escaped(value: str) -> str:
    return str(value).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
