import shutil

import pytest
from PIL import ImageFont

from edge_runtime.media import font
from edge_runtime.media.draw import text_mask
from tests.edge_runtime.media.fonts import CAT, forget_fonts, write_font

KEY = "鍵"  # which neither the system's usual font nor that of these tests has


@pytest.fixture
def font_with_a_cat(tmp_path, monkeypatch):
    """A system whose fonts are the usual one and one more, which has a single letter."""
    pytest.importorskip("fontTools", reason="fontTools makes the font")
    if shutil.which("fc-match") is None:
        pytest.skip("fontconfig's fc-match is not installed")
    path = tmp_path / "fonts" / "a cat.ttf"
    path.parent.mkdir()
    write_font(path)
    config = tmp_path / "fonts.conf"
    config.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        f"<dir>{path.parent}</dir><cachedir>{tmp_path / 'cache'}</cachedir></fontconfig>"
    )
    monkeypatch.setenv("FONTCONFIG_FILE", str(config))
    forget_fonts()
    yield path
    forget_fonts()


def test_letters_that_the_usual_font_lacks_are_drawn_with_one_that_has_them(font_with_a_cat):
    found, factor, ascii_only = font.find_font(CAT, 20)
    assert (found.path, factor, ascii_only) == (str(font_with_a_cat), 1, False)
    inked = text_mask(CAT, 20).histogram()[255]
    assert inked > 15 * 15  # its square, not the small one of a letter that is missing


def test_a_font_of_the_system_that_lacks_the_letters_as_well_is_not_taken(font_with_a_cat):
    assert font._file_with(KEY) == (font.USUAL_FONT, 0)
    assert text_mask(KEY, 20).getextrema()[1] > 0


@pytest.mark.parametrize("said", [FileNotFoundError("fc-match"), "", "no number", "0 /no/such.ttf"])
def test_whatever_fontconfig_says_text_is_drawn(monkeypatch, said):
    def run(*_, **__):
        if isinstance(said, OSError):
            raise said
        return font.subprocess.CompletedProcess([], 0, said, "")

    monkeypatch.setattr(font.subprocess, "run", run)
    forget_fonts()
    assert text_mask(CAT, 20).getextrema()[1] > 0
    forget_fonts()


def test_a_system_without_fonts_is_searched_once_for_a_name(monkeypatch):
    asked, whole = [], ImageFont.truetype

    def truetype(file, *given, **more):
        if not isinstance(file, str):  # Pillow's own, which it carries
            return whole(file, *given, **more)
        asked.append(file)
        raise OSError("cannot open resource")

    monkeypatch.setattr(ImageFont, "truetype", truetype)
    monkeypatch.setattr(font, "_ask_fontconfig", lambda _: None)
    forget_fonts()
    for _ in range(3):
        assert text_mask(CAT, 20).getextrema()[1] > 0
    assert len(asked) <= 2
    forget_fonts()


def test_letters_of_the_usual_font_ask_nobody(monkeypatch):
    if not font._has(font.USUAL_FONT, 0, "é"):
        pytest.skip(f"{font.USUAL_FONT} is not installed")
    monkeypatch.setattr(font, "_ask_fontconfig", lambda _: pytest.fail("asked"))
    forget_fonts()
    found, _, ascii_only = font.find_font("Übergang, кошка", 20)
    assert isinstance(found, ImageFont.FreeTypeFont) and not ascii_only
    forget_fonts()
