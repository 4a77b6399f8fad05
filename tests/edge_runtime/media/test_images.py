import random
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from edge_runtime.media import images
from edge_runtime.media.images import read_header, read_image, read_shrunk, read_upright
from edge_runtime.media.orientation import turn_upright
from edge_runtime.media.pixels import upright_pixels
from tests.downloads import failed_inputs
from tests.edge_runtime.media.exif import (
    ASCII,
    BYTE,
    FLOAT,
    HEIGHT,
    LONG,
    ORIENTATION,
    RATIONAL,
    SHORT,
    SIGNED_RATIONAL,
    UNDEFINED,
    WIDTH,
    chunk,
    exif,
    field,
    oriented,
    save_jpeg,
    save_png,
    stored_pixels,
    tiff,
    xmp,
)

UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}


def assert_read_as(path, orientation, tolerance=0):
    """Header and pixels tell of the same orientation, and the red corner is where it belongs."""
    assert read_header(path) == ((WIDTH, HEIGHT), orientation)
    expected = UPRIGHT[orientation](stored_pixels())
    found = read_image(path)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= tolerance


def test_the_table_above_turns_as_the_standard_says():
    """6: the first row is at the right, the first column at the top; 8: left and bottom."""
    six, eight = UPRIGHT[6](stored_pixels()), UPRIGHT[8](stored_pixels())
    assert six.shape == eight.shape == (WIDTH, HEIGHT, 3)
    assert (six[:16, 12:, 1] == 30).all() and (six == 255).sum() == (800 - 128) * 3
    assert (eight[24:, :8, 1] == 30).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_in_every_format(tmp_path, orientation):
    image = Image.fromarray(stored_pixels())
    block = exif(oriented(orientation))
    image.save(tmp_path / "a.png", exif=block)
    image.save(tmp_path / "a.tif", tiffinfo={ORIENTATION: orientation})
    image.save(tmp_path / "packed.tif", tiffinfo={ORIENTATION: orientation}, compression="tiff_lzw")
    image.save(tmp_path / "a.webp", exif=block, lossless=True)
    for name in ("a.png", "a.tif", "packed.tif", "a.webp"):
        assert_read_as(tmp_path / name, orientation)
    assert_read_as(save_jpeg(tmp_path / "a.jpg", block), orientation, 40)


@pytest.mark.parametrize(
    "late",
    [
        chunk(b"eXIf", tiff(oriented())),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp()),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp())),
        chunk(
            b"zTXt",
            b"Raw profile type exif\0\0"
            + zlib.compress(b"\nexif\n      32\n" + exif(oriented()).hex().encode() + b"\n"),
        ),
        chunk(b"tEXt", b"Comment\0text") + chunk(b"eXIf", tiff(oriented())),
    ],
    ids=["eXIf", "XMP", "packed XMP", "raw profile", "after a comment"],
)
def test_what_a_png_says_after_its_pixels(tmp_path, late):
    assert_read_as(save_png(tmp_path / "a.png", late), 6)


def test_orientation_in_xmp_alone(tmp_path):
    image = Image.fromarray(stored_pixels())
    path = save_jpeg(tmp_path / "a.jpg", b"")
    data = path.read_bytes()
    block = b"http://ns.adobe.com/xap/1.0/\0" + xmp()
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:])
    assert_read_as(path, 6, 40)
    image.save(tmp_path / "a.webp", xmp=xmp(), lossless=True)
    image.save(tmp_path / "a.tif", tiffinfo={700: xmp()})
    for name in ("a.webp", "a.tif"):
        assert_read_as(tmp_path / name, 6)
    tag = xmp().replace(b'Orientation="6"/>', b"><tiff:Orientation>6</tiff:Orientation>")
    packed = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + tag)
    assert_read_as(save_png(tmp_path / "a.png", packed), 6)


def test_exif_goes_before_xmp(tmp_path):
    late = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(3))
    assert_read_as(save_png(tmp_path / "a.png", chunk(b"eXIf", tiff(oriented(8))) + late), 8)


ODD_FIELDS = {
    "negative rational": field(0x011A, SIGNED_RATIONAL, 1, struct.pack("<2l", -72, 1)),
    "rational of zero": field(0x011A, SIGNED_RATIONAL, 1, struct.pack("<2l", -1, 0)),
    "resolution of text": field(0x011A, ASCII, 1, b"\0"),
    "width of text": field(0x0102, ASCII, 4, b"abc\0"),
    "text of numbers": field(0x010E, SHORT, 2, struct.pack("<2H", 1, 2)),
    "a pointer of text": field(0x8769, ASCII, 4, b"abc\0"),
    "a pointer to nowhere": field(0x8769, LONG, 1, struct.pack("<L", 1 << 30)),
    "an unknown type": field(0x0103, 99, 1, b"\1\0\0\0"),
    "more than there is": field(0x0104, LONG, 1 << 29, struct.pack("<L", 8)),
}


