"""YOLO folders to read."""

from tests.train.data.formats.pictures import (
    HEIGHT,
    WIDTH,
    add_picture,
    make_folder,
    read_with,
)
from train.data.formats.yolo import FORMAT

BOX = "0.5 0.5 0.5 0.2"  # of 40 x 20: center 20, 10, width 20, height 4
BOX_PX = (10, 8, 30, 12)


def read(root):
    return read_with(FORMAT, root)


def ultralytics(root, config, **more):
    """images/train/a, images/val/b with labels, and a configuration."""
    texts = {
        "data.yaml": config,
        "labels/train/a.txt": f"0 {BOX}\n1 0.25 0.5 0.5 1\n",
        "labels/val/b.txt": f"1 {BOX}\n",
    }
    return make_folder(root, texts | more, ["images/train/a.jpg", "images/val/b.png"])


def flat(root, lines, size=None, **more):
    """One picture with a label file beside it, classes cat and dog."""
    make_folder(root, {"a.txt": lines, "classes.txt": "cat\ndog\n"} | more)
    add_picture(root / "a.jpg", size or (WIDTH, HEIGHT))
    return root
