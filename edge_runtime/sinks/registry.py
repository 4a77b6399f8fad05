"""Sink registry: every sink that `run` has flags for, and so a service too."""

from __future__ import annotations

from edge_runtime.sinks import events, json_lines, video, window
from edge_runtime.sinks.flags import SinkFlags
from edge_runtime.sinks.mqtt import flags as mqtt
from edge_runtime.sinks.web import sink as web

# In the order of `run --help`.
SINKS: tuple[SinkFlags, ...] = (
    json_lines.FLAGS,
    web.FLAGS,
    mqtt.FLAGS,
    video.FLAGS,
    events.FLAGS,
    window.FLAGS,
)
