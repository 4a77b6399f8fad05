"""Fonts: one that has the letters of a text, from the system or from Pillow."""

from __future__ import annotations

import subprocess
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

USUAL_FONT = "DejaVuSans.ttf"  # Latin, Greek, Cyrillic, Arabic, Hebrew and more
BITMAP_HEIGHT = 11  # pixels, of Pillow's own bitmap font
NO_LETTER = "\U0010fffe"  # that no font has: what a font draws for it stands for every other, too
FONTCONFIG_SECONDS = 10


def find_font(text: str, height: int) -> tuple[Font, int, bool]:
    """A font for a text, by which factor to enlarge it, and whether it has no more than ASCII.

    For letters beyond ASCII a file of the system: the usual one, or where that lacks some,
    Chinese and Japanese for instance, the one that fontconfig names, if it is installed.

    Args:
        height: of the letters, about, in pixels.
    """
    letters = "".join(sorted({letter for letter in text if not letter.isascii()}))
    found = _file_with(letters) if letters else None
    if found is None:
        return *_own_font(height), True
    return _open(*found, height), 1, False


@lru_cache(maxsize=8)  # reading a font takes longer than drawing with it
def _own_font(height: int) -> tuple[Font, int]:
    try:
        return ImageFont.load_default(size=height), 1
    except (TypeError, ImportError):
        # Pillow before 10.1, or without FreeType: a bitmap font of one size.
        return ImageFont.load_default(), max(1, round(height / BITMAP_HEIGHT))


@lru_cache(maxsize=8)
def _open(path: str, index: int, height: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, height, index)


@lru_cache(maxsize=4096)  # a class name each, asked for in every frame
def _file_with(letters: str) -> tuple[str, int] | None:
    """Path and index in the file of a font with these letters.

    Returns: the usual font if there is none; None where that cannot be used either, since it is
        not installed or Pillow has no FreeType.
    """
    if not _has(USUAL_FONT, 0, letters):
        found = _ask_fontconfig(letters)
        if found is not None and _has(*found, letters):
            return found
    return (USUAL_FONT, 0) if _has(USUAL_FONT, 0, "") else None


def _has(path: str, index: int, letters: str) -> bool:
    """Whether a font draws something of its own for each letter."""
    try:
        font = _open(path, index, 2 * BITMAP_HEIGHT)
    except (OSError, ImportError):
        return False
    missing = _drawn(font, NO_LETTER)
    return all(_drawn(font, letter) != missing for letter in letters)


def _drawn(font: Font, letter: str) -> bytes:
    picture = Image.new("L", (4 * BITMAP_HEIGHT, 4 * BITMAP_HEIGHT))
    ImageDraw.Draw(picture).text((0, 0), letter, fill=255, font=font)
    return picture.tobytes()


def _ask_fontconfig(letters: str) -> tuple[str, int] | None:
    codes = " ".join(f"{ord(letter):x}" for letter in letters)
    command = ["fc-match", "--format", "%{index} %{file}", f":charset={codes}"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=FONTCONFIG_SECONDS, check=True
        ).stdout
        index, path = answer.split(" ", 1)
        return path, int(index) & 0xFFFF  # above stand the named instances of variable fonts
    except (OSError, ValueError, subprocess.SubprocessError):
        return None  # not installed, or without a font
