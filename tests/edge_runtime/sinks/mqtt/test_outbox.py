"""Events that wait on disk: in order, bounded, and still there after a crash."""

import errno
import random
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

from edge_runtime.sinks.mqtt import outbox as outbox_module
from edge_runtime.sinks.mqtt.message_store import FILE, MessageStore
from edge_runtime.sinks.mqtt.outbox import Outbox
from tests.conftest import ROOT
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
            box._store.close()  # commits nothing

    def open_box(limit=MEGABYTE):
        crash()
        boxes.append(Outbox(tmp_path, limit, clock))
        return boxes[-1]

    yield open_box
    crash()


def stored(folder):
    """How many messages are in the file; None where there is no file."""
    if not (folder / FILE).exists():
        return None
    connection = sqlite3.connect(folder / FILE)
    ((count,),) = connection.execute("SELECT count(*) FROM messages")
    connection.close()
    return count


def size_on_disk(folder):
    return sum(path.stat().st_size for path in folder.glob(f"{FILE}*") if path.suffix != ".db-shm")


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
    assert stored(tmp_path) is None
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


@pytest.mark.parametrize("seed", range(3))
def test_any_course_of_things_keeps_the_order(opened, clock, seed):
    """Against a list: a broker that comes and goes, a disk that fills, crashes after a sync."""
    dice = random.Random(seed)
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
    # A second time only what was on its way at a crash.
    assert len(arrived) < 1.5 * appended


def test_what_was_delivered_leaves_the_file(opened, clock, tmp_path):
    box = opened()
    fill(box, 0, 200)
    clock.now += 1
    box.sync()
    assert stored(tmp_path) == 200
    for message in taken(box):
        box.acknowledge(message.number)
    clock.now += 1
    box.sync()
    assert stored(tmp_path) == 0
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


@pytest.mark.parametrize("limit", [100_000, 1_000_000])
def test_the_oldest_overflow_and_are_counted(opened, clock, tmp_path, limit):
    box, largest, total = opened(limit), 0, limit // 50
    for number in range(total):
        box.append("topic", f"event {number}")
        clock.now += 0.02
        box.sync()
        if number % 50 == 0:
            largest = max(largest, size_on_disk(tmp_path))
    left = payloads(taken(box))
    assert left == events(total - len(left), total)
    assert box.overflowed == total - len(left) and box.waiting == len(left)
    assert 0.5 * limit < largest <= limit


def test_what_is_in_flight_does_not_overflow(opened, clock):
    box = opened(100_000)
    fill(box, 0, 10)
    clock.now += 1
    box.sync()
    messages = taken(box, 5)
    fill(box, 10, 8000)
    clock.now += 1
    box.sync()
    assert box.overflowed > 0
    for message in messages[:3]:
        box.acknowledge(message.number)
    box.rewind()
    left = payloads(taken(box))
    assert left[:2] == events(3, 5)
    assert left[2:] == events(8000 - len(left) + 2, 8000)
    assert box.delivered + box.overflowed + len(left) == 8000


def test_an_overflow_survives_a_restart(opened, clock):
    """Numbers are missing between what was on its way and what came after the lost ones."""
    box = opened(100_000)
    fill(box, 0, 10)
    clock.now += 1
    box.sync()
    taken(box, 3)
    fill(box, 10, 8000)
    clock.now += 1
    box.sync()
    waiting = box.waiting
    box = opened(100_000)
    left = taken(box)
    assert box.waiting == waiting == len(left) and box.overflowed == 0
    assert payloads(left)[:3] == events(0, 3) and payloads(left)[-1] == "event 7999"


@pytest.mark.parametrize("place", ["the header", "a page", "the whole file"])
def test_a_damaged_file_is_set_aside(opened, clock, tmp_path, caplog, place):
    box = opened()
    fill(box, 0, 2000)
    box.close()
    path = tmp_path / FILE
    data = bytearray(path.read_bytes())
    at = {"the header": slice(0, 100), "a page": slice(5 * 4096, 6 * 4096)}.get(place, slice(None))
    data[at] = b"\xff" * len(data[at])
    path.write_bytes(data)
    box = opened()
    assert f"{path} is damaged" in caplog.text
    assert (tmp_path / "outbox.damaged").exists()
    fill(box, 2000, 2003)
    clock.now += 1
    box.sync()
    left = payloads(taken(box))
    assert left[-3:] == events(2000, 2003) and box.waiting == len(left)
    assert [name for name in events(0, 2003) if name in set(left)] == left  # in order
    if place == "a page":
        assert len(left) > 3  # what stands before it


