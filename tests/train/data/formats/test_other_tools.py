"""Folders of other forms are refused by the name of what they are, with what to do."""

import json

import pytest

from tests.train.data.formats.pictures import make_folder
from train.data.formats.registry import read_folder

REGION = {"original_width": 40, "original_height": 20, "x": 1, "rectanglelabels": ["cat"]}
BOX = {"left": 4, "top": 2, "width": 16, "height": 8}


@pytest.mark.parametrize(
    ("name", "content", "form"),
    [
        ("a.json", [{"image": "a.jpg", "annotations": ["cat"]}], "CreateML's own for"),
        (
            "p.json",
            [{"image": "/data/a.jpg", "id": 1, "label": [REGION]}],
            "Label Studio's JSON-MIN",
        ),
        ("v.json", {"name": "x", "tags": [], "assets": {"1": BOX}}, "VoTT's own"),
        ("v.json", {"a.jpg12": {"filename": "a.jpg", "regions": []}}, "VIA's own"),
        ("v.json", {"_via_settings": {}, "_via_img_metadata": {}}, "VIA's own"),
        ("ann/a.jpg.json", {"objects": [], "size": {}}, "Supervisely's own"),
        ("default.json", {"info": {}, "categories": {}, "items": []}, "Datumaro's own"),
        ("r.json", [{"image_id": 1, "bbox": [1, 1, 5, 5], "score": 0.9}], "COCO detections"),
        ("c.json", {"images": [], "annotations": []}, "COCO without its list of categories"),
        ("training/info.labels", {"version": 1}, r"Edge Impulse's info\.labels without"),
        (
            "all.xml",
            "<dataset><images><image file='a.jpg'/></images></dataset>",
            "dlib imglab's own",
        ),
        ("label_2/a.txt", "Car 0.00 0 -1.57 4 2 20 10 1.5 1.6 3.2 1 2 30 -1.5\n", "KITTI's own"),
        ("labelTxt/a.txt", "4.0 2 20 2 20 10 4 10 small-vehicle 0\n", "DOTA's own"),
        ("Label/a.txt", "Polar bear 4.0 2.0 20.0 10.0\n", "the Open Images toolkit's own"),
        ("annotations/a.txt", "4,2,16,8,1,4,0,0\n", "VisDrone's or MOT's own"),
        ("train/_annotations.txt", "a.jpg 4,2,20,10,0 1,1,5,5,1\n", "YOLOv4-PyTorch's own"),
        ("wider_face_train_bbx_gt.txt", "0--Parade/a.jpg\n1\n", "WIDER FACE's own"),
        ("train/a.tfrecord", "\0", "TensorFlow records"),
        ("train/metadata.jsonl", {"file_name": "a.jpg"}, "JSON lines"),
    ],
)
def test_a_form_that_is_not_read_is_named(tmp_path, name, content, form):
    text = content if isinstance(content, str) else json.dumps(content)
    make_folder(tmp_path, {name: text}, ["a.jpg"])
    with pytest.raises(ValueError, match=f"labels look like {form}.*; export or convert them to"):
        read_folder(tmp_path)


def test_pictures_of_formats_that_are_not_read_and_packed_sets_are_said(tmp_path):
    make_folder(tmp_path / "one", {"a.HEIC": "", "b.heic": ""}, [])
    with pytest.raises(
        ValueError, match=r"; 2 pictures are in formats .* as a\.HEIC; save them as"
    ):
        read_folder(tmp_path / "one")
    texts = {"classes.txt": "cat", "a.txt": "0 0.5 0.5 0.5 0.5", "b.avif": "", "b.txt": ""}
    folder = read_folder(make_folder(tmp_path / "two", texts, ["a.jpg"]))
    assert folder.notes == (
        f"{tmp_path}/two: 1 pictures are in formats that are not read, such as b.avif; save them "
        "as JPEG or PNG, or move them out of the set",
    )
    make_folder(tmp_path / "three", {"set.zip": "", "README.md": ""})
    with pytest.raises(ValueError, match=r"; unpack set\.zip and name the folder that it makes"):
        read_folder(tmp_path / "three")
