"""Pictures for viewers: no larger than a page shows them."""

import io

import numpy as np
import pytest
from PIL import Image

from edge_runtime.sinks.web.mjpeg import annotated_jpeg
from tests.edge_runtime.sinks.results import make_result


@pytest.mark.parametrize(
    ("wh", "shown"),
    [((3840, 2160), (1920, 1080)), ((1920, 1080), (1920, 1080)), ((2160, 3840), (1080, 1920))],
)
def test_large_pictures_are_scaled_down(wh, shown):
    image = np.full((*wh[::-1], 3), 90, np.uint8)
    with Image.open(io.BytesIO(annotated_jpeg(make_result(0, image=image)))) as picture:
        assert picture.size == shown
