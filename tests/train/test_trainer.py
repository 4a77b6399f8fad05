"""The training loop: it learns, keeps the best, resumes, and refuses what would lose a result."""

import csv
import json
from dataclasses import asdict, replace

import keras
import numpy as np
import pytest

from edge_runtime.detector.spec import AnchorLevel, read_spec
from tests.train.runs import STILL, losses, run, stopped_after_an_epoch
from train import trainer
from train.anchors.levels import save_levels
from train.config import TrainConfig
from train.data.dataset import DetectionDataset, load_dataset
from train.evaluation.coco import evaluate
from train.model.presets import PRESETS, Preset
from train.setup import make_spec
from train.training import callbacks
from train.training.callbacks import detect_all
from train.training.checkpoint import Progress, TrainingFiles, begin, read_progress
from train.training.initial_weights import Initial
from train.training.provenance import read_training
from train.training.stopping import Stopping

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_preset")]


def test_training_writes_model_log_and_curves_and_lowers_the_loss(
    scenes, tmp_path, capsys, tiny_net
):
    out = tmp_path / "model.keras"
    assert run(scenes, out, "--epochs=10", *STILL, "--learning-rate=0.01") == 0
    assert read_spec(out).class_names == tuple("0123456789")
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert not out.with_suffix(".resume.npz").exists()
    history = losses(out)
    assert len(history) == 10
    assert history[-1] < 0.9 * history[0]
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last.startswith("best validation AP ")
    assert f"next: make convert MODEL={out}" in last
    record = read_training(out)
    assert "--epochs=10" in record["command"] and record["machine"]["cores"] > 0
    assert (record["split"], record["images"], record["seed"]) == ("train", 8, 0)
    settings = record["settings"]
    assert (settings["epochs"], settings["crop"]) == (10, 0)
    preset = PRESETS["digits"]
    assert (settings["alpha"], settings["input_size"]) == (preset.alpha, read_spec(out).input_hw[0])


def test_short_epochs_do_not_wait_for_the_curves(scenes, tmp_path, monkeypatch, tiny_net):
    drawn = []
    monkeypatch.setattr(callbacks, "CURVES_SECONDS", 1e9)
    monkeypatch.setattr(callbacks, "draw_curves", lambda rows, _: drawn.append(len(rows)))
    assert run(scenes, tmp_path / "model.keras", "--epochs=4") == 0
    assert drawn == [4]  # the last
    assert len(losses(tmp_path / "model.keras")) == 4


@pytest.mark.parametrize("validation", ["--val-split=none", "--validate-every=5"])
def test_a_training_whose_time_is_up_keeps_its_last_epoch(
    scenes, tmp_path, monkeypatch, capsys, tiny_net, validation
):
    monkeypatch.setattr(Stopping, "_is_used_up", lambda self, history: len(history) == 1)
    judged, judge = [], trainer.judge
    monkeypatch.setattr(trainer, "judge", lambda seen: judged.append(seen) or judge(seen))
    out = tmp_path / "model.keras"
    assert run(scenes, out, "--epochs=5", "--budget=60", validation) == 0
    assert "stopped after epoch 2 of 5: the budget is used up" in capsys.readouterr().out
    assert [evidence.out_of_time for evidence in judged] == [True] * ("none" not in validation)
    assert len(losses(out)) == 2
    assert read_spec(out).input_hw == (64, 64)
    assert not out.with_suffix(".resume.npz").exists()


def test_an_interrupted_training_resumes_where_it_stopped(scenes, tmp_path, monkeypatch, tiny_net):
    whole, parts = tmp_path / "whole.keras", tmp_path / "parts.keras"
    assert run(scenes, whole, "--epochs", "2") == 0

    with stopped_after_an_epoch(monkeypatch):
        assert run(scenes, parts, "--epochs", "2") == 130
    assert read_progress(parts.with_suffix(".resume.npz")).epochs == 1
    assert run(scenes, parts, "--epochs", "2") == 2  # neither --resume nor --overwrite
    assert run(scenes, parts, "--epochs", "3", "--resume") == 2  # another recipe
    assert run(scenes, parts, "--epochs", "2", "--resume") == 0
    assert len(losses(parts)) == 2
    # Same order, same augmentation, same optimizer state: the same training.
    np.testing.assert_allclose(losses(parts), losses(whole), rtol=1e-3)


