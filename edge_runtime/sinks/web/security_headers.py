"""Security headers: what a browser may do with the page, and who may show it in a frame."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ORIGIN = re.compile(r"https?://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::(?P<port>[0-9]{1,5}))?")


def parse_origin(text: str) -> str:
    """Origin of a page that may show ours in a frame: http(s)://HOST[:PORT], in lower case.

    Raises: ValueError for anything else: a path, a wildcard, an IPv6 address, which the header
        cannot name.
    """
    origin = text.strip().lower().removesuffix("/")
    match = _ORIGIN.fullmatch(origin)
    if match is None or not 0 < int(match["port"] or 80) <= 65535:
        raise ValueError(
            "the origin of the page around it expected, http://HOST[:PORT] or https://HOST[:PORT] "
            "without a path (browsers take no IPv6 address and no _ there, an umlaut as xn--…; we "
            "take no *), such as "
            f"http://homeassistant.local:8123, got {text!r}"
        )
    return origin


def security_headers(frame_origins: Sequence[str] = ()) -> dict[str, str]:
    """Headers of every answer. frame_origins: of `parse_origin`; none may frame it without."""
    ancestors = " ".join(frame_origins) or "'none'"
    headers = {
        "Cache-Control": "no-store",
        "Connection": "close",
        # Script and style stand in the one file; names of classes and files go in as text only.
        "Content-Security-Policy": "default-src 'none'; img-src 'self' data: blob:; "
        "connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
        f"form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    if not frame_origins:  # it cannot name an origin: with some, only frame-ancestors speaks
        headers["X-Frame-Options"] = "DENY"
    return headers
