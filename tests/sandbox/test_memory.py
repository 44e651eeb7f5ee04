"""The sandbox in memory: the same answers and the same faults, without a socket."""

from __future__ import annotations

import socket
import time

import pytest

from conversion_sync.api import (
    Client,
    ContactRecord,
    ConversionError,
    NoAnswer,
    NotFound,
    NotSent,
    RateLimited,
    Redirected,
    ServerError,
    Unauthorized,
)
from conversion_sync.sandbox import Sandbox
from conversion_sync.sandbox.memory import InMemorySandbox
from conversion_sync.testing import calls_allowed, in_memory
from tests.kit import ANN, PROMPT

ADA = ContactRecord(email=ANN, variables={"first_name": "Ada é ☃"})


@pytest.fixture(autouse=True)
def allowed():
    with calls_allowed():
        yield


@pytest.fixture
def box(monkeypatch):
    """In a process that can make no socket."""
    monkeypatch.setattr(socket, "socket", lambda *args, **kwargs: pytest.fail("a socket"))
    with in_memory() as made:
        yield made


@pytest.fixture
def client(box):
    return Client("key", box.base_url, deadline=PROMPT)


def test_what_is_sent_is_there_and_comes_back(box, client):
    [result] = client.upsert_contacts([ADA]).items.values()
    assert result.operation == "created"
    assert client.get_contact(ANN).variables == {"first_name": "Ada é ☃"}
    client.delete_contact(ANN)
    with pytest.raises(NotFound):
        client.get_contact(ANN)
    assert [(call.method, call.status) for call in box.calls] == [
        ("POST", 200),
        ("GET", 200),
        ("DELETE", 200),
        ("GET", 404),
    ]


FAULTS = [
    ("500", {}, ServerError),
    ("status", {"status": 429}, RateLimited),
    ("status", {"status": 401}, Unauthorized),
    ("redirect", {"location": "https://elsewhere.example/"}, Redirected),
    ("drop_before", {}, NoAnswer),
    ("drop_after", {}, NoAnswer),
    ("truncated_json", {}, ConversionError),
    ("garbage", {}, ConversionError),
    ("html", {}, ConversionError),
    ("short_data", {}, None),
]


@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize(("kind", "options", "error"), FAULTS)
def test_it_fails_as_the_one_over_http_does(kind, options, error, memory):
    with in_memory() if memory else Sandbox() as box:
        box.fail(kind, **options)
        client = Client("key", box.base_url, deadline=PROMPT)
        if error is None:
            assert client.upsert_contacts([ADA]) is not None
        else:
            with pytest.raises(error):
                client.upsert_contacts([ADA])
        client.upsert_contacts([ADA])
        assert len(box.calls) == 2


def test_a_call_that_hangs_is_given_up(box):
    box.fail("hang")
    began = time.monotonic()
    with pytest.raises(NoAnswer):
        Client("key", box.base_url, deadline=0.2).get_contact(ANN)
    assert time.monotonic() - began < PROMPT


def test_where_it_is_stopped_nothing_is_sent_and_after_it_too(box, client):
    with in_memory() as other:
        closed = Client("key", other.base_url)
        assert closed.upsert_contacts([ADA]) is not None
        other.stop()
        with pytest.raises(NotSent):
            closed.get_contact(ANN)
        other.start()
        assert closed.get_contact(ANN).email == ANN
    with pytest.raises(NotSent):
        closed.get_contact(ANN)
    assert client.upsert_contacts([ADA]) is not None
    assert len(other.calls) == 2


def test_two_at_once_are_two(box, client):
    with in_memory() as other:
        assert other.base_url != box.base_url
        Client("key", other.base_url).upsert_contacts([ADA])
        assert (set(other.contacts), box.contacts) == ({ANN}, {})


def test_what_needs_a_connection_it_says(box):
    with pytest.raises(ValueError, match="over HTTP"):
        box.fail("interim")
    assert isinstance(box, InMemorySandbox)
