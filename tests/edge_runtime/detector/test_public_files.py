"""Public files of other makers, read by the adapters and by readers as plain as can be.

They are not shipped: MODELS_DIR names the folder that has them, and pictures for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PIL import Image

from edge_runtime import Detector
from edge_runtime.detector.interpreter import LITERT, find_runtime
from edge_runtime.detector.model_facts import ModelFacts
from edge_runtime.detector.tflite_metadata import read_metadata
from edge_runtime.detector.zip_members import read_members
from edge_runtime.media.images import read_image
from tests import reference
from tests.downloads import public_model

PETS = "ssd_mobilenet_pets_quant.tflite"
COCO = "coco_ssd_mobilenet_v1_quant.tflite"
MODEL_MAKER = "modelmaker_two_outputs_uint8.tflite"
YOLO11 = "yolo11n_full_int8_224.tflite"
YOLOV8 = "yolov8n_int8_float_io_224.tflite"
PICTURES = ("bus.jpg", "cat_720p.jpg", "cats_and_dogs.jpg")

Row = tuple[int, float, tuple[float, ...]]  # class id, score, box in fractions of the picture


@pytest.mark.parametrize(
    ("name", "picture", "expected"),
    [
        (PETS, "cat_720p.jpg", [("0", 0.844, (453, 86, 844, 458))]),
        (
            COCO,
            "cats_and_dogs.jpg",
            [
                ("cat", 0.668, (48, 398, 447, 594)),
                ("cat", 0.621, (596, 158, 1036, 604)),
                ("cat", 0.539, (262, 396, 438, 602)),
                ("dog", 0.488, (81, 231, 665, 606)),
                ("cat", 0.426, (873, 403, 1079, 600)),
            ],
        ),
        (
            YOLO11,
            "bus.jpg",
            [
                ("person", 0.805, (44, 409, 240, 913)),
                ("person", 0.589, (224, 403, 350, 856)),
                ("person", 0.589, (684, 371, 809, 875)),
            ],
        ),
        (
            YOLOV8,
            "bus.jpg",
            [
                ("person", 0.786, (49, 400, 237, 910)),
                ("bus", 0.782, (12, 229, 802, 728)),
                ("person", 0.711, (225, 404, 350, 857)),
                ("person", 0.553, (677, 363, 811, 870)),
            ],
        ),
    ],
)
def test_known_detections(name, picture, expected):
    """As found once by independent readers, whose boxes are not clipped to the picture."""
    if find_runtime().distribution != LITERT:
        pytest.skip(f"the numbers are those of {LITERT}: other kernels round in another way")
    image = read_image(public_model(picture))
    height, width = image.shape[:2]
    seen = Detector(public_model(name), score_threshold=0.42).detect(image).to_dicts()
    for label, score, box in expected:
        clipped = [min(side, width if i % 2 == 0 else height) for i, side in enumerate(box)]
        assert any(
            one["class"] == label
            and one["score"] == pytest.approx(score, abs=0.02)
            and reference.iou(one["box"], clipped) > 0.97
            for one in seen
        ), (label, score, box, seen)


def test_names_of_a_label_map_beside_the_file():
    detector = Detector(public_model(PETS), labels=public_model("pet_label_map.pbtxt"))
    assert len(detector.class_names) == 37
    (seen,) = detector.detect(read_image(public_model("cat_720p.jpg"))).names
    assert seen == "Abyssinian"


def test_numbers_without_a_class_are_not_reported():
    detector = Detector(public_model(COCO))
    assert len(detector.class_names) == 90 and len(detector.unused_names) == 10
    assert detector.class_names[16] == "cat" and "class 11" in detector.unused_names


@pytest.mark.parametrize("name", [YOLO11, YOLOV8])
def test_a_trained_yolo_without_its_metadata_is_no_model_for_poses(name, tmp_path):
    """What it makes of noise are scores of classes."""
    content = public_model(name).read_bytes()
    path = tmp_path / "bare.tflite"
    path.write_bytes(content[: read_members(content).front])
    detector = Detector(path, 1)
    assert detector.family.name == "yolov8"
    assert detector.class_names == tuple(map(str, range(80)))


def twenty_pictures() -> list[np.ndarray]:
    """Crops and mirror images of the pictures."""
    found = []
    for name in PICTURES:
        image = read_image(public_model(name))
        height, width = image.shape[:2]
        found += [image, image[:, ::-1], image[: height * 2 // 3], image[height // 3 :]]
        found += [image[:, : width * 2 // 3], image[:, width // 3 :]]
        found.append(image[height // 6 :, width // 6 : width * 5 // 6])
    return [np.ascontiguousarray(image) for image in found[:20]]


class PlainReader:
    """An interpreter, and numbers as what they stand for."""

    def __init__(self, name: str) -> None:
        self.content = public_model(name).read_bytes()
        self.interpreter = find_runtime().interpreter_class(model_content=self.content)
        self.interpreter.allocate_tensors()
        (self.input,) = self.interpreter.get_input_details()
        self.side = int(self.input["shape"][1])

    def run(self, picture: np.ndarray) -> list[np.ndarray]:
        """Outputs in the order of the file, float64, without batch."""
        self.interpreter.set_tensor(self.input["index"], picture[None])
        self.interpreter.invoke()
        found = []
        for output in self.interpreter.get_output_details():
            values = self.interpreter.get_tensor(output["index"]).astype(np.float64)[0]
            scale, zero = output["quantization"]
            found.append((values - zero) * scale if scale else values)
        return found

    def stretched(self, image: np.ndarray) -> np.ndarray:
        size = (self.side, self.side)
        return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


def read_post_processed(reader: PlainReader, image: np.ndarray) -> Iterator[Row]:
    boxes, classes, scores, _ = reader.run(reader.stretched(image))
    for (top, left, bottom, right), number, score in zip(boxes, classes, scores, strict=True):
        yield int(number), score, (left, top, right, bottom)


def read_model_maker(reader: PlainReader, image: np.ndarray) -> Iterator[Row]:
    locations, scores = reader.run(reader.stretched(image))
    decoding = read_metadata(ModelFacts(reader.content).metadata).decoding
    for (y, x, h, w), (_, score), anchor in zip(locations, scores, decoding.anchors, strict=True):
        if score < 0.01:
            continue
        center_x, center_y, width, height = map(float, anchor)
        cx, cy = x * width + center_x, y * height + center_y
        w, h = np.exp(w) * width, np.exp(h) * height
        yield 0, score, (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)


def read_yolo(reader: PlainReader, image: np.ndarray) -> Iterator[Row]:
    height, width = image.shape[:2]
    factor = reader.side / max(height, width)
    size = round(width * factor), round(height * factor)
    left, top = (reader.side - size[0]) // 2, (reader.side - size[1]) // 2
    canvas = Image.new("RGB", (reader.side, reader.side), (114, 114, 114))
    canvas.paste(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR), (left, top))
    picture = np.asarray(canvas) / 255
    if reader.input["dtype"] == np.int8:
        picture = np.rint(picture * 255 - 128)
    (table,) = reader.run(picture.astype(reader.input["dtype"]))
    for column in table.T:
        number = int(column[4:].argmax())
        cx, cy, w, h = column[:4] * reader.side
        box = [cx - w / 2 - left, cy - h / 2 - top, cx + w / 2 - left, cy + h / 2 - top]
        yield number, column[4 + number], tuple(np.divide(box, [*size, *size]))


def suppressed(rows: list[Row], threshold: float) -> list[Row]:
    rows = [row for row in rows if row[1] >= threshold]
    ids, scores, boxes = ([row[place] for row in rows] for place in range(3))
    return [rows[kept] for kept in reference.nms(boxes, scores, ids, 0.45, 100)]


@pytest.mark.parametrize(
    ("name", "read", "threshold", "least", "inside"),
    [
        (COCO, read_post_processed, 0.3, 100, True),
        (PETS, read_post_processed, 0.3, 15, True),
        (YOLO11, read_yolo, 0.3, 40, False),
        (YOLOV8, read_yolo, 0.3, 40, False),
        # Its only class is hardly in these pictures.
        (MODEL_MAKER, read_model_maker, 0.05, 40, False),
    ],
)
def test_the_adapter_agrees_with_a_plain_reader(
    name: str, read: Callable, threshold: float, least: int, inside: bool
):
    """On twenty pictures, both ways: IoU of .98 and scores within .02 for 99 of 100 detections."""
    detector = Detector(public_model(name), score_threshold=threshold)
    reader = PlainReader(name)
    agreed = total = 0
    for image in twenty_pictures():
        rows = [row for row in read(reader, image) if row[1] >= threshold]
        theirs = [
            (number, score, tuple(np.clip(box, 0, 1)))
            for number, score, box in (rows if inside else suppressed(rows, threshold))
        ]
        seen = detector.detect(image)
        size = np.asarray(image.shape[1::-1] * 2)
        ours = [
            (int(number), float(score), tuple(box / size))
            for number, score, box in zip(seen.class_ids, seen.scores, seen.boxes, strict=True)
        ]
        for some, others in ((ours, theirs), (theirs, ours)):
            total += len(some)
            agreed += sum(any(agree(one, other) for other in others) for one in some)
    assert total >= 2 * least, "pictures with too little to compare"
    assert agreed / total >= 0.99


def agree(one: Row, other: Row) -> bool:
    return (
        one[0] == other[0]
        and abs(one[1] - other[1]) <= 0.02
        and reference.iou(one[2], other[2]) >= 0.98
    )


def corners(box) -> tuple[float, ...]:
    """MediaPipe's whole pixels of a picture of 2048 x 2048, clipped to it."""
    sides = box.origin_x, box.origin_y, box.origin_x + box.width, box.origin_y + box.height
    return tuple(np.clip(sides, 0, 2048).tolist())


