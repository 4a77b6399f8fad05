"""Unknown picture: what a file is that Pillow does not know, by its first bytes."""

from __future__ import annotations

from pathlib import Path

_FIRST_BYTES = 64
# ISO/IEC 14496-12, section 4.3: a file type box, whose brand says what follows.
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
_BRANDS = {
    **dict.fromkeys(_HEIC, "HEIC, whatever its name; save it as JPEG"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF, whatever its name; save it as JPEG"),
    **dict.fromkeys((b"isom", b"iso2", b"mp41", b"mp42", b"qt  "), "a video"),
}


def describe_unknown(path: Path) -> str:
    """ "HEIC, whatever its name; save it as JPEG" and the like. Raises: OSError."""
    with path.open("rb") as file:
        start = file.read(_FIRST_BYTES)
    if not start.strip(b"\0"):
        return "zeros alone" if start else "empty"
    if start.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS; `git lfs pull` fetches the picture"
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "a page of the web; download the picture itself"
    known = _BRANDS.get(start[8:12]) if start[4:8] == b"ftyp" else None
    return known or "not of a known format"
