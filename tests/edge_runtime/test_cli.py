import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_runtime.__main__ import main
from edge_runtime.commands import detect
from edge_runtime.exports.json_lines import plan_targets
from edge_runtime.exports.registry import FORMATS
from edge_runtime.media.images import read_shrunk
from tests.conftest import HANG, ROOT
from tests.edge_runtime.media.exif import SIGNED_RATIONAL, exif, field, oriented, save_jpeg


@pytest.fixture
def model(tiny_models):
    return str(tiny_models / "tiny_int8.tflite")


@pytest.fixture
def picture(tmp_path, red_frame):
    path = tmp_path / "pictures" / "scene.png"
    path.parent.mkdir()
    Image.fromarray(red_frame).save(path)
    return path


def lines(capsys) -> tuple[list[dict], str]:
    captured = capsys.readouterr()
    return [json.loads(line) for line in captured.out.splitlines()], captured.err


def test_one_json_line_a_picture(model, picture, capsys):
    assert main(["detect", model, str(picture), str(picture), "--threads", "1"]) == 0
    (line, again), errors = lines(capsys)
    assert not errors
    assert list(line) == ["image", "width", "height", "ms", "detections"]
    assert (line["image"], line["width"], line["height"]) == (str(picture), 144, 64)
    assert set(line["ms"]) == {"preprocess", "inference", "postprocess"}
    first = line["detections"][0]
    assert (first["class"], first["class_id"]) == ("red", 0)
    assert first["box"] == pytest.approx([108, 4, 132, 36], abs=0.5)
    assert again["detections"] == line["detections"]


def test_thresholds_are_passed_on(model, picture, capsys):
    for flags, count in (
        (["--score-threshold", "0.95"], 1),
        (["--score-threshold", "0"], 12),
        (["--score-threshold", "0", "--max-detections", "5"], 5),
    ):
        assert main(["detect", model, str(picture), *flags]) == 0
        assert len(lines(capsys)[0][0]["detections"]) == count


def test_exif_orientation_is_applied(model, red_frame, tmp_path, capsys):
    path = tmp_path / "phone.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90° clockwise
    lying = np.rot90(red_frame)  # anticlockwise
    Image.fromarray(lying).save(path, exif=exif, quality=95, subsampling=0)
    assert main(["detect", model, str(path), "--out", str(tmp_path / "out")]) == 0
    (line,), _ = lines(capsys)
    assert (line["width"], line["height"]) == (144, 64)
    assert line["detections"][0]["box"] == pytest.approx([108, 4, 132, 36], abs=0.5)
    with Image.open(tmp_path / "out" / "phone.jpg") as drawn:
        assert drawn.size == (144, 64) and drawn.getexif().get(0x0112, 1) == 1


def test_out_writes_pictures_with_boxes(model, picture, tmp_path, capsys):
    out = tmp_path / "new" / "out"
    assert main(["detect", model, str(picture), "--out", str(out)]) == 0
    with Image.open(out / "scene.png") as drawn, Image.open(picture) as plain:
        assert drawn.size == plain.size and drawn.tobytes() != plain.tobytes()
    assert [entry.name for entry in out.iterdir()] == ["scene.png"]


def test_same_names_from_two_folders_both_arrive(model, picture, tmp_path, capsys):
    twin = tmp_path / "twin" / "scene.png"
    twin.parent.mkdir()
    twin.write_bytes(picture.read_bytes())
    assert main(["detect", model, str(picture), str(twin), "--out", str(tmp_path / "out")]) == 0
    assert {entry.name for entry in (tmp_path / "out").iterdir()} == {"scene.png", "scene-2.png"}