def test_a_changed_byte_is_never_delivered(opened, clock, tmp_path, caplog):
    box = opened()
    fill(box, 0, 5)
    box.close()
    path = tmp_path / FILE
    data = bytearray(path.read_bytes())
    data[data.index(b"event 2") + 6] = ord("7")  # SQLite itself does not notice
    path.write_bytes(data)
    box = opened()
    assert payloads(taken(box)) == ["event 0", "event 1", "event 3", "event 4"]
    assert "1 events on disk are damaged" in caplog.text
    assert (box.waiting, box.overflowed) == (4, 1)


def test_a_file_that_is_damaged_while_it_is_used(opened, clock, tmp_path):
    box = opened()
    fill(box, 0, 2000)
    clock.now += 1
    box.sync()
    going = taken(box, 2)

    def fail(first):
        raise outbox_module.DamageError(errno.EIO, "malformed")

    box._store.read, read = fail, box._store.read
    assert box.take() is None and box.error is not None
    box._store.read = read
    fill(box, 2000, 2003)
    clock.now += 1
    box.sync()
    box.rewind()
    assert payloads(taken(box)) == events(0, 2003)
    assert box.overflowed == 0
    for message in going:
        box.acknowledge(message.number)
    clock.now += 1
    box.sync()
    assert box.error is None


def test_full_disk_is_counted_and_survived(opened, clock, monkeypatch):
    monkeypatch.setattr(outbox_module, "FRESH_BYTES", 2000)
    box = opened()
    fill(box, 0, 3)
    clock.now += 1
    box.sync()
    # SQLite answers the same as for a disk without room.
    box._store._writer.execute("PRAGMA max_page_count = 1")
    for number in range(3, 200):
        box.append("topic", f"event {number}" + "." * 200)
        clock.now += 0.1
        box.sync()
    assert "database or disk is full" in box.error
    assert payloads(taken(box, 2)) == events(0, 2)
    box._store._writer.execute("PRAGMA max_page_count = 100000")
    clock.now += 1
    box.sync()
    assert box.error is None
    left = [payload.rstrip(".") for payload in payloads(taken(box))]
    assert left[0] == "event 2" and left[-5:] == events(195, 200)
    assert [event for event in events(0, 200) if event in set(left)] == left  # in order
    assert 0 < box.overflowed == 200 - len(left) - 2
    again = [payload.rstrip(".") for payload in payloads(taken(opened()))]
    assert again == events(0, 2) + left


def test_a_file_that_vanishes_is_made_again(opened, clock, tmp_path):
    box = opened()
    fill(box, 0, 3)
    clock.now += 1
    box.sync()
    for path in tmp_path.glob(f"{FILE}*"):
        path.unlink()
    fill(box, 3, 6)
    for _ in range(2):
        clock.now += 1
        box.sync()
    assert payloads(taken(box)) == events(3, 6)
    assert (box.overflowed, box.waiting) == (3, 3)


def test_appending_does_not_wait_for_the_disk(opened, clock, monkeypatch):
    """While a card takes its time over a commit, both threads go on in memory."""
    box, started, release = opened(), threading.Event(), threading.Event()
    write = MessageStore.write

    def slow(store, *arguments):
        started.set()
        assert release.wait(30)
        write(store, *arguments)

    monkeypatch.setattr(MessageStore, "write", slow)
    fill(box, 0, 2)
    writing = threading.Thread(target=box.sync, args=(True,))
    writing.start()
    assert started.wait(30)
    fill(box, 2, 4)
    messages = taken(box, 3)
    box.acknowledge(messages[0].number)
    assert payloads(messages) == events(0, 3)
    release.set()
    writing.join(30)
    box.rewind()
    assert payloads(taken(box)) == events(1, 4)
    box.sync(force=True)
    assert payloads(taken(opened())) == events(1, 4)


def test_killed_it_loses_nothing_that_was_written(opened, tmp_path):
    code = (
        "import sys\nfrom edge_runtime.sinks.mqtt.outbox import Outbox\n"
        "box, number = Outbox(sys.argv[1], 1_000_000), 0\n"
        "while True:\n"
        "    box.append('topic', f'event {number}'); box.sync(force=True)\n"
        "    print(number, flush=True); number += 1"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(20):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        written = 20 + len(process.stdout.read().splitlines())
    left = payloads(taken(opened()))
    assert left == events(0, len(left)) and len(left) >= written


def test_files_of_an_earlier_version_are_named(opened, tmp_path, caplog):
    (tmp_path / f"{7:020d}.log").write_text("old")
    opened()
    assert "1 files, which are not delivered" in caplog.text


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
