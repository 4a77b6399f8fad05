"""Events that wait on disk: in order, bounded, and still there after a crash."""

import errno
import random

import pytest

from edge_runtime.sinks.mqtt import outbox as outbox_module
from edge_runtime.sinks.mqtt.outbox import Outbox, Segment, find_segments
from tests.edge_runtime.runs import Clock

MEGABYTE = 1_000_000


@pytest.fixture
def clock():
    return Clock(0.0)


@pytest.fixture
def opened(tmp_path, clock):
    """Opens outboxes in one folder, one after the other; each is let go of as by a crash."""
    boxes = []

    def crash():
        for box in boxes:
            box._lock.close()

    def open_box(limit=MEGABYTE):
        crash()
        boxes.append(Outbox(tmp_path, limit, clock))
        return boxes[-1]

    yield open_box
    crash()
    for box in boxes:
        for segment in box._segments:
            segment.close()


def taken(box, count=None):
    messages = []
    while (count is None or len(messages) < count) and (message := box.take()):
        messages.append(message)
    return messages


def payloads(messages):
    return [message.payload for message in messages]


def fill(box, first, end):
    for number in range(first, end):
        box.append("topic", f"event {number}")


def events(first, end):
    return [f"event {number}" for number in range(first, end)]


def test_acknowledged_in_time_nothing_is_written(opened, clock, tmp_path):
    box = opened()
    for number in range(100):
        box.append("topic", f"event {number}")
        (message,) = taken(box)
        assert (message.topic, message.payload) == ("topic", f"event {number}")
        box.acknowledge(message.number)
        clock.now += 0.3
        box.sync()
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    assert (box.waiting, box.delivered, box.overflowed) == (0, 100, 0)


def test_what_waits_is_written_after_a_second(opened, clock, tmp_path):
    box = opened()
    fill(box, 0, 3)
    box.sync()
    assert find_segments(tmp_path) == []
    clock.now += 1
    box.sync()
    assert payloads(taken(opened())) == events(0, 3)


def test_rewound_in_order_then_the_rest(opened, clock):
    box = opened()
    fill(box, 0, 5)
    one, two, _ = taken(box, 3)
    box.acknowledge(two.number)  # out of order, as no broker should
    box.rewind()
    clock.now += 1
    box.sync()  # meanwhile all goes to disk
    assert payloads(taken(box, 2)) == ["event 0", "event 2"]
    box.rewind()
    box.acknowledge(one.number)
    box.rewind()
    fill(box, 5, 7)
    assert payloads(taken(box)) == ["event 2", *events(3, 7)]
    assert (box.waiting, box.delivered) == (5, 2)


def test_any_course_of_things_keeps_the_order(opened, clock, monkeypatch):
    """Against a list: a broker that comes and goes, a disk that fills, crashes after a sync."""
    monkeypatch.setattr(outbox_module, "SEGMENT_BYTES", 300)
    dice = random.Random(0)
    box, appended, arrived = opened(), 0, []
    for _ in range(2000):
        action = dice.choice(["append", "append", "take", "acknowledge", "sync", "rewind", "crash"])
        clock.now += dice.random() / 2
        if action == "append":
            box.append("topic", f"event {appended}")
            appended += 1
        elif action == "take":
            taken(box, dice.randrange(4))
        elif action == "acknowledge" and box._in_flight:
            message = next(iter(box._in_flight.values()))
            arrived.append(message.payload)
            box.acknowledge(message.number)
        elif action == "sync":
            box.sync(force=dice.random() < 0.1)
        elif action == "rewind":
            box.rewind()
        elif action == "crash" and dice.random() < 0.1:
            box.sync(force=True)
            box = opened()
    box.rewind()
    for message in taken(box):
        arrived.append(message.payload)
        box.acknowledge(message.number)
    assert list(dict.fromkeys(arrived)) == events(0, appended)  # the first time, in order
    assert box.waiting == 0 and box.overflowed == 0
    # A second time only what was in the oldest segment at a crash.
    assert len(arrived) < 1.5 * appended


def test_drained_files_are_removed(opened, clock, tmp_path):
    box = opened(16_000)
    fill(box, 0, 200)
    clock.now += 1
    box.sync()
    assert len(find_segments(tmp_path)) > 3
    for message in taken(box):
        box.acknowledge(message.number)
    box.sync()
    assert find_segments(tmp_path) == []
    assert payloads(taken(opened())) == []


def test_restart_does_not_repeat_what_was_acknowledged(opened, clock):
    box = opened()
    fill(box, 0, 10)
    clock.now += 1
    box.sync()
    for message in taken(box, 4):
        box.acknowledge(message.number)
    clock.now += 1
    box.sync()
    box = opened()
    fill(box, 10, 12)
    assert box.waiting == 8
    assert payloads(taken(box)) == events(4, 12)