def test_the_adapter_agrees_with_mediapipe():
    """Pictures of the network's own size, eight times as large: resizing counts for neither."""
    mediapipe = pytest.importorskip("mediapipe", reason="pip install mediapipe to compare with it")
    vision, python = mediapipe.tasks.vision, mediapipe.tasks
    options = vision.ObjectDetectorOptions(
        base_options=python.BaseOptions(model_asset_path=str(public_model(MODEL_MAKER))),
        max_results=100,
        score_threshold=0.1,
    )
    theirs = vision.ObjectDetector.create_from_options(options)
    detector = Detector(public_model(MODEL_MAKER), score_threshold=0.1, iou_threshold=0.3)
    agreed = total = 0
    for image in twenty_pictures():
        small = np.asarray(Image.fromarray(image).resize((256, 256), Image.Resampling.BILINEAR))
        large = np.ascontiguousarray(small.repeat(8, axis=0).repeat(8, axis=1))
        found = theirs.detect(
            mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=large)
        ).detections
        seen = detector.detect(small)
        rows = [
            [
                (0, float(score), tuple(8 * box))
                for score, box in zip(seen.scores, seen.boxes, strict=True)
            ],
            [(0, each.categories[0].score, corners(each.bounding_box)) for each in found],
        ]
        for some, others in (rows, rows[::-1]):
            # A box that begins outside of the picture is moved into it by MediaPipe, not clipped.
            inside = [row for row in some if min(row[2][:2]) > 0]
            total += len(inside)
            agreed += sum(
                abs(one[1] - other[1]) <= 0.001
                and np.abs(np.subtract(one[2], other[2])).max() <= 2  # whole pixels, cut off
                for one in inside
                for other in others
            )
    assert total >= 40 and agreed / total >= 0.99
