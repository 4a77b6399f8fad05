"""The makers' own readers of the detector files that this project's runtime opens.

Ultralytics' `predict`, the detection of the package `yolov5`, MediaPipe Tasks, and the operator
TFLite_Detection_PostProcess with nothing behind it. In an environment of its own each, see
`studies.readers.worker`.

Ultralytics and YOLOv5 shrink pictures without antialiasing, MediaPipe as well, and where an input
holds integers Ultralytics and YOLOv5 cut off instead of rounding; this project's runtime
antialiases and rounds. Each is here twice: as it is, and given the pixels that our runtime sees, so
that a difference is one of reading.
"""

from __future__ import annotations

import importlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.detector.model_facts import ModelFacts
from edge_runtime.detector.preprocess import quantize
from edge_runtime.detector.resize import fitted_hw, letterbox_corner, resize
from edge_runtime.detector.tflite_metadata import read_metadata
from studies.readers.readers import Found, Reader

SCORE_THRESHOLD = 0.25  # of both sides: well below what is compared
IOU_THRESHOLD = 0.45
MAX_DETECTIONS = 300
# Times, for a reader that has boxes in whole pixels only: cut off to eighths, a box of 18 pixels of
# the input would lose a fiftieth of its area.
ENLARGED = 16


class Ultralytics(Reader):
    """`YOLO(file).predict`: its letterbox, its dequantization, its suppression."""

    module = "ultralytics"

    def __init__(self, path: Path) -> None:
        self._model: Any = importlib.import_module("ultralytics").YOLO(str(path), task="detect")

    def detect(self, image: np.ndarray) -> Found:
        (found,) = self._model.predict(
            np.ascontiguousarray(image[..., ::-1]),
            conf=SCORE_THRESHOLD,
            iou=IOU_THRESHOLD,
            max_det=MAX_DETECTIONS,
            verbose=False,
        )
        boxes = found.boxes
        return _of_torch(boxes.xyxy, boxes.conf, boxes.cls, image)


class UltralyticsAlike(Ultralytics):
    """With our resizing in the place of OpenCV's, and a rounded input; all else is theirs."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        _resize_as_here("ultralytics.data.augment")
        _round_inputs("ai_edge_litert.interpreter")


class YoloV5(Reader):
    """What `detect.py` of YOLOv5 does: letterbox, DetectMultiBackend, suppression."""

    module = "yolov5"
    _more = 0.0  # than a pixel is, in [0, 1]

    def __init__(self, path: Path) -> None:
        self._augment: Any = importlib.import_module("yolov5.utils.augmentations")
        self._general: Any = importlib.import_module("yolov5.utils.general")
        self._torch: Any = importlib.import_module("torch")
        common = importlib.import_module("yolov5.models.common")
        self._model: Any = common.DetectMultiBackend(str(path))
        _, height, width, _ = self._model.input_details[0]["shape"]
        self._input_hw = int(height), int(width)

    def detect(self, image: np.ndarray) -> Found:
        boxed = self._augment.letterbox(image, self._input_hw, auto=False)[0]
        pixels = np.ascontiguousarray(boxed.transpose(2, 0, 1)[None])
        raw = self._model(self._torch.from_numpy(pixels).float() / 255 + self._more)
        (rows,) = self._general.non_max_suppression(
            raw, SCORE_THRESHOLD, IOU_THRESHOLD, max_det=MAX_DETECTIONS
        )
        boxes = self._general.scale_boxes(self._input_hw, rows[:, :4], image.shape)
        return _of_torch(boxes, rows[:, 4], rows[:, 5], image)


class YoloV5Alike(YoloV5):
    """With our resizing in the place of OpenCV's, a rounded input, and whole pixels of the bars.

    `scale_boxes` takes the picture to lie in the very middle at its unrounded size, half a pixel of
    the input beside where `letterbox` has put it; all else is theirs.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        _resize_as_here("yolov5.utils.augmentations")
        self._general.scale_boxes = _to_picture
        (tensor,) = self._model.input_details
        if np.issubdtype(tensor["dtype"], np.integer):
            self._more = tensor["quantization"][0] / 2  # half a step: cutting off then rounds


def _to_picture(input_hw: tuple[int, int], boxes: Any, shape: tuple[int, ...]) -> Any:
    """(N, 4) xyxy in pixels of a letterboxed input → in pixels of the picture."""
    fitted = fitted_hw((shape[0], shape[1]), input_hw)
    top, left = letterbox_corner(fitted, input_hw)
    corner = boxes.new_tensor([left, top, left, top])
    scale = boxes.new_tensor([shape[1] / fitted[1], shape[0] / fitted[0]] * 2)
    return (boxes - corner) * scale


class MediaPipe(Reader):
    """MediaPipe Tasks' ObjectDetector on the picture; its boxes are whole pixels.

    A box that begins outside of the picture is moved into it, not clipped: left out here.

    Class ids are numbers of the labels behind the file, without a background in front.
    """

    module = "mediapipe"

    def __init__(self, path: Path) -> None:
        tasks = importlib.import_module("mediapipe.tasks.python")
        self._package: Any = importlib.import_module("mediapipe")
        options = tasks.vision.ObjectDetectorOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(path)),
            score_threshold=SCORE_THRESHOLD,
            max_results=MAX_DETECTIONS,
        )
        self._detector = tasks.vision.ObjectDetector.create_from_options(options)
        with zipfile.ZipFile(path) as members:
            labels = members.read(members.namelist()[0]).decode().split("\n")
        self._names = labels[labels[0] == "background" :]

    def detect(self, image: np.ndarray) -> Found:
        package, size = self._package, np.asarray(image.shape[1::-1] * 2, np.float32)
        picture = package.Image(image_format=package.ImageFormat.SRGB, data=image)
        found = self._detector.detect(picture).detections
        boxes = np.empty((len(found), 4), np.float32)
        for row, detection in enumerate(found):
            box = detection.bounding_box
            corner = box.origin_x, box.origin_y
            boxes[row] = *corner, corner[0] + box.width, corner[1] + box.height
        best = [detection.categories[0] for detection in found]
        scores = np.asarray([category.score for category in best], np.float32)
        numbers = [self._names.index(category.category_name) for category in best]
        class_ids = np.asarray(numbers, np.int64)
        return begins_inside((np.clip(boxes / size, 0, 1), scores, class_ids))


