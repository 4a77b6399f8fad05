import json
from dataclasses import replace

import pytest

from edge_runtime.detector.spec import (
    SPEC_VERSION,
    AnchorLevel,
    DetectorSpec,
    SpecError,
    embed,
    read_member,
    read_spec,
)

LEVEL = AnchorLevel(16, (0.25, 0.5), (1.0, 2.0))
SPEC = DetectorSpec((96, 160), ("cat", "dög"), (LEVEL, AnchorLevel(32, (0.7,), (0.5,))))


def changed(**values) -> str:
    return json.dumps({**json.loads(SPEC.to_json()), **values})


def test_json_round_trip():
    assert DetectorSpec.from_json(SPEC.to_json()) == SPEC


def test_derived_numbers():
    assert SPEC.num_classes == 2
    assert SPEC.feature_hw(SPEC.levels[0]) == (6, 10)
    odd = replace(SPEC, input_hw=(97, 160))
    assert odd.feature_hw(LEVEL) == (7, 10)  # a last cell that reaches over the rim


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "not a JSON object"),
        ("{", "not a JSON object"),
        ("{}", f"version {SPEC_VERSION} expected, got None"),
        (changed(version=2), f"version {SPEC_VERSION} expected, got 2"),
        (changed(anchors=[]), r"fields differ: \['anchors'\]"),
        (changed(levels=[{"stride": 8}]), "does not fit its fields"),
        (changed(levels=3), "does not fit its fields"),
        (changed(variances=["a", "b"]), "variances must be numbers from"),
        (changed(input_hw=[96]), "input_hw must be two"),
        (changed(class_names=["a", "a"]), "distinct"),
        (changed(class_names=[" "]), "non-empty"),
        (changed(variances=[0.1, 0]), "variances must be"),
        (changed(pixel_scale=0), "pixel_scale must be a number from"),
        (changed(score_tensor="sigmoid"), "score_tensor must be"),
        (changed(levels=[]), "rising strides"),
    ],
)
def test_bad_json_is_refused(text, message):
    with pytest.raises(SpecError, match=message):
        DetectorSpec.from_json(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((12, (0.5,), (1.0,)), "power of two"),
        ((16, (0.5,), (1.0, 2.0)), "as many sizes"),
        ((16, (), ()), "sizes must be 1 to 64 numbers"),
        ((16, (0.0,), (1.0,)), "must be numbers from"),
        ((16, (float("nan"),), (1.0,)), "must be numbers from"),
    ],
)
def test_bad_level_is_refused(arguments, message):
    with pytest.raises(SpecError, match=message):
        AnchorLevel(*arguments)


@pytest.fixture
def model(tmp_path):
    """Bytes with TFLite's identifier: embedding must not depend on what the front holds."""
    path = tmp_path / "model.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(range(256)) * 4)
    return path


def test_embed_and_read(model):
    front = model.read_bytes()
    embed(model, SPEC, {"note.txt": "kept"})
    assert model.read_bytes().startswith(front)  # the interpreter reads from the front
    assert read_spec(model) == SPEC
    assert read_member(model, "labels.txt") == "cat\ndög\n"
    assert read_member(model, "note.txt") == "kept"
    assert read_member(model, "other.txt") is None


def test_embedding_is_reproducible(model):
    twin = model.with_name("twin.tflite")
    twin.write_bytes(model.read_bytes())
    embed(model, SPEC)
    embed(twin, SPEC)
    assert model.read_bytes() == twin.read_bytes()


def test_embedding_twice_is_refused(model):
    embed(model, SPEC)
    before = model.read_bytes()
    with pytest.raises(ValueError, match="already holds"):
        embed(model, SPEC)
    assert model.read_bytes() == before


def test_model_without_spec_is_refused(model):
    with pytest.raises(SpecError, match=r"model\.tflite: .*found none.*python -m convert"):
        read_spec(model)


def test_truncated_model_is_refused(model):
    embed(model, SPEC)
    model.write_bytes(model.read_bytes()[:-20])
    with pytest.raises(SpecError, match=r"model\.tflite is damaged: it is cut off.*copy the file"):
        read_spec(model)


def test_other_version_names_the_file(model, monkeypatch):
    other = changed(version=99)
    monkeypatch.setattr(DetectorSpec, "to_json", lambda self: other)
    embed(model, SPEC)
    with pytest.raises(SpecError, match=r"model\.tflite: .*expected, got 99; .*of this version"):
        read_spec(model)


def test_missing_model(tmp_path):
    with pytest.raises(FileNotFoundError, match="no model file at"):
        read_spec(tmp_path / "none.tflite")
