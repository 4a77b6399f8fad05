"""A thread for each sink: what is dropped, what is counted, what ends the run."""

import logging
import threading

import numpy as np
import pytest

from edge_runtime.pipeline import sink_thread
from edge_runtime.pipeline.sink_thread import QUEUE, SinkThread
from edge_runtime.pipeline.snapshot import SinkCounters
from edge_runtime.sinks.base import Sink, SinkClosedError, SinkState
from edge_runtime.system.log_limit import LogLimit
from tests.edge_runtime.sinks.results import make_result

LONG = 30.0  # seconds, for what happens at once


class Recorder(Sink):
    """Writes only as often as it is let."""

    name = "recorder"

    def __init__(self, free=True):
        self.seen, self.idled, self.closed = [], threading.Event(), 0
        self.writing = threading.Event()
        self.errors = {}
        self._turn = threading.Semaphore(0)
        self._free = free

    def let(self, count=1):
        self._turn.release(count)

    def write(self, result):
        self.writing.set()
        if not self._free:
            assert self._turn.acquire(timeout=LONG)
        number = result.frame.number
        if number in self.errors:
            raise self.errors[number]
        self.seen.append(number)

    def idle(self):
        self.idled.set()

    def close(self):
        self.closed += 1


@pytest.fixture
def start():
    runners = []

    def start_one(sink, live=True):
        failures = []
        one = SinkThread(sink, live, failures.append)
        one.start()
        runners.append(one)
        return one, failures

    yield start_one
    for one in runners:
        one.close(discard=True)
        assert one.join(LONG)


def finish(one):
    one.close()
    assert one.join(LONG)


def test_a_slow_sink_of_a_live_source_loses_the_oldest_and_counts_them(start):
    sink = Recorder(free=False)
    one, failures = start(sink)
    one.put(make_result(0))
    assert sink.writing.wait(LONG)
    for number in range(1, QUEUE + 6):  # put never waits, or this would not end
        one.put(make_result(number))
    sink.let(QUEUE + 6)
    finish(one)
    assert sink.seen == [0, *range(6, QUEUE + 6)]
    assert one.counters() == SinkCounters(written=QUEUE + 1, dropped=5, failed=0, error=None)
    assert failures == []


def test_large_images_wait_by_their_bytes(start):
    sink = Recorder(free=False)
    sink.needs_image = True
    one, _ = start(sink)
    image = np.zeros((2160, 3840, 3), np.uint8)  # 24.9 MB
    one.put(make_result(0, image=image))
    assert sink.writing.wait(LONG)
    for number in range(1, 6):
        one.put(make_result(number, image=image))
    assert one.counters().dropped == 3
    sink.let(QUEUE)
    finish(one)
    assert sink.seen == [0, 4, 5]


def test_what_looks_at_no_image_holds_none(start):
    sink = Recorder()
    held = []
    sink.write = lambda result: held.append(result.frame.image)
    one, _ = start(sink, live=False)
    one.put(make_result(0))
    finish(one)
    assert held == [None]


def test_discarding_hurries_the_sink(start):
    sink = Recorder()
    hurried = threading.Event()
    sink.hurry = hurried.set
    one, _ = start(sink)
    one.close()
    assert not hurried.is_set()
    one.close(discard=True)
    assert hurried.is_set()


@pytest.mark.parametrize(
    ("live", "errors", "nothing_to_do", "loss"),
    [
        (True, {}, [], None),
        (True, {0}, [], None),  # a live run goes on
        (False, {0}, [], "recorder: 1 of 3 results are lost"),
        (True, {0, 1, 2}, [], "recorder: nothing was written (full)"),
        # What had nothing to write does not show that anything was written.
        (True, {0}, [1, 2], "recorder: nothing was written (full)"),
    ],
)
def test_what_is_lost_for_good(start, live, errors, nothing_to_do, loss):
    sink = Recorder()

    def write(result):
        if result.frame.number in errors:
            raise OSError("full")
        return result.frame.number not in nothing_to_do

    sink.write = write
    one, _ = start(sink, live)
    for number in range(3):
        one.put(make_result(number))
    finish(one)
    assert one.loss() == loss and one.has_lost() == (loss is not None)


def test_one_that_wants_the_newest_only_gets_no_queue(start):
    sink = Recorder(free=False)
    sink.newest_only = True
    one, _ = start(sink, live=False)
    one.put(make_result(0))
    assert sink.writing.wait(LONG)
    for number in range(1, 4):
        one.put(make_result(number))
    sink.let(4)
    finish(one)
    assert sink.seen == [0, 3]
    assert one.counters().dropped == 2


