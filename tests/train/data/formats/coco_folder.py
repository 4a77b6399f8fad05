"""COCO folders to test with: JSON files with an element a line, and tiny pictures."""

import json

from PIL import Image

WIDTH, HEIGHT = 40, 20  # not square, so that a swap of x and y shows
BOX = [4, 2, 16, 8]  # x, y, width, height
CORNERS = (4, 2, 20, 10)
CAT_AND_DOG = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]


def add_picture(path, colour=(200, 10, 30), size=(WIDTH, HEIGHT)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def image(number, file_name, **more):
    return {"id": number, "file_name": file_name, "width": WIDTH, "height": HEIGHT, **more}


def box(number, image_id, category_id=1, bbox=BOX, **more):
    row = {"id": number, "image_id": image_id, "category_id": category_id, "bbox": bbox, **more}
    return {key: value for key, value in row.items() if value is not None}


def coco_text(images, annotations, categories=CAT_AND_DOG):
    """Line 1 "{", line 2 "images", each image from line 3, then annotations, then categories."""
    lists = {"images": images, "annotations": annotations, "categories": categories}
    parts = [
        f'"{key}": [\n' + ",\n".join(map(json.dumps, rows)) + "\n]" for key, rows in lists.items()
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def write_coco(path, images, annotations, categories=CAT_AND_DOG):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(coco_text(images, annotations, categories), encoding="utf-8")
    return path
