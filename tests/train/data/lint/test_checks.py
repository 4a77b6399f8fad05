from pathlib import Path

from tests.downloads import downloaded
from tests.train.data.damaged_voc import BOX, add, line_of, make_damaged
from train.data.lint.checks import check_folder
from train.data.lint.findings import KINDS

# Annotation, the text on the line of its flaw, kind, severity.
ANNOTATION_FLAWS = [
    ("point", "<bndbox>", "no-area", "warning"),
    ("inverted", "<bndbox>", "inverted-box", "warning"),
    ("edge", "<bndbox>", "box-over-edge", "warning"),
    ("slips", "<name>Platelet<", "misspelt-class", "warning"),
    ("slips", "<name>platlet<", "misspelt-class", "warning"),
    ("empty", "<annotation>", "empty-picture", "note"),
    ("nameless", "<object>", "missing-tag", "error"),
    ("cornerless", "<bndbox>", "missing-tag", "error"),
    ("wide", "<xmax>wide", "bad-number", "error"),
    ("small", "<size>", "size-mismatch", "warning"),
    ("sizeless", "<size>", "missing-size", "note"),
    ("lost", "<annotation>", "missing-picture", "error"),
    ("torn", "</annotation>", "malformed-xml", "error"),
    ("bomb", "<!DOCTYPE", "malformed-xml", "error"),
    ("spare", "<annotation>", "unused-annotation", "note"),
]
SPLIT_FLAWS = [
    ("both", "leaked-id", "warning"),
    ("copy", "leaked-picture", "warning"),
    ("twin", "leaked-picture", "warning"),
    ("ghost", "missing-annotation", "error"),
]
PICTURE_FLAWS = [
    ("turned.jpg", "exif-turned", "note"),
    ("upside.jpg", "exif-ambiguous", "warning"),
    ("cut.png", "undecodable-picture", "error"),
    ("lonely.png", "unannotated-picture", "note"),
    ("edge.png", "duplicate-picture", "note"),
]


def test_every_kind_of_damage_is_found_with_file_and_line(tmp_path):
    make_damaged(tmp_path)
    annotations, train = tmp_path / "Annotations", tmp_path / "ImageSets/Main/train.txt"
    expected = {
        (f"Annotations/{stem}.xml", line_of(annotations / f"{stem}.xml", text), kind, severity)
        for stem, text, kind, severity in ANNOTATION_FLAWS
    }
    expected |= {
        ("ImageSets/Main/train.txt", line_of(train, stem), kind, severity)
        for stem, kind, severity in SPLIT_FLAWS
    }
    expected |= {
        (f"JPEGImages/{name}", 0, kind, severity) for name, kind, severity in PICTURE_FLAWS
    }
    edge_again = len(train.read_text().splitlines()) - 1  # before the last, ghost
    outside, twice = annotations / "outside.xml", annotations / "twice.xml"
    expected |= {
        ("Annotations/outside.xml", line_of(outside, "<xmin>50") - 1, "box-outside", "warning"),
        # an object takes nine lines; the third repeats the first
        ("Annotations/twice.xml", line_of(twice, "<bndbox>") + 20, "duplicate-box", "warning"),
        ("ImageSets/Main/train.txt", edge_again, "duplicate-id", "error"),
        ("ImageSets/Main/none.txt", 0, "empty-split", "error"),
    }
    findings = check_folder(tmp_path)
    found = {(f.file, f.line, f.kind, f.severity) for f in findings}
    assert found == expected and len(findings) == len(expected)
    assert findings == sorted(findings)
    labels_only = {"unknown-class", "unused-class", "bad-labels", "no-split"}
    assert {f.kind for f in findings} == set(KINDS) - labels_only  # a new kind needs damage here


def test_messages_name_what_is_wrong(tmp_path):
    make_damaged(tmp_path)
    said = {(Path(f.file).stem, f.kind): str(f) for f in check_folder(tmp_path)}
    point = said["point", "no-area"]
    assert "box platelet (4, 2, 4, 2) has no area" in point and "xml:11: warning:" in point
    assert "training skips the box, --fix removes it" in point
    assert "outside the 40x20 picture" in said["outside", "box-outside"]
    assert "says 80x40, but small.png is 40x20" in said["small", "size-mismatch"]
    assert (
        "orientation 6); the boxes were drawn on the picture as stored"
        in said["turned", "exif-turned"]
    )
    assert "got a DTD or entities" in said["bomb", "malformed-xml"]
    findings = check_folder(tmp_path)
    leaked = [f.message for f in findings if f.kind == "leaked-picture"]
    assert leaked == [
        "copy has the very pixels of seen of test",
        "twin is byte for byte good of val",
    ]


def test_labels_make_strangers_errors(tmp_path):
    path = add(tmp_path, "a", [BOX, (0, 0, 4, 4), (5, 5, 9, 9)], ["platelet", "Platelet", "dog"])
    add(tmp_path, "spare", names=["dog"], splits=())
    (tmp_path / "labels.txt").write_text("platelet\nant\nplatelet\n")
    found = [(f.file, f.line, f.kind, f.severity) for f in check_folder(tmp_path)]
    assert found == [
        ("Annotations/a.xml", line_of(path, "Platelet"), "misspelt-class", "error"),
        ("Annotations/a.xml", line_of(path, "dog"), "unknown-class", "error"),
        ("Annotations/spare.xml", 1, "unused-annotation", "note"),
        ("Annotations/spare.xml", 9, "unknown-class", "warning"),  # in no split: never read
        ("labels.txt", 2, "unused-class", "note"),
        ("labels.txt", 3, "bad-labels", "error"),
    ]


def test_a_malformed_file_in_no_split_stops_training_only_without_labels(tmp_path):
    add(tmp_path, "a")
    add(tmp_path, "spare", splits=()).write_text("no XML")
    assert [f.severity for f in check_folder(tmp_path)] == ["error"]
    (tmp_path / "labels.txt").write_text("platelet\n")
    assert [f.severity for f in check_folder(tmp_path)] == ["warning"]


def test_a_set_without_a_split_file(tmp_path):
    add(tmp_path, "a", splits=())
    assert [f.kind for f in check_folder(tmp_path)] == ["unused-annotation", "no-split"]


def test_bccd():
    findings = check_folder(downloaded("bccd", "BCCD"))
    assert [(f.file, f.line, f.kind) for f in findings] == [
        ("Annotations/BloodImage_00338.xml", 163, "no-area"),
        ("Annotations/BloodImage_00343.xml", 55, "no-area"),
    ]
