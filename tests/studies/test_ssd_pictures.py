"""The pictures of docs/ssd.md come out of one command."""

import pytest
from PIL import Image

from studies.ssd_pictures.__main__ import NAMES, main
from tests.conftest import ROOT

pytestmark = pytest.mark.slow


def test_every_stage_is_drawn_and_is_what_the_page_shows(tmp_path, capsys):
    assert main(["--out", str(tmp_path), "--model", str(ROOT / "models/digits.keras")]) == 0
    page = (ROOT / "docs/ssd.md").read_text(encoding="utf-8")
    for name in NAMES:
        path = tmp_path / f"{name}.webp"
        assert str(path) in capsys.readouterr().out or path.is_file()
        assert f"ssd/{name}.webp" in page
        with Image.open(path) as drawn, Image.open(ROOT / f"docs/ssd/{name}.webp") as shown:
            assert drawn.size == shown.size
            assert len(drawn.getcolors(1 << 20)) > 100


def test_no_model_is_named(tmp_path, capsys):
    assert main(["--out", str(tmp_path), "--model", str(tmp_path / "none.keras")]) == 2
    assert "no model file at" in capsys.readouterr().err
