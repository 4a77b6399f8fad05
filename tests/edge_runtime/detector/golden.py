"""Golden detections: what the shipped detector finds in three scenes, written down.

    python -m tests.edge_runtime.detector.golden

golden/*.jpg are pictures of the test split that `python -m train.digits` draws. Run the
command again when another detector ships; tests/edge_runtime/detector/test_golden.py compares.
"""

from __future__ import annotations

import json
from pathlib import Path

from edge_runtime import Detector
from edge_runtime.media.atomic import atomic_path
from edge_runtime.media.images import read_image
from tests.conftest import ROOT

FOLDER = Path(__file__).parent / "golden"
RECORD = FOLDER / "detections.json"
MODEL = ROOT / "models" / "digits_int8.tflite"
# Lower than the default, for the weak finds too.
SCORE_THRESHOLD = 0.3


def look() -> dict[str, list[dict]]:
    """Name of the picture → what is found in it, as `Detections.to_dicts`."""
    detector = Detector(MODEL, num_threads=1, score_threshold=SCORE_THRESHOLD)
    return {
        path.name: detector.detect(read_image(path)).to_dicts()
        for path in sorted(FOLDER.glob("*.jpg"))
    }


if __name__ == "__main__":
    with atomic_path(RECORD) as path:
        lines = [f"{json.dumps(name)}: {json.dumps(found)}" for name, found in look().items()]
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
