"""Weights of a detector for one of other classes or anchors: moved, kept, new, or refused."""

import json
import shutil
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from edge_runtime.detector.spec import AnchorLevel, DetectorSpec, read_spec
from tests.train.runs import run, stopped_after_an_epoch
from tests.train.tiny_training import LEVELS, tiny_ssd
from train import setup
from train.config import TrainConfig
from train.data.dataset import DetectionDataset
from train.model.ssd import build_ssd
from train.setup import make_spec
from train.training.checkpoint import read_progress, save_detector
from train.training.initial_weights import Initial
from train.training.provenance import TRAINING_MEMBER, read_training
from train.training.transfer import load_weights

KNOWN = ("ant", "bee", "cow")


def numbered(model):
    """Every weight differs from every other: a wrong place shows."""
    start = 1000
    for layer in model.layers:
        arrays = layer.get_weights()
        for i, array in enumerate(arrays):
            arrays[i] = np.arange(start, start + array.size).reshape(array.shape)
            start += array.size
        layer.set_weights(arrays)
    return model


def saved(path, class_names=KNOWN):
    """A tiny detector in a file, two anchors a cell. Returns: its weights by layer."""
    spec = DetectorSpec((64, 64), class_names, LEVELS)
    model = numbered(tiny_ssd(spec))
    save_detector(model, spec, path)
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def taken_over(path, class_names, build=tiny_ssd):
    """A fresh net with other classes and a file's weights: before, after, what was said."""
    spec = DetectorSpec((96, 96), class_names, LEVELS)
    model = build(spec)
    before = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    said = load_weights(model, spec, path, 1.0)
    after = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    return before, after, said


def equal(ours, theirs):
    return len(ours) == len(theirs) and all(map(np.array_equal, ours, theirs))


def all_equal_but(after, source, *others):
    assert after.keys() == source.keys()
    return {name for name in after if not equal(after[name], source[name])} == set(others)


def test_the_same_classes_take_over_everything_at_another_size(tmp_path):
    source = saved(tmp_path / "old.keras")
    _, after, said = taken_over(tmp_path / "old.keras", KNOWN)
    assert all_equal_but(after, source)
    assert said == "all weights are taken over from old.keras"


def test_classes_move_to_their_new_places_and_new_ones_are_fresh(tmp_path):
    source = saved(tmp_path / "old.keras")
    names = ("cow", "dog", "ant", "eel", "fly")
    before, after, said = taken_over(tmp_path / "old.keras", names)
    assert all_equal_but(after, source, "logits_conv")
    for fresh, new, old in zip(*(w["logits_conv"] for w in (before, after, source)), strict=True):
        # Background and the classes of the first anchor, then those of the second.
        assert old.shape[-1] == 2 * 4 and new.shape[-1] == 2 * 6
        for column, origin in ((0, 0), (1, 3), (3, 1), (6, 4), (7, 7), (9, 5)):
            np.testing.assert_array_equal(new[..., column], old[..., origin])
        for column in (2, 4, 5, 8, 10, 11):
            np.testing.assert_array_equal(new[..., column], fresh[..., column])
    assert said == (
        "classes: 2 of 5 taken over from old.keras, 3 new; everything else is taken over"
    )


@pytest.mark.parametrize(
    ("names", "origins"),
    [
        (("cow", "ant", "bee"), (0, 3, 1, 2, 4, 7, 5, 6)),  # another order
        (("cow",), (0, 3, 4, 7)),  # a part
    ],
)
def test_known_classes_alone(tmp_path, names, origins):
    source = saved(tmp_path / "old.keras")
    _, after, said = taken_over(tmp_path / "old.keras", names)
    for new, old in zip(after["logits_conv"], source["logits_conv"], strict=True):
        np.testing.assert_array_equal(new, old[..., origins])
    assert said.startswith(
        f"classes: {len(names)} of {len(names)} taken over from old.keras, 0 new"
    )


def test_without_a_class_in_common_the_whole_class_head_is_new(tmp_path):
    """Of the same shape, too: names decide, not shapes."""
    source = saved(tmp_path / "old.keras")
    before, after, said = taken_over(tmp_path / "old.keras", ("Ant", "dog", "eel"))
    assert all_equal_but(after, source, "logits_conv")
    assert equal(after["logits_conv"], before["logits_conv"])
    assert said.startswith("classes: 0 of 3 taken over from old.keras, 3 new; everything else")


