"""Hand over between threads."""

import threading

import pytest

from edge_runtime.latest_queue import ClosedError, Mailbox
from tests.edge_runtime.runs import wait_until


def test_the_newest_wins_and_the_dropped_are_counted():
    box = Mailbox()
    for number in range(5):
        box.put(number)
    assert (box.get(0), box.dropped) == (4, 4)
    assert box.get(0) is None


def test_a_queue_drops_its_oldest():
    box = Mailbox(size=3)
    for number in range(5):
        box.put(number)
    assert [box.get(0) for _ in range(3)] == [2, 3, 4] and box.dropped == 2


def test_a_waiting_sender_goes_on_when_there_is_room():
    box, sent = Mailbox(size=2, wait=True), []

    def send():
        for number in range(6):
            box.put(number)
            sent.append(number)
        box.close()

    thread = threading.Thread(target=send)
    thread.start()
    wait_until(lambda: len(box) == 2)
    assert len(sent) <= 3  # it cannot be further: two wait in the box, one in its hand
    assert [box.get(20) for _ in range(6)] == list(range(6)) and box.dropped == 0
    thread.join(20)
    with pytest.raises(ClosedError):
        box.get(0)


def test_what_waits_is_still_delivered_after_close():
    box = Mailbox(size=2)
    box.put(1)
    box.close()
    assert box.get(0) == 1
    with pytest.raises(ClosedError):
        box.get(0)
    with pytest.raises(ClosedError):
        box.put(2)


def test_discard_forgets_what_waits():
    box = Mailbox(size=2)
    box.put(1)
    box.close(discard=True)
    with pytest.raises(ClosedError):
        box.get(0)


@pytest.mark.parametrize("side", ["put", "get"])
def test_close_wakes_who_waits(side):
    box, woken = Mailbox(wait=True), threading.Event()
    if side == "put":
        box.put(0)

    def wait():
        try:
            box.put(1) if side == "put" else box.get(30)
        except ClosedError:
            woken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    box.close(discard=True)
    thread.join(20)
    assert woken.is_set()
