"""Results in other sizes, computed once for all who want them."""

import threading

import numpy as np
import pytest

from edge_runtime.frame import Result
from tests.edge_runtime.sinks.results import make_result


def result():
    image = np.zeros((120, 160, 3), np.uint8)
    image[40:80, 20:40] = 250
    return make_result(7, ("green",), image=image)


def test_a_result_that_is_scaled_down():
    small = result().fitted((80, 80))
    assert small.frame.hw == small.frame.image.shape[:2] == (60, 80)
    assert small.detections.boxes[0] == pytest.approx([10, 20, 20, 40])
    assert small.detections.names == ["green"] and small.frame.number == 7
    assert small.frame.image[30, 15].min() > 240 and small.frame.image[10, 40].max() < 10


@pytest.mark.parametrize(
    ("most_wh", "hw"), [((100, 1000), (74, 100)), ((1000, 50), (50, 66)), ((1, 1), (2, 2))]
)
def test_it_fits_and_has_even_sides(most_wh, hw):
    assert result().fitted(most_wh).frame.hw == hw


def test_what_fits_is_left_alone():
    one = result()
    assert one.fitted((160, 120)) is one and one.fitted((4000, 4000)) is one


def test_it_is_computed_once_for_all(monkeypatch):
    one, scaled, found = result(), [], []
    original = Result._scale
    monkeypatch.setattr(
        Result, "_scale", lambda self, *args: scaled.append(args) or original(self, *args)
    )
    threads = [
        threading.Thread(target=lambda most=(80, 80 + n): found.append(one.fitted(most)))
        for n in range(8)  # limits differ, the size does not
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(scaled) == 1 and all(other is found[0] for other in found)


def test_without_its_image_it_holds_no_memory():
    light = result().without_image
    assert light.frame.image is None and light.frame.nbytes == 3
    assert light.to_dict() == result().to_dict()
