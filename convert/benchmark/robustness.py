"""Robustness: what int8 costs on dark, flat, blurred and noisy pictures, unlike its calibration's.

An int8 input or layer whose range comes from good pictures may clip bad ones. Both models see the
same bad picture, so what the network itself cannot stand is not held against int8.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image, ImageFilter
from tqdm import tqdm

from convert.benchmark.predict import find
from convert.benchmark.report import ApPair, RobustnessRow
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
    detectors: Mapping[str, Detector],
    examples: Sequence[Example],
    class_names: Sequence[str],
    clean: Mapping[str, Accuracy],
    class_places: Mapping[str, np.ndarray | None] | None = None,
) -> tuple[RobustnessRow, ...]:
    """Accuracy of two models under every condition; a picture is read once for all.

    Args:
        detectors: by variant, the reference first; set to the thresholds of
            `convert.benchmark.predict`.
        clean: by variant, what they reach on the pictures as they are.
        class_places: by variant, see `convert.benchmark.predict.find`; None for none.

    Returns: a row for each condition, CLEAN first.
    """
    found: dict[tuple[str, str], list[PictureDetections]] = {
        (condition, variant): [] for condition in CONDITIONS for variant in detectors
    }
    for example in tqdm(examples, "robustness", unit="picture", leave=False, disable=None):
        frame = read_image(example.image_path)
        for condition in CONDITIONS:
            changed = apply(condition, frame, example.image_id)
            for variant, detector in detectors.items():
                own_places = None if class_places is None else class_places[variant]
                found[condition, variant].append(find(detector, changed, own_places))
    rows = {CLEAN: {variant: ApPair(each.ap, each.ap50) for variant, each in clean.items()}}
    for condition in CONDITIONS:
        rows[condition] = {}
        for variant in detectors:
            accuracy = evaluate(examples, found[condition, variant], class_names)
            rows[condition][variant] = ApPair(accuracy.ap, accuracy.ap50)
    return compare_with_clean(rows)


def compare_with_clean(rows: Mapping[str, Mapping[str, ApPair]]) -> tuple[RobustnessRow, ...]:
    """Whether the second model stands each condition as well as the first.

    A condition passes if the second model's AP50 loses no more than ALLOWANCE beyond what it loses
    on clean pictures.

    Args:
        rows: condition → variant → accuracy in [0, 1]; CLEAN among them, two variants, the
            reference first.
    """
    differences = {}
    for condition, models in rows.items():
        first, second = models.values()
        differences[condition] = second.minus(first)
    table = []
    for condition, models in rows.items():
        extra = differences[condition].minus(differences[CLEAN])
        passes = None if extra.ap50 is None else round(extra.ap50, 9) >= -ALLOWANCE
        table.append(RobustnessRow(condition, models, differences[condition], extra, passes))
    return tuple(table)
