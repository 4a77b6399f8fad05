"""Strange file: what was given in the place of a .tflite file, and what to do about it.

By its first and last bytes, which the makers of each format have fixed; nothing of it is run or
unpacked. Imported where a file is refused.
"""

from __future__ import annotations

from pathlib import Path

SHOWN_BYTES = 64 << 10  # of the front and of the end, where a zip lists its members

_EXPORT = "export it as TFLite where it was trained"
_COPY = "copy the file again"
_ZIPS = (  # names of members, the first that is inside counts
    (b"model.weights.h5", "a .keras file", "convert it with `python -m convert`"),
    (b"data.pkl", "a file of PyTorch", f"{_EXPORT} (Ultralytics: `yolo export format=tflite`)"),
    (b"saved_model.pb", "a zip of a SavedModel", "unpack it, and convert it to TFLite"),
    (b".tflite", "a zip with a .tflite file inside", "unpack it, and give that file"),
    (b"", "a zip", "unpack it, and give the .tflite file inside"),
)
_MAGIC = (
    ((b"\x89HDF\r\n\x1a\n",), "an HDF5 file (.h5)", "convert it to TFLite where it was trained"),
    ((b"\x80\2", b"\x80\3", b"\x80\4"), "a pickle of Python (.pt, .pkl)", _EXPORT),
    (
        (b"version https://git-lfs",),
        "a pointer of Git LFS",
        "fetch the file: `git lfs pull`",
    ),
    ((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf"), "compressed", "unpack it first"),
    ((b"\x89PNG", b"\xff\xd8\xff"), "a picture", "give the model first, then what it is to see"),
    (
        (b"<!doctype", b"<html", b"<?xml"),
        "a page of the web",
        "download the file itself, not the page that shows it",
    ),
)


def describe_strange(path: Path) -> str:
    """ "a .keras file; convert it with …" of a file that is no TFLite file. Raises: OSError."""
    with path.open("rb") as file:
        front = file.read(SHOWN_BYTES)
        file.seek(max(0, path.stat().st_size - SHOWN_BYTES))
        end = file.read(SHOWN_BYTES)
    return "; ".join(_kind(front, end))


def describe_folder(path: Path) -> str:
    """The same of a folder."""
    if (path / "saved_model.pb").is_file():
        return "a SavedModel; convert it to TFLite, and give the .tflite file"
    inside = sorted(each.name for each in path.glob("*.tflite"))[:3]
    return "a folder; " + (f"give a file in it: {', '.join(inside)}" if inside else "give a file")


def _kind(front: bytes, end: bytes) -> tuple[str, str]:
    """What it is, and what to do."""
    if front.startswith(b"PK\3\4"):
        return next(each[1:] for each in _ZIPS if each[0] in front + end)
    start = front.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for starts, kind, cure in _MAGIC:
        if front.startswith(starts) or start.startswith(starts):
            return kind, cure
    if front[:1] == b"\x08" and any(maker in front[:256] for maker in (b"pytorch", b"onnx")):
        return "an ONNX file", f"{_EXPORT}, or convert it (onnx2tf, say)"
    if not front.strip(b"\0"):
        return ("only zeros" if front else "empty"), f"{_COPY}, the disk may have been full"
    if _is_text(front):
        return f"text, which begins {front[:30].decode(errors='replace')!r}", _COPY
    return f"another kind of file, or damaged (it begins {front[:8]!r})", f"{_COPY}, or {_EXPORT}"


def _is_text(front: bytes) -> bool:
    return b"\0" not in front and all(byte >= 0x20 or byte in b"\t\n\r" for byte in front[:1000])
