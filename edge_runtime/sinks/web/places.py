"""Connection places: how many may be held, by whom, and for how long.

Whoever has shown the token is a guest; all others are strangers. Strangers of one address have few
places, and who is slow to say what he wants makes room for who comes; where many addresses hold all
places, those that hold more make room for those that hold fewer, and any stranger who has not said
what he wants for a guest. Where no place is left there are spare ones, in which /healthz is
answered, which a watchdog reads, and who has logged in.
"""

from __future__ import annotations

import ipaddress
import time
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass

MAX_CONNECTIONS = 64  # viewers, and as many again that ask for something short
MAX_STRANGERS = 16  # of one address; a browser opens six connections, a proxy is one address
SPARE = 16  # the newest; who is slow is soon no longer among them
REQUEST_SECONDS = 5.0  # for a request to be whole, however slowly a client drips
ANSWER_SECONDS = 20.0  # for all but the stream
SPARE_SECONDS = 1.0
GRACE_SECONDS = 2.0  # for a request, before a place is taken away for somebody else


@dataclass
class Place:
    """One connection.

    Attributes:
        client: network that it comes from.
        since, until: seconds of the clock: its start, and when its time is over.
        is_asking: its request is not whole yet.
        is_stranger: it has not shown a token yet.
        is_spare: nothing but /healthz is answered, unless it becomes a guest's.
        is_ended: hung up, and soon gone.
    """

    client: str
    since: float
    until: float
    is_asking: bool = True
    is_stranger: bool = True
    is_spare: bool = False
    is_ended: bool = False


class Places:
    """The book of places, by connection. Not for several threads: its owner has a lock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._places: dict[Hashable, Place] = {}

    def __len__(self) -> int:
        return len(self._places)

    def take(self, connection: Hashable, client: str) -> tuple[Hashable, Place] | None:
        """A place for a new connection, a spare one where there is no other.

        client: address in numbers. Returns: the connection that has to go for it, or None.
        """
        now, client = self._clock(), network(client)
        crowd = self._crowd(client)
        loses = None
        if len(crowd) >= MAX_STRANGERS:
            loses = self._slowest(crowd, now)
            spare = loses is None
        elif self._held() >= MAX_CONNECTIONS:
            loses = self._slowest(self._strangers(), now) or self._greediest(len(crowd))
            spare = loses is None
        else:
            spare = False
        if spare:
            spares = [key for key, p in self._places.items() if p.is_spare and not p.is_ended]
            # The oldest; those that are being answered are done in a moment.
            spares.sort(key=lambda key: not self._places[key].is_asking)
            loses = spares[0] if len(spares) >= SPARE else None
        seconds = SPARE_SECONDS if spare else REQUEST_SECONDS
        self._places[connection] = Place(client, now, now + seconds, is_spare=spare)
        return None if loses is None else self._end(loses)

    def asked(self, connection: Hashable, client: str | None = None) -> Place | None:
        """The request is whole. Returns: its place; None where its time was over.

        client: for which a proxy asks, an address in numbers. Its strangers are counted from here
        on, or one of them would take all places of the proxy.
        """
        place = self._places.get(connection)
        if place is None or place.is_ended:
            return None
        if client is not None:
            place.client = network(client)
            place.is_spare |= len(self._crowd(place.client)) > MAX_STRANGERS
        place.is_asking = False
        place.until = self._clock() + ANSWER_SECONDS
        return place

    def admit(self, connection: Hashable) -> bool:
        """The token was shown. Returns: whether there is room for this guest."""
        place = self._places.get(connection)
        if place is None or (place.is_spare and self._held() >= MAX_CONNECTIONS):
            return False
        place.is_stranger = place.is_spare = False
        return True

    def make_room(self) -> tuple[Hashable, Place] | None:
        """A place for a guest. Returns: the stranger who has to go for it, or None."""
        asking = [key for key in self._strangers() if self._places[key].is_asking]
        return self._end(asking[0]) if asking else None

    def stay(self, connection: Hashable) -> None:
        """A stream may last."""
        if connection in self._places:
            self._places[connection].until = float("inf")

    def leave(self, connection: Hashable) -> None:
        """The connection is closed."""
        self._places.pop(connection, None)

    def end_overdue(self) -> list[tuple[Hashable, Place]]:
        """Connections whose time is over, each once."""
        now = self._clock()
        overdue = [(k, p) for k, p in self._places.items() if p.until < now and not p.is_ended]
        for _, place in overdue:
            place.is_ended = True
        return overdue

    def connections(self) -> list[Hashable]:
        """All that are not closed yet."""
        return list(self._places)

    def _held(self) -> int:
        return sum(not (place.is_spare or place.is_ended) for place in self._places.values())

    def _crowd(self, client: str) -> list[Hashable]:
        return [key for key in self._strangers() if self._places[key].client == client]

    def _strangers(self) -> list[Hashable]:
        """Oldest first."""
        return [
            key
            for key, place in self._places.items()
            if place.is_stranger and not place.is_spare and not place.is_ended
        ]

    def _end(self, connection: Hashable) -> tuple[Hashable, Place]:
        place = self._places[connection]
        place.is_ended = True
        return connection, place

    def _greediest(self, own: int) -> Hashable | None:
        """The oldest that is asking, of the network that has most strangers, at least two more than
        `own`."""
        asking = [key for key in self._strangers() if self._places[key].is_asking]
        held = Counter(self._places[key].client for key in self._strangers())
        most = max(asking, key=lambda key: held[self._places[key].client], default=None)
        return most if most is not None and held[self._places[most].client] >= own + 2 else None

    def _slowest(self, connections: list[Hashable], now: float) -> Hashable | None:
        for key in connections:
            if self._places[key].is_asking and self._places[key].since < now - GRACE_SECONDS:
                return key
        return None


def network(address: str) -> str:
    """Network of a client, of an address in numbers: an IPv4 address, the first half of an IPv6
    address, of which one computer may have as many as it likes."""
    number = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(number, ipaddress.IPv6Address):
        if number.ipv4_mapped is not None:
            return str(number.ipv4_mapped)
        return str(ipaddress.ip_network((int(number) >> 64 << 64, 64)))
    return str(number)
