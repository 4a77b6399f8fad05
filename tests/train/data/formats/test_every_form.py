"""The same pictures in every form that people have are read to the same boxes and splits."""

from __future__ import annotations

import csv
import json
import shutil
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from tests.downloads import downloaded
from train.data.dataset import DataWarning, open_data
from train.data.formats.voc import write_annotation
from train.data.lint.checks import check_folder

SIZE = (64, 40)
NAMES = ("ant", "großer Käfer")
SPLITS = {"train": ("a", "b", "c d"), "val": ("e",), "test": ("f.v2",)}
# image id → (class, box in pixels), with halves, one over the whole picture; f.v2 has one of each
BOXES: dict[str, list[tuple[str, tuple[float, ...]]]] = {
    "a": [("ant", (4, 2, 20, 10))],
    "b": [("großer Käfer", (0, 0, 64, 40)), ("ant", (10.5, 8, 30, 39.5))],
    "c d": [("ant", (40, 4, 60, 36)), ("ant", (1, 1, 9, 9))],
    "e": [("großer Käfer", (32, 20, 64, 40))],
    "f.v2": [("ant", (8, 5, 16, 25)), ("großer Käfer", (16, 25, 56, 35))],
}


def picture(path: Path, image_id: str) -> None:
    """The same noise for the same id, so that it is told from the others by its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = int.from_bytes(image_id.encode(), "big")
    pixels = np.random.default_rng(seed).integers(0, 256, (*SIZE[::-1], 3), np.uint8)
    Image.fromarray(pixels).save(path)


def write_xml(path: Path, image_id: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [name for name, _ in BOXES[image_id]]
    boxes = np.array([box for _, box in BOXES[image_id]])
    write_annotation(path, f"{image_id}.png", *SIZE, boxes, names)


def split_and_id():
    return [(split, image_id) for split, ids in SPLITS.items() for image_id in ids]


def voc_standard(root: Path) -> None:
    (root / "ImageSets/Main").mkdir(parents=True)
    for split, ids in SPLITS.items():
        (root / f"ImageSets/Main/{split}.txt").write_text("".join(f"{each}\n" for each in ids))
        for image_id in ids:
            picture(root / f"JPEGImages/{image_id}.png", image_id)
            write_xml(root / f"Annotations/{image_id}.xml", image_id)


def voc_roboflow(root: Path) -> None:
    for split, image_id in split_and_id():
        folder = {"val": "valid"}.get(split, split)
        picture(root / folder / f"{image_id}.png", image_id)
        write_xml(root / folder / f"{image_id}.xml", image_id)


def voc_other_names(root: Path) -> None:
    for split, image_id in split_and_id():
        picture(root / f"images/{image_id}.png", image_id)
        write_xml(root / f"annots/{image_id}.xml", image_id)
        with (root / f"{split}.txt").open("a") as file:
            file.write(f"images/{image_id}.png\n")


def yolo_lines(image_id: str, polygon: bool = False) -> str:
    lines = []
    for name, (x_min, y_min, x_max, y_max) in BOXES[image_id]:
        corners = [x_min / 64, y_min / 40, x_max / 64, y_max / 40]
        numbers = [
            (corners[0] + corners[2]) / 2,
            (corners[1] + corners[3]) / 2,
            corners[2] - corners[0],
            corners[3] - corners[1],
        ]
        if polygon:
            left, top, right, bottom = corners
            numbers = [left, top, right, top, right, bottom, left, bottom]
        lines.append(" ".join([str(NAMES.index(name)), *(f"{each:.8f}" for each in numbers)]))
    return "\n".join(lines)


def yolo_ultralytics(root: Path, polygon: bool = False) -> None:
    for split, image_id in split_and_id():
        picture(root / f"images/{split}/{image_id}.png", image_id)
        label = root / f"labels/{split}/{image_id}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text(yolo_lines(image_id, polygon))
    yaml = "path: .\ntrain: images/train\nval: images/val\ntest: images/test\n"
    (root / "data.yaml").write_text(f"{yaml}names:\n  0: {NAMES[0]}\n  1: {NAMES[1]}\n")


def yolo_polygons(root: Path) -> None:
    yolo_ultralytics(root, polygon=True)


def yolo_roboflow(root: Path) -> None:
    for split, image_id in split_and_id():
        folder = {"val": "valid"}.get(split, split)
        picture(root / folder / "images" / f"{image_id}.png", image_id)
        label = root / folder / "labels" / f"{image_id}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text(yolo_lines(image_id))
    yaml = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 2\n"
    (root / "data.yaml").write_text(f"{yaml}names: {json.dumps(NAMES, ensure_ascii=False)}\n")


def yolo_darknet(root: Path) -> None:
    for split, image_id in split_and_id():
        folder = root / {"val": "valid"}.get(split, split)
        picture(folder / f"{image_id}.png", image_id)
        (folder / f"{image_id}.txt").write_text(yolo_lines(image_id))
        (folder / "_darknet.labels").write_text("\n".join(NAMES))


def coco_json(images: dict[str, str]) -> str:
    """Of image id → file name; category ids with a gap, not in order."""
    ids = {NAMES[0]: 7, NAMES[1]: 18}
    annotations = []
    for number, image_id in enumerate(images, 100):
        for name, (x_min, y_min, x_max, y_max) in BOXES[image_id]:
            box = [x_min, y_min, x_max - x_min, y_max - y_min]
            row = {"id": len(annotations) + 1, "image_id": number, "category_id": ids[name]}
            annotations.append({**row, "bbox": box, "area": box[2] * box[3], "iscrowd": 0})
    return json.dumps(
        {
            "images": [
                {"id": number, "file_name": name, "width": 64, "height": 40}
                for number, name in enumerate(images.values(), 100)
            ],
            "categories": [
                {"id": 18, "name": NAMES[1]},
                {"id": 7, "name": NAMES[0]},
                {"id": 9, "name": "never seen"},
            ],
            "annotations": annotations,
        }
    )


def coco_standard(root: Path) -> None:
    (root / "annotations").mkdir(parents=True)
    for split, ids in SPLITS.items():
        for image_id in ids:
            picture(root / f"{split}2017" / f"{image_id}.png", image_id)
        text = coco_json({image_id: f"{image_id}.png" for image_id in ids})
        (root / f"annotations/instances_{split}2017.json").write_text(text)


def coco_roboflow(root: Path) -> None:
    for split, ids in SPLITS.items():
        folder = root / {"val": "valid"}.get(split, split)
        for image_id in ids:
            picture(folder / f"{image_id}.png", image_id)
        text = coco_json({image_id: f"{image_id}.png" for image_id in ids})
        (folder / "_annotations.coco.json").write_text(text)


def csv_tensorflow(root: Path) -> None:
    for split, ids in SPLITS.items():
        folder = root / {"val": "valid"}.get(split, split)
        rows = [("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")]
        for image_id in ids:
            picture(folder / f"{image_id}.png", image_id)
            rows += [(f"{image_id}.png", *SIZE, name, *box) for name, box in BOXES[image_id]]
        write_csv(folder / "_annotations.csv", rows)


def csv_open_images(root: Path) -> None:
    heading = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated"
    for split, ids in SPLITS.items():
        folder = {"val": "validation"}.get(split, split)
        rows: list[tuple] = [(*heading.split(","), "IsGroupOf", "IsDepiction", "IsInside")]
        for image_id in ids:
            picture(root / folder / f"{image_id}.png", image_id)
            for name, (x_min, y_min, x_max, y_max) in BOXES[image_id]:
                code = f"/m/{NAMES.index(name)}"
                sides = (x_min / 64, x_max / 64, y_min / 40, y_max / 40)
                rows.append((image_id, "xclick", code, 1, *sides, 0, 0, 0, 0, 0))
        write_csv(root / f"{folder}-annotations-bbox.csv", rows)
    write_csv(root / "class-descriptions-boxable.csv", [("/m/0", NAMES[0]), ("/m/1", NAMES[1])])


def write_csv(path: Path, rows: list[tuple]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def labelme(root: Path) -> None:
    """The second corner first, as it was drawn, and a polygon."""
    for split, image_id in split_and_id():
        picture(root / split / f"{image_id}.png", image_id)
        shapes = []
        for name, (left, top, right, bottom) in BOXES[image_id]:
            points = [[right, top], [left, bottom]]
            shapes.append({"label": name, "points": points, "shape_type": "rectangle"})
        first = shapes[0]
        (right, top), (left, bottom) = first["points"]
        first |= {"points": [[left, top], [right, top], [right, bottom], [left, bottom]]}
        first["shape_type"] = "polygon"
        content = {"version": "5.4.1", "flags": {}, "shapes": shapes}
        content |= {"imagePath": f"..\\{image_id}.png", "imageData": "iVBORw0"}
        text = json.dumps({**content, "imageHeight": SIZE[1], "imageWidth": SIZE[0]}, indent=2)
        (root / split / f"{image_id}.json").write_text(text)


def cvat_project(root: Path) -> None:
    """One file for all subsets; the second shape of a picture is a polygon."""
    subsets = {"train": "Train", "val": "Validation", "test": "Test"}
    annotations = ET.Element("annotations")
    labels = ET.SubElement(ET.SubElement(annotations, "meta"), "labels")
    for name in NAMES:
        ET.SubElement(ET.SubElement(labels, "label"), "name").text = name
    for split, image_id in split_and_id():
        picture(root / f"images/{subsets[split]}/{image_id}.png", image_id)
        width, height = map(str, SIZE)
        node = ET.SubElement(
            annotations, "image", name=f"{image_id}.png", width=width, height=height
        )
        node.set("subset", subsets[split])
        for number, (name, box) in enumerate(BOXES[image_id]):
            left, top, right, bottom = map(str, box)
            if number:
                points = f"{left},{top};{right},{top};{right},{bottom}"
                ET.SubElement(node, "polygon", label=name, points=points)
            else:
                sides = {"xtl": left, "ytl": top, "xbr": right, "ybr": bottom}
                ET.SubElement(node, "box", {"label": name, "occluded": "0", **sides})
    ET.ElementTree(annotations).write(root / "annotations.xml", encoding="utf-8")


def createml_roboflow(root: Path) -> None:
    for split, ids in SPLITS.items():
        folder = root / {"val": "valid"}.get(split, split)
        entries = []
        for image_id in ids:
            picture(folder / f"{image_id}.png", image_id)
            boxes = [
                {
                    "label": name,
                    "coordinates": {
                        "x": (left + right) / 2,
                        "y": (top + bottom) / 2,
                        "width": right - left,
                        "height": bottom - top,
                    },
                }
                for name, (left, top, right, bottom) in BOXES[image_id]
            ]
            entries.append({"image": f"{image_id}.png", "annotations": boxes})
        (folder / "_annotations.createml.json").write_text(json.dumps(entries))


def label_studio(root: Path) -> None:
    """Local files; the second region of a picture is a polygon."""
    tasks = []
    for split, image_id in split_and_id():
        picture(root / split / f"{image_id}.png", image_id)
        result = []
        for name, box in BOXES[image_id]:
            left, top, right, bottom = np.array(box) / (SIZE * 2) * 100
            size = {"original_width": SIZE[0], "original_height": SIZE[1], "image_rotation": 0}
            value = {"x": left, "y": top, "width": right - left, "height": bottom - top}
            kind = "polygonlabels" if result else "rectanglelabels"
            if result:
                value = {"points": [[left, top], [right, top], [right, bottom]]}
            result.append({**size, "type": kind, "value": {**value, kind: [name]}})
        address = f"/data/local-files/?d={quote(f'{split}/{image_id}.png')}"
        annotation = {"was_cancelled": False, "result": result}
        tasks.append({"data": {"image": address}, "annotations": [annotation]})
    (root / "project-1-at-2026.json").write_text(json.dumps(tasks))


def edge_impulse(root: Path) -> None:
    for split, ids in SPLITS.items():
        folder = root / {"train": "training", "val": "validation", "test": "testing"}[split]
        pictures = {}
        for image_id in ids:
            picture(folder / f"{image_id}.png", image_id)
            pictures[f"{image_id}.png"] = [
                {"label": name, "x": left, "y": top, "width": right - left, "height": bottom - top}
                for name, (left, top, right, bottom) in BOXES[image_id]
            ]
        content = {"version": 1, "type": "bounding-box-labels", "boundingBoxes": pictures}
        (folder / "bounding_boxes.labels").write_text(json.dumps(content))


FORMS: list[tuple[Callable[[Path], None], str]] = [
    (voc_standard, "PASCAL VOC"),
    (voc_roboflow, "PASCAL VOC"),
    (voc_other_names, "PASCAL VOC"),
    (yolo_ultralytics, "YOLO"),
    (yolo_polygons, "YOLO"),
    (yolo_roboflow, "YOLO"),
    (yolo_darknet, "YOLO"),
    (coco_standard, "COCO"),
    (coco_roboflow, "COCO"),
    (labelme, "LabelMe"),
    (cvat_project, "CVAT"),
    (createml_roboflow, "CreateML"),
    (label_studio, "Label Studio"),
    (edge_impulse, "Edge Impulse"),
    (csv_tensorflow, "CSV"),
    (csv_open_images, "CSV"),
]


def assert_same(root: Path, format_name: str) -> None:
    data = open_data(root)
    assert (data.folder.format, data.made) == (format_name, False)
    assert data.class_names == NAMES
    assert data.splits == SPLITS
    for split in SPLITS:
        for example in data.load(split):
            boxes = example.boxes * np.array(SIZE * 2)
            expected = [box for _, box in BOXES[example.image_id]]
            np.testing.assert_allclose(boxes, expected, atol=1e-4)
            names = [NAMES[class_id] for class_id in example.class_ids]
            assert names == [name for name, _ in BOXES[example.image_id]]
            assert (example.width, example.height) == SIZE
    assert [str(f) for f in check_folder(root) if f.severity != "note"] == []


@pytest.mark.parametrize(
    ("write", "format_name"), FORMS, ids=lambda each: getattr(each, "__name__", "")
)
def test_a_form_is_read(tmp_path, write, format_name):
    write(tmp_path / "set")
    assert_same(tmp_path / "set", format_name)


@pytest.mark.parametrize("target", ["voc", "coco", "yolo"])
@pytest.mark.parametrize("write", [form for form, _ in FORMS], ids=lambda form: form.__name__)
def test_a_form_is_converted_and_read_again(tmp_path, write, target):
    from train.data.__main__ import main

    write(tmp_path / "set")
    assert main(["convert", str(tmp_path / "set"), str(tmp_path / "out"), "--to", target]) == 0
    shutil.rmtree(tmp_path / "set")  # what was written stands alone
    assert_same(tmp_path / "out", {"voc": "PASCAL VOC", "coco": "COCO", "yolo": "YOLO"}[target])
    assert not (tmp_path / "out/not_kept.csv").exists()


@pytest.mark.parametrize(
    ("name", "format_name", "pictures", "boxes"),
    [
        ("bccd", "PASCAL VOC", 364, 4888),
        ("kangaroo", "PASCAL VOC", 164, 266),
        ("chess", "COCO", 289, 2870),
        ("limes", "YOLO", 274, 2426),
    ],
)
def test_real_folders_are_accepted_as_they_are(name, format_name, pictures, boxes):
    """The counts are those that the sets' own pages give."""
    data = open_data(downloaded(name), write=False)
    assert data.folder.format == format_name
    assert (len(data.folder.items), data.folder.class_counts.total()) == (pictures, boxes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        splits = [data.load(split) for split in ("train", "val", "test")]
    assert sum(map(len, splits)) == pictures
    assert sum(split.box_count for split in splits) >= boxes - 2  # two of bccd have no area
