"""Fixtures that all tests of the conversion share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from train.data import decoding


@pytest.fixture(scope="session", autouse=True)
def decoded_elsewhere(tmp_path_factory) -> Iterator[None]:
    """No test leaves what it decoded in the checkout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "FOLDER", tmp_path_factory.mktemp("decoded"))
        yield
