import numpy as np
import pytest
from PIL import Image, ImageEnhance

from tests.train.data.split_items import photo, save
from train.data.splits.near import group_pictures, pixel_digest


def groups_of(paths):
    return group_pictures({path.stem: path for path in paths})[0]


def test_a_photograph_and_its_copies_are_one_group(tmp_path):
    original = photo(1)
    copies = {
        "original": original,
        "brighter": ImageEnhance.Brightness(original).enhance(1.15),
        "darker": ImageEnhance.Brightness(original).enhance(0.5),
        "larger": original.resize((400, 300)),
        "smaller": original.resize((80, 60)),
        "squeezed": original.resize((128, 128)),
    }
    paths = [save(image, tmp_path / f"{name}.jpg") for name, image in copies.items()]
    paths += [save(original, tmp_path / "anew.jpg", quality=20)]
    paths += [save(original, tmp_path / "lossless.png")]
    others = [save(photo(number), tmp_path / f"other{number}.jpg") for number in range(2, 22)]
    expected = sorted(path.stem for path in paths)
    assert groups_of(paths + others) == sorted(
        [tuple(expected), *((path.stem,) for path in others)]
    )


def test_roboflow_copies_are_known_by_name_whatever_they_show(tmp_path):
    names = ["IMG_1_jpg.rf.0a1b", "IMG_1_jpg.rf.ffee", "IMG_2_jpg.rf.0a1b", "shot_JPG.rf.12"]
    names += ["shot_JPG.rf.34", "x_jpg", "y_jpg"]
    paths = [save(photo(number), tmp_path / f"{name}.jpg") for number, name in enumerate(names)]
    assert groups_of(paths) == [
        ("IMG_1_jpg.rf.0a1b", "IMG_1_jpg.rf.ffee"),
        ("IMG_2_jpg.rf.0a1b",),
        ("shot_JPG.rf.12", "shot_JPG.rf.34"),
        ("x_jpg",),
        ("y_jpg",),
    ]


@pytest.mark.parametrize("contrast", [1, 0.2])  # a clear and a foggy day
def test_pictures_of_a_fixed_camera_differ_by_what_moves(tmp_path, contrast):
    frames = []
    for number in range(12):
        frame = np.array(photo(0), np.float32)
        x, y = 40 * (number % 4), 40 * (number // 4)
        frame[y : y + 6, x : x + 6] += 80
        frame = (100 + (frame - 100) * contrast).clip(0, 255).astype(np.uint8)
        frames.append(save(Image.fromarray(frame), tmp_path / f"f{number:02}.jpg"))
    groups, notes = group_pictures({path.stem: path for path in frames})
    assert len(groups) == 12
    assert notes == []  # without stricter comparison


def test_flat_pictures_are_alike_only_where_they_are_identical(tmp_path):
    noise = np.random.default_rng(0)
    paths = [
        save(Image.fromarray(noise.integers(0, 6, (120, 160, 3), np.uint8)), tmp_path / f"{n}.png")
        for n in range(6)
    ]
    paths += [save(Image.new("RGB", (160, 120)), tmp_path / f"black{n}.png") for n in range(2)]
    assert groups_of(paths) == [*((str(n),) for n in range(6)), ("black0", "black1")]


def test_frames_that_chain_through_the_set_are_told_apart_more_strictly(tmp_path):
    ends = [np.asarray(photo(number), np.float32) for number in (0, 1)]
    steps = np.linspace(0, 1, 30)
    paths = [
        save(
            Image.fromarray((ends[0] * (1 - step) + ends[1] * step).astype(np.uint8)),
            tmp_path / f"f{number:02}.png",
        )
        for number, step in enumerate(steps)
    ]
    groups, notes = group_pictures({path.stem: path for path in paths})
    assert len(groups) >= 3
    assert sorted(image_id for group in groups for image_id in group) == [p.stem for p in paths]
    assert notes[-1].startswith("30 of 30 pictures look alike one after the other, as frames")


def test_frames_all_but_the_same_fall_back_to_identical_pixels(tmp_path):
    frames = []
    for number in range(12):
        frame = np.array(photo(0))
        frame[0, number] = 255
        frames.append(save(Image.fromarray(frame), tmp_path / f"f{number:02}.png"))
    frames.append(save(Image.open(frames[3]), tmp_path / "f03b.png"))
    groups, notes = group_pictures({path.stem: path for path in frames})
    assert len(groups) == 12 and ("f03", "f03b") in groups
    assert "of these only copies of one photograph are kept together" in notes[-1]


def test_a_name_of_most_pictures_is_no_photographs_name(tmp_path):
    paths = [save(photo(n), tmp_path / f"image_jpg.rf.{n:04x}.jpg") for n in range(15)]
    groups, notes = group_pictures({path.stem: path for path in paths})
    assert len(groups) == 15 and "only identical ones" in notes[-1]
    assert len(groups_of(paths[:6])) == 1  # as many as Roboflow makes of one photograph


def test_unreadable_pictures_are_alone_and_not_fatal(tmp_path):
    broken = [tmp_path / f"broken{number}.jpg" for number in range(2)]
    for path in broken:
        path.write_bytes(b"no picture")
    paths = [*broken, tmp_path / "missing.jpg", save(photo(1), tmp_path / "whole.jpg")]
    groups, notes = group_pictures({path.stem: path for path in paths})
    assert groups == [("broken0",), ("broken1",), ("missing",), ("whole",)]
    assert notes == ["Not compared, since unreadable: 3 of 4 pictures."]


@pytest.mark.parametrize("other", [np.zeros((3, 2, 3), np.uint8), np.ones((2, 3, 3), np.uint8)])
def test_the_digest_tells_pixels_and_shapes(other):
    pixels = np.zeros((2, 3, 3), np.uint8)
    assert pixel_digest(pixels) == pixel_digest(pixels.copy()) != pixel_digest(other)
    assert len(pixel_digest(pixels)) == 32
