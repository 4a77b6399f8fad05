import numpy as np
from PIL import Image

from edge_runtime.media.images import read_image


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
