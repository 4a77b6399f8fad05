"""Listening address of the web page: parsed, resolved, and as a URL."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Any

MAX_ADDRESS = 60  # characters of an address in numbers
_FORWARDED = re.compile(r"(?P<v4>[0-9.]+)(?::[0-9]+)?|\[?(?P<v6>[0-9A-Fa-f:.]+)(?:\](?::[0-9]+)?)?")


@dataclass(frozen=True)
class Address:
    """A host's name or number, and a port; 0 lets the system choose one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Address of a text: HOST:PORT, [IPv6]:PORT, or :PORT and PORT on loopback.

    Raises: ValueError for anything else.
    """
    match = re.fullmatch(r"(?:(?P<host>[\w.-]+|\[[\da-fA-F:.]+(?:%\w+)?\])?:)?(?P<port>\d+)", text)
    if match is None or int(match["port"]) > 65535:
        raise ValueError(
            f"HOST:PORT, [IPv6]:PORT or PORT expected (0.0.0.0:8080, say), got {text!r}"
        )
    return Address((match["host"] or "127.0.0.1").strip("[]"), int(match["port"]))


def resolve(address: Address) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    """Family and socket address to listen on. Raises: OSError for a name that nobody knows."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise OSError(
            f"cannot find {address.host} ({error.strerror}); 127.0.0.1 is this computer only, "
            "0.0.0.0 all its networks"
        ) from error
    family, _, _, _, place = found[0]
    return family, place


def is_loopback(host: str) -> bool:
    """True if an address in numbers can only be reached from this computer."""
    number = ipaddress.ip_address(host.partition("%")[0])
    mapped = number.ipv4_mapped if isinstance(number, ipaddress.IPv6Address) else None
    return (mapped or number).is_loopback


def forwarded_client(peer: str, forwarded: str) -> str | None:
    """Address for which a proxy on this computer asks; None for who asks for himself.

    forwarded: X-Forwarded-For, whose last entry is the proxy's own; those before it came from the
    client. Of another computer it is not believed.
    """
    last = forwarded[-MAX_ADDRESS:].rpartition(",")[2].strip(' "')
    match = _FORWARDED.fullmatch(last)
    if match is None or not is_loopback(peer):
        return None
    try:
        return str(ipaddress.ip_address(match["v4"] or match["v6"]))
    except ValueError:
        return None


def listening_url(address: Address, port: int) -> str:
    """URL that a user types into a browser; `port` is the one that was opened."""
    host = address.host
    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    return f"http://{Address(host, port)}/"
