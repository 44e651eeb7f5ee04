"""The client of this process, and calls of it that never raise."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from conversion_sync.api import Client, ConfigurationError, NotFound
from conversion_sync.sync.remote import client, together, tried


def test_there_is_one_client_for_the_settings_as_they_are(conversion, settings):
    first = client()
    assert client() is first
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "CALL_DEADLINE": 5}
    assert client() is not first


def test_another_process_has_a_client_of_its_own(conversion, monkeypatch):
    first = client()
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert client() is not first


def test_without_a_usable_url_there_is_no_client(settings):
    settings.CONVERSION_SYNC = {"API_KEY": "k", "BASE_URL": "http://elsewhere.example/"}
    with pytest.raises(ConfigurationError):
        client()


def test_a_call_that_fails_is_an_answer_with_its_line_for_the_log(conversion):
    answer = tried(lambda: client().get_contact("nobody@x.example"))
    assert isinstance(answer.error, NotFound)
    assert answer.value is None
    assert answer.record is not None
    assert (answer.record.status, answer.record.error_code) == (404, "NOT_FOUND")


def test_what_is_no_error_of_a_call_is_raised():
    with pytest.raises(ZeroDivisionError):
        tried(lambda: 1 // 0)


def test_calls_are_made_at_once_and_answered_in_their_order(conversion):
    barrier = threading.Barrier(3, timeout=10)

    def call(number: int) -> int:
        barrier.wait()
        with pytest.raises(NotFound):
            client().get_contact(f"{number}@x.example")
        return number

    answers = together([partial(call, number) for number in range(3)])
    assert [answer.value for answer in answers] == [0, 1, 2]
    endpoints = [answer.record and answer.record.endpoint for answer in answers]
    assert endpoints == ["GET /contacts/by-email"] * 3


def test_one_call_is_made_in_this_thread(conversion):
    [answer] = together([threading.get_ident])
    assert answer.value == threading.get_ident()
    assert answer.record is None


def test_a_line_of_the_log_is_never_that_of_an_earlier_call(conversion):
    tried(lambda: client().upsert_contacts([{"email": "a@x.example"}]))
    assert tried(lambda: 3).record is None
    assert isinstance(client(), Client)
