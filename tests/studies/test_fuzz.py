"""Fuzzing: its frame catches what it is to catch, and a short run of every target finds nothing."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from edge_runtime.detector import trial_run
from studies.fuzz import child
from studies.fuzz.__main__ import main, table
from studies.fuzz.child import fork_for, run_in_child
from studies.fuzz.mutation import MOST_EDITS, apply, from_json, mutants
from studies.fuzz.registry import all_targets
from studies.fuzz.runner import CORPUS
from tests.conftest import ROOT

# Newer Pythons warn of a fork beside the threads of pytest-xdist; what is forked here uses none.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

TARGETS = all_targets()


def test_an_outcome_is_told():
    found = run_in_child(lambda data: f"read {len(data)}", b"abc")
    assert (found.outcome, found.failure) == ("read 3", None)


def crash(data):
    os.kill(os.getpid(), signal.SIGSEGV)


def fail(data):
    raise KeyError("x")


def leave(data):
    os._exit(3)


def spin(data):
    while True:
        pass


def fill(data):
    kept = bytearray(child.MEMORY_BYTES + (20 << 20))
    kept[:: 1 << 12] = b"x" * len(kept[:: 1 << 12])
    return "filled"


def sleep(data):
    time.sleep(600)


@pytest.mark.parametrize(
    ("attempt", "failure"),
    [
        (crash, "ended by SIGSEGV"),
        (fail, r"KeyError in test_fuzz.py: 'x'"),
        (leave, "ended with status 3"),
        (spin, "more than 1 s of the processor|SIGXCPU|SIGKILL"),
        (fill, "more than 300 MB of memory"),
        (sleep, "no end in 0 s"),
    ],
)
def test_what_must_not_happen_is_a_failure(attempt, failure, monkeypatch):
    monkeypatch.setattr(child, "SECONDS", 1 if attempt is spin else 5)
    monkeypatch.setattr(child, "WALL_SECONDS", 0.3 if attempt is sleep else 1800.0)
    found = run_in_child(attempt, b"")
    assert found.outcome == "failed"
    assert any(part in found.failure for part in failure.split("|")), found


def test_work_in_a_fork_gives_its_text_or_its_end():
    assert fork_for(lambda: "done", 1800) == ("done", 1)
    text, status = fork_for(lambda: os.kill(os.getpid(), signal.SIGKILL) or "", 1800)
    assert (text, status) == (None, -signal.SIGKILL)
    text, status = fork_for(lambda: sleep(b"") or "", 0.2)
    assert (text, status) == (None, -signal.SIGKILL)


def test_edits():
    base = bytes(range(10))
    assert apply(base, [("byte", 12, 0x1FF)])[2] == 0xFF  # places count round the end
    assert apply(base, [("number", 0, 2**32 - 1)])[:5] == b"\xff\xff\xff\xff\x04"
    assert apply(base, [("cut", 4, 0)]) == base[:4]
    assert apply(base, [("drop", 2, 3)]) == bytes((0, 1, 5, 6, 7, 8, 9))
    assert apply(base, [("twice", 0, 2)]) == b"\0\1" + base
    assert apply(b"", [("flip", 5, 1), ("byte", 0, 1)]) in (b"", b"\1")
    assert from_json(base, b'[["flip", 1, 0]]')[1] == 0
    with pytest.raises(ValueError, match="no kind of edit"):
        apply(base, [("other", 0, 0)])


def test_mutants_are_other_bytes_and_few_edits_away():
    pytest.importorskip("hypothesis", reason="hypothesis is not installed: make setup")
    from hypothesis import given, settings

    base, seen = bytes(1000), set()

    @settings(max_examples=50, database=None, deadline=None)
    @given(mutants(base))
    def collect(data):
        seen.add(data)
        assert len(data) <= len(base) + MOST_EDITS * 4096

    collect()
    assert len(seen - {base}) > 20


def test_each_folder_of_the_corpus_is_a_targets_and_small():
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert path.parent.name in TARGETS and path.stat().st_size < 10_000
        assert TARGETS[path.parent.name].name == path.parent.name


@pytest.mark.slow
def test_a_short_run_of_every_target(tmp_path, capsys, monkeypatch):
    """`make fuzz`, but for its length."""
    monkeypatch.setattr(trial_run, "_run", trial_run._run)  # back again: a target replaces it
    pytest.importorskip("hypothesis", reason="hypothesis is not installed: make setup")
    status = main(["--most", "8", "--minutes", "30", "--seed", "1", "--out", str(tmp_path)])
    report = json.loads((tmp_path / "fuzz.json").read_text())
    assert status == 0, [row["failures"] for row in report["targets"]]
    assert [row["target"] for row in report["targets"]] == list(TARGETS)
    for row in report["targets"]:
        corpus = len(list((CORPUS / row["target"]).glob("*")))
        assert row["missing"] or row["tried"] >= 6 + corpus, row
        assert sum(row["outcomes"].values()) == row["tried"]
    assert capsys.readouterr().out.count("\n") == 2 + len(TARGETS)


def test_the_table_in_the_documentation_is_the_reports():
    report = json.loads((ROOT / "studies" / "fuzz" / "fuzz.json").read_text(encoding="utf-8"))
    assert table(report["targets"]) in (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert not any(row["failures"] for row in report["targets"])
