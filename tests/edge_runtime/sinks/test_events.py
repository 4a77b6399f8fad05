"""Pictures with boxes when something was seen, and the folder they fill."""

import json
import os
import re
import time

import numpy as np
import pytest
from PIL import Image

from edge_runtime.sinks import events
from edge_runtime.sinks.events import EventsSink, EventStore
from tests.edge_runtime.sinks.results import make_context, make_result


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def run(folder, results, context=None, **options):
    sink = EventsSink(folder, **options)
    sink.open(context or make_context())
    for result in results:
        sink.write(result)
    sink.close()
    return sink


def times(folder):
    """Unix times in the records, counted from the first in `make_result`."""
    records = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return [round(record["time"] - 1_780_000_000, 3) for record in records]


def test_picture_and_record_of_one_event(tmp_path):
    result = make_result(4, ("red", "green"), time=1_780_000_000.1239)
    run(tmp_path / "new" / "events", [result])
    picture, record = sorted((tmp_path / "new" / "events").iterdir())
    assert picture.name == "event_2026-05-28_20-26-40.124_green+red.jpg"
    assert record.name == "event_2026-05-28_20-26-40.124_green+red.json"
    assert json.loads(record.read_text()) == {"picture": picture.name} | result.to_dict()
    with Image.open(picture) as image:
        drawn = np.asarray(image.convert("RGB")).astype(int)
    assert drawn.shape == (120, 160, 3)
    assert abs(drawn[110, 150] - 90).max() < 12  # gray far from the boxes
    assert abs(drawn[60, 20] - 90).max() > 60  # the left side of the first box


def test_nothing_is_written_where_nothing_is_seen(tmp_path):
    run(tmp_path, [make_result(number, ()) for number in range(5)])
    assert list(tmp_path.iterdir()) == []


def test_the_picture_without_boxes_where_it_is_wanted(tmp_path):
    run(tmp_path, [make_result()], raw=True)
    (raw,) = tmp_path.glob("*.raw.jpg")
    with Image.open(raw) as image:
        assert abs(np.asarray(image).astype(int) - 90).max() <= 2
    assert len(list(tmp_path.iterdir())) == 3


def test_one_picture_in_an_interval(tmp_path):
    run(tmp_path, [make_result(number) for number in range(35)], interval=1.0)
    assert times(tmp_path) == [0.0, 1.0, 2.0, 3.0]


def test_a_class_that_appears_does_not_wait_but_one_that_flickers_does(tmp_path):
    seen = [("red",), ("red", "green"), ("red",), ("red", "green"), ("green",), ("green",)]
    run(tmp_path, [make_result(number, classes) for number, classes in enumerate(seen)])
    assert times(tmp_path) == [0.0, 0.1]


def test_a_pause_does_not_make_the_next_event_wait(tmp_path):
    run(tmp_path, [make_result(0), make_result(7, ()), make_result(21)], interval=2.0)
    assert times(tmp_path) == [0.0, 2.1]


def test_the_interval_is_that_of_a_recording_not_of_its_processing(tmp_path):
    results = [make_result(number, at=5 + number / 1000) for number in range(60)]
    run(tmp_path, results, make_context(fps=25.0))
    assert times(tmp_path) == [5.0, 5.025, 5.05]


def test_a_picture_a_second_saves_every_picture_of_a_folder(tmp_path):
    results = [make_result(number, at=5 + number / 1000) for number in range(4)]
    run(tmp_path, results, make_context(fps=1.0))
    assert len(times(tmp_path)) == 4


def test_class_names_that_are_no_file_names(tmp_path):
    names = ("../up", "a b_c", "größe", "x" * 300)
    run(tmp_path, [make_result(0, names, class_names=names)])
    (path,) = tmp_path.glob("*.jpg")
    assert path.name.startswith("event_2026-05-28_20-26-40.000_-up+a-b-c+größe+xxx")
    assert len(os.fsencode(path.name)) < 200
    assert len(EventStore(tmp_path, 10**9)) == 1


