"""Causes of a low AP: each in a made-up training that has it, and in one that has not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.detector.spec import AnchorLevel, DetectorSpec
from train.config import TrainConfig
from train.data.dataset import DetectionDataset, Example
from train.evaluation import causes
from train.evaluation.causes import Evidence, find_causes
from train.model.presets import PRESETS

NAN = float("nan")
NAMES = ("cat", "dog")
# One square anchor of 40 px at each cell of 10 px: boxes of 40 px at a cell's centre fit.
SPEC = DetectorSpec((160, 160), NAMES, (AnchorLevel(8, (0.25,), (1.0,)),))


def split(pictures, name="train", px=40, class_ids=(0, 1), difficult=False, width=None):
    """A box of each class id in every picture, `px` large (or `width` wide) in the 160 px input."""
    half = np.array([width or px, px]) / 320
    boxes = np.tile(np.concatenate([0.475 - half, 0.475 + half]), (len(class_ids), 1))
    ids, hidden = np.array(class_ids, np.int64), np.full(len(class_ids), difficult)
    examples = [
        Example(Path("a.png"), 160, 160, boxes.astype(np.float32), ids, hidden, f"{name}{number}")
        for number in range(pictures)
    ]
    return DetectionDataset(Path("set"), name, NAMES, examples)


ENOUGH = split(2000)  # pictures, for which a dozen epochs are usual


def rows(losses, aps):
    return [
        {"epoch": n + 1.0, "loss": loss, "val_ap": ap / 2, "val_ap50": ap}
        for n, (loss, ap) in enumerate(zip(losses, aps, strict=True))
    ]


# Fell, and flat for long: nothing to say about it.
HEALTHY = rows([8, 4, 2, 1.9, 1.8, 1.8, 1.8, 1.8], [0.1, 0.2, 0.4, 0.4, 0.42, 0.42, 0.42, 0.42])


def evidence(history=HEALTHY, training=None, validating=None, accuracy=None, **more):
    return Evidence(
        history,
        training or ENOUGH,
        validating or split(40, "val"),
        SPEC,
        TrainConfig(**{"epochs": len(history), "mining_from": 0.0, **more}),
        pretrained=True,
        ap50_per_class={"cat": 0.42, "dog": 0.42} if accuracy is None else accuracy,
    )


def test_nothing_is_made_up():
    assert find_causes(evidence()) == []


def test_still_rising():
    aps = [0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.35, 0.35]
    history = rows([8, 6, 4, 3, 3, 3, 2, 2], aps)
    cause = causes.still_rising(evidence(history))
    assert "from 0.30 to 0.35 over the last quarter: train longer (--epochs 16)" in cause.sentence
    assert cause.weight == pytest.approx(4 * 0.05 / 0.65)
    stage = causes.still_rising(evidence(history, epochs=10, stop_after=4))
    assert "stopped after 4 of 10 epochs" in stage.sentence and "--epochs" not in stage.sentence
    assert causes.still_rising(evidence(rows([8, 4], [NAN, 0.3]))) is None  # one figure


def test_too_short():
    history = rows([8, 7, 7], [0.01, 0.02, 0.02])
    few = evidence(history, training=split(240))  # 100 epochs are usual
    assert causes.too_short(few).sentence.startswith(
        "only 3 epochs, where some 100 are usual with 240 pictures: leave out --epochs, and give"
    )
    assert causes.too_short(few).weight == pytest.approx(0.97)
    assert causes.underfitting(few) is None  # no learning rate would make up for it
    rising = rows([8, 7, 6], [0.1, 0.2, 0.3])
    assert causes.still_rising(evidence(rising, training=split(240))) is None  # nor 6 epochs
    assert causes.too_short(evidence(history, training=split(240), epochs=41)) is None
    assert causes.too_short(evidence(history, training=split(240), epochs=9, stop_after=3)) is None
    assert causes.too_short(evidence(history, training=split(240), qat=True)) is None


def test_out_of_time():
    history = rows([8, 7, 6, 5], [0.1, 0.2, 0.3, 0.4])
    ended = replace(evidence(history, epochs=10), out_of_time=True)
    cause = causes.out_of_time(ended)
    assert "ended it after 4 of 10 epochs, with the learning rate still high" in cause.sentence
    assert cause.weight == pytest.approx(0.6)
    assert causes.still_rising(ended) is None  # said already
    assert causes.out_of_time(evidence(history, epochs=10)) is None  # stopped for another reason


def test_losses_are_those_since_negatives_are_mined():
    """The loss jumps where mining begins."""
    history = rows([4, 1, 0.5, 6, 5, 4, 3, 2], [0.1, 0.3, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4])
    cause = causes.overfitting(evidence(history, mining_from=3 / 8))
    assert "since epoch 3 of 8, while the training loss fell from 6.00 to 2.00" in cause.sentence
    assert causes.overfitting(evidence(history)) is None  # from 0.5 to 2
    hardly = rows([4, 1, 0.5, 6, 5.9, 5.8, 5.7, 5.6], [0.1] * 8)
    assert "from 6.00 to 5.60" in causes.underfitting(evidence(hardly, mining_from=3 / 8)).sentence
    just_begun = rows([6, 2, 1, 5], [0.1] * 4)
    assert causes.underfitting(evidence(just_begun, mining_from=3 / 4)) is None


def test_overfitting():
    history = rows([8, 4, 2, 1.5, 1.2, 1], [0.1, 0.4, 0.3, 0.4, 0.35, 0.3])
    cause = causes.overfitting(evidence(history))
    assert "since epoch 2 of 6" in cause.sentence and "from 4.00 to 1.00" in cause.sentence
    assert cause.weight == pytest.approx(0.75)
    flat = rows([8, 4, 4, 4, 3.9, 3.9], [0.1, 0.4, 0.3, 0.4, 0.35, 0.3])
    assert causes.overfitting(evidence(flat)) is None
    nothing = rows([8, 4, 2, 1], [0, 0, 0, 0])  # found at no time: that is another trouble
    assert causes.overfitting(evidence(nothing)) is None


def test_underfitting():
    history = rows([5, 4.5, 4.5, 4], [0.01, 0.02, 0.02, 0.02])
    cause = causes.underfitting(evidence(history, frozen_blocks=7, epochs=8))
    assert "from 5.00 to 4.00 in 4 epochs" in cause.sentence
    assert "above and below 0.001, and fewer --frozen-blocks than 7" in cause.sentence
    own = replace(evidence(history, epochs=8), pretrained=False)
    assert "--frozen-blocks" not in causes.underfitting(own).sentence
    assert causes.underfitting(evidence(rows([5, 5, 5], [0.8] * 3))) is None  # it began well
    assert causes.underfitting(evidence(rows([5, 3, 2], [0.1] * 3))) is None


def test_few_pictures():
    cause = causes.few_pictures(evidence(training=split(120)))
    assert cause.sentence.startswith("only 120 pictures") and cause.weight == pytest.approx(0.3)
    assert causes.few_pictures(evidence(training=split(300))) is None
    assert causes.few_pictures(evidence(training=split(5))).weight == pytest.approx(0.9)
    assert causes.few_pictures(evidence(training=split(1))).sentence.startswith("only 1 picture to")


def mixed(cats, dogs):
    both, one = split(dogs), split(cats - dogs, class_ids=(0,))
    return DetectionDataset(both.root, "train", NAMES, [*both.examples, *one.examples])


def test_few_boxes_of_a_class():
    given = {"training": mixed(300, 10), "accuracy": {"cat": 0.8, "dog": 0.2}}
    cause = causes.rare_classes(evidence(**given))
    assert "boxes to learn from: dog (10, AP50 0.20); label" in cause.sentence
    assert cause.weight == pytest.approx(0.8 * 0.8)  # 10 of 50, and 0.8 of a lack of 1
    given["accuracy"] = {"cat": 0.4, "dog": 0.8}  # few, but enough
    assert causes.rare_classes(evidence(**given)) is None
    unknown = causes.rare_classes(evidence(training=mixed(300, 10), accuracy={}))
    assert "dog (10); label" in unknown.sentence and unknown.weight == pytest.approx(0.8 / 2)


def test_a_class_far_behind_the_others():
    cause = causes.weak_classes(evidence(accuracy={"cat": 0.8, "dog": 0.5}))
    assert "below that of other classes (0.80) for dog 0.50" in cause.sentence
    assert cause.weight == pytest.approx(0.5 / 0.7)
    assert causes.weak_classes(evidence(accuracy={"cat": 0.8, "dog": 0.6})) is None
    assert causes.weak_classes(evidence(accuracy={"cat": 0.8, "dog": None})) is None
    few = split(4, "val")  # too few to say so
    assert causes.weak_classes(evidence(validating=few, accuracy={"cat": 0.8, "dog": 0})) is None


def test_boxes_too_small_for_the_input():
    small = [*split(3, px=12).examples, *split(7).examples]
    training = DetectionDataset(Path("set"), "train", NAMES, small)
    cause = causes.small_boxes(evidence(training=training))
    # 12 px have to become 16: 160 * 16 / 12 = 213.3, in steps of 32.
    assert cause.sentence == (
        "30% of the boxes are smaller than 16 px at the input size 160x160: raise --input-size, "
        "to 224 for example"
    )
    assert cause.weight == pytest.approx(0.3)
    assert (
        "in the float training, raise"
        in causes.small_boxes(evidence(training=training, qat=True)).sentence
    )
    assert causes.small_boxes(evidence()) is None
    difficult = split(9, px=12, difficult=True)  # they count neither way
    assert causes.small_boxes(evidence(training=difficult)) is None


def test_boxes_of_a_shape_that_no_anchor_has():
    cause = causes.unreached_boxes(evidence(training=split(5, px=30, width=120)))
    assert cause.sentence.startswith("100% of the boxes of 16 px and more have no anchor")
    assert cause.sentence.endswith("since anchors fitted to the boxes reach no more")
    own = replace(SPEC, levels=PRESETS["fpnlite"].levels)
    assert "or give --anchors a file of python -m train.anchors" in causes.anchors_cure(
        own, TrainConfig()
    )
    assert "or give --anchors" in causes.anchors_cure(SPEC, TrainConfig(anchors="preset"))
    assert causes.unreached_boxes(evidence()) is None
    assert causes.unreached_boxes(evidence(training=split(5, px=8))) is None  # told by small_boxes


def test_validated_on_objects_of_another_size():
    cause = causes.other_sizes(evidence(validating=split(40, "val", px=80)))
    assert "boxes of 'val' are 80 px large (median), those of 'train' 40 px" in cause.sentence
    assert cause.weight == pytest.approx(0.25)
    assert causes.other_sizes(evidence(validating=split(40, "val", px=50))) is None
    assert causes.other_sizes(evidence(validating=split(4, "val", px=80))) is None  # eight boxes


def test_crowds_of_which_only_a_part_is_measured():
    crowded = split(4, "val", class_ids=(0,) * 250)
    cause = causes.crowds(evidence(validating=crowded))
    assert cause.sentence.startswith("20% of the objects are beyond the 200 that are measured in")
    assert cause.weight == pytest.approx(0.2 / 0.58)
    assert causes.crowds(evidence(validating=split(4, "val", class_ids=(0,) * 205))) is None
    hidden = split(4, "val", class_ids=(0,) * 250, difficult=True)
    assert causes.crowds(evidence(validating=hidden)) is None


def test_the_likeliest_first():
    found = find_causes(evidence(training=split(120, px=12)))
    assert [each.sentence.split()[0] for each in found] == ["100%", "only", "boxes", "only"]
