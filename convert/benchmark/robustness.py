"""What int8 costs on pictures unlike those it was calibrated with: dark, flat, blurred, noisy.

An int8 input or layer whose range comes from good pictures may clip bad ones. Both models see the
same bad picture, so what the network itself cannot stand is not held against int8.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageFilter
from tqdm import tqdm

from convert.benchmark.predict import find
from edge_runtime.detector.detector import Detector
from train.data.dataset import Example, read_image
from train.evaluation.coco import Accuracy, PictureDetections, evaluate

CLEAN = "clean"
# int8 may lose so much more against float32 than it does on clean pictures, in [0, 1] of AP50.
ALLOWANCE = 0.005
BLUR_SHARE = 1 / 150  # sigma, of the shorter side: 2 pixels at 300
NOISE_SIGMA = 20  # of 255: a small sensor at night
JPEG_QUALITY = 15  # blocks are plain to see


def _scaled(factor: float) -> Callable[[np.ndarray, int], np.ndarray]:
    return lambda frame, seed: _to_uint8(frame * np.float32(factor))


def _flat(frame: np.ndarray, seed: int) -> np.ndarray:
    mean = frame.mean(dtype=np.float64)
    return _to_uint8(mean + 0.4 * (frame - mean))


def _blurred(frame: np.ndarray, seed: int) -> np.ndarray:
    sigma = min(frame.shape[:2]) * BLUR_SHARE
    return np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(sigma)))


def _noisy(frame: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(frame.shape, np.float32)
    return _to_uint8(frame + NOISE_SIGMA * noise)


def _compressed(frame: np.ndarray, seed: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return np.asarray(Image.open(buffer))


def _to_uint8(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


# name → function of an (H, W, 3) RGB uint8 frame and a seed; the same seed gives the same frame.
CONDITIONS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "darkened x0.3": _scaled(0.3),
    "darkened x0.5": _scaled(0.5),
    "brightened x1.5": _scaled(1.5),
    "low contrast x0.4": _flat,
    "blurred": _blurred,
    f"noisy, sigma {NOISE_SIGMA}": _noisy,
    f"JPEG quality {JPEG_QUALITY}": _compressed,
}


def apply(condition: str, frame: np.ndarray, image_id: str) -> np.ndarray:
    """The frame under a condition of CONDITIONS; noise depends on the picture's id only.

    Args:
        frame: (H, W, 3) RGB uint8.

    Returns: (H, W, 3) RGB uint8, a new array.
    """
    return CONDITIONS[condition](frame, zlib.crc32(image_id.encode()))


def measure_robustness(
    detectors: dict[str, Detector],
    examples: Sequence[Example],
    class_names: Sequence[str],
    clean: dict[str, Accuracy],
) -> list[dict]:
    """Accuracy of two models under every condition; a picture is read once for all.

    Args:
        detectors: by variant, the reference first; set to the thresholds of
            `convert.benchmark.predict`.
        clean: by variant, what they reach on the pictures as they are.

    Returns: the rows of `compare_with_clean`.
    """
    found: dict[tuple[str, str], list[PictureDetections]] = {
        (condition, variant): [] for condition in CONDITIONS for variant in detectors
    }
    for example in tqdm(examples, "robustness", unit="picture", leave=False, disable=None):
        frame = read_image(example.image_path)
        for condition in CONDITIONS:
            changed = apply(condition, frame, example.image_id)
            for variant, detector in detectors.items():
                found[condition, variant].append(find(detector, changed))
    rows = {CLEAN: clean}
    for condition in CONDITIONS:
        rows[condition] = {
            variant: evaluate(examples, found[condition, variant], class_names)
            for variant in detectors
        }
    return compare_with_clean(
        {
            condition: {variant: {"ap": a.ap, "ap50": a.ap50} for variant, a in row.items()}
            for condition, row in rows.items()
        }
    )


def compare_with_clean(rows: dict[str, dict[str, dict[str, float | None]]]) -> list[dict]:
    """Whether the second model stands each condition as well as the first.

    Args:
        rows: condition → variant → {"ap", "ap50"} in [0, 1]; CLEAN among them, two variants.

    Returns: for each condition {"condition", "models": its row, "difference": {"ap", "ap50"}
        (second - first), "against_clean": {…} (its difference - that of CLEAN), "passes"}. It
        passes if the AP50 of "against_clean" is no lower than -ALLOWANCE. Ready for JSON; None
        where there is no ground truth.
    """
    differences = {condition: _minus(*row.values()) for condition, row in rows.items()}
    table = []
    for condition, row in rows.items():
        extra = _minus(differences[CLEAN], differences[condition])
        passes = None if extra["ap50"] is None else round(extra["ap50"], 9) >= -ALLOWANCE
        table.append(
            {
                "condition": condition,
                "models": row,
                "difference": differences[condition],
                "against_clean": extra,
                "passes": passes,
            }
        )
    return table


def _minus(first: dict, second: dict) -> dict[str, float | None]:
    """second - first, by key."""
    return {
        key: None if None in (value, second[key]) else second[key] - value
        for key, value in first.items()
    }