def test_the_oldest_overflow_and_are_counted(opened, clock, tmp_path):
    limit = 20_000
    box = opened(limit)
    for number in range(1200):
        box.append("topic", f"event {number}")
        clock.now += 0.1
        box.sync()
    left = payloads(taken(box))
    assert left == events(1200 - len(left), 1200)
    assert box.overflowed == 1200 - len(left) and box.waiting == len(left)
    size = sum(path.stat().st_size for path in find_segments(tmp_path))
    assert limit * 0.85 < size <= limit


def test_what_is_in_flight_does_not_overflow(opened, clock):
    box = opened(20_000)
    fill(box, 0, 10)
    clock.now += 1
    box.sync()
    messages = taken(box, 5)
    fill(box, 10, 3000)
    clock.now += 1
    box.sync()
    assert box.overflowed > 0
    for message in messages[:3]:
        box.acknowledge(message.number)
    box.rewind()
    left = payloads(taken(box))
    assert left[:2] == events(3, 5)
    assert left[2:] == events(3000 - len(left) + 2, 3000)
    assert box.delivered + box.overflowed + len(left) == 3000


@pytest.mark.parametrize("cut", [1, 7, 20])
def test_torn_tail(opened, clock, tmp_path, caplog, cut):
    box = opened()
    fill(box, 0, 5)
    clock.now += 1
    box.sync()
    (path,) = find_segments(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])
    box = opened()
    assert "1 torn or damaged" in caplog.text
    fill(box, 5, 7)
    assert payloads(taken(box)) == [*events(0, 4), *events(5, 7)]


def test_damaged_in_the_middle(opened, clock, tmp_path):
    box = opened()
    fill(box, 0, 5)
    clock.now += 1
    box.sync()
    (path,) = find_segments(tmp_path)
    data = bytearray(path.read_bytes())
    data[data.index(b"event 2")] = 0  # what a power cut leaves
    path.write_bytes(data)
    box = opened()
    assert box.waiting == 4
    assert payloads(taken(box)) == ["event 0", "event 1", "event 3", "event 4"]


def test_crash_between_segments(opened, clock, tmp_path):
    """The next file is there and empty; or the note of what was acknowledged is torn."""
    box = opened()
    fill(box, 0, 5)
    clock.now += 1
    box.sync()
    for message in taken(box, 2):
        box.acknowledge(message.number)
    clock.now += 1
    box.sync()
    Segment.create(tmp_path, 6)
    note = tmp_path / "acknowledged"
    note.write_bytes(note.read_bytes()[:-3])
    box = opened()
    assert payloads(taken(box)) == events(0, 5)  # twice, but never lost
    fill(box, 5, 8)
    assert payloads(taken(box)) == events(5, 8)


def test_full_disk_is_counted_and_survived(opened, clock, monkeypatch):
    monkeypatch.setattr(outbox_module, "FRESH_BYTES", 2000)
    box = opened()
    fill(box, 0, 3)
    clock.now += 1
    box.sync()
    append = Segment.append

    def fail_halfway(segment, messages):
        with segment.path.open("ab") as file:
            file.write(b"half a li")
        segment._torn = True
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Segment, "append", fail_halfway)
    for number in range(3, 200):
        box.append("topic", f"event {number}")
        clock.now += 0.1
        box.sync()
    assert "No space left" in box.error
    assert payloads(taken(box, 2)) == events(0, 2)
    monkeypatch.setattr(Segment, "append", append)
    clock.now += 1
    box.sync()
    assert box.error is None
    left = payloads(taken(box))
    assert left[0] == "event 2" and left[1:] == events(201 - len(left), 200)
    assert 0 < box.overflowed == 200 - len(left) - 2
    assert payloads(taken(opened())) == events(0, 3) + left[1:]


def test_a_folder_that_vanishes_is_made_again(opened, clock, tmp_path):
    box = opened()
    fill(box, 0, 3)
    clock.now += 1
    box.sync()
    for path in find_segments(tmp_path):
        path.unlink()
    fill(box, 3, 6)
    for _ in range(2):
        clock.now += 1
        box.sync()
    assert payloads(taken(box)) == events(3, 6)
    assert (box.overflowed, box.waiting) == (3, 3)


def test_one_process_at_a_time(opened, tmp_path):
    opened()
    with pytest.raises(OSError, match="another --mqtt-name"):
        Outbox(tmp_path, MEGABYTE)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="--state-dir"):
        Outbox(tmp_path / "file" / "mqtt", MEGABYTE)


def test_close_leaves_the_rest(tmp_path, clock):
    box = Outbox(tmp_path, MEGABYTE, clock)
    fill(box, 0, 4)
    for message in taken(box, 2):
        box.acknowledge(message.number)
    box.close()
    box = Outbox(tmp_path, MEGABYTE, clock)
    assert payloads(taken(box)) == events(2, 4)
    box.close()
