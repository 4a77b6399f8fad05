"""A camera in a process of its own."""

from __future__ import annotations

from edge_runtime.sources.source import Source


class ProcessSource(Source):
    live = True