def test_anchors_are_told_apart_where_shapes_are_not(tmp_path, monkeypatch):
    """Three anchors of 3 classes and background have 12 channels, as two of 5 have."""
    names = (*KNOWN, "dog", "eel")
    source = saved(tmp_path / "old.keras", names)
    level = AnchorLevel(16, (0.2, 0.3, 0.4), (0.6, 0.6, 0.6))
    monkeypatch.setattr("tests.train.tiny_training.LEVELS", (level,))
    before, after, said = taken_over(tmp_path / "old.keras", KNOWN)
    assert before["logits_conv"][1].shape == source["logits_conv"][1].shape == (12,)
    assert all_equal_but(after, source, "logits_conv", "offsets_conv")
    assert all(equal(after[name], before[name]) for name in ("logits_conv", "offsets_conv"))
    assert said == (
        "classes: 0 of 3 taken over from old.keras, 3 new; new, for other anchors or levels: "
        "logits_conv, offsets_conv; everything else is taken over"
    )
    saved_again, spec = tmp_path / "same.keras", DetectorSpec((64, 64), KNOWN, LEVELS)
    monkeypatch.undo()
    save_detector(tiny_ssd(spec), spec, saved_again)
    monkeypatch.setattr("tests.train.tiny_training.LEVELS", (level,))
    assert taken_over(saved_again, KNOWN)[2] == (
        "new, for other anchors or levels: logits_conv, offsets_conv; "
        "everything else is taken over from same.keras"
    )


def test_a_net_with_other_layers_is_refused(tmp_path):
    saved(tmp_path / "old.keras")

    def wider(spec, name="deep_wide"):
        inner = tiny_ssd(spec)
        x = keras.layers.Conv2D(3, 1, name=name)(inner.input)
        return keras.Model(inner.input, {**inner.output, "more": x})

    with pytest.raises(
        ValueError, match=r"layer deep_wide of shape .* got none of that name; give"
    ):
        taken_over(tmp_path / "old.keras", KNOWN, wider)


def test_other_classes_make_it_a_fine_tuning(tmp_path):
    path = tmp_path / "old.keras"
    saved(path)
    assert not Initial(start_from=path).is_fine_tuning(("cow", "ant", "bee"))
    assert Initial(start_from=path).is_fine_tuning(("cow",))
    assert Initial(start_from=path).is_fine_tuning((*KNOWN, "dog"))
    assert not Initial().is_fine_tuning(KNOWN)
    assert Initial(start_from=path, fine_tuning=True).pretrained_backbone
    assert not Initial(start_from=path).pretrained_backbone
    assert Initial().pretrained_backbone
    assert not Initial(from_scratch=True).pretrained_backbone


def test_qat_wants_the_very_same_classes(tmp_path):
    path = tmp_path / "old.keras"
    saved(path)
    initial = Initial(start_from=path)
    config = TrainConfig(qat=True)
    assert make_spec(config, pictures_of(KNOWN), initial) == (read_spec(path), ())
    for names in (("cow", "ant", "bee"), (*KNOWN, "dog")):
        with pytest.raises(ValueError, match=r"a detector of the data's classes .* expected"):
            make_spec(config, pictures_of(names), initial)


def pictures_of(class_names):
    return DetectionDataset(Path("set"), "train", tuple(class_names), [])


def levels(*counts):
    """Levels of stride 8, 16, … with so many anchors."""
    return tuple(
        AnchorLevel(8 << i, (0.2,) * count, (1.0,) * count) for i, count in enumerate(counts)
    )


@pytest.mark.slow
def test_the_real_net_with_other_classes_anchors_and_levels(tmp_path):
    path = tmp_path / "old.keras"
    spec = DetectorSpec((64, 64), KNOWN, levels(2, 1))
    old = numbered(build_ssd(spec, 0.35, 16))
    save_detector(old, spec, path, {TRAINING_MEMBER: json.dumps({"settings": {"alpha": 0.35}})})

    new_spec = DetectorSpec((96, 96), ("dog", "cow"), levels(3, 1, 1, 1))
    model = build_ssd(new_spec, 0.35, 16)
    said = load_weights(model, new_spec, path, 0.35)
    classes, new, rest = said.split("; ")
    assert classes == "classes: 1 of 2 taken over from old.keras, 1 new"
    assert rest == "everything else is taken over"
    intro, listed = new.split(": ")
    assert intro == "new, for other anchors or levels"
    assert set(listed.split(", ")) == {
        *(f"{kind}_8_conv" for kind in ("logits", "offsets")),  # three anchors instead of two
        *(f"smooth_32_{part}" for part in ("depthwise", "project")),
        *(f"extra_64_{part}" for part in ("expand", "depthwise", "project")),
        *(
            f"{kind}_{stride}_{part}"
            for kind in ("logits", "offsets")
            for stride in (32, 64)
            for part in ("depthwise", "conv")
        ),
    }
    bias, earlier = (net.get_layer("logits_16_conv").get_weights()[1] for net in (model, old))
    np.testing.assert_array_equal(bias, [earlier[0], 0, earlier[3]])
    for name in ("Conv1", "block_16_project_BN", "lateral_8", "logits_8_depthwise"):
        assert equal(model.get_layer(name).get_weights(), old.get_layer(name).get_weights())
    assert not model.get_layer("logits_8_conv").get_weights()[1].any()  # fresh: its bias is 0

    for alpha, width, message in (
        (0.5, 16, "backbone of --alpha 0.5 expected, got one of --alpha 0.35 .* give --alpha 0.35"),
        (0.35, 24, "top-down path of 24 channels expected .* got one of 16; give"),
        (0.35, 0, "top-down path of 0 channels expected .* got one of 16; give"),
    ):
        with pytest.raises(ValueError, match=message):
            load_weights(build_ssd(new_spec, alpha, width), new_spec, path, alpha)


