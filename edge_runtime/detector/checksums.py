"""Checksums: SHA-256 of a converted file's network and of the members behind it.

They travel as one more member. The network's covers the bytes in front of the zip, as many as it
says, so that another tool may append members of its own and the sum still holds. They show damage;
they are no signature, and do not say who made the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from edge_runtime.detector.json_object import is_whole, read_object
from edge_runtime.detector.sha256 import sha256

CHECKSUMS_MEMBER = "checksums.json"


class ChecksumError(ValueError):
    """A part of a file is not what its checksums say."""


def make_checksums(network: bytes, members: Mapping[str, bytes]) -> str:
    """Text of the member.

    Args:
        network: the bytes before the zip.
        members: name → bytes of those behind it that are to be covered.
    """
    content = {
        "network": {"bytes": len(network), "sha256": sha256(network)},
        "members": {name: sha256(data) for name, data in members.items()},
    }
    return json.dumps(content, separators=(",", ":"))


def check_checksums(text: str, content: bytes, members: Mapping[str, bytes]) -> None:
    """Compare a file with the text of its checksums.

    Args:
        content: of the whole file.
        members: name → bytes of all that are behind it; further ones are another tool's.

    Raises: ChecksumError that says which part differs; ValueError for a text that is none.
    """
    values = read_object(text, CHECKSUMS_MEMBER)
    network, sums = values.get("network"), values.get("members")
    if not isinstance(network, dict) or not isinstance(sums, dict):
        raise ValueError(f"{CHECKSUMS_MEMBER} has no sums of a network and its members")
    size = network.get("bytes")
    if not is_whole(size, 0, len(content)):
        raise ChecksumError(f"its network is cut off: {size} bytes expected")
    if sha256(memoryview(content)[:size]) != network.get("sha256"):
        raise ChecksumError("its network is another (by its SHA-256): damage, or another tool")
    for name, expected in sums.items():
        if name not in members:
            raise ChecksumError(f"{name} is missing")
        if sha256(members[name]) != expected:
            raise ChecksumError(f"{name} is another (by its SHA-256): damage, or another tool")
