"""The layout of a PASCAL VOC folder: where its splits, class names and pictures are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from train.data.voc import VocAnnotation, read_annotation

_LAYOUT = ("Annotations", "JPEGImages", "ImageSets/Main")
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".JPG", ".JPEG", ".PNG", ".BMP")


def check_layout(root: Path) -> None:
    """Raises: ValueError, naming a sub-folder that looks right, where `root` is no VOC folder."""
    missing = [name for name in _LAYOUT if not (root / name).is_dir()]
    if not missing:
        return
    cure = "point to the folder that holds them"
    if not root.is_dir():
        cure = "there is no such folder"
    else:
        for child in sorted(root.iterdir()):
            if all((child / name).is_dir() for name in _LAYOUT):
                cure = f"{child} looks like one, point to that"
                break
    raise ValueError(
        f"{root}: expected a VOC folder with {', '.join(_LAYOUT)}, got none of its "
        f"{', '.join(missing)}; {cure}"
    )


def read_split(root: Path, split: str) -> list[str]:
    """The image ids of a split, in the order of its file.

    Raises: ValueError, naming the splits that exist, where it is missing; where it is empty or
    names a picture twice.
    """
    path = split_path(root, split)
    if not path.is_file():
        found = ", ".join(split_names(root)) or "none"
        raise ValueError(f"{path}: no split {split!r}; the folder has: {found}; choose one of them")
    image_ids = list(split_lines(root, split).values())
    if not image_ids:
        raise ValueError(f"{path}: expected one image id a line, got an empty file; fill it")
    image_id, count = Counter(image_ids).most_common(1)[0]
    if count > 1:
        raise ValueError(
            f"{path}: expected each image id once, got {image_id!r} {count} times; keep one"
        )
    return image_ids


def split_path(root: Path, split: str) -> Path:
    """The file of a split."""
    return root / "ImageSets/Main" / f"{split}.txt"


def split_names(root: Path) -> list[str]:
    """The splits that a VOC folder has, sorted."""
    return sorted(file.stem for file in (root / "ImageSets/Main").glob("*.txt"))


def split_lines(root: Path, split: str) -> dict[int, str]:
    """Line number, from 1, → image id, for each line of a split's file that is not blank."""
    lines = split_path(root, split).read_text(encoding="utf-8-sig").splitlines()
    return {n: _image_id(root, line.strip()) for n, line in enumerate(lines, 1) if line.strip()}


def _image_id(root: Path, line: str) -> str:
    """The whole line where it has an annotation, since names may hold spaces; else its first word.

    VOC's own per-class files follow the id with 1, 0 or -1.
    """
    words = line.split()
    whole = len(words) == 1 or (root / "Annotations" / f"{line}.xml").is_file()
    return line if whole else words[0]


def find_class_names(root: Path) -> tuple[str, ...]:
    """The names in labels.txt, a name a line, else the sorted names of all the annotations.

    Raises: ValueError where there is none, or labels.txt names one twice.
    """
    labels = label_lines(root)
    if labels is not None:
        return check_class_names(labels.values(), str(root / "labels.txt"))
    files = sorted((root / "Annotations").glob("*.xml"))
    names = {item.name for file in files for item in read_annotation(file).objects}
    return check_class_names(sorted(names), str(root / "Annotations"))


def label_lines(root: Path) -> dict[int, str] | None:
    """Line number, from 1, → class name of labels.txt, without blank lines; None without a file."""
    path = root / "labels.txt"
    if not path.is_file():
        return None
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return {number: line.strip() for number, line in enumerate(lines, 1) if line.strip()}


def check_class_names(names: Iterable[str], origin: str = "class_names") -> tuple[str, ...]:
    """The names as a tuple. Raises: ValueError where there is none or one comes twice."""
    names = tuple(names)
    if not names or len(set(names)) != len(names):
        raise ValueError(f"{origin}: expected different class names, got {names}; correct the list")
    return names


def picture_files(root: Path) -> list[Path]:
    """The pictures of a VOC folder, sorted, annotated or not."""
    return sorted(path for path in (root / "JPEGImages").iterdir() if path.suffix in _SUFFIXES)


def find_image(root: Path, image_id: str, annotation: VocAnnotation) -> Path:
    """The picture of an annotation: named as the split names it, else as `<filename>` does.

    The stem comes first because tools that rename or copy files leave `<filename>` as it was.

    Raises: ValueError, naming the annotation and the expected path, where there is neither.
    """
    folder = root / "JPEGImages"
    for suffix in _SUFFIXES:
        path = folder / f"{image_id}{suffix}"
        if path.is_file():
            return path
    if annotation.filename:
        # The name alone: a path from another machine, or one that climbs out, is no use here.
        path = folder / annotation.filename.replace("\\", "/").rsplit("/", 1)[-1]
        if path.is_file():
            return path
    raise ValueError(
        f"{annotation.path}: expected its picture at {folder / image_id}.jpg (or .png and so on), "
        f"got no such file, nor one named by <filename> ({annotation.filename}); add the picture"
    )