ALPHAS = {"mobilenet_v1": 0.25}  # a width that there is; of the others 0.35


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "theirs", "preset", "cure"),
    [
        ("mobilenet_v2", "mobilenet_v1", "ssd_mobilenet_v1", "give --preset ssd_mobilenet_v1 --al"),
        ("mobilenet_v2_short", "mobilenet_v2", "digits", "digits, .* stands for another net now"),
        ("mobilenet_v2", "mobilenet_v2_short", "a_study", "fpnlite_short or digits --alpha 0.35"),
    ],
)
def test_a_net_on_another_backbone_is_refused(tmp_path, ours, theirs, preset, cure):
    """With flags that the command knows, and under which it would have the file's net."""
    path = tmp_path / "old.keras"
    spec = DetectorSpec((64, 64), KNOWN, levels(1, 1))
    alpha = ALPHAS.get(theirs, 0.35)
    settings = {"settings": {"preset": preset, "alpha": alpha}}
    model = build_ssd(spec, alpha, backbone=theirs)
    save_detector(model, spec, path, {TRAINING_MEMBER: json.dumps(settings)})
    with pytest.raises(ValueError, match=f"on {ours} expected, got one on {theirs}; .*{cure}"):
        load_weights(build_ssd(spec, 0.35, backbone=ours), spec, path, 0.35)


@pytest.mark.slow
def test_a_fine_tuning_is_trained_and_resumed_as_such(
    trained, scenes, tmp_path, monkeypatch, capsys
):
    root, start, out = tmp_path / "scenes", tmp_path / "start.keras", tmp_path / "out.keras"
    shutil.copytree(scenes, root)
    shutil.copyfile(trained, start)
    for path in (root / "Annotations").glob("*.xml"):
        path.write_text(path.read_text().replace("<name>3</name>", "<name>three</name>"))
    labels = root / "labels.txt"
    labels.write_text(labels.read_text().replace("3", "three"))
    frozen = []
    monkeypatch.setattr(setup, "freeze", lambda *arguments: frozen.append(arguments[1:]))
    flags = ("--epochs=2", f"--start-from={start}", "--frozen-blocks=2", "--freeze-batch-norm")
    with stopped_after_an_epoch(monkeypatch):
        assert run(root, out, *flags) == 130
    said = "classes: 9 of 10 taken over from start.keras, 1 new; everything else is taken over"
    assert said in capsys.readouterr().out
    recipe = read_progress(out.with_suffix(".resume.npz")).recipe
    assert (recipe["fine_tuning"], recipe["initial"]) == (True, "start.keras")
    start.unlink()  # a resumed training does without
    assert run(root, out, *flags, "--resume") == 0
    assert frozen == [(2, True, False)] * 2  # of a backbone that has learnt all its layers
    assert read_training(out)["initial"] == "start.keras"
    assert read_spec(out).class_names[3] == "three"

    frozen.clear()
    assert run(scenes, tmp_path / "same.keras", "--epochs=1", f"--start-from={trained}") == 0
    assert frozen == []
    assert f"all weights are taken over from {trained.name}" in capsys.readouterr().out


def truncated(path):
    path.write_bytes(path.read_bytes()[:-1000])


def with_damaged_weights(path):
    """As after a bad copy: the list of contents is whole, what it lists is not."""
    content = bytearray(path.read_bytes())
    start = content.find(b"\x89HDF")  # keras stores the weights uncompressed
    content[start + 600 : start + 700] = bytes(100)
    path.write_bytes(content)


def without_net(path):
    """As a .tflite file under another name: a spec, and nothing of Keras."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("detector_spec.json", DetectorSpec((64, 64), KNOWN, LEVELS).to_json())


@pytest.mark.parametrize("harm", [truncated, with_damaged_weights, without_net])
def test_a_damaged_file_is_no_start(tmp_path, harm):
    saved(tmp_path / "a.keras")
    harm(tmp_path / "a.keras")
    with pytest.raises(ValueError, match=r"a\.keras: a (Keras )?model .*expected"):
        taken_over(tmp_path / "a.keras", KNOWN)


def test_a_converted_file_is_no_start(tmp_path):
    saved(tmp_path / "a.keras")
    (tmp_path / "a.keras").rename(tmp_path / "a.tflite")
    with pytest.raises(ValueError, match=r"a\.tflite: a \.keras file .* expected, got another"):
        taken_over(tmp_path / "a.tflite", KNOWN)
