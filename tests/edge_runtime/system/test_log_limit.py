"""Lasting trouble is logged once in a while."""

from edge_runtime.system.log_limit import LOG_AGAIN_SECONDS, LogLimit
from tests.edge_runtime.runs import Clock


def test_once_a_minute():
    clock = Clock()
    limit = LogLimit(clock=clock)
    due = []
    for second in range(150):
        if limit.is_due():
            due.append(second)
        clock.now += 1
    assert due == [0, LOG_AGAIN_SECONDS, 2 * LOG_AGAIN_SECONDS]


def test_another_text_is_news():
    limit = LogLimit(clock=Clock())
    asked = ["refused", "refused", "no route", "no route", "refused"]
    assert [limit.is_due(text) for text in asked] == [True, False, True, False, True]
