"""What the app says of a row is stored as a code, and read in the reader's language."""

from __future__ import annotations

from typing import Any

import pytest

from conversion_sync.models.messages import MARK, Message, Stored, read, stored
from conversion_sync.status.messages import in_words, is_of_a_program

PARAMETERS: dict[Message, dict[str, Any]] = {
    Message.KEY_HELD: {"kind": "contact", "row": 5, "name": "Ann 100% (α)"},
    Message.REPLACED: {"kind": "contact", "fields": ["title"]},
    Message.INTERCEPTED: {"answer": "<h1>404</h1> %s"},
    Message.UNKNOWN_WORD: {"word": "MAYBE"},
}


@pytest.mark.parametrize("message", Message)
def test_each_message_is_stored_read_and_put_into_words(message):
    parameters = PARAMETERS.get(message, {})
    text = stored(message, **parameters)
    assert read(text) == Stored(message, parameters)
    words = in_words(text)
    assert MARK not in words
    assert "%(" not in words
    for value in parameters.values():
        assert str(value) in words or value in ("contact", ["title"])


def test_fields_are_called_as_the_site_calls_them():
    words = in_words(stored(Message.REPLACED, kind="contact", fields=["title", "phone"]))
    assert words.startswith("Job title, phone: ")
    for kind, fields in [("gone", ["title"]), ("contact", ["gone"])]:
        assert in_words(stored(Message.REPLACED, kind=kind, fields=fields)).startswith("A value: ")


def test_the_kind_of_a_row_is_called_as_the_site_calls_it():
    words = in_words(stored(Message.KEY_HELD, kind="contact", row=5, name="Ann Ross"))
    assert words == "Contact 5 has the same key: Ann Ross."
    assert in_words(stored(Message.KEY_HELD, kind="gone", row=5, name="x")).startswith("A row 5")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Invalid email format",
        "Its batch was refused.",
        "An opt-out stands in the log. 100 %",
        f"{MARK}",
        f"{MARK}no-such-message",
        f'{MARK}{Message.KEY_HELD} {{"row": ',
        f"{MARK}{Message.KEY_HELD} [1]",
        f"{MARK}{Message.KEY_HELD} " + "[" * 100_000,
    ],
)
def test_what_the_vendor_or_an_older_release_said_is_shown_as_it_is(text):
    assert in_words(text) == text


def test_a_parameter_that_is_missing_breaks_nothing():
    assert in_words(stored(Message.UNKNOWN_WORD)).startswith("Conversion says “”")


@pytest.mark.parametrize(
    ("text", "is_so"),
    [
        ("ProtocolError: Connection reset by peer", True),
        ("ReadTimeout", True),
        ("gaierror: Name or service not known", True),
        ("InvalidChunkLength", True),
        ("DoesNotExist: Contact matching query does not exist.", True),
        ("ConnectTimeoutError: timed out\nafter all", True),
        ("Error in the phone number: too short", False),
        ("The phone number is not valid.", False),
        ("Email: not valid", False),
        ("", False),
    ],
)
def test_what_a_program_says_is_told_from_what_people_say(text, is_so):
    assert is_of_a_program(text) is is_so
