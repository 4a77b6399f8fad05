"""Other tools' readers of exported files, each behind one interface.

MediaPipe's, OpenCV's and tflite-support's are the packages themselves. Frigate's
(`frigate/detectors/plugins/cpu_tfl.py`), pycoral's (`pycoral/adapters/detect.py`) and
EdjeElectronics' (`TFLite_detection_image.py`) are done again from what their sources do, since none
of them can be installed as a package of its own: the same positions and names of outputs, the same
thresholds and roundings, on the same interpreters.

Nothing here needs more than NumPy, Pillow and the reader, so that it runs in an environment of the
reader's own.
"""

from __future__ import annotations

import importlib
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.detector.detector import Detector
from edge_runtime.detector.resize import resize
from edge_runtime.detector.spec import read_spec

# Of readers that take them; as train/evaluation/coco.py counts, where nearly every guess matters.
SCORE_THRESHOLD = 0.01
IOU_THRESHOLD = 0.45
MAX_DETECTIONS = 200

# (boxes (K, 4) xyxy in [0, 1], scores (K,), class_ids (K,)) of one picture.
Found = tuple[np.ndarray, np.ndarray, np.ndarray]

FRIGATE_SCORE, FRIGATE_DETECTIONS = 0.4, 20  # in its source, not to be set


class Reader(ABC):
    """A tool with a file opened.

    Attributes:
        module: what must be importable.
        form: of the file that it reads: of convert/export/forms.py; None for the file as it was.
    """

    module: str
    form: str | None = "postprocess"

    @abstractmethod
    def __init__(self, path: Path) -> None:
        """Raises: ImportError where the tool is missing; whatever it says of a file."""

    @abstractmethod
    def detect(self, image: np.ndarray) -> Found:
        """Detections in an (H, W, 3) RGB uint8 picture, stretched to the input."""


class OwnRuntime(Reader):
    """This project's runtime with the file that was exported, not the exported one."""

    module, form = "ai_edge_litert", None

    def __init__(self, path: Path) -> None:
        self._detector = Detector(path, 1, SCORE_THRESHOLD, IOU_THRESHOLD, MAX_DETECTIONS)

    def detect(self, image: np.ndarray) -> Found:
        height, width = image.shape[:2]
        seen = self._detector.detect(image)
        whole = np.asarray([width, height] * 2, np.float32)
        return seen.boxes / whole, seen.scores, seen.class_ids


class OwnRuntimeTflite(OwnRuntime):
    module = "tflite_runtime"