def test_the_hardest_negatives_count_from_the_given_epoch_on(scenes, tmp_path, tiny_net):
    mined, late = tmp_path / "mined.keras", tmp_path / "late.keras"
    assert run(scenes, mined, "--epochs=2", "--mining-from=0") == 0
    assert run(scenes, late, "--epochs=2", "--mining-from=0.5") == 0
    assert read_training(late)["settings"]["mining_from"] == 0.5
    first, second = losses(late)
    assert first < losses(mined)[0] and first < second  # the hardest cost more than the mean


def test_a_state_older_than_a_setting_is_gone_on_with(tmp_path):
    files = TrainingFiles(tmp_path / "model.keras")
    older = asdict(TrainConfig())
    del older["mining_from"], older["schedule"]
    np.savez(files.state, progress=json.dumps(asdict(Progress(1, -1.0, older, []))))
    as_then = TrainConfig()
    assert begin(asdict(as_then), files, resume=True, overwrite=False).epochs == 1
    for other in (replace(as_then, mining_from=0.5), replace(as_then, schedule="steps")):
        with pytest.raises(ValueError, match=r"different:.*(mining_from|schedule)"):
            begin(asdict(other), files, resume=True, overwrite=False)


@pytest.mark.parametrize(("hard_negatives", "mining_from"), [(True, 0.0), (False, 1.0)])
def test_a_state_from_before_late_mining_goes_on_as_it_was(tmp_path, hard_negatives, mining_from):
    files = TrainingFiles(tmp_path / "model.keras")
    older = asdict(TrainConfig()) | {"hard_negatives": hard_negatives}
    del older["mining_from"]
    np.savez(files.state, progress=json.dumps(asdict(Progress(1, -1.0, older, []))))
    now = asdict(TrainConfig(mining_from=mining_from))
    assert begin(now, files, resume=True, overwrite=False).epochs == 1
    with pytest.raises(ValueError, match=rf"mining_from: {mining_from} then, 0\.5 now"):
        begin(asdict(TrainConfig(mining_from=0.5)), files, resume=True, overwrite=False)


def test_a_pretrained_backbone_keeps_its_first_blocks_and_statistics(scenes, tmp_path, monkeypatch):
    fine = (AnchorLevel(8, (0.2, 0.4), (0.6, 0.6)),)  # needs the first half of the net
    monkeypatch.setitem(PRESETS, "digits", Preset(fine, 0, 0.35, (64, 64)))
    source = keras.applications.MobileNetV2((64, 64, 3), 0.35, include_top=False, weights=None)
    rng = np.random.default_rng(0)
    source.set_weights([w + rng.uniform(0.01, 0.02, w.shape) for w in source.get_weights()])
    weights, out = tmp_path / "backbone.weights.h5", tmp_path / "model.keras"
    source.save_weights(weights)
    still = ("--frozen-blocks=3", "--freeze-batch-norm", "--backbone-rate=0.15")
    assert run(scenes, out, "--epochs=1", *still, f"--backbone-weights={weights}") == 0
    trained = keras.saving.load_model(out, compile=False)
    moved = {
        layer.name: max(
            float(np.abs(ours - theirs).max())
            for ours, theirs in zip(
                trained.get_layer(layer.name).get_weights(), layer.get_weights(), strict=True
            )
        )
        for layer in source.layers
        if layer.weights and layer.name in {ours.name for ours in trained.layers}
    }
    still = {name for name, distance in moved.items() if distance == 0}
    statistics = {name for name in moved if "BN" in name or "bn_" in name}
    assert statistics <= still
    assert {"Conv1", "expanded_conv_depthwise", "block_1_expand", "block_2_project"} <= still
    # Three warm-up steps of Adam move a weight by the learning rate each, slowed to 0.15 of it.
    assert 0 < moved["block_3_expand"] < 0.15 * 2e-3 * 3


