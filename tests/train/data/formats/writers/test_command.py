import numpy as np
import pytest
from PIL import Image

from tests.train.data.formats.coco_folder import add_picture, box, image, write_coco
from tests.train.data.formats.pictures import make_folder
from train.data.__main__ import main
from train.data.dataset import open_data
from train.data.formats.registry import read_folder
from train.data.formats.voc import write_annotation
from train.data.splits import write_splits


def test_the_command(tmp_path, capsys):
    add_picture(tmp_path / "in/train/a.png")
    rows = [box(1, 1), box(2, 1, 1, [50, 2, 4, 4]), box(3, 1, 1, iscrowd=1), box(4, 9)]
    write_coco(tmp_path / "in/train/_annotations.coco.json", [image(1, "a.png")], rows)
    assert main(["convert", str(tmp_path / "in"), str(tmp_path / "out"), "--to", "voc"]) == 0
    out = tmp_path / "out"
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path / 'in'}: COCO, train/_annotations.coco.json, pictures in train/; "
        "1 pictures, 3 boxes; splits train 1",
        "categories without a box, no classes then: dog",
        f"{out}: written as voc, 1 pictures, 2 boxes; splits train 1",
        "not kept as it was: 1 box-outside, 1 crowd-flag, 1 unknown-image; each is listed in "
        f"{out / 'not_kept.csv'}",
    ]
    assert main(["convert", str(out), str(tmp_path / "yolo"), "--to", "yolo"]) == 0
    assert "1 difficult-flag" in capsys.readouterr().out


def voc_without_splits(root):
    for number in range(20):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 40, 3), np.uint8)
        path = add_picture(root / f"JPEGImages/{number}.png")
        Image.fromarray(pixels).save(path)
        (root / "Annotations").mkdir(exist_ok=True)
        label = root / f"Annotations/{number}.xml"
        write_annotation(label, path.name, 40, 20, np.array([(1, 1, 9, 9)]), ["cat"])


@pytest.mark.parametrize("to", ["voc", "coco", "yolo"])
def test_splits_that_were_made_go_along(tmp_path, to, capsys):
    voc_without_splits(tmp_path / "in")
    call = ["convert", str(tmp_path / "in"), "--to", to]
    assert main([*call, str(tmp_path / "before")]) == 0
    assert read_folder(tmp_path / "before").splits == {}
    assert not (tmp_path / "in/splits.json").exists()
    own = {"train": [f"{n}" for n in range(4, 20)], "val": ["0", "1"], "test": ["2", "3"]}
    write_splits(tmp_path / "in/splits.json", own, 0)  # others than would be made
    assert main([*call, str(tmp_path / "after")]) == 0
    assert f"Splits as in {tmp_path / 'in/splits.json'}." in capsys.readouterr().out
    back = open_data(tmp_path / "after")
    assert {name: sorted(ids) for name, ids in back.splits.items()} == {
        name: sorted(ids) for name, ids in own.items()
    }
    assert not back.made
    (tmp_path / "in/splits.json").write_text("{}")
    assert main([*call, str(tmp_path / "never")]) == 2
    assert "splits.json: expected" in capsys.readouterr().err
    assert not (tmp_path / "never").exists()


def test_bad_calls(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").write_text("")
    for source, out, message in (
        ("missing", "out", "no such folder"),
        ("in", "out", "expected labelled pictures"),
        ("in", "full", "holds something"),
        ("in", "in/out", "expected a place outside"),
    ):
        assert main(["convert", str(tmp_path / source), str(tmp_path / out), "--to", "voc"]) == 2
        assert message in capsys.readouterr().err
    for arguments in (["in", "out"], ["in", "out", "--to", "xml"], ["in", "--to", "voc"]):
        with pytest.raises(SystemExit) as stopped:
            main(["convert", *arguments])
        assert stopped.value.code == 2
    assert not (tmp_path / "out").exists()


def test_a_picture_of_which_no_label_can_be_read_is_not_made_background(tmp_path):
    make_folder(
        tmp_path / "in",
        {"classes.txt": "ant\n", "a.txt": "0 0.5 0.5 0.5 0.2", "b.txt": "0 0,5 0,5 0,5 0,2"},
        ["a.jpg", "b.jpg"],
    )
    assert main(["convert", str(tmp_path / "in"), str(tmp_path / "out"), "--to", "coco"]) == 0
    assert list(read_folder(tmp_path / "out").items) == ["a"]
    log = (tmp_path / "out/not_kept.csv").read_text()
    assert "unusable-picture,b," in log
