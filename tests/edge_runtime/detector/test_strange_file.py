"""Files and folders in the place of a .tflite file: each is named, with what to do."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from edge_runtime.detector.model_file import read_model_file


def zipped(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "a" * 100_000)  # the list is far from the front
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            zipped("config.json", "model.weights.h5"),
            r"a \.keras file; convert it with `python",
        ),
        (zipped("last/version", "last/data.pkl"), "of PyTorch; export it as TFLite .*yolo export"),
        (zipped("x/saved_model.pb", "x/variables/v"), "SavedModel; unpack"),
        (zipped("readme.txt", "x/detect.tflite"), r"a zip with a \.tflite file inside; unpack"),
        (zipped("readme.txt"), "a zip; unpack"),
        (b"\x89HDF\r\n\x1a\n" + bytes(40), "HDF5.*convert it"),
        (b"\x80\2}q\0X\5\0\0\0model", "a pickle of Python .*; export"),
        (b"\x08\x07\x12\x07pytorch\x1a\x052.1.0" + bytes(40), "ONNX.*onnx2tf"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS; .*lfs pull"),
        (gzip.compress(b"model"), "compressed; unpack"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "a picture; give the model first"),
        (b"\xef\xbb\xbf\r\n<!DOCTYPE HTML><title>404</title>", "a page of the web; download"),
        (b"person\ncar\n", r"text, which begins 'person.*; copy"),
        (b"", "empty; copy the file again, the disk may"),
        (bytes(4000), "only zeros; copy"),
        (b"\x1c\0\0\0TFL2\0\0", r"another kind of file, or damaged \(it begins .*TFL2.*; copy"),
        (b"\x1c\0\0\0TF", "another kind of file, or damaged"),
    ],
)
def test_each_file_is_named(content, message, tmp_path):
    path = tmp_path / "strange.tflite"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"strange\.tflite is not a TFLite file, but .*{message}"):
        read_model_file(path)


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ("saved_model.pb", "a SavedModel; convert it to TFLite"),
        ("detect.tflite", "a folder; give a file in it: detect.tflite"),
        ("readme.txt", "a folder; give a file"),
    ],
)
def test_each_folder_is_named(inside, message, tmp_path):
    (tmp_path / inside).write_text("x")
    with pytest.raises(FileNotFoundError, match=f"no model file at {tmp_path}, but {message}"):
        read_model_file(tmp_path)