class _Interpreted(Reader):
    """A reader on a TFLite interpreter."""

    def __init__(self, path: Path) -> None:
        interpreter = importlib.import_module(f"{self.module}.interpreter").Interpreter
        self._interpreter: Any = interpreter(model_path=str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        self._outputs = self._interpreter.get_output_details()

    def _invoke(self, image: np.ndarray) -> None:
        """Run on pixels as they are: uint8, channels last."""
        _, height, width, _ = self._input["shape"]
        pixels = resize(image, (int(height), int(width)))
        self._interpreter.set_tensor(self._input["index"], pixels[None])
        self._interpreter.invoke()

    def _first(self, tensor: int) -> Any:
        return self._interpreter.get_tensor(tensor)[0]


class BySignature(_Interpreted):
    """Outputs by the names of the file's signature."""

    module = "ai_edge_litert"

    def detect(self, image: np.ndarray) -> Found:
        self._invoke(image)
        boxes, class_ids, scores, count = _by_signature(self._interpreter)
        return _xyxy(boxes[:count]), scores[:count], class_ids[:count].astype(np.int64)


class Frigate(_Interpreted):
    """`CpuTfl.detect_raw`: outputs by position, and an end at the first score below 0.4."""

    module = "ai_edge_litert"

    def detect(self, image: np.ndarray) -> Found:
        self._invoke(image)
        boxes, class_ids, scores, count = (self._first(entry["index"]) for entry in self._outputs)
        rows = []
        for row in range(int(count)):
            if scores[row] < FRIGATE_SCORE or row == FRIGATE_DETECTIONS:
                break
            rows.append(row)
        return _xyxy(boxes[rows]), scores[rows], class_ids[rows].astype(np.int64)


class FrigateTflite(Frigate):
    module = "tflite_runtime"


class Pycoral(_Interpreted):
    """`get_objects`: by a signature's names, or else by position; whole pixels of the input."""

    module = "ai_edge_litert"

    def detect(self, image: np.ndarray) -> Found:
        self._invoke(image)
        boxes, class_ids, scores, count = self._tensors()
        _, height, width, _ = self._input["shape"]
        whole = np.asarray([width, height] * 2, np.float32)
        # int() of each side cuts off.
        pixels = np.trunc(_xyxy(boxes[:count]) * whole)
        return pixels / whole, scores[:count], class_ids[:count].astype(np.int64)

    def _tensors(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        signatures = self._interpreter._get_full_signature_list()
        if len(signatures) > 1:
            raise ValueError("pycoral reads files of one signature only")
        if signatures:
            return _by_signature(self._interpreter)
        places = [entry["index"] for entry in self._outputs]
        if self._interpreter.get_tensor(places[3]).size == 1:
            boxes, class_ids, scores, count = map(self._first, places)
        else:
            scores, boxes, count, class_ids = map(self._first, places)
        return boxes, class_ids, scores, int(count)


class PycoralTflite(Pycoral):
    module = "tflite_runtime"


class Edje(_Interpreted):
    """`TFLite_detection_image.py`: outputs by the first one's name; whole pixels of the picture."""

    module = "ai_edge_litert"

    def detect(self, image: np.ndarray) -> Found:
        self._invoke(image)
        order = (1, 3, 0) if "StatefulPartitionedCall" in self._outputs[0]["name"] else (0, 1, 2)
        boxes, class_ids, scores = (self._first(self._outputs[place]["index"]) for place in order)
        keep = (scores > SCORE_THRESHOLD) & (scores <= 1)
        height, width = image.shape[:2]
        whole = np.asarray([width, height] * 2, np.float32)
        pixels = np.trunc(_xyxy(boxes[keep]) * whole)
        pixels = np.concatenate(
            [np.maximum(pixels[:, :2], 1), np.minimum(pixels[:, 2:], whole[2:])], 1
        )
        return pixels / whole, scores[keep], class_ids[keep].astype(np.int64)


class EdjeTflite(Edje):
    module = "tflite_runtime"


class TfliteSupport(Reader):
    """The Task Library's ObjectDetector; its boxes are whole pixels of the picture."""

    module = "tflite_support"

    def __init__(self, path: Path) -> None:
        task = importlib.import_module("tflite_support.task")
        self._vision: Any = task.vision
        options = task.vision.ObjectDetectorOptions(
            task.core.BaseOptions(file_name=str(path), num_threads=1),
            task.processor.DetectionOptions(
                max_results=MAX_DETECTIONS, score_threshold=SCORE_THRESHOLD
            ),
        )
        self._detector = task.vision.ObjectDetector.create_from_options(options)

    def detect(self, image: np.ndarray) -> Found:
        height, width = image.shape[:2]
        picture = self._vision.TensorImage.create_from_array(image)
        found = self._detector.detect(picture).detections
        boxes = np.asarray([_corners(each.bounding_box) for each in found], np.float32)
        best = [detection.categories[0] for detection in found]
        scores = np.asarray([category.score for category in best], np.float32)
        class_ids = np.asarray([category.index for category in best], np.int64)
        return boxes.reshape(-1, 4) / np.asarray([width, height] * 2, np.float32), scores, class_ids


class MediaPipe(Reader):
    """MediaPipe Tasks' ObjectDetector; its boxes are whole pixels of the picture."""

    module = "mediapipe"

    def __init__(self, path: Path) -> None:
        tasks = importlib.import_module("mediapipe.tasks.python")
        self._image: Any = importlib.import_module("mediapipe")
        vision = tasks.vision
        options = vision.ObjectDetectorOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(path)),
            score_threshold=SCORE_THRESHOLD,
            max_results=MAX_DETECTIONS,
        )
        self._detector = vision.ObjectDetector.create_from_options(options)
        self._names = read_spec(path).class_names

    def detect(self, image: np.ndarray) -> Found:
        height, width = image.shape[:2]
        package = self._image
        picture = package.Image(image_format=package.ImageFormat.SRGB, data=image)
        found = self._detector.detect(picture).detections
        corners = np.asarray([_corners(each.bounding_box) for each in found], np.float32)
        boxes = corners.reshape(-1, 4) / np.asarray([width, height] * 2, np.float32)
        best = [detection.categories[0] for detection in found]
        scores = np.asarray([category.score for category in best], np.float32)
        class_ids = [self._names.index(category.category_name) for category in best]
        return boxes, scores, np.asarray(class_ids, np.int64)