@pytest.mark.parametrize("odd", ODD_FIELDS.values(), ids=ODD_FIELDS)
@pytest.mark.parametrize("first", [True, False])
def test_a_tag_of_a_wrong_type_beside_the_orientation(tmp_path, odd, first):
    fields = [odd, oriented()] if first else [oriented(), odd]
    unit = field(0x0128, SHORT, 1, struct.pack("<H", 2))
    block = exif(*fields, unit)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_read_as(save_jpeg(tmp_path / "a.jpg", block), 6, 40)
        assert_read_as(save_png(tmp_path / "a.png", chunk(b"eXIf", block[6:])), 6)
        Image.fromarray(stored_pixels()).save(tmp_path / "a.webp", exif=block, lossless=True)
        assert_read_as(tmp_path / "a.webp", 6)
        upright = read_upright(tmp_path / "a.jpg")
    assert upright.size == (HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("kind", "count", "data", "orientation"),
    [
        (ASCII, 2, b"6\0", 6),
        (ASCII, 1, b"6", 6),
        (ASCII, 2, b"9\0", 1),
        (ASCII, 6, b"right\0", 1),
        (ASCII, 3, b"16\0", 1),
        (BYTE, 1, b"\6", 6),
        (UNDEFINED, 1, b"\6", 6),
        (LONG, 1, struct.pack("<L", 6), 6),
        (SHORT, 2, struct.pack("<2H", 6, 6), 6),
        (RATIONAL, 1, struct.pack("<2L", 12, 2), 6),
        (RATIONAL, 1, struct.pack("<2L", 13, 2), 1),
        (RATIONAL, 1, struct.pack("<2L", 6, 0), 1),
        (SIGNED_RATIONAL, 1, struct.pack("<2l", -6, -1), 6),
        (FLOAT, 1, struct.pack("<f", 6), 6),
        (FLOAT, 1, struct.pack("<f", float("nan")), 1),
        (SHORT, 1, b"\0\0", 1),
        (SHORT, 1, b"\x09\0", 1),
        (SHORT, 1, b"\xff\xff", 1),
        (99, 1, b"\6\0", 1),
    ],
)
def test_an_orientation_of_another_type(tmp_path, kind, count, data, orientation):
    block = exif(field(ORIENTATION, kind, count, data))
    assert_read_as(save_png(tmp_path / "a.png", chunk(b"eXIf", block[6:])), orientation)
    assert_read_as(save_jpeg(tmp_path / "a.jpg", block), orientation, 40)


def test_big_endian_and_the_mark_written_twice(tmp_path):
    big = field(ORIENTATION, SHORT, 1, struct.pack(">H", 6))
    assert_read_as(save_jpeg(tmp_path / "a.jpg", exif(big, order=">")), 6, 40)
    assert_read_as(save_jpeg(tmp_path / "b.jpg", b"Exif\0\0" + exif(oriented())), 6, 40)


@pytest.mark.parametrize(
    "block",
    [
        b"Exif\0\0",
        b"Exif\0\0II*\0",
        b"Exif\0\0nonsense, not a TIFF",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        exif(oriented())[:20],
        b"Exif\0\0II+\0\x08\0\0\0" + b"\xff" * 24,
    ],
)
def test_exif_that_cannot_be_read_leaves_the_picture_as_stored(tmp_path, block):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_read_as(save_jpeg(tmp_path / "a.jpg", block), 1, 40)
        assert_read_as(save_png(tmp_path / "a.png", chunk(b"eXIf", block[6:])), 1)


def test_no_damage_to_exif_makes_a_picture_unreadable(tmp_path):
    """300 blocks with a few wrong bytes: always a picture, and always of the size announced."""
    dice = random.Random(0)
    whole = exif(oriented(), *ODD_FIELDS.values())
    path = tmp_path / "a.jpg"
    seen = set()
    for _ in range(300):
        block = bytearray(whole)
        for _ in range(dice.randint(1, 6)):
            block[dice.randrange(6, len(block))] = dice.choice((0, 1, 2, 5, 6, 10, 127, 255))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            save_jpeg(path, bytes(block))
            (width, height), orientation = read_header(path)
            shape = read_image(path).shape
        assert (width, height) == (WIDTH, HEIGHT)
        assert shape[:2] == ((width, height) if orientation >= 5 else (height, width))
        seen.add(orientation)
    assert {1, 6} <= seen


def test_warnings_are_not_needed_to_refuse_exif(tmp_path):
    """With every warning an error, as a strict program may have it, the picture is still read."""
    path = save_jpeg(tmp_path / "a.jpg", exif(oriented(), ODD_FIELDS["more than there is"]))
    assert_read_as(path, 6, 40)


