"""JSON reports on disk: written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_runtime.media.atomic import atomic_path


def write_report(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write the JSON, whole or not at all. Raises: OSError."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")
