"""Each trouble over real HTTP: what a call meets while it is on, and that all is well after it."""

import socket
import time

import pytest
import requests

from conversion_sync.sandbox import PortInUse, Sandbox, troubles
from conversion_sync.sandbox.troubles import TROUBLES

ANN, BOB = "ann@x.example", "bob@x.example"
SECONDS = 10


@pytest.fixture
def box():
    with Sandbox(page_port=0) as box:
        yield box


def post(box, *emails, timeout=SECONDS):
    return requests.post(
        box.base_url + "/contacts/batch",
        json={"contacts": [{"email": email} for email in emails]},
        headers={"Authorization": "Bearer key"},
        timeout=timeout,
    )


def get(box, email):
    headers = {"Authorization": "Bearer key"}
    address = f"{box.base_url}/contacts/by-email/{email}"
    return requests.get(address, headers=headers, timeout=SECONDS)


def slow(box):
    began = time.monotonic()
    assert post(box, ANN).ok
    assert time.monotonic() - began >= 0.3


def refuse_connections(box):
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((box.host, box.port), timeout=SECONDS)
    assert requests.get(box.url, timeout=SECONDS).ok


def fail(box):
    assert post(box, ANN).json()["error"]["code"] == "INTERNAL_ERROR"
    assert not box.contacts


def hang(box):
    with pytest.raises(requests.Timeout):
        post(box, ANN, timeout=0.5)
    assert not box.contacts


def refuse_key(box):
    assert (post(box, ANN).status_code, box.contacts) == (401, {})


def limit(box):
    answers = [post(box, ANN) for _ in range(20)]
    assert {answer.status_code for answer in answers} >= {429}
    assert all("Retry-After" in answer.headers for answer in answers if not answer.ok)


def lose(box):
    get(box, ANN)
    with pytest.raises(requests.ConnectionError):
        post(box, ANN)
    assert list(box.contacts) == [ANN]
    assert box.app.troubles.current == []


@pytest.mark.parametrize("meets", [slow, refuse_connections, fail, hang, refuse_key, limit, lose])
@pytest.mark.parametrize("lift", ["end", "back to normal", "reset"])
def test_a_trouble_is_met_while_it_is_on_and_then_no_more(box, monkeypatch, meets, lift):
    monkeypatch.setattr(troubles, "SLOW_SECONDS", 0.3)
    name, port = meets.__name__, box.port
    box.app.troubles.begin(name)
    assert [trouble.name for trouble in box.app.troubles.current] == [name]
    meets(box)
    if lift == "end":
        box.app.troubles.end(name)
    elif lift == "reset":
        box.reset()
    else:
        box.app.troubles.back_to_normal()
    assert box.app.troubles.current == box.faults == []
    assert (box.app.troubles.latency, box.app.limit.rate, box.port) == (0, 0, port)
    box.app.limit.clear()
    assert [post(box, BOB).status_code for _ in range(3)] == [200] * 3


def test_the_table_has_every_trouble():
    assert {trouble.name for trouble in TROUBLES} == {
        meets.__name__ for meets in (slow, refuse_connections, fail, hang, refuse_key, limit, lose)
    }


def test_a_trouble_that_begins_twice_ends_at_once(box):
    for name in ("slow", "limit", "fail", "refuse_connections"):
        box.app.troubles.begin(name)
        box.app.troubles.begin(name)
        box.app.troubles.end(name)
        box.app.troubles.end(name)
    assert box.app.troubles.current == box.faults == []
    assert post(box, ANN).ok


def test_only_writes_to_a_refused_contact_are_refused(box):
    box.app.troubles.refuse(f" {ANN.upper()} ")
    assert box.app.troubles.refused == [ANN]
    answer = post(box, ANN, BOB)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert post(box, BOB).ok
    assert get(box, BOB).ok
    assert get(box, ANN).status_code == 404
    box.app.troubles.accept(ANN)
    assert post(box, ANN, BOB).ok


def test_back_to_normal_drops_what_was_asked_for_elsewhere_too(box):
    box.fail("500:0.5")
    box.app.troubles.begin("fail")
    box.app.troubles.refuse(ANN)
    assert [str(fault) for fault in box.app.troubles.others] == [
        "status 500 (always, 0.5 of the calls)"
    ]
    box.app.troubles.back_to_normal()
    assert box.faults == box.app.troubles.refused == []


def test_that_another_program_took_the_port_meanwhile_is_told(box):
    box.app.troubles.begin("refuse_connections")
    with Sandbox(box.port):
        with pytest.raises(PortInUse, match=f"Port {box.port} is in use"):
            box.app.troubles.back_to_normal()
        assert [trouble.name for trouble in box.app.troubles.current] == ["refuse_connections"]
    box.app.troubles.back_to_normal()
    assert post(box, ANN).ok


def test_without_a_port_of_their_own_the_pages_offer_no_refused_connections():
    with Sandbox() as box:
        assert "refuse_connections" not in {t.name for t in box.app.troubles.offered}
        with pytest.raises(KeyError):
            box.app.troubles.begin("refuse_connections")
