"""The memory through which a camera's process hands over its frames."""

import json
import os
import socket
from dataclasses import asdict

import numpy as np
import pytest

from edge_runtime.frame import Frame
from edge_runtime.sources.base import SourceError
from edge_runtime.sources.isolated.shared_frames import SLOTS, Layout
from edge_runtime.sources.isolated.worker import Writer


def small_frame(number, side=4):
    small = np.full((side, side, 3), number, np.uint8)
    return Frame((side, side), 1.0, 2.0, number, small=small)


def test_a_writer_keeps_off_slots_that_are_not_its_own():
    ours, theirs = socket.socketpair()
    memory = os.memfd_create("test")
    with ours, theirs:
        writer = Writer(theirs, memory)
        for number in range(SLOTS + 2):
            writer.write(small_frame(number), dropped=0)
        assert writer.dropped == 2
        writer.free(1)
        writer.write(small_frame(50), dropped=7)
        ready, *announced = map(json.loads, ours.recv(1 << 16).splitlines())
        with pytest.raises(SourceError, match="size changed"):
            writer.write(small_frame(51, side=8), dropped=7)
    assert Layout.from_dict(ready["ready"]) == Layout.of(small_frame(0))
    assert [message["slot"] for message in announced] == [*range(SLOTS), 1]
    assert announced[-1]["dropped"] == 9
    assert os.pread(memory, 200, 0)[::48] == bytes([0, 50, 2, 3])
    os.close(memory)


def test_a_layout_survives_json():
    picture = np.zeros((6, 8, 3), np.uint8)
    for frame in (
        small_frame(0),
        Frame((6, 8), 0.0, 0.0, 0, picture),
        Frame((6, 8), 0.0, 0.0, 0, picture, small=picture[:2]),
    ):
        layout = Layout.of(frame)
        assert Layout.from_dict(json.loads(json.dumps(asdict(layout)))) == layout
    assert layout.slot_bytes == 6 * 8 * 3 + 2 * 8 * 3
