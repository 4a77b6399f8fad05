import re

import pytest

from edge_runtime.media.images import read_image


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "(empty)"),
        (bytes(5000), "(zeros alone)"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n", "git lfs pull"),
        (b"\n<!DOCTYPE html><title>Sign in</title>", "a page of the web"),
        (b"\0\0\0\x24ftypheic\0\0\0\0mif1heic", "HEIC, whatever its name"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", "a video"),
        (b"\0\0\0\x20fty", "not of a known format"),
    ],
)
def test_what_stands_in_a_pictures_place_is_named(tmp_path, content, said):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(said)):
        read_image(path)