def test_boxes_of_a_large_picture_are_in_its_own_pixels(
    model, picture, tmp_path, capsys, monkeypatch
):
    main(["detect", model, str(picture)])
    (whole,), _ = lines(capsys)
    with Image.open(picture) as image:
        width, height = image.size
    monkeypatch.setattr(detect, "read_shrunk", lambda path: read_shrunk(path, width * height // 2))
    main(["detect", model, str(picture), "--out", str(tmp_path / "drawn")])
    (shrunk,), _ = lines(capsys)
    assert (shrunk["width"], shrunk["height"]) == (width, height)
    assert shrunk["detections"][0]["class"] == whole["detections"][0]["class"]
    ours, theirs = (found["detections"][0]["box"] for found in (shrunk, whole))
    assert ours == pytest.approx(theirs, abs=4)
    with Image.open(tmp_path / "drawn" / picture.name) as drawn:
        assert drawn.size == (width // 2, height // 2)


def test_target_names():
    images = ["a/x.JPG", "b/X.jpeg", "a/x-2.webp", "a/x.png", "c/archive.tar.bmp"]
    names = [path.name for path in plan_targets(images, Path("out"))]
    assert names == ["x.jpg", "X-2.jpg", "x-2-2.jpg", "x.png", "archive.tar.jpg"]


@pytest.mark.parametrize("link", [False, True])
def test_an_input_is_never_overwritten(link, model, picture, tmp_path, capsys):
    before = picture.read_bytes()
    out = picture.parent
    if link:
        out = tmp_path / "link"
        out.symlink_to(picture.parent)
    assert main(["detect", model, str(picture), "--out", str(out)]) == 2
    found, errors = lines(capsys)
    assert not found and "overwritten; name another folder" in errors
    assert picture.read_bytes() == before


def test_bad_pictures_are_named_and_the_rest_goes_on(model, picture, tmp_path, capsys):
    text = tmp_path / "text.jpg"
    text.write_text("not a picture")
    cut = tmp_path / "cut.png"
    cut.write_bytes(picture.read_bytes()[:60])
    missing = tmp_path / "missing.jpg"
    paths = [str(path) for path in (text, cut, missing, tmp_path, picture)]
    assert main(["detect", model, *paths]) == 1
    found, errors = lines(capsys)
    assert [line["image"] for line in found] == [str(picture)]
    assert len(errors.splitlines()) == 4
    for path, line in zip(paths, errors.splitlines(), strict=False):
        assert path in line
    assert f"{tmp_path} is a folder; name its pictures ({tmp_path}/*.jpg)" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("name", ["test.mjpeg", "a.gif", "a.tif"])
def test_a_film_is_named_and_not_taken_for_one_picture(model, picture, tmp_path, capsys, name):
    film, one = tmp_path / name, Image.open(picture).convert("RGB")
    if name == "test.mjpeg":
        one.save(film, "JPEG")
        film.write_bytes(2 * film.read_bytes())
    else:
        one.save(film, save_all=True, append_images=[Image.new("RGB", one.size)])
    assert main(["detect", model, str(film), str(picture)]) == 1
    found, errors = lines(capsys)
    assert [line["image"] for line in found] == [str(picture)]
    assert f"{film} holds several; `edge-runtime run MODEL --source {film}`" in errors


def test_a_picture_with_odd_exif_is_read_like_any_other(model, tmp_path, capsys):
    odd = field(0x011A, SIGNED_RATIONAL, 1, b"\xff\xff\xff\xff\0\0\0\0")
    path = save_jpeg(tmp_path / "odd.jpg", exif(oriented(6), odd))
    assert main(["detect", model, str(path)]) == 0
    (line,), errors = lines(capsys)
    assert (line["width"], line["height"]) == (20, 40) and not errors


def test_labels_for_the_next_pictures(model, picture, tmp_path, capsys):
    """A cell is 48 x 32 here: the red one's box is 24 wide, from x = 108, from y = 4 to 36."""
    out = tmp_path / "labels"
    assert main(["detect", model, str(picture), "--format", "yolo", "--out", str(out)]) == 0
    assert not capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == {"scene.txt", "classes.txt"}
    first = (out / "scene.txt").read_text().splitlines()[0].split()
    expected = [0, 120 / 144, 20 / 64, 24 / 144, 32 / 64]
    assert [float(number) for number in first] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("form", ["voc", "yolo", "coco", "csv"])
def test_every_format_names_a_bad_picture_and_goes_on(form, model, picture, tmp_path, capsys):
    bad, out = tmp_path / "bad.jpg", tmp_path / "out"
    bad.write_text("not a picture")
    command = ["detect", model, str(bad), str(picture), "--format", form, "--out", str(out)]
    assert main(command) == 1
    captured = capsys.readouterr()
    assert not captured.out and len(captured.err.splitlines()) == 1 and str(bad) in captured.err
    written = {path.name: path.read_text() for path in out.iterdir()}
    assert len(written) == (2 if form == "yolo" else 1)
    assert not [name for name in written if "bad" in name]
    assert "scene" in (str(written) if form != "yolo" else str(list(written)))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--format", "voc"], "name their folder with --out"),
        (["--coco-annotations", "val.json"], "does nothing without --format coco"),
        (["--format", "coco", "--coco-annotations", "missing.json"], "missing.json"),
    ],
)
def test_formats_that_cannot_start(flags, message, model, picture, capsys):
    assert main(["detect", model, str(picture), *flags]) == 2
    found, errors = lines(capsys)
    assert not found and len(errors.splitlines()) == 1 and message in errors


def test_two_pictures_of_one_stem_are_refused_before_the_work(model, picture, tmp_path, capsys):
    twin = picture.with_suffix(".jpg")
    Image.open(picture).save(twin)
    out = tmp_path / "out"
    command = ["detect", model, str(picture), str(twin), "--format", "voc", "--out", str(out)]
    assert main(command) == 2
    assert "would share one .xml file" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no model file at"), (b"", "not a TFLite"), (b"\x1c\0\0\0TFL3", "is damaged")],
)
def test_bad_model_is_one_line_and_status_2(content, message, picture, tmp_path, capsys):
    path = tmp_path / "bad.tflite"
    if content is not None:
        path.write_bytes(content)
    assert main(["detect", str(path), str(picture)]) == 2
    found, errors = lines(capsys)
    assert not found and len(errors.splitlines()) == 1
    assert str(path) in errors and message in errors


