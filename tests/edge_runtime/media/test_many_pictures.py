"""Files of many pictures, and photographs that only look like them."""

import io
import os
from contextlib import closing

import numpy as np
import pytest
from PIL import Image, ImageSequence

from edge_runtime.media.many_pictures import PictureRow, expect_one, holds_many
from edge_runtime.media.picture_rows import row_start, split_row

LEVELS = (0, 60, 120, 180)
# What stands between the JPEGs of a stream that was saved as it came.
SEAMS = {
    "jpegs with part headers": b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n",
    "jpegs behind their lengths": b"\x10\x27\0\0",
}


def pictures(mode="RGB", wh=(40, 30)):
    return [Image.new("RGB", wh, (level, 200, 0)).convert(mode) for level in LEVELS]


def encoded(image, kind) -> bytes:
    file = io.BytesIO()
    if kind == "P3":
        return b"P3 %d %d 255 " % image.size + b" ".join(b"%d" % v for v in image.tobytes()) + b"\n"
    image.save(file, kind, lossless=True)
    return file.getvalue()


def jpeg(image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95, **options)
    return file.getvalue()


def save(path, kind):
    first, *rest = pictures()
    more = {"save_all": True, "append_images": rest}
    if kind == "jpegs":
        path.write_bytes(b"".join(map(jpeg, pictures())))
    elif kind == "progressive jpegs":
        path.write_bytes(b"\0\0".join(jpeg(image, progressive=True) for image in pictures()))
    elif kind in SEAMS:
        path.write_bytes(SEAMS[kind].join(map(jpeg, pictures())))
    elif kind.endswith(" in a row"):
        path.write_bytes(b"".join(encoded(image, kind.split()[0]) for image in pictures()))
    elif kind == "TIFF":
        first.save(path, kind, **more)
    else:
        first.save(path, kind, duration=200, loop=0, lossless=True, **more)
    return path


def levels(path) -> list[int]:
    found = []
    with closing(PictureRow(path)) as row:
        while row.grab():
            found.append(round(float(row.image()[..., 0].mean()) / 60) * 60)
    return found


@pytest.mark.parametrize("name", ["film.mjpeg", "film.jpg", "film"])
@pytest.mark.parametrize(
    "kind",
    [
        *("GIF", "WEBP", "PNG", "TIFF", "jpegs", "progressive jpegs"),
        *("PNG in a row", "BMP in a row", "WEBP in a row", "PPM in a row"),
        *("GIF in a row", "TIFF in a row", "P3 in a row", *SEAMS),
    ],
)
def test_every_picture_comes_under_any_name(tmp_path, kind, name):
    path = save(tmp_path / name, kind)
    assert holds_many(path)
    assert levels(path) == list(LEVELS)
    with pytest.raises(ValueError, match=r"one picture expected, .*film.* holds several"):
        expect_one(path)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_says_its_times(tmp_path, kind):
    path = save(tmp_path / "film", kind)
    with closing(PictureRow(path)) as row:
        assert row.fps == pytest.approx(5) and row.seconds == pytest.approx(0.8)
        times = []
        while row.grab():
            times.append(row.position)
            row.image()
    assert times == pytest.approx([0, 0.2, 0.4, 0.6])


