"""Source → detector → sinks with the tiny model, whose findings are known."""

import threading

import numpy as np
import pytest

from edge_runtime.detector.detector import Detector
from edge_runtime.pipeline.pipeline import LAST_SECONDS, Pipeline, seconds_left
from edge_runtime.pipeline.reloading_detector import ReloadingDetector
from edge_runtime.pipeline.sink_thread import SinkThread
from edge_runtime.pipeline.snapshot import Dropped
from edge_runtime.pipeline.stats import Stats
from edge_runtime.sinks.base import SinkClosedError
from edge_runtime.sources.base import SourceError
from tests.edge_runtime.runs import BLACK, Collector, ScriptedSource, wait_until


@pytest.fixture
def detector(tiny_models):
    path = tiny_models / "tiny_int8.tflite"
    return ReloadingDetector(lambda file: Detector(path, 1, file=file), path)


def start(pipeline):
    """The pipeline in a thread; what it raised ends up in the list."""
    raised = []

    def run():
        try:
            pipeline.run()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised


def test_every_frame_of_a_file_reaches_every_sink_in_order(detector, red_frame):
    source = ScriptedSource([BLACK, red_frame] * 20, live=False)
    sinks = [Collector(), Collector()]
    stats = Stats(source)
    Pipeline(source, detector, sinks, stats).run()
    for sink in sinks:
        assert sink.numbers == list(range(40)) and sink.closed == 1
        assert [len(result.detections) for result in sink.results] == [0, 2] * 20
    snapshot = stats.snapshot()
    assert snapshot.results == 40 and snapshot.dropped == Dropped(source=0, pipeline=0)
    assert snapshot.detections == {"green": 20, "red": 20}
    assert snapshot.sinks["collector"].written == 40
    assert snapshot.model == detector.state()


@pytest.mark.parametrize("live", [False, True])
def test_reading_inference_and_decoding_have_a_thread_each(detector, red_frame, live, monkeypatch):
    """A recording's frames are also preprocessed where they are read."""
    threads = {}

    def watch(step):
        work = getattr(Detector, step)

        def watched(self, *args):
            threads.setdefault(step, set()).add(threading.current_thread().name)
            return work(self, *args)

        monkeypatch.setattr(Detector, step, watched)

    for step in ("preprocess", "invoke", "postprocess"):
        watch(step)
    source = ScriptedSource([red_frame] * 5, live=live)
    Pipeline(source, detector, [], Stats(source)).run()
    assert threads == {
        "preprocess": {"infer" if live else "capture"},
        "invoke": {"infer"},
        "postprocess": {"decode"},
    }


def test_a_slow_sink_of_a_file_holds_it_up_and_loses_nothing(detector):
    source, slow = ScriptedSource([BLACK] * 60, live=False), Collector()
    slow.gate.clear()
    thread, raised = start(Pipeline(source, detector, [slow], Stats(source)))
    wait_until(lambda: source.delivered > 8)
    threading.Event().wait(0.3)
    assert source.delivered < 20  # eight in the queue and a few in hands
    slow.gate.set()
    thread.join(20)
    assert slow.numbers == list(range(60)) and not raised


def test_a_slow_sink_of_a_camera_holds_up_nobody(detector):
    source = ScriptedSource([BLACK] * 100, live=True, stay=True)
    slow, quick = Collector(), Collector()
    slow.name = "slow"
    slow.gate.clear()
    stats = Stats(source)
    pipeline = Pipeline(source, detector, [slow, quick], stats)
    thread, raised = start(pipeline)
    wait_until(lambda: source.delivered == 100 and quick.numbers[-1:] == [99])
    slow.gate.set()
    pipeline.stop()
    thread.join(20)
    assert not raised and slow.closed == quick.closed == 1
    snapshot = stats.snapshot()
    assert snapshot.results + snapshot.dropped.pipeline == 100
    assert slow.numbers == sorted(slow.numbers)
    counted = snapshot.sinks["slow"]
    assert counted.written + counted.dropped == snapshot.results


def test_the_newest_frame_wins(detector):
    shown = threading.Event()

    def pictures():
        for number in range(50):
            yield BLACK
            if number == 0:
                shown.wait(20)  # the first one is being decoded

    source, sink = ScriptedSource(pictures(), live=True, stay=True), Collector()
    hold = threading.Event()

    def first_is_slow(result):
        if result.frame.number == 0:
            shown.set()
            hold.wait(20)

    pipeline = Pipeline(source, detector, [sink], Stats(source), on_result=first_is_slow)
    thread, _ = start(pipeline)
    wait_until(lambda: source.delivered == 50)
    hold.set()
    wait_until(lambda: sink.numbers[-1:] == [49])
    pipeline.stop()
    thread.join(20)
    # While the first was held, the network may have looked at two more.
    assert len(sink.numbers) <= 4 and sink.numbers == sorted(set(sink.numbers))


