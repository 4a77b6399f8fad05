"""COCO folders read, and what is said of them."""

from tests.train.data.formats.coco_folder import (
    CAT_AND_DOG,
    add_picture,
    image,
    write_coco,
)
from train.data.formats.coco import FORMAT
from train.data.formats.files import FolderFiles


def read(root):
    recognized = FORMAT.recognize(FolderFiles(root))
    assert recognized is not None
    return recognized.read()


def is_coco(root):
    return FORMAT.recognize(FolderFiles(root)) is not None


def one_picture(root, annotations, images=None, categories=CAT_AND_DOG):
    """A folder with a.png in which the annotations start on line 5 (with one image)."""
    add_picture(root / "a.png")
    write_coco(root / "annotations.json", images or [image(7, "a.png")], annotations, categories)
    return read(root)


def flaws_of(folder, image_id="a"):
    return [(flaw.kind, flaw.line) for flaw in folder.items[image_id].flaws]


def folder_flaws(folder):
    return [(flaw.kind, flaw.line) for _, flaw in folder.flaws]
