"""SHA-256 without OpenSSL, which `hashlib` loads: 4 MB of memory and as many milliseconds."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any

LARGE = 4 << 20  # bytes; from here on OpenSSL's speed is worth its loading


def sha256(data: bytes | memoryview) -> str:
    """SHA-256 in hexadecimal digits."""
    digits: str = _hash(data).hexdigest()
    return digits


def _hash(data: bytes | memoryview) -> Any:
    if memoryview(data).nbytes < LARGE:
        for module in ("_sha2", "_sha256"):  # Python's own, from 3.12 on, and before
            with suppress(ImportError):
                return import_module(module).sha256(data)
    return import_module("hashlib").sha256(data)