def test_stop_closes_source_and_sinks(detector):
    source, sink = ScriptedSource([BLACK], live=True, stay=True), Collector()
    pipeline = Pipeline(source, detector, [sink], Stats(source))
    thread, raised = start(pipeline)
    wait_until(lambda: sink.results)
    pipeline.stop()
    thread.join(20)
    assert not thread.is_alive() and source.closed.is_set() and sink.closed == 1 and not raised


def test_max_fps_leaves_pauses_between_frames(detector):
    def endless():
        while True:
            yield BLACK

    source, sink = ScriptedSource(endless(), live=True), Collector()
    pipeline = Pipeline(source, detector, [sink], Stats(source), max_fps=20)
    thread, _ = start(pipeline)
    wait_until(lambda: len(sink.results) >= 5)
    pipeline.stop()
    thread.join(20)
    taken = [result.frame.captured_at for result in sink.results[:5]]
    assert np.diff(taken).sum() > 0.15  # four pauses of 50 ms at least, less the frames' own age


@pytest.mark.parametrize("failure", [SourceError("unplugged"), ZeroDivisionError("a mistake")])
def test_what_a_source_fails_with_is_raised_and_sinks_are_closed(detector, failure):
    def pictures():
        yield BLACK
        raise failure

    source, sink = ScriptedSource(pictures(), live=True), Collector()
    with pytest.raises(type(failure), match=str(failure)):
        Pipeline(source, detector, [sink], Stats(source)).run()
    assert sink.closed == 1 and source.closed.is_set()


def test_what_a_recording_gave_before_it_failed_comes_through(detector):
    def pictures():
        yield from [BLACK] * 3
        raise SourceError("cut off")

    source, sink = ScriptedSource(pictures(), live=False), Collector()
    with pytest.raises(SourceError, match="cut off"):
        Pipeline(source, detector, [sink], Stats(source)).run()
    assert sink.numbers == [0, 1, 2]


def test_what_the_network_saw_before_it_failed_comes_through(detector, monkeypatch):
    infer = detector.infer

    def failing(frame):
        if frame.frame.number == 3:
            raise ZeroDivisionError("a mistake")
        return infer(frame)

    monkeypatch.setattr(detector, "infer", failing)
    source, sink = ScriptedSource([BLACK] * 20, live=False), Collector()
    with pytest.raises(ZeroDivisionError):
        Pipeline(source, detector, [sink], Stats(source)).run()
    assert sink.numbers == [0, 1, 2]


def test_a_mistake_in_decoding_ends_the_run_and_is_raised(detector, monkeypatch):
    def failing(inferred):
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(detector, "decode", failing)
    source, sink = ScriptedSource([BLACK] * 20, live=False), Collector()
    with pytest.raises(ZeroDivisionError):
        Pipeline(source, detector, [sink], Stats(source)).run()
    assert sink.numbers == [] and sink.closed == 1


def test_a_mistake_in_a_sink_ends_the_run_and_is_raised(detector):
    class Broken(Collector):
        def write(self, result):
            raise ZeroDivisionError("a mistake")

    source, other = ScriptedSource([BLACK], live=True, stay=True), Collector()
    with pytest.raises(ZeroDivisionError):
        Pipeline(source, detector, [Broken(), other], Stats(source)).run()
    assert other.closed == 1


def test_a_closed_window_ends_the_run_in_good_order(detector):
    class Window(Collector):
        def write(self, result):
            raise SinkClosedError

    source = ScriptedSource([BLACK], live=True, stay=True)
    Pipeline(source, detector, [Window()], Stats(source)).run()
    assert source.closed.is_set()


def test_sinks_that_hang_share_the_time_to_end(detector):
    source = ScriptedSource([BLACK], live=True, stay=True)
    stuck = [Collector() for _ in range(4)]
    for number, sink in enumerate(stuck):
        sink.name = f"stuck {number}"
        sink.gate.clear()
    pipeline = Pipeline(source, detector, stuck, Stats(source))
    waits = []

    class Patient(SinkThread):
        def join(self, timeout):
            waits.append(timeout)
            return False

    pipeline._workers = []
    pipeline._sinks = [Patient(sink, True, print) for sink in stuck]
    pipeline.stop()
    pipeline._finish()
    for sink in stuck:
        sink.gate.set()
    # Nobody was waited for, so that all of these end at the same moment.
    assert max(waits) <= LAST_SECONDS and len(waits) == 2 * len(stuck)


def test_a_deadline_that_has_passed_leaves_a_moment():
    assert 0 < seconds_left(0.0) < 0.1
