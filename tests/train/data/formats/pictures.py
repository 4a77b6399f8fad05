"""Folders of small pictures and texts to test with."""

from PIL import Image

from train.data.formats.files import FolderFiles

WIDTH, HEIGHT = 40, 20  # not square, so that a swap of x and y shows


def add_picture(path, size=(WIDTH, HEIGHT), orientation=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size, (200, 10, 30)).save(path, exif=exif)
    return path


def make_folder(root, texts, pictures=()):
    """texts: path below the root → content, str or bytes. pictures: paths below the root."""
    for name, content in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for name in pictures:
        add_picture(root / name)
    return root


def read_with(known_format, root):
    """The folder that the format reads from a path."""
    recognized = known_format.recognize(FolderFiles(root))
    assert recognized is not None, f"{known_format.name} did not recognise {root}"
    return recognized.read()


def boxes_of(folder, image_id):
    """[(class name, box in pixels)] of a picture."""
    return [(one.name, one.box_px) for one in folder.items[image_id].annotation.objects]


def splits_of(folder):
    """Split → its image ids in order."""
    return {name: list(split.lines.values()) for name, split in folder.splits.items()}