def test_a_recording_waits_for_a_slow_sink_and_loses_nothing(start):
    sink = Recorder(free=False)
    one, _ = start(sink, live=False)
    reached = []

    def feed():
        for number in range(3 * QUEUE):
            one.put(make_result(number))
            reached.append(number)

    feeder = threading.Thread(target=feed)
    feeder.start()
    assert sink.writing.wait(LONG)
    feeder.join(0.3)
    assert feeder.is_alive()
    assert len(reached) <= QUEUE + 1
    sink.let(3 * QUEUE)
    feeder.join(LONG)
    finish(one)
    assert sink.seen == list(range(3 * QUEUE))
    assert one.counters().dropped == 0


def test_closing_frees_one_who_waits_to_put(start):
    sink = Recorder(free=False)
    one, _ = start(sink, live=False)
    feeder = threading.Thread(target=lambda: [one.put(make_result(n)) for n in range(3 * QUEUE)])
    feeder.start()
    assert sink.writing.wait(LONG)
    one.close(discard=True)
    feeder.join(LONG)
    assert not feeder.is_alive()
    sink.let()
    assert one.join(LONG)
    assert sink.seen == [0]


def test_an_os_error_is_counted_said_once_and_does_not_end_the_run(start, caplog):
    caplog.set_level(logging.WARNING)
    sink = Recorder()
    sink.errors = {number: OSError("the disk is full") for number in (1, 2, 3)}
    one, failures = start(sink, live=False)
    for number in range(4):
        one.put(make_result(number))
    finish(one)
    assert one.counters() == SinkCounters(1, dropped=0, failed=3, error="the disk is full")
    assert [record.message for record in caplog.records] == [
        "recorder: the disk is full (1 lost so far)"
    ]
    assert failures == []


def test_it_says_when_a_sink_works_again_but_not_each_time_it_wavers(start, caplog):
    caplog.set_level(logging.WARNING)
    sink = Recorder()
    sink.errors = {0: OSError("full"), 1: OSError("full"), 3: OSError("gone")}
    one, _ = start(sink, live=False)
    for number in range(5):
        one.put(make_result(number))
    finish(one)
    assert one.counters().error is None
    assert [record.message for record in caplog.records] == [
        "recorder: full (1 lost so far)",
        "recorder: works again after 2 lost",
    ]


def test_a_lasting_error_is_said_again_now_and_then(start, caplog, monkeypatch):
    monkeypatch.setattr(sink_thread, "LogLimit", lambda: LogLimit(seconds=0.0))
    sink = Recorder()
    sink.errors = {number: OSError("full") for number in range(3)}
    one, _ = start(sink, live=False)
    for number in range(3):
        one.put(make_result(number))
    finish(one)
    assert len(caplog.records) == 3


@pytest.mark.parametrize("error", [SinkClosedError(), KeyError("a mistake")])
def test_any_other_error_ends_the_run(start, error):
    sink = Recorder()
    sink.errors = {1: error}
    one, failures = start(sink, live=False)
    for number in range(20 * QUEUE):  # more than fit: put must not wait for a dead sink
        one.put(make_result(number))
    assert one.join(LONG)
    assert failures == [error]
    assert sink.seen == [0]
    assert sink.closed == 1


def test_idle_is_called_without_results_and_may_end_the_run(start):
    sink = Recorder()
    sink.idle_seconds = 0.01
    one, failures = start(sink)
    assert sink.idled.wait(LONG)
    sink.idle = lambda: (_ for _ in ()).throw(SinkClosedError())
    assert one.join(LONG)
    assert [type(failure) for failure in failures] == [SinkClosedError]
    assert sink.closed == 1


def test_a_sink_that_fails_to_close_is_said(start, caplog):
    sink = Recorder()
    sink.close = lambda: (_ for _ in ()).throw(OSError("unplugged"))
    one, failures = start(sink)
    finish(one)
    assert [record.message for record in caplog.records] == [
        "recorder: did not close in good order: unplugged"
    ]
    assert failures == [] and one.has_lost()


def test_a_sink_is_not_asked_for_its_state_before_it_is_open():
    sink = Recorder()
    sink.state = lambda: SinkState("asked")
    assert SinkThread(sink, True, print).counters() == SinkCounters()


def test_what_a_sink_counts_itself_stands_beside(start):
    sink = Recorder()
    sink.state = lambda: SinkState("unplugged", {"waiting": 7})
    one, _ = start(sink)
    one.put(make_result(0))
    finish(one)
    assert one.counters().to_json() == {
        "waiting": 7,
        "written": 1,
        "dropped": 0,
        "failed": 0,
        "error": "unplugged",
    }