class MediaPipeAlike(MediaPipe):
    """The picture in the input's size, enlarged: it sees our pixels, and whole ones are small."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        _, height, width, _ = ModelFacts(path.read_bytes()).inputs[0].shape
        self._input_hw = height, width

    def detect(self, image: np.ndarray) -> Found:
        seen = resize(image, self._input_hw)
        return super().detect(np.repeat(np.repeat(seen, ENLARGED, axis=0), ENLARGED, axis=1))


class Operator(Reader):
    """The outputs of TFLite_Detection_PostProcess, found by the operator's place in the file.

    uint8 pixels as they are; float ones by the file's metadata, else from -1 to 1.
    """

    module = "ai_edge_litert"

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        package: Any = importlib.import_module("ai_edge_litert.interpreter")
        self._interpreter: Any = package.Interpreter(model_content=content, num_threads=1)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        self._places = _operator_outputs(content)
        inputs = read_metadata(ModelFacts(content).metadata).inputs
        said = inputs and inputs[0].mean
        self._mean = np.asarray(inputs[0].mean if said else 127.5, np.float32)
        self._std = np.asarray(inputs[0].std if said else 127.5, np.float32)

    def detect(self, image: np.ndarray) -> Found:
        _, height, width, _ = self._input["shape"]
        pixels = resize(image, (int(height), int(width)))
        if self._input["dtype"] == np.float32:
            pixels = (pixels.astype(np.float32) - self._mean) / self._std
        self._interpreter.set_tensor(self._input["index"], pixels[None])
        self._interpreter.invoke()
        boxes, class_ids, scores, count = map(self._interpreter.get_tensor, self._places)
        valid = int(count.item())
        boxes = np.clip(boxes[0, :valid, [1, 0, 3, 2]].T, 0, 1)
        return boxes, scores[0, :valid], class_ids[0, :valid].astype(np.int64)


READERS: dict[str, type[Reader]] = {
    "Ultralytics": Ultralytics,
    "Ultralytics, pixels alike": UltralyticsAlike,
    "YOLOv5": YoloV5,
    "YOLOv5, pixels alike": YoloV5Alike,
    "MediaPipe": MediaPipe,
    "MediaPipe, pixels alike": MediaPipeAlike,
    "the operator": Operator,
}


def begins_inside(found: Found) -> Found:
    """Detections whose box does not begin at the picture's left or upper border."""
    boxes, scores, class_ids = found
    keep = (boxes[:, :2] > 0).all(axis=1)
    return boxes[keep], scores[keep], class_ids[keep]


def _of_torch(boxes: Any, scores: Any, class_ids: Any, image: np.ndarray) -> Found:
    """Tensors with boxes in pixels of the picture → arrays with boxes in [0, 1] of it."""
    size = np.asarray(image.shape[1::-1] * 2, np.float32)
    inside = np.clip(boxes.cpu().numpy() / size, 0, 1)
    return inside, scores.cpu().numpy(), class_ids.cpu().numpy().astype(np.int64)


def _resize_as_here(module: str) -> None:
    """Have a module's `cv2.resize` be ours."""
    package: Any = importlib.import_module(module)

    class WithOurResize:
        def __getattr__(self, name: str) -> Any:
            return getattr(cv2, name)

        @staticmethod
        def resize(image: np.ndarray, size: tuple[int, int], **_: object) -> np.ndarray:
            return resize(image, (size[1], size[0]))

    cv2 = package.cv2
    package.cv2 = WithOurResize()


def _round_inputs(module: str) -> None:
    """Have a module's `Interpreter` take numbers in [0, 1] for an integer input, and round them."""
    package: Any = importlib.import_module(module)

    class Rounding(package.Interpreter):
        def get_input_details(self) -> Any:
            self._given = super().get_input_details()
            return [{**each, "dtype": np.float32} for each in self._given]

        def set_tensor(self, index: int, value: np.ndarray) -> None:
            (given,) = (each for each in self._given if each["index"] == index)
            integer = np.issubdtype(given["dtype"], np.integer)
            quantization = given["quantization"] if integer else None
            super().set_tensor(index, quantize(value, given["dtype"], quantization))

    package.Interpreter = Rounding


def _operator_outputs(content: bytes) -> list[int]:
    """Numbers of the tensors with boxes, classes, scores and their count.

    Raises: ValueError without exactly one such operator.
    """
    schema: Any = importlib.import_module("ai_edge_litert.schema_py_generated")
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    names = [code.customCode for code in model.operatorCodes]
    found = [
        list(operator.outputs)
        for operator in model.subgraphs[0].operators
        if names[operator.opcodeIndex] == b"TFLite_Detection_PostProcess"
    ]
    if len(found) != 1:
        raise ValueError(f"one TFLite_Detection_PostProcess expected, found {len(found)}")
    return found[0]
