"""Hand over between threads."""

import threading

import pytest

from edge_runtime.latest_queue import ClosedError, LatestQueue
from tests.edge_runtime.runs import wait_until


def test_the_newest_wins_and_the_dropped_are_counted():
    queue = LatestQueue()
    for number in range(5):
        queue.put(number)
    assert (queue.get(0), queue.dropped) == (4, 4)
    assert queue.get(0) is None


def test_a_queue_drops_its_oldest():
    queue = LatestQueue(size=3)
    for number in range(5):
        queue.put(number)
    assert [queue.get(0) for _ in range(3)] == [2, 3, 4] and queue.dropped == 2


def test_a_waiting_sender_goes_on_when_there_is_room():
    queue, sent = LatestQueue(size=2, wait=True), []

    def send():
        for number in range(6):
            queue.put(number)
            sent.append(number)
        queue.close()

    thread = threading.Thread(target=send)
    thread.start()
    wait_until(lambda: len(queue) == 2)
    assert len(sent) <= 3  # it cannot be further: two wait in the queue, one in its hand
    assert [queue.get(20) for _ in range(6)] == list(range(6)) and queue.dropped == 0
    thread.join(20)
    with pytest.raises(ClosedError):
        queue.get(0)


def test_what_waits_is_still_delivered_after_close():
    queue = LatestQueue(size=2)
    queue.put(1)
    queue.close()
    assert queue.get(0) == 1
    with pytest.raises(ClosedError):
        queue.get(0)
    with pytest.raises(ClosedError):
        queue.put(2)


def test_discard_forgets_what_waits():
    queue = LatestQueue(size=2)
    queue.put(1)
    queue.close(discard=True)
    with pytest.raises(ClosedError):
        queue.get(0)


@pytest.mark.parametrize("side", ["put", "get"])
def test_close_wakes_who_waits(side):
    queue, woken = LatestQueue(wait=True), threading.Event()
    if side == "put":
        queue.put(0)

    def wait():
        try:
            queue.put(1) if side == "put" else queue.get(30)
        except ClosedError:
            woken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    queue.close(discard=True)
    thread.join(20)
    assert woken.is_set()


def test_bytes_bound_a_queue_too():
    queue = LatestQueue(size=8, bytes_of=len, most_bytes=10)
    for text in ("aaaa", "bbbb", "cc", "ddd"):
        queue.put(text)
    assert [queue.get(0) for _ in range(3)] == ["bbbb", "cc", "ddd"] and queue.dropped == 1
    queue.put("x" * 100)  # one alone may have more
    queue.put("y")
    assert queue.get(0) == "y" and queue.dropped == 2
    queue.put("z" * 10)  # what was taken counts no longer
    assert len(queue) == 1


def test_a_sender_waits_for_room_in_bytes():
    queue, sent = LatestQueue(size=8, wait=True, bytes_of=len, most_bytes=5), []

    def send():
        for text in ("aaa", "bb", "c"):
            queue.put(text)
            sent.append(text)

    thread = threading.Thread(target=send)
    thread.start()
    wait_until(lambda: len(queue) == 2)
    assert len(sent) <= 2
    assert [queue.get(20) for _ in range(3)] == ["aaa", "bb", "c"] and queue.dropped == 0
    thread.join(20)
