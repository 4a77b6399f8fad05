"""Output of a training: speed, waiting, curves, contact sheet, TensorBoard."""

import sys
import time

import numpy as np
import pytest
from PIL import Image

from edge_runtime.media.draw import text_mask
from edge_runtime.media.images import read_image
from train.data.dataset import Example
from train.evaluation import contact_sheet
from train.evaluation.contact_sheet import draw_contact_sheet, outcome
from train.training.callbacks import Speed
from train.training.logs import EventLog, check_installed, draw_curves, open_writer

BOXES = np.array([[0, 0, 0.2, 0.2], [0.4, 0.4, 0.6, 0.6], [0.7, 0.7, 0.9, 0.9]], np.float32)


def example(tmp_path, name="a", difficult=(False, False, False)):
    path = tmp_path / f"{name}.png"
    Image.new("RGB", (90, 60), "gray").save(path)
    return Example(path, 90, 60, BOXES, np.array([0, 1, 1]), np.array(difficult), name)


def detections(*rows):
    boxes, scores, class_ids = zip(*rows, strict=True)
    return np.array(boxes, np.float32), np.array(scores, np.float32), np.array(class_ids)


def test_outcome_tells_right_from_wrong_and_missed(tmp_path):
    found = detections(
        (BOXES[0], 0.6, 0),  # right
        (BOXES[0], 0.9, 0),  # right, and better: the other is a double
        (BOXES[1], 0.9, 0),  # another class
        (BOXES[2] - 0.11, 0.8, 1),  # IoU below 0.5
        (BOXES[2], 0.4, 1),  # below the score threshold
    )
    right, wrong, missed = outcome(example(tmp_path), found)
    assert right.tolist() == [1]
    assert wrong.tolist() == [2, 3, 0]
    assert missed.tolist() == [1, 2]


def test_a_difficult_object_is_neither_missed_nor_wrong(tmp_path):
    truth = example(tmp_path, difficult=(True, True, False))
    right, wrong, missed = outcome(truth, detections((BOXES[0], 0.9, 0)))
    assert (right.tolist(), wrong.tolist(), missed.tolist()) == ([], [], [2])


def test_outcome_without_objects_or_detections(tmp_path):
    none = np.zeros((0, 4), np.float32), np.zeros(0), np.zeros(0, int)
    assert outcome(example(tmp_path), none)[2].tolist() == [0, 1, 2]
    path = example(tmp_path).image_path
    empty = Example(path, 90, 60, none[0], none[2], np.zeros(0, bool), "empty")
    assert outcome(empty, detections((BOXES[0], 0.9, 0)))[1].tolist() == [0]


def test_a_long_class_name_leaves_half_of_the_picture_free():
    label = contact_sheet._label("a very long name of a class " * 12, " 0.87", 210)
    assert label.startswith("a very long") and label.endswith("… 0.87")
    assert 150 < text_mask(label, contact_sheet.LABEL_PX).width <= 210
    assert contact_sheet._label("cat", " 0.87", 210) == "cat 0.87"
    assert contact_sheet._label("cattle", "", 1) == "c…"  # a strip of a picture


def test_the_sheet_shows_found_missed_and_wrong_in_their_colors(tmp_path, monkeypatch):
    shown, draw = [], contact_sheet._draw_picture

    def note(example, *rest):
        shown.append(example.image_id)
        return draw(example, *rest)

    monkeypatch.setattr(contact_sheet, "_draw_picture", note)
    many = [example(tmp_path, f"p{i:02d}") for i in range(30)]
    found = [detections((BOXES[0], 0.9, 0))] * 30
    draw_contact_sheet(many, found, ["cat", "dog"], tmp_path / "many.jpg")
    assert shown[0] == "p00" and shown[-1] == "p29" and len(shown) == 12
    monkeypatch.undo()

    found = detections((BOXES[0], 0.9, 0), (BOXES[1], 0.9, 0))
    draw_contact_sheet([example(tmp_path)], [found], ["cat", "dog"], tmp_path / "one.jpg")
    pixels = read_image(tmp_path / "one.jpg").reshape(-1, 3).astype(int)
    for name in ("FOUND", "MISSED", "WRONG"):
        ink = getattr(contact_sheet, name)
        color = [int(ink[i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(pixels - color).max(axis=1) < 40).sum() > 30, name


def test_a_long_name_keeps_its_end_in_the_width_of_its_picture():
    counts = ": 1 found, 0 missed, 0 wrong"
    said = contact_sheet._shortened("camera_" * 20 + "0017", counts)
    assert said.startswith("…") and said.endswith(f"0017{counts}")
    assert text_mask(said, contact_sheet.TEXT_PX).width <= contact_sheet.PICTURE_WH[0]
    assert contact_sheet._shortened("0017", counts) == f"0017{counts}"


class Batches:
    """Ready times as a test wants them, in the place of a loader."""

    batch_size = 10

    def __init__(self, ready):
        self.ready, self.cpu_seconds = ready, 3.0

    def made_at(self, index):
        return self.ready[index]


class Model:
    class optimizer:  # noqa: N801 - stands for an instance
        learning_rate = 0.25


def test_waiting_is_the_share_of_time_in_which_no_batch_was_ready(monkeypatch):
    ends = iter([1.0, 2.0, 4.0, 5.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(ends))
    # The third batch was ready 1 s after the second step had ended, the others before.
    speed = Speed(Batches([0.5, 0.9, 3.0, 3.5]))
    speed.set_model(Model())
    speed.on_epoch_begin(0)
    logs = {}
    for step in range(4):
        speed.on_train_batch_end(step, logs)
        speed.batches.cpu_seconds += 0.5
    assert logs["images_per_second"] == pytest.approx(3 * 10 / 4)
    speed.on_epoch_end(0, logs)
    assert logs["waiting"] == pytest.approx(1 / 4)
    assert logs["pipeline"] == pytest.approx(2 / 4)
    assert logs["learning_rate"] == 0.25


def history(epochs=3):
    columns = {"loss": 2.0, "logits_loss": 1.5, "offsets_loss": 0.5, "learning_rate": 1e-3}
    nan = float("nan")
    return [
        {"epoch": n + 1, **columns, "val_ap": 0.5 if n == 1 else nan, "val_ap50": nan}
        for n in range(epochs)
    ]


def test_curves_have_three_panels(tmp_path):
    draw_curves(history(), tmp_path / "curves.png")
    pixels = read_image(tmp_path / "curves.png").astype(int)
    width = pixels.shape[1]
    for panel in (pixels[:, i * width // 3 : (i + 1) * width // 3] for i in range(3)):
        colored = panel.max(axis=2) - panel.min(axis=2) > 60  # the frame and the grid are grey
        assert colored.sum() > 50


def test_tensorboard_reads_what_was_written(tmp_path):
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="TensorBoard is not installed: the extra `tensorboard`",
    )
    log = EventLog(open_writer(tmp_path), history()[:2])
    log.on_epoch_end(2, history()[2])
    log.on_train_end()
    events = reader.EventAccumulator(str(next(tmp_path.iterdir())))
    events.Reload()
    assert set(events.Tags()["tensors"]) >= {"training/loss", "validation/ap"}
    assert [e.step for e in events.Tensors("training/loss")] == [1, 2, 3]
    assert [e.step for e in events.Tensors("validation/ap")] == [2]  # blank cells stay blank


def test_tensorboard_missing_says_how_to_get_it(monkeypatch):
    check_installed()
    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)
    with pytest.raises(ValueError, match="pip install tensorboard"):
        check_installed()
