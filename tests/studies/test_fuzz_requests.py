"""A short run of the fuzz target of requests."""

import pytest

from studies.fuzz.targets import requests
from studies.fuzz.targets.requests import TOKEN, inputs, request

hypothesis = pytest.importorskip("hypothesis", reason="no hypothesis here: make setup")


def test_whatever_a_client_sends():
    seen = set()

    @hypothesis.settings(max_examples=150, database=None, deadline=None, derandomize=True)
    @hypothesis.given(inputs())
    def send(data):
        seen.add(request(data))

    send()
    assert {"400", "200"} <= seen


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /healthz HTTP/1.0\r\n\r\n", "503"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "200"),
        (b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n", "200"),
        (b"", "hung up"),
        (b"\r\n\r\n", "400"),
        (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n", "414"),
        (b"POST /login HTTP/1.1\r\nContent-Length: 9999\r\n\r\n", "405"),
    ],
)
def test_what_it_would_see(data, status):
    assert request(data) == status


def test_a_mistake_would_be_seen(monkeypatch):
    monkeypatch.setattr(requests, "ERRORS", type("", (), {"records": ["ZeroDivisionError"]}))
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        request(b"")
    assert len(TOKEN) >= 16