def test_a_training_interrupted_after_its_last_epoch_only_tidies_up(
    scenes, tmp_path, monkeypatch, tiny_net
):
    out = tmp_path / "model.keras"
    with monkeypatch.context() as patch:
        patch.setattr(callbacks, "write_log", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert run(scenes, out, "--epochs", "3", "--stop-after", "1") == 130
    assert out.with_suffix(".resume.npz").is_file()
    assert run(scenes, out, "--epochs", "3", "--stop-after", "1", "--resume") == 0
    assert len(losses(out)) == 1
    assert not out.with_suffix(".resume.npz").exists()


def test_fitted_anchors_replace_the_presets(tmp_path):
    levels = (AnchorLevel(8, (0.1,), (0.5,)), AnchorLevel(32, (0.4,), (2.0,)))
    save_levels(tmp_path / "anchors.json", levels)
    config = TrainConfig(anchors=str(tmp_path / "anchors.json"), input_size=96)
    dataset = DetectionDataset(tmp_path, "train", ("a",), [])
    spec, said = make_spec(config, dataset, Initial(from_scratch=True))
    assert said == ()
    assert (spec.levels, spec.input_hw) == (levels, (96, 96))


def test_an_earlier_model_is_not_overwritten(scenes, tmp_path, capsys):
    out = tmp_path / "model.keras"
    out.write_bytes(b"precious")
    assert run(scenes, out, "--epochs", "1") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert out.read_bytes() == b"precious"


def test_a_damaged_state_is_named(scenes, tmp_path, capsys):
    out = tmp_path / "model.keras"
    state = out.with_suffix(".resume.npz")
    state.write_bytes(b"half a file")
    assert run(scenes, out, "--resume") == 2
    assert str(state) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--epochs", "-1"], "--epochs is 1 or more, or 0 for what the number of pictures"),
        (["--epochs=60", "--stop-after=61"], "--stop-after is 0 to 60 (--epochs), got 61"),
        (["--crop", "1.5"], "--crop is 0 to 1, got 1.5"),
        (["--input-size", "8"], "--input-size is 64 to 2048, or 0 for the preset's, got 8"),
        (["--batch-size", "100"], "lower --batch-size"),
        (["--learning-rate", "nan"], "--learning-rate is 1e-09 to 1, got nan"),
        (
            ["--epochs=60", "--warmup-epochs=61"],
            "--warmup-epochs is --epochs (60) at most, got 61.0",
        ),
        (
            ["--max-zoom", "0.5"],
            "--max-zoom is 1 to 100, or 0 for what the objects' sizes suggest, got 0.5",
        ),
        (["--crop", "0.8", "--zoom-out", "0.5"], "got 0.8 + 0.5"),
        (["--resume"], "--resume expects"),
    ],
)
def test_wrong_flags_are_refused_with_a_cure(scenes, tmp_path, capsys, flags, message):
    assert run(scenes, tmp_path / "model.keras", *flags) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_validation_measures_what_the_model_finds(scenes):
    """A model that answers with the encoded truth has AP 1."""
    dataset = load_dataset(scenes, "val")
    spec = PRESETS["fpnlite"].spec(dataset.class_names, (96, 96))

    class Oracle:
        def predict_on_batch(self, images):
            from train.data.targets import TargetEncoder

            encoder = TargetEncoder(spec)
            rows = [encoder(e.boxes, e.class_ids) for e in dataset.examples[: len(images)]]
            classes = np.stack([row[0] for row in rows])
            return {
                "logits": 20 * np.eye(spec.num_classes + 1, dtype=np.float32)[classes],
                "offsets": np.stack([row[1] for row in rows]),
            }

    found = detect_all(Oracle(), dataset, spec)
    assert evaluate(dataset.examples, found, spec.class_names).ap == pytest.approx(1)


def test_the_last_training_needs_no_validation_split(scenes, tmp_path, capsys, tiny_net):
    both = (scenes / "ImageSets/Main/train.txt", scenes / "ImageSets/Main/val.txt")
    lines = "".join(path.read_text() for path in both)
    (scenes / "ImageSets/Main/trainval.txt").write_text(lines)
    out = tmp_path / "model.keras"
    assert run(scenes, out, "--epochs=1", "--train-split=trainval") == 2
    assert "got 4 of 'val' in 'trainval' as well" in capsys.readouterr().err
    assert run(scenes, out, "--epochs=2", "--train-split=trainval", "--val-split=none") == 0
    assert "trained 2 epochs, validated on nothing" in capsys.readouterr().out
    assert read_spec(out).class_names == tuple("0123456789")
    assert not out.with_name("model_validation.jpg").exists()
    with out.with_suffix(".csv").open(newline="") as file:
        assert [row["val_ap"] for row in csv.DictReader(file)] == ["", ""]


@pytest.mark.slow
def test_the_recipe_of_the_ssd_paper_trains_and_resumes(
    scenes, tiny_net, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "ssd.keras"
    recipe = ("--recipe=ssd", "--epochs=3", "--batch-size=4")
    with stopped_after_an_epoch(monkeypatch):
        assert run(scenes, out, *recipe) == 130
    assert run(scenes, out, *recipe, "--resume") == 0
    settings = read_training(out)["settings"]
    assert (settings["optimizer"], settings["augmentation"]) == ("sgd", "ssd")
    assert len(losses(out)) == 3
    assert run(scenes, tmp_path / "qat.keras", *recipe, f"--start-from={out}", "--qat") == 2
    assert "--qat has a recipe of its own, got --recipe ssd" in capsys.readouterr().err