def one_picture(kind) -> bytes:
    photo, view = Image.new("RGB", (40, 30), "red"), Image.new("L", (20, 15), 90)
    file = io.BytesIO()
    if kind == "stereo":
        photo.save(file, "MPO", save_all=True, append_images=[photo])
    elif kind == "thumbnail in EXIF":
        exif = b"Exif\0\0" + b"II*\0\x08\0\0\0\0\0\0\0\0\0" + jpeg(photo) + b"\0" + jpeg(photo)
        return jpeg(photo, exif=exif)
    elif kind == "gain map":
        xmp = b'http://ns.adobe.com/xap/1.0/\0<x hdrgm:Version="1.0"/>'
        segment = b"\xff\xe1" + (len(xmp) + 2).to_bytes(2, "big") + xmp
        data = jpeg(photo)
        return data[:2] + segment + data[2:] + jpeg(view)
    elif kind == "film behind it":
        return jpeg(photo) + b"\0\0\0\x18ftypmp42" + bytes(100) + jpeg(view)
    elif kind == "a phone's second photograph":
        return jpeg(photo) + b"\0\0\x10\x0bFocusShot_1" + jpeg(photo) + b"SEFHxxxxSEFT"
    elif kind == "preview":
        return jpeg(photo) + b"preview:" + jpeg(view)
    elif kind == "pyramid":
        from PIL import TiffImagePlugin

        smaller = TiffImagePlugin.ImageFileDirectory_v2()
        smaller[254] = 1
        with TiffImagePlugin.AppendingTiffWriter(file, True) as pages:
            photo.save(pages, "TIFF")
            pages.newFrame()
            view.save(pages, "TIFF", tiffinfo=smaller)
    else:
        photo.save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    "kind",
    [
        *("stereo", "thumbnail in EXIF", "gain map", "film behind it", "pyramid"),
        *("a phone's second photograph", "preview"),
        *("JPEG", "GIF", "PNG", "WEBP", "TIFF", "BMP", "PPM"),
    ],
)
def test_one_picture_is_one(tmp_path, kind):
    path = tmp_path / "photo"
    path.write_bytes(one_picture(kind))
    with Image.open(path) as image:
        assert image.size == (40, 30)
    assert not holds_many(path)
    expect_one(path)


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff", b"\xff\xd8\xff\xe1\xff\xff"])
def test_what_is_no_picture_is_not_many(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    assert not holds_many(tmp_path / "x")
    assert not holds_many(tmp_path / "nowhere")


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "jpegs"])
def test_damage_ends_it_or_costs_a_picture_but_never_raises(tmp_path, kind):
    path = save(tmp_path / "film", kind)
    whole = path.read_bytes()
    for end in range(0, len(whole), len(whole) // 40 + 1):
        path.write_bytes(whole[:end])
        holds_many(path)
        try:
            row = PictureRow(path)
        except ValueError:
            continue
        with closing(row):
            while row.grab():
                image = row.image()
                assert image is None or image.shape == (30, 40, 3)


def test_pages_behind_damage_are_not_lost_silently(tmp_path):
    path = save(tmp_path / "x.tif", "TIFF")
    data = bytearray(path.read_bytes())
    first = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[first : first + 2], "little")
    place = first + 2 + 12 * count
    assert 0 < int.from_bytes(data[place : place + 4], "little") < len(data)  # the second page
    data[place : place + 4] = (len(data) + 100).to_bytes(4, "little")
    path.write_bytes(data)
    assert holds_many(path)
    with pytest.raises(ValueError, match=r"x\.tif cannot be read"):
        PictureRow(path)


def test_turned_pages(tmp_path):
    page = Image.fromarray(np.dstack([np.tri(30, 40, dtype=np.uint8) * 255] * 3))
    page.save(tmp_path / "x.tif", save_all=True, append_images=[page], tiffinfo={0x0112: 3})
    with closing(PictureRow(tmp_path / "x.tif")) as row:
        assert row.grab()
        assert (row.image() == np.asarray(page)[::-1, ::-1]).all()


def test_jpegs_larger_than_a_chunk_of_the_file(tmp_path, monkeypatch):
    data = b"".join(map(jpeg, pictures()))
    for chunk in (1, 7, 100, 1000):
        monkeypatch.setattr("edge_runtime.media.picture_rows._CHUNK_BYTES", chunk)
        assert len(list(split_row(io.BytesIO(data + b"\0" * 10)))) == len(LEVELS)
        (tmp_path / "x").write_bytes(data)
        assert holds_many(tmp_path / "x")


def test_an_endless_jpeg_is_bounded(monkeypatch):
    monkeypatch.setattr("edge_runtime.media.picture_rows._MOST_BYTES", 10_000)
    monkeypatch.setattr("edge_runtime.media.picture_rows._CHUNK_BYTES", 1000)
    with pytest.raises(ValueError, match="a picture of more than"):
        list(split_row(io.BytesIO(jpeg(pictures()[0])[:200] + bytes(20_000))))


def test_a_photograph_with_nothing_behind_it_is_not_read_to_its_end(monkeypatch):
    """A sparse file of 8 GB took 20 s of a processor."""
    monkeypatch.setattr("edge_runtime.media.picture_rows._MOST_BYTES", 10_000)
    monkeypatch.setattr("edge_runtime.media.picture_rows._CHUNK_BYTES", 1000)
    read = []

    class Watched(io.BytesIO):
        def read(self, size=-1):
            read.append(self.tell())
            return super().read(size)

    photograph = Watched(jpeg(pictures()[0]) + bytes(100_000))
    assert row_start(photograph) is None and max(read) <= 10_000


def test_frames_are_those_that_pillow_shows(tmp_path):
    path = tmp_path / "x.gif"
    frames = [Image.new("RGBA", (20, 20), (0, 0, 0, 0)) for _ in range(3)]
    for number, frame in enumerate(frames):
        frame.paste((255, 0, 0, 255), (5 * number, 0, 5 * number + 5, 20))
    frames[0].save(path, save_all=True, append_images=frames[1:], disposal=2, duration=100)
    with Image.open(path) as image, closing(PictureRow(path)) as row:
        for frame in ImageSequence.Iterator(image):
            assert row.grab() and (row.image() == np.asarray(frame.convert("RGB"))).all()


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    expect_one(tmp_path / "pipe.jpg")
    assert not holds_many(tmp_path / "pipe.jpg")
