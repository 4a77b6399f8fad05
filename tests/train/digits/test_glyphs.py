import gzip

import numpy as np
import pytest

from tests.downloads import downloaded
from train.data.dataset import load_dataset
from train.digits.__main__ import write_digits
from train.digits.glyphs import INK_ALPHA, MARGIN, SPLITS, ink_bounds, load_glyphs, render_glyph


@pytest.fixture(scope="module")
def source():
    return load_glyphs()


def write_idx(folder, pixels, digits, prefix="t10k"):
    images = bytes((0, 0, 8, 3)) + np.array(pixels.shape, ">u4").tobytes() + pixels.tobytes()
    labels = bytes((0, 0, 8, 1)) + np.array(digits.shape, ">u4").tobytes() + digits.tobytes()
    (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
    (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(labels)


def test_every_source_digit_is_in_one_split_only(source):
    pools = source.pools(0)
    for digit in range(10):
        parts = [pools[split][digit] for split in SPLITS]
        together = np.concatenate(parts)
        assert len(np.unique(together)) == len(together)
        assert sorted(together) == np.flatnonzero(source.digits == digit).tolist()
        shares = [len(part) / len(together) for part in parts]
        np.testing.assert_allclose(shares, [0.8, 0.05, 0.15], atol=0.01)
    again, other = source.pools(0), source.pools(1)
    assert np.array_equal(pools["test"][3], again["test"][3])
    assert not np.array_equal(pools["test"][3], other["test"][3])


@pytest.mark.parametrize("size_px", [24, 31, 75.5, 200])
def test_a_glyph_has_the_size_asked_for_and_soft_edges(source, size_px):
    rng = np.random.default_rng(0)
    for index in range(0, 200, 20):
        alpha = render_glyph(source.images[index], size_px, rng)
        top, bottom, left, right = ink_bounds(alpha)
        assert (top, left) == (MARGIN, MARGIN)
        assert (bottom, right) == (alpha.shape[0] - MARGIN, alpha.shape[1] - MARGIN)
        assert abs(max(bottom - top, right - left) - size_px) <= 1.5
        assert alpha.min() >= 0 and alpha.max() <= 1
        assert ((alpha > 0.1) & (alpha < 0.9)).any()


def test_holes_stay_open(source):
    rng = np.random.default_rng(0)
    zeros = np.flatnonzero(source.digits == 0)[:40]
    alphas = [render_glyph(source.images[index], 28, rng) for index in zeros]
    centers = [alpha[alpha.shape[0] // 2, alpha.shape[1] // 2] for alpha in alphas]
    assert np.mean(np.array(centers) < INK_ALPHA) > 0.9


def test_idx_files(tmp_path, source):
    pixels = (np.random.default_rng(0).random((40, 28, 28)) * 255).astype(np.uint8)
    pixels[:, :8] = 0
    pixels[:, :, :20] = 0  # a slim stroke, not a blot
    digits = np.repeat(np.arange(10, dtype=np.uint8), 4)
    write_idx(tmp_path, pixels, digits)
    read = load_glyphs(tmp_path)
    assert read.name == "mnist" and read.digest != source.digest
    np.testing.assert_allclose(read.images, pixels / 255, atol=1e-6)
    assert read.digits.tolist() == digits.tolist()
    write_idx(tmp_path, pixels, digits, prefix="train")
    assert len(load_glyphs(tmp_path).images) == 80


def test_damaged_idx_files_are_named(tmp_path):
    with pytest.raises(ValueError, match="expected MNIST files"):
        load_glyphs(tmp_path)
    write_idx(tmp_path, np.ones((3, 28, 28), np.uint8), np.array([1, 2], np.uint8))
    with pytest.raises(ValueError, match=r"expected 3 labels in 0\.\.9, got 2"):
        load_glyphs(tmp_path)
    labels, images = (
        tmp_path / name for name in ("t10k-labels-idx1-ubyte", "t10k-images-idx3-ubyte.gz")
    )
    labels.write_bytes(labels.read_bytes()[:-1])
    with pytest.raises(ValueError, match="expected 2 bytes for shape"):
        load_glyphs(tmp_path)
    labels.write_bytes(b"\x00\x00\x08\x03" + labels.read_bytes()[4:])
    with pytest.raises(ValueError, match="starts with 00000801, got 00000803"):
        load_glyphs(tmp_path)
    images.write_bytes(images.read_bytes()[:20])
    with pytest.raises(ValueError, match="expected a gzip file"):
        load_glyphs(tmp_path)
    labels.unlink()
    with pytest.raises(ValueError, match=r"got only t10k-images-idx3-ubyte\.gz"):
        load_glyphs(tmp_path)


def test_mnist(tmp_path):
    folder = downloaded("mnist")
    assert len(load_glyphs(folder).images) > 9900  # of 10000; a blot or two is left out
    write_digits(tmp_path / "set", {"test": 3}, digits_dir=folder, workers=1)
    assert load_dataset(tmp_path / "set", "test").box_count >= 3
