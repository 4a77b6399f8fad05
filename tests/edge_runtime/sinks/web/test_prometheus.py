"""The text that Prometheus reads."""

import re
from dataclasses import replace

from edge_runtime.pipeline.snapshot import (
    BoardState,
    Dropped,
    Latency,
    ModelState,
    SinkCounters,
    Snapshot,
    Throttling,
)
from edge_runtime.sinks.web.prometheus import CONTENT_TYPE, metrics_text
from tests.edge_runtime.sinks.web.fixtures import Run

SAMPLE = re.compile(
    r'(?P<name>[a-z_:]+)(?:\{(?P<labels>(?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)+)\})? '
    r"(?P<value>-?[0-9.]+(?:e[+-]?[0-9]+)?)"
)
RUN = Snapshot(
    uptime_s=12.5,
    results=1234567,
    fps=9.5,
    latency_ms=Latency(median=71.25, p90=88.0),
    ms={"inference": 60.0},
    frame_age_s=0.1,
    detections={"cat": 3, 'a "b"\\\n': 4},
    state="running",
    healthy=True,
    restarts=2,
    dropped=Dropped(source=10, pipeline=0),
    board=BoardState(61.5, Throttling(("throttled",), ("throttled", "under-voltage")), 90_000_000),
    model=ModelState("m.tflite", ("cat",), threads=4, runtime="litert 2", reloads=1),
    sinks={
        "web": SinkCounters(written=9),
        "mqtt": SinkCounters(
            written=5,
            dropped=1,
            failed=2,
            error="gone",
            own={"connected": False, "waiting": 7, "delivered": 8, "overflowed": 6},
        ),
    },
)


def parsed(text):
    """Samples and types, as strictly as the format has it."""
    assert text.endswith("\n")
    samples, types, helped, last = {}, {}, set(), None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split()[2]
            assert name not in helped and len(line.split()) > 3  # one family, one place
            helped.add(name)
            last = name
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name == last and kind in ("gauge", "counter")
            types[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match and match["name"] == last, line
            key = match["name"].removeprefix("edge_runtime_") + (
                f"{{{match['labels']}}}" if match["labels"] else ""
            )
            assert key not in samples
            samples[key] = float(match["value"])
    return samples, types


def test_every_number_in_its_unit():
    samples, types = parsed(metrics_text(RUN, {"model": "x"}, 3))
    assert (
        samples.items()
        >= {
            'info{model="x"}': 1,
            "web_viewers": 3,
            "healthy": 1,
            "uptime_seconds": 12.5,
            "results_total": 1234567,
            "frames_per_second": 9.5,
            "frame_age_seconds": 0.1,
            'latency_seconds{stat="median"}': 0.07125,
            'latency_seconds{stat="p90"}': 0.088,
            'step_seconds{step="inference"}': 0.06,
            'detections_total{class="cat"}': 3,
            'detections_total{class="a \\"b\\"\\\\\\n"}': 4,
            'dropped_frames_total{where="source"}': 10,
            "source_restarts_total": 2,
            'source_state{state="running"}': 1,
            "model_reloads_total": 1,
            "cpu_temperature_celsius": 61.5,
            "resident_memory_bytes": 90_000_000,
            'throttled{reason="throttled"}': 1,
            'throttled{reason="under-voltage"}': 0,
            'throttled_since_boot{reason="under-voltage"}': 1,
            'sink_written_total{sink="mqtt"}': 5,
            'sink_failed_total{sink="mqtt"}': 2,
            "mqtt_connected": 0,
            "mqtt_waiting_events": 7,
            "mqtt_delivered_events_total": 8,
            "mqtt_overflowed_events_total": 6,
        }.items()
    )
    for name, kind in types.items():
        assert name.startswith("edge_runtime_")
        assert name.endswith("_total") == (kind == "counter"), name


def test_what_was_not_measured_is_left_out():
    run = replace(RUN, board=BoardState(), latency_ms=None, frame_age_s=None, ms={})
    text = metrics_text(run, {"model": "x"}, 0)
    parsed(text)
    for name in ("celsius", "throttled", "memory", "latency", "age", "step"):
        assert f"edge_runtime_{name}" not in text and f"_{name} " not in text, name
    parsed(metrics_text(Snapshot(), {}, 0))  # before the run has begun


def test_of_a_real_run():
    run = Run()
    empty, _ = parsed(run.get("/metrics")[2].decode())
    assert empty["healthy"] == 0 and empty["results_total"] == 0
    run.write()
    status, headers, body = run.get("/metrics")
    assert status == 200 and headers["Content-Type"] == CONTENT_TYPE
    samples, _ = parsed(body.decode())
    assert samples["healthy"] == 1 and samples['detections_total{class="dog <b>"}'] == 1
    run.page.close()