def test_the_header_is_read_without_the_pixels(tmp_path):
    path = save_png(tmp_path / "a.png")
    path.write_bytes(path.read_bytes()[:60])
    assert read_header(path) == ((WIDTH, HEIGHT), 1)
    with pytest.raises(ValueError, match=r"a\.png cannot be read as a picture \(.*\); JPEG, PNG,"):
        read_image(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tif"])
def test_cut_pictures_are_named(tmp_path, suffix):
    path = tmp_path / f"cut.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=rf"cut\.{suffix} cannot be read as a picture"):
        read_image(path)


@pytest.mark.parametrize("raised", [KeyError("x"), struct.error("bad"), ZeroDivisionError()])
def test_whatever_pillow_raises_names_the_file(tmp_path, monkeypatch, raised):
    path = save_png(tmp_path / "a.png")

    def fail(*_):
        raise raised

    monkeypatch.setattr(Image, "open", fail)
    for read in (read_header, read_image, read_upright):
        with pytest.raises(ValueError, match=r"a\.png cannot be read as a picture \(.+\); JPEG"):
            read(path)


def test_no_memory_is_no_flaw_of_the_picture(tmp_path, monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(MemoryError):
        read_image(save_jpeg(tmp_path / "a.jpg", b""))


def test_a_missing_picture(tmp_path):
    for read in (read_header, read_image):
        with pytest.raises(FileNotFoundError, match=r"no picture at .*a\.png; check the path"):
            read(tmp_path / "a.png")


def test_an_upright_picture_keeps_the_rest_of_its_exif(tmp_path):
    artist = field(0x013B, ASCII, 9, b"somebody\0")
    owned = field(0xA430, ASCII, 6, b"owner\0")
    block = exif(owned, oriented(), artist)
    upright = read_upright(save_jpeg(tmp_path / "a.jpg", block))
    assert upright.size == (HEIGHT, WIDTH) and upright.format == "JPEG"
    upright.save(tmp_path / "b.jpg", exif=upright.info["exif"])
    with Image.open(tmp_path / "b.jpg") as image:
        found = image.getexif()
        assert (found[0x013B], found[0xA430]) == ("somebody", "owner") and ORIENTATION not in found
    assert read_header(tmp_path / "b.jpg") == ((HEIGHT, WIDTH), 1)


def test_struct_errors_that_once_stopped_a_run():
    pictures = sorted(failed_inputs("device", "exif_struct_error").glob("*.jpg"))
    assert pictures
    for path in pictures:
        (width, height), orientation = read_header(path)
        assert orientation == 6
        assert read_image(path).shape == (width, height, 3)


def test_tags_of_a_wrong_type_that_once_stopped_a_check():
    folder = failed_inputs("data", "exif_tag_of_wrong_type")
    pictures = sorted(folder.glob("*.jpg"))
    assert [path.name for path in pictures] == ["e2.jpg", "e3.jpg", "e4.jpg"]
    for path in pictures:
        assert read_header(path) == ((200, 150), 6)
        upright = read_image(path)
        assert upright.shape == (200, 150, 3)
        red = upright[35:85, 95:125].reshape(-1, 3).mean(axis=0)
        assert red[0] > 180 and red[1:].max() < 90


def test_a_jpeg_is_halved_while_both_sides_stay_large_enough(tmp_path):
    left_dark = np.zeros((600, 1040, 3), np.uint8)
    left_dark[:, 520:] = 200
    for suffix in ("jpg", "png"):
        Image.fromarray(left_dark).save(tmp_path / f"a.{suffix}")
    assert read_image(tmp_path / "a.jpg").shape == (600, 1040, 3)
    small = read_image(tmp_path / "a.jpg", at_least=150)
    assert small.shape == (150, 260, 3)  # a quarter; 151 leaves a half
    assert read_image(tmp_path / "a.jpg", at_least=151).shape == (300, 520, 3)
    assert abs(int(small[75, 60, 0]) - 0) < 5 and abs(int(small[75, 200, 0]) - 200) < 5
    assert read_image(tmp_path / "a.png", at_least=150).shape == (600, 1040, 3)


def test_a_jpeg_read_at_reduced_size_is_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: turn by a quarter
    Image.new("RGB", (800, 400)).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg", at_least=100).shape == (200, 100, 3)


EXIF_CASES = {
    "ascii in the place of a number": field(0x0112, ASCII, 2, b"6\0\0\0"),
    "a negative rational": field(0x0112, SIGNED_RATIONAL, 1, struct.pack("<ll", -6, 1)),
    "a resolution of the wrong type": field(0x011A, ASCII, 9, b"300 dpi\0\0"),
    "an unknown type": field(0x0112, 99, 1, b"\6\0\0\0"),
    "a count of four thousand million": field(0x0112, 3, 0xFFFFFFFF, b"\6\0\0\0"),
}


@pytest.mark.parametrize("name", EXIF_CASES)
def test_an_exif_field_of_another_type_does_not_keep_a_picture_from_being_read(tmp_path, name):
    path = save_jpeg(tmp_path / "a.jpg", exif(EXIF_CASES[name]))
    assert read_image(path).shape[2] == 3
    assert read_upright(path).size and read_header(path)[1] in range(1, 9)


def test_public_pictures_with_damaged_exif():
    paths = sorted(failed_inputs("device", "exif_struct_error").glob("*.jpg"))
    assert paths
    for path in paths:
        assert read_image(path).shape == (300, 300, 3)
        assert read_upright(path).size == read_header(path)[0] == (300, 300)


def test_a_picture_of_more_pixels_than_there_is_memory_for(tmp_path, monkeypatch):
    path = save_png(tmp_path / "a.png")
    pages = 2 * images.BYTES_A_PIXEL * 100  # of one byte: half of them hold a hundred pixels
    sizes = {"SC_PHYS_PAGES": pages, "SC_PAGE_SIZE": 1}
    monkeypatch.setattr(images.os, "sysconf", sizes.__getitem__)
    for read in (read_header, read_image, read_upright):
        with pytest.raises(ValueError, match=r"a\.png .*pixels at most expected, got .*smaller"):
            read(path)


def test_a_head_that_promises_more_pixels_than_any_picture_has(tmp_path):
    path = save_png(tmp_path / "a.png")
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">LL", 60_000, 60_000)
    data[29:33] = struct.pack(">L", zlib.crc32(data[12:29]))
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.png cannot be read as a picture"):
        read_image(path)


def test_a_head_is_not_believed_where_the_file_is_too_short_for_it(tmp_path):
    """Decoding would take 300 MB before the end of the file is met."""
    path = save_png(tmp_path / "a.png")
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">LL", 9_000, 9_000)
    data[29:33] = struct.pack(">L", zlib.crc32(data[12:29]))
    path.write_bytes(data)
    for read in (read_header, read_image, read_upright):
        with pytest.raises(ValueError, match=r"a\.png .*cannot hold 9000 x 9000 pixels: it is cut"):
            read(path)


