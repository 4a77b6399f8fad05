"""A VOC folder that is damaged in every way that `check` knows, each in a picture of its own."""

from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image

from tests.train.data.voc_folder import HEIGHT, WIDTH, edit
from train.data.formats.voc import write_annotation

BOX = (4, 2, 20, 10)
GOOD_BOXES = [(x, y, x + 3, y + 3) for x in range(0, 40, 4) for y in (0, 5, 10)]  # 30


def line_of(path, text):
    """The line, from 1, on which a text stands first."""
    lines = path.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def tree_digest(root):
    """Digest of all names and contents below a folder."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def add(root, stem, boxes=(BOX,), names=None, splits=("train",), size=(WIDTH, HEIGHT)):
    """An annotated picture of noise, so that no two are the same; returns its annotation."""
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / name).mkdir(parents=True, exist_ok=True)
    seed = int.from_bytes(stem.encode(), "big")
    pixels = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(pixels).save(picture_of(root, stem))
    path = root / "Annotations" / f"{stem}.xml"
    names = ["platelet"] * len(boxes) if names is None else names
    write_annotation(path, f"{stem}.png", *size, np.array(boxes), names)
    for split in splits:
        add_line(root, split, stem)
    return path


def add_line(root, split, text):
    with (root / f"ImageSets/Main/{split}.txt").open("a") as file:
        file.write(f"{text}\n")


def picture_of(root, stem):
    return root / f"JPEGImages/{stem}.png"


def make_damaged(root):
    add(root, "good", GOOD_BOXES, splits=["val"])
    _damage_boxes(root)
    _damage_sizes(root)
    _damage_files(root)
    _damage_splits(root)
    for split in ("train", "val"):
        for image_id in dict.fromkeys((root / f"ImageSets/Main/{split}.txt").read_text().split()):
            if image_id != "ghost":
                add_line(root, "trainval", image_id)
    (root / "README.txt").write_text("copied as it is")


def _damage_boxes(root):
    add(root, "point", [(4, 2, 4, 2), BOX])
    add(root, "inverted", [(20, 10, 4, 2)])
    add(root, "outside", [BOX, (50, 0, 60, 10)])
    add(root, "edge", [(-4, 5, 20, 30)])
    add(root, "tiny", [BOX, (0.1, 0.1, 0.5, 0.5)])
    add(root, "huge", [BOX, (4, 2, 1e9, 10)])
    add(root, "twice", [BOX, BOX, BOX], ["platelet", "cell", "platelet"])
    add(root, "slips", [BOX, GOOD_BOXES[0]], ["Platelet", "platlet"])
    add(root, "empty", [])
    edit(add(root, "nameless"), "<name>platelet</name>", "")
    edit(add(root, "cornerless", [BOX, GOOD_BOXES[0]]), "<xmin>4</xmin>", "")
    edit(add(root, "wide"), "<xmax>20<", "<xmax>wide<")


def _damage_sizes(root):
    add(root, "small", size=(80, 40))
    add(root, "squarish", size=(40, 30))
    edit(add(root, "sizeless"), "<width>40</width>", "")
    for stem, orientation in (("turned", 6), ("upside", 3)):
        add(root, stem)
        exif = Image.Exif()
        exif[0x0112] = orientation
        with Image.open(picture_of(root, stem)) as image:
            pixels = image.copy()
        pixels.save(picture_of(root, stem).with_suffix(".jpg"), exif=exif, quality=95)
        picture_of(root, stem).unlink()


def _damage_files(root):
    add(root, "lost")
    picture_of(root, "lost").unlink()
    add(root, "cut")
    path = picture_of(root, "cut")
    path.write_bytes(path.read_bytes()[:200])  # header whole, pixels not
    edit(add(root, "torn"), "</size>", "")
    bomb = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;">]>\n<annotation>&y;</annotation>'
    add(root, "bomb").write_text(bomb)
    add(root, "spare", splits=())
    add(root, "lonely", splits=()).unlink()


def _damage_splits(root):
    add(root, "both", splits=["train", "test"])
    add(root, "seen", splits=["test"])
    add(root, "copy")
    with Image.open(picture_of(root, "seen")) as image:
        image.save(picture_of(root, "copy").with_suffix(".bmp"))
    picture_of(root, "copy").unlink()
    add(root, "twin", splits=["train"])
    picture_of(root, "twin").write_bytes(picture_of(root, "good").read_bytes())
    add(root, "again")
    picture_of(root, "again").write_bytes(picture_of(root, "edge").read_bytes())
    add_line(root, "train", "edge")
    add_line(root, "train", "ghost")
    (root / "ImageSets/Main/none.txt").write_text("\n")