class MediaPipeTwo(MediaPipe):
    form = "mediapipe"


class OpenCV(Reader):
    """OpenCV's importer, which runs the net by operators of its own."""

    module, form = "cv2", "opencv"

    def __init__(self, path: Path) -> None:
        self._cv2: Any = importlib.import_module("cv2")
        dnn = self._cv2.dnn
        # The new engine of 5.0 imports the file and hands out nothing.
        engine = [dnn.ENGINE_CLASSIC] if hasattr(dnn, "ENGINE_CLASSIC") else []
        self._net = dnn.readNetFromTFLite(str(path), *engine)
        self._input_hw = read_spec(path).input_hw

    def detect(self, image: np.ndarray) -> Found:
        blob = self._cv2.dnn.blobFromImage(resize(image, self._input_hw))  # float, 0 to 255
        self._net.setInput(blob)
        rows = np.asarray(self._net.forward()).reshape(-1, 7)  # picture, class, score, xyxy
        rows = rows[rows[:, 2] > 0]
        return rows[:, 3:], rows[:, 2], rows[:, 1].astype(np.int64)


READERS: dict[str, type[Reader]] = {
    "edge_runtime": OwnRuntime,
    "edge_runtime, tflite-runtime": OwnRuntimeTflite,
    "LiteRT": BySignature,
    "Frigate, LiteRT": Frigate,
    "Frigate, tflite-runtime": FrigateTflite,
    "pycoral, LiteRT": Pycoral,
    "pycoral, tflite-runtime": PycoralTflite,
    "EdjeElectronics, LiteRT": Edje,
    "EdjeElectronics, tflite-runtime": EdjeTflite,
    "tflite-support": TfliteSupport,
    "MediaPipe": MediaPipe,
    "MediaPipe, two outputs": MediaPipeTwo,
    "OpenCV": OpenCV,
}


def frigate_labels(text: str) -> dict[int, str]:
    """A label map as Frigate's `load_labels` reads it, but for its 91 "unknown" ones."""
    lines = text.splitlines(keepends=True)
    if lines and lines[0].split(" ", maxsplit=1)[0].isdigit():
        pairs = [line.split(" ", maxsplit=1) for line in lines]
        return {int(number): name.strip() for number, name in pairs}
    return {number: line.strip() for number, line in enumerate(lines)}


def pycoral_labels(text: str) -> dict[int, str]:
    """A label map as pycoral's `read_label_file` reads it."""
    names = {}
    for number, line in enumerate(text.splitlines()):
        parts: Sequence[str] = re.split(r"[:\s]+", line.strip(), maxsplit=1)
        if len(parts) == 2 and parts[0].isdigit():
            names[int(parts[0])] = parts[1].strip()
        else:
            names[number] = line.strip()
    return names


def _by_signature(interpreter: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Boxes, class ids, scores and their number, by pycoral's names."""
    (signature,) = interpreter._get_full_signature_list().values()
    places = signature["outputs"]
    count, scores, class_ids, boxes = (
        interpreter.get_tensor(places[f"output_{number}"])[0] for number in range(4)
    )
    return boxes, class_ids, scores, int(count)


def _corners(box: Any) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a box of MediaPipe or tflite-support."""
    left, top = box.origin_x, box.origin_y
    return left, top, left + box.width, top + box.height


def _xyxy(boxes: np.ndarray) -> np.ndarray:
    """(K, 4) y_min, x_min, y_max, x_max → x_min, y_min, x_max, y_max."""
    return boxes[:, [1, 0, 3, 2]]