def test_a_large_blank_picture_is_believed(tmp_path, monkeypatch):
    """As small as files of that size can be."""
    monkeypatch.setattr(images, "LARGE_PIXELS", 1_000_000)
    blank = Image.new("RGB", (2000, 1000))
    blank.save(tmp_path / "a.png")
    blank.save(tmp_path / "a.jpg", progressive=True, optimize=True, quality=1)
    for name in ("a.png", "a.jpg"):
        assert read_image(tmp_path / name).shape == (1000, 2000, 3)


def test_a_picture_that_another_program_would_draw_is_none(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("RGB", (8, 8)).save(path, format="EPS")
    with pytest.raises(ValueError, match=r"a\.jpg cannot .*the format is EPS"):
        read_image(path)


def test_zeros_for_gigabytes_behind_a_picture_are_not_walked_through(tmp_path):
    path = save_png(tmp_path / "a.png")
    with path.open("ab") as file:
        file.truncate(8 << 30)
    assert read_image(path).shape[2] == 3


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK", "1"])
def test_strips_give_what_the_whole_gives(mode, monkeypatch):
    monkeypatch.setattr("edge_runtime.media.pixels.SMALL_PIXELS", 0)
    noise = np.random.default_rng(0).integers(0, 256, (521, 37, 3), np.uint8)
    image = Image.fromarray(noise).convert(mode)
    whole = image.convert("RGB")
    for orientation in range(1, 9):
        for shrink, expected in ((1, whole), (4, whole.reduce(4))):
            upright = np.asarray(turn_upright(expected, orientation))
            assert (upright_pixels(image, orientation, shrink) == upright).all()


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_a_large_picture_is_read_smaller(tmp_path, suffix):
    image = Image.new("RGB", (639, 399), (0, 0, 200))
    image.paste((200, 0, 0), (0, 0, 320, 399))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned clockwise: red is at the top
    path = tmp_path / f"a.{suffix}"
    image.save(path, exif=exif)
    for most, hw in ((255_000, (639, 399)), (254_960, (320, 200)), (20_000, (160, 100))):
        pixels, own_hw = read_shrunk(path, most)
        assert pixels.shape == (*hw, 3) and own_hw == (639, 399)
        assert pixels[0, :, 0].min() > 180 and pixels[-1, :, 2].min() > 180
