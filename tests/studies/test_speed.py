"""`make bench`: both sides of a row do the same work, and the report says what was measured."""

import json

import numpy as np
import pytest

from studies.speed.__main__ import main
from studies.speed.decoding import kept_outputs
from studies.speed.interleaved import Contest, Spread, contest
from studies.speed.post_process import drawn_outputs, ssd_300
from studies.speed.report import cells, page_table
from studies.speed.rows import Row, Task
from tests.conftest import ROOT


def test_the_operator_keeps_what_ours_keeps():
    outputs = drawn_outputs(ssd_300(20), objects=6, background=9.0)
    boxes, scores, class_ids = outputs.ours(0.5)()
    theirs = outputs.operator_results(0.5)
    assert len(scores) >= 6
    np.testing.assert_allclose(theirs["scores"], scores, atol=1e-5)
    np.testing.assert_array_equal(theirs["classes"], class_ids)
    # Ours are means of those that agree.
    assert np.abs(theirs["boxes"][:, [1, 0, 3, 2]].clip(0, 1) - boxes).max() < 0.1


@pytest.mark.parametrize("count", [0, 10, 100])
def test_so_many_detections_are_kept(count):
    assert len(kept_outputs(count).ours(0.5)()[1]) == count


def test_anchors_are_those_of_the_well_known_net():
    assert len(drawn_outputs(ssd_300(1), 1).logits) == 1917


def test_two_sides_take_turns():
    order = []
    found = contest(lambda: order.append("a"), lambda: order.append("b"))(0.01)
    assert {"a", "b"} == set(order)
    assert found.rounds >= 15 and found.ours.low <= found.ours.median <= found.ours.high


@pytest.mark.parametrize(
    ("higher", "ratio", "met"), [(False, 1.1, True), (False, 1.3, False), (True, 1.3, True)]
)
def test_a_row_says_whether_its_goal_is_met(higher, ratio, met):
    times = np.asarray([[ratio, 1.0]] * 3)
    row = Row.of(Task("a against b", 1.2, lambda _: None, higher=higher), Contest.of(times))
    assert row.met is met and row.figure == Spread(ratio, ratio, ratio)


def test_the_table_of_the_page_has_a_line_for_each_row():
    rows = json.loads((ROOT / "studies/speed/speed.json").read_text(encoding="utf-8"))["rows"]
    lines = page_table(rows).splitlines()
    assert len(lines) == len(rows) + 2
    assert lines[2] == f"| {' | '.join(cells(rows[0]))} |"


def test_a_missing_folder_is_named_before_long_work(tmp_path, capsys):
    assert main(["--pictures", str(tmp_path)]) == 2
    assert "make data" in capsys.readouterr().err
