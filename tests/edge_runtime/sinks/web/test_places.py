"""Places of connections, with a clock and without sockets."""

import pytest

from edge_runtime.sinks.web import places
from edge_runtime.sinks.web.address import forwarded_client
from edge_runtime.sinks.web.places import (
    ANSWER_SECONDS,
    GRACE_SECONDS,
    MAX_CONNECTIONS,
    MAX_STRANGERS,
    REQUEST_SECONDS,
    SPARE,
    SPARE_SECONDS,
    Places,
    network,
)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture(name="clock")
def clock_fixture():
    return Clock()


@pytest.fixture(name="book")
def book_fixture(clock):
    return Places(clock)


def test_strangers_of_one_address_leave_places_to_others(book, clock):
    for number in range(200):
        book.take(number, "192.0.2.1")
    assert not book.asked(150) or book.asked(150).is_spare
    book.take("other", "192.0.2.2")
    assert not book.asked("other").is_spare


def test_the_slowest_makes_room(book, clock):
    for number in range(MAX_STRANGERS):
        assert book.take(number, "192.0.2.1") is None
    book.asked(0)  # its answer is on the way
    clock.now += GRACE_SECONDS + 0.1
    assert book.take("next", "192.0.2.1")[0] == 1
    assert book.asked(1) is None and not book.asked("next").is_spare


def test_guests_are_not_counted_as_strangers(book, clock):
    for number in range(MAX_CONNECTIONS):
        book.take(number, "192.0.2.1")
        book.asked(number)
        book.admit(number)
        book.stay(number)
    assert book.take("one more", "192.0.2.1") is None
    assert book.asked("one more").is_spare  # all places are taken, and no guest has to go
    assert not book.admit("one more")
    clock.now += 1e6
    assert [key for key, _ in book.end_overdue()] == ["one more"]


def test_a_guest_is_served_however_many_strangers_come_from_that_address(book):
    for number in range(MAX_STRANGERS):
        book.take(number, "192.0.2.1")
    book.take("guest", "192.0.2.1")
    place = book.asked("guest")
    assert place.is_spare and book.admit("guest") and not place.is_spare


def test_spare_places_are_few_and_never_kept(book):
    for number in range(MAX_STRANGERS + SPARE):
        assert book.take(number, "192.0.2.1") is None
    assert book.take("next", "192.0.2.1")[0] == MAX_STRANGERS  # the oldest of the spare ones
    assert book.asked("next").is_spare
    book.asked(MAX_STRANGERS + 1)  # is being answered
    key, place = book.take("one more", "192.0.2.1")
    assert key == MAX_STRANGERS + 2 and place.is_asking


def test_who_holds_more_places_makes_room_for_who_holds_fewer(book):
    for number in range(MAX_CONNECTIONS):
        book.take(number, f"192.0.2.{number // 2}")  # two of each address
    book.asked(0)  # is being answered
    key, _ = book.take("new", "198.51.100.1")
    assert key == 1 and not book.asked("new").is_spare
    assert book.take("second", "198.51.100.1") is None  # it would have as many as others
    assert book.asked("second").is_spare


def test_a_guest_goes_before_strangers_who_have_not_asked(book):
    for number in range(MAX_CONNECTIONS):
        book.take(number, f"192.0.2.{number}")
    book.take("guest", "198.51.100.1")
    assert book.asked("guest").is_spare and not book.admit("guest")
    assert book.make_room()[0] == 0 and book.admit("guest")
    for number in range(1, MAX_CONNECTIONS):
        book.asked(number)
    assert book.make_room() is None  # all that are left are being answered


def test_time_is_over_once(book, clock):
    book.take("drips", "192.0.2.1")
    book.take("asks", "192.0.2.1")
    clock.now += REQUEST_SECONDS / 2
    book.asked("asks")
    clock.now += REQUEST_SECONDS / 2 + 0.1
    assert [key for key, _ in book.end_overdue()] == ["drips"]
    assert book.end_overdue() == []
    clock.now += ANSWER_SECONDS
    assert [key for key, _ in book.end_overdue()] == ["asks"]
    for key in ("drips", "asks"):
        book.leave(key)
    assert len(book) == 0


def test_a_spare_place_is_short(book, clock, monkeypatch):
    monkeypatch.setattr(places, "MAX_CONNECTIONS", 0)
    book.take("a", "192.0.2.1")
    clock.now += SPARE_SECONDS + 0.1
    ((key, place),) = book.end_overdue()
    assert key == "a" and place.is_spare and place.is_asking


def test_who_asks_through_a_proxy_takes_no_places_of_others(book):
    for number in range(MAX_CONNECTIONS):
        book.take(number, "127.0.0.1")
        assert book.asked(number, "192.0.2.1").is_spare == (number >= MAX_STRANGERS)
        book.take("other", "127.0.0.1")
        assert not book.asked("other", "192.0.2.2").is_spare
        book.leave("other")
        if book.asked(number).is_spare:
            book.leave(number)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("127.0.0.1", "", None),
        ("127.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("::1", "10.0.0.1, 192.0.2.1", "192.0.2.1"),  # what the client itself says is not believed
        ("::ffff:127.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("127.0.0.1", "[2001:db8::1]", "2001:db8::1"),
        ("127.0.0.1", "192.0.2.1:54321", "192.0.2.1"),
        ("127.0.0.1", '"[2001:db8::1]:54321"', "2001:db8::1"),
        ("127.0.0.1", "1.2.3", None),
        ("127.0.0.1", "1.2.3.4:", None),
        ("192.0.2.9", "192.0.2.1", None),  # no proxy of ours
        ("127.0.0.1", "unknown", None),
        ("127.0.0.1", "x" * 60000, None),
    ],
)
def test_for_whom_a_proxy_asks(peer, forwarded, expected):
    assert forwarded_client(peer, forwarded) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1::5", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:ffff::9", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_network(address, expected):
    assert network(address) == expected
