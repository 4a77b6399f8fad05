import re

import numpy as np
import pytest

from train.data.dataset import load_dataset, read_image
from train.digits.__main__ import main, write_digits
from train.digits.glyphs import INK_ALPHA, SPLITS, ink_bounds, load_glyphs
from train.digits.scenes import draw_scene
from train.digits.writer import CLASS_NAMES, SceneWriter

pytestmark = pytest.mark.slow

TINY = {"train": 2, "val": 1, "test": 1}


@pytest.fixture(scope="module")
def source():
    return load_glyphs()


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory):
    """A set large enough that both workers get scenes."""
    out = tmp_path_factory.mktemp("digits") / "set"
    write_digits(out, {"train": 8, "val": 2, "test": 30}, workers=2)
    return out


@pytest.fixture(scope="module")
def plain_scenes(source):
    """The 500 scenes of the default test split, in black on white."""
    pool = source.pools(0)["test"]
    rngs = (np.random.default_rng([0, SPLITS.index("test"), index]) for index in range(500))
    return [draw_scene(source.images, pool, rng, plain=True) for rng in rngs]


def test_boxes_are_tight_around_the_ink(plain_scenes):
    lone = 0
    for scene in plain_scenes[:100]:
        ink = (255 - scene.pixels[..., 0].astype(float)) / 255
        for left, top, right, bottom in scene.boxes_px:
            if len(scene.boxes_px) == 1:
                assert ink_bounds(ink) == (top, bottom, left, right)
                lone += 1
            ink[top:bottom, left:right] = 0
        assert ink.max() <= INK_ALPHA + 0.01  # nothing but soft edges outside all boxes
    assert lone >= 5


def test_digits_stay_inside_and_do_not_hide_each_other(plain_scenes):
    for scene in plain_scenes:
        boxes = scene.boxes_px
        assert 1 <= len(boxes) <= 8
        assert boxes.min() >= 0 and boxes.max() <= 300
        for index, (left, top, right, bottom) in enumerate(boxes):
            covered = np.zeros((300, 300), bool)
            for other in np.delete(boxes, index, axis=0):
                covered[other[1] : other[3], other[0] : other[2]] = True
            assert covered[top:bottom, left:right].mean() <= 0.25


def test_about_a_quarter_of_the_test_split_is_small(plain_scenes):
    boxes = np.concatenate([scene.boxes_px for scene in plain_scenes])
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    assert 0.22 <= np.mean(longer < 32) <= 0.27
    assert longer.min() >= 22 and longer.max() <= 203
    digits = np.bincount(np.concatenate([scene.class_ids for scene in plain_scenes]), minlength=10)
    assert digits.min() > 0.8 * digits.mean()


def test_the_written_set_reads_back(two_workers):
    for split, count in (("train", 8), ("val", 2), ("test", 30)):
        dataset = load_dataset(two_workers, split)
        assert len(dataset) == count and dataset.class_names == CLASS_NAMES
        assert dataset.box_count >= count
    assert (two_workers / "samples.jpg").is_file()


def test_written_boxes_are_where_the_drawn_ones_were(two_workers, plain_scenes):
    # plain scenes share the layout of the drawn ones: same seed, split and number
    for example, scene in zip(load_dataset(two_workers, "test"), plain_scenes, strict=False):
        np.testing.assert_allclose(example.boxes * 300, scene.boxes_px, atol=1e-3)
        assert example.class_ids.tolist() == scene.class_ids.tolist()


def test_every_digit_stands_out(two_workers):
    for example in load_dataset(two_workers, "test"):
        gray = read_image(example.image_path) @ np.array([0.299, 0.587, 0.114])
        for left, top, right, bottom in np.rint(example.boxes * 300).astype(int):
            dark, light = np.quantile(gray[top:bottom, left:right], [0.05, 0.95])
            assert light - dark > 45


def test_scenes_do_not_depend_on_workers_or_counts(two_workers, tmp_path):
    write_digits(tmp_path / "one", {"train": 1, "test": 12}, workers=1)
    written = sorted((tmp_path / "one").glob("*/t*.*"))
    assert len(written) == 26
    for path in written:
        assert path.read_bytes() == (two_workers / path.relative_to(tmp_path / "one")).read_bytes()
    write_digits(tmp_path / "other", {"train": 1}, seed=1, workers=1)
    name = "JPEGImages/train_00000.jpg"
    assert (tmp_path / "other" / name).read_bytes() != (tmp_path / "one" / name).read_bytes()


def test_an_existing_set_is_kept_and_another_one_needs_force(tmp_path):
    out = tmp_path / "set"
    out.mkdir()  # an empty folder is a free place
    assert write_digits(out, TINY, workers=1) is True
    before = (out / "labels.txt").stat().st_mtime_ns
    assert write_digits(out, TINY, workers=1) is False
    assert (out / "labels.txt").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="--force"):
        write_digits(out, TINY, seed=1, workers=1)
    assert write_digits(out, TINY, seed=1, workers=1, force=True) is True
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"something else \(notes\.txt\)"):
        write_digits(out, TINY, seed=2, workers=1, force=True)
    assert (out / "notes.txt").read_text() == "mine"


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="choose another folder"):
        write_digits(tmp_path / "set", TINY, workers=1, force=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "thesis.txt"]


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(writer, task):
        raise OSError("disk full")

    monkeypatch.setattr(SceneWriter, "write", fail)
    with pytest.raises(OSError, match="disk full"):
        write_digits(tmp_path / "set", TINY, workers=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("counts", [{"train": -1}, {"train": 0}, {}, {"training": 5}])
def test_counts_out_of_range(tmp_path, counts):
    with pytest.raises(ValueError, match="expected counts"):
        write_digits(tmp_path / "set", counts)


def test_command_line(tmp_path, capsys):
    flags = ["--out", str(tmp_path / "set"), "--train=1", "--val=0", "--test=2", "--workers=1"]
    assert main(flags) == 0
    first = capsys.readouterr().out
    assert "set: written" in first and re.search(r"test +2 scenes, \d+ boxes, [\d.]+% with", first)
    assert "val" not in first
    main(flags)
    assert "set: up to date" in capsys.readouterr().out
    assert main([*flags, "--seed=3"]) == 2
    assert "--force" in capsys.readouterr().err