def test_a_clock_that_was_set_back_overwrites_nothing(tmp_path):
    run(tmp_path, [make_result(0, at=at, time=1_780_000_000) for at in (0, 10, 20)])
    names = sorted(path.name for path in tmp_path.glob("*.jpg"))
    assert [re.sub(r".*000_", "", name) for name in names] == ["red-2.jpg", "red-3.jpg", "red.jpg"]


def test_the_oldest_go_first_and_others_files_stay(tmp_path):
    others = ["notes.txt", "event_of_mine.jpg", "event_2026-05-28_20-26-40.000_red.png", "cat.jpg"]
    for name in others:
        (tmp_path / name).write_bytes(b"x" * 50_000)
    kept = tmp_path / "event_2020-01-01_00-00-00.000_red.jpg"
    kept.symlink_to(tmp_path / "cat.jpg")
    sink = run(tmp_path, [make_result(0)])
    one = sink._store.total_bytes
    assert one == 8192  # two files of a block each
    run(tmp_path, [make_result(10 * number) for number in range(1, 7)], max_bytes=3 * one)
    assert times(tmp_path) == [4.0, 5.0, 6.0]
    assert kept.is_symlink()
    assert all((tmp_path / name).exists() for name in others)
    assert len(list(tmp_path.glob("event_*.jpg"))) == 3 + 2


def test_a_restart_counts_what_is_there(tmp_path):
    first = run(tmp_path, [make_result(10 * number) for number in range(5)], raw=True)
    again = EventStore(tmp_path, 10**9)
    assert (len(again), again.total_bytes) == (5, first._store.total_bytes)


def test_half_written_files_of_a_killed_run_are_removed(tmp_path):
    half = tmp_path / ".event_2026-05-28_20-26-40.000_red.abcd1234.jpg"
    fresh = tmp_path / ".event_2026-05-28_20-26-41.000_red.abcd1234.jpg"
    for path in (half, fresh):
        path.write_bytes(b"half")
    os.utime(half, (1_780_000_000, 1_780_000_000))
    EventStore(tmp_path, 10**9)
    assert list(tmp_path.iterdir()) == [fresh]  # another run may be writing that one


def test_gives_way_where_the_disk_gets_full(tmp_path, monkeypatch):
    sink = run(tmp_path, [make_result(10 * number) for number in range(5)])
    one = sink._store.total_bytes // 5

    def missing(folder):  # room for three events
        return max(0, len(list(folder.glob("*.jpg"))) - 3) * one

    monkeypatch.setattr(events, "missing_bytes", missing)
    sink.write(make_result(100))
    assert times(tmp_path) == [2.0, 3.0, 4.0, 10.0]


def test_keeps_its_events_where_giving_way_would_not_help(tmp_path, monkeypatch):
    sink = run(tmp_path, [make_result(10 * number) for number in range(3)])
    monkeypatch.setattr(events, "missing_bytes", lambda folder: 10**9)
    for number in (100, 101):
        with pytest.raises(OSError, match=r"as good as full \(1000.0 MB too little\); free some"):
            sink.write(make_result(number))
    assert len(times(tmp_path)) == 3
    monkeypatch.setattr(events, "missing_bytes", lambda folder: 0)
    sink.write(make_result(102))  # not put off by an interval that began with a failure
    assert len(times(tmp_path)) == 4


def test_what_fails_half_way_leaves_nothing(tmp_path, monkeypatch):
    sink = EventsSink(tmp_path)
    sink.open(make_context())
    with monkeypatch.context() as patch:
        patch.setattr(events.json, "dumps", lambda record: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(OSError, match="full"):
            sink.write(make_result(0))
    assert list(tmp_path.iterdir()) == []
    sink.write(make_result(1))
    assert times(tmp_path) == [0.1]


def test_a_folder_that_cannot_be_is_refused_with_a_cure(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"File exists.*name another folder"):
        EventsSink(tmp_path / "file").open(make_context())
