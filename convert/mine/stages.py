"""Stages of `make mine`: processes that end with it, whatever ends it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TextIO

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_stage(command: Sequence[str], claim: TextIO) -> int:
    """Run `python -m COMMAND` to its end. Returns: its exit status, as a shell counts it.

    Ctrl-C reaches it from the terminal; other signals that end a process are passed on, so that
    none is left alone. Should it be all the same, it holds the claim as long as it works.
    """
    children: list[subprocess.Popen[bytes]] = []
    caught: list[int] = []

    def pass_on(number: int) -> None:
        for child in children:
            if number != signal.SIGINT:
                child.send_signal(number)

    def note(number: int, _: FrameType | None) -> None:
        caught.append(number)
        pass_on(number)

    # A background job that ignores Ctrl-C, or one under nohup, goes on to do so.
    heard = [each for each in STOPS if signal.getsignal(each) != signal.SIG_IGN]
    earlier = {each: signal.signal(each, note) for each in heard}
    try:
        children.append(
            subprocess.Popen([sys.executable, "-m", *command], pass_fds=(claim.fileno(),))
        )
        for number in tuple(caught):  # while it was being started
            pass_on(number)
        status = children[0].wait()
    finally:
        for each, handler in earlier.items():
            signal.signal(each, handler)
    if caught and not status:  # it had ended already
        return 128 + caught[0]
    return 128 - status if status < 0 else status