@pytest.mark.parametrize("flags", [["--score-threshold", "2"], ["--iou-threshold", "nan"]])
def test_bad_argument_is_one_line_and_status_2(flags, model, picture, capsys):
    assert main(["detect", model, str(picture), *flags]) == 2
    assert len(lines(capsys)[1].splitlines()) == 1


def test_unwritable_out_is_status_2(model, picture, capsys):
    assert main(["detect", model, str(picture), "--out", str(picture / "below")]) == 2
    assert len(lines(capsys)[1].splitlines()) == 1


def test_help_shows_defaults_and_exif(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["detect", "--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0
    assert "usage: edge-runtime detect" in text and "EXIF" in text and "(default: 0.45)" in text


def test_a_closed_pipe_is_no_traceback(model, picture):
    command = [sys.executable, "-m", "edge_runtime", "detect", model, *[str(picture)] * 200]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        process.stdout.readline()
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 1


def test_a_bad_picture_in_the_middle_does_not_keep_the_next_from_being_looked_at(
    model, picture, tmp_path, capsys, monkeypatch
):
    """Whatever it fails with: one line that names it, and a status that says so."""
    bad = tmp_path / "bad.png"
    bad.write_bytes(picture.read_bytes()[:60])
    assert main(["detect", model, str(picture), str(bad), str(picture)]) == 1
    found, errors = lines(capsys)
    assert len(found) == 2 and errors.count("\n") == 1 and "bad.png" in errors
    real = detect.read_shrunk

    def read(path):
        if path == str(bad):
            raise MemoryError
        return real(path)

    monkeypatch.setattr(detect, "read_shrunk", read)
    assert main(["detect", model, str(bad), str(picture)]) == 1
    found, errors = lines(capsys)
    assert len(found) == 1 and "bad.png: too little memory" in errors


def test_names_that_are_not_utf_8(model, picture, tmp_path, capsysbinary):
    folder = tmp_path / os.fsdecode(b"k\xfcche")
    folder.mkdir()
    good, bad = folder / picture.name, folder / "bad.png"
    good.write_bytes(picture.read_bytes())
    bad.write_bytes(b"")
    odd = folder / Path(model).name
    odd.write_bytes(Path(model).read_bytes())
    for form in FORMATS:
        out = tmp_path / form
        status = main(["detect", str(odd), str(good), "--format", form, "--out", str(out)])
        # An XML file cannot hold it.
        assert status == (2 if form == "voc" else 0)
        assert (b"rename the file" in capsysbinary.readouterr().err) == bool(status)
    # Through the system's own stderr, which writes what it cannot encode as \\udcfc.
    command = [sys.executable, "-m", "edge_runtime", "detect", odd, bad, good]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=HANG)
    assert done.returncode == 1 and b"Traceback" not in done.stderr
    assert done.stdout.count(b"\n") == 1 and b"bad.png" in done.stderr


@pytest.mark.parametrize("flag", ["--threads", "--max-detections"])
@pytest.mark.parametrize("value", ["0", "-1", "2147483648", "9" * 5000, "1e3", "NaN"])
def test_numbers_that_no_c_library_takes_are_refused(model, picture, flag, value, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["detect", model, str(picture), flag, value])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert f"argument {flag}: a whole number from 1 to" in error and len(error) < 3000
