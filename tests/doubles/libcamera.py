"""Test double of libcamera's Python bindings: the few names that our picamera2 source uses.

The real ones come with Raspberry Pi OS; see picamera2.py beside this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import SimpleNamespace


@dataclass(frozen=True)
class Transform:
    hflip: bool = False
    vflip: bool = False
    transpose: bool = False


class YcbcrEncoding(Enum):
    Null = 0
    Rec601 = 1
    Rec709 = 2
    Rec2020 = 3


class Range(Enum):
    Full = 0
    Limited = 1


@dataclass
class ColorSpace:
    ycbcrEncoding: YcbcrEncoding  # noqa: N815, libcamera's spelling
    range: Range

    @staticmethod
    def Sycc() -> ColorSpace:  # noqa: N802
        return ColorSpace(YcbcrEncoding.Rec601, Range.Full)

    @staticmethod
    def Smpte170m() -> ColorSpace:  # noqa: N802
        return ColorSpace(YcbcrEncoding.Rec601, Range.Limited)

    @staticmethod
    def Rec709() -> ColorSpace:  # noqa: N802
        return ColorSpace(YcbcrEncoding.Rec709, Range.Limited)


controls = SimpleNamespace(AfModeEnum=Enum("AfModeEnum", ["Manual", "Auto", "Continuous"], start=0))
