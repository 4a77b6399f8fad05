"""A tiny PASCAL VOC folder to test with."""

import numpy as np
from PIL import Image

from train.data.formats.voc import write_annotation

WIDTH, HEIGHT = 40, 20  # not square, so that a swap of x and y shows


def make_voc(root, boxes=((4, 2, 20, 10),), names=None, stem="a", size=(WIDTH, HEIGHT)):
    """A VOC folder with one picture in the split "train"."""
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / name).mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (WIDTH, HEIGHT), (200, 10, 30)).save(root / "JPEGImages" / f"{stem}.png")
    names = ["cat"] * len(boxes) if names is None else names
    path = root / "Annotations" / f"{stem}.xml"
    write_annotation(path, f"{stem}.png", *size, np.array(boxes), names)
    with (root / "ImageSets/Main/train.txt").open("a") as file:
        file.write(f"{stem}\n")
    return path


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
