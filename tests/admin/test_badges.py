"""What staff read, as a table."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone, translation

from conversion_sync.admin.badges import badge, reason, render
from conversion_sync.models import Contact, Status
from conversion_sync.status.next_try import Outlook
from conversion_sync.sync.readiness import Reason

ANN = "ann@x.example"

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


def at(**ago):
    return NOW - timedelta(**ago)


def later(**time):
    return NOW + timedelta(**time)


def row(status, **columns):
    return Contact(**{"sync_status": status, "due_at": None, **columns})


TABLE = [
    ("Synced", row("SYNCED")),
    ("Synced just now", row("SYNCED", last_synced_at=at(seconds=59))),
    ("Synced just now", row("SYNCED", last_synced_at=later(seconds=2))),
    ("Synced 3 min ago", row("SYNCED", last_synced_at=at(minutes=3, seconds=50))),
    ("Synced 2 h ago", row("SYNCED", last_synced_at=at(hours=2))),
    ("Synced 1 day ago", row("SYNCED", last_synced_at=at(days=1))),
    ("Synced 6 days ago", row("SYNCED", last_synced_at=at(days=6, hours=23))),
    ("Synced on 10/14/2026", row("SYNCED", last_synced_at=at(days=41))),
    ("Waiting to be sent", row("PENDING", due_at=NOW), Reason.READY),
    (
        "Waiting to be sent",
        row("PENDING", due_at=NOW, last_error_code="NOT_SENT"),
        Reason.READY,
    ),
    ("Waiting for the contact", row("PENDING", due_at=NOW, attempts=3), Reason.CONTACT),
    ("To be sent in 4 min", row("PENDING", due_at=later(minutes=4)), Reason.LATER),
    ("To be sent in about a minute", row("PENDING", due_at=later(seconds=40)), Reason.LATER),
    (
        "Retrying in 4 min, 2nd try",
        row("PENDING", due_at=later(minutes=3, seconds=1), attempts=1),
        Reason.RETRY,
    ),
    (
        "Retrying in about a minute, 2nd try",
        row("PENDING", due_at=later(seconds=16), attempts=1),
        Reason.RETRY,
    ),
    (
        "Retrying in 1 min, 2nd try",
        row("PENDING", due_at=later(seconds=60), attempts=1),
        Reason.RETRY,
    ),
    (
        "Retrying in 1 h, 3rd try",
        row("PENDING", due_at=later(minutes=59, seconds=1), attempts=2),
        Reason.RETRY,
    ),
    ("Retrying in 4 h, 12th try", row("PENDING", due_at=later(hours=4), attempts=11), Reason.RETRY),
    (
        "Retrying in 1 day, 13th try",
        row("PENDING", due_at=later(hours=24), attempts=12),
        Reason.RETRY,
    ),
    ("Retrying now, 2nd try", row("PENDING", due_at=NOW, attempts=1), Reason.RETRY),
    (
        "Retrying in 2 min",
        row("PENDING", due_at=later(minutes=2), last_error_code="INTERNAL_ERROR"),
        Reason.RETRY,
    ),
    ("Sending…", row("SENDING", due_at=later(seconds=9))),
    ("Sending… (the answer is late)", row("SENDING", due_at=NOW)),
    ("Failed", row("FAILED")),
    ("Failed: not a valid email", row("FAILED", last_error_message="not a valid email")),
    ("Failed: refused as not valid", row("FAILED", last_error_code="VALIDATION_ERROR")),
    (
        "Failed: no usable answer came back",
        row(
            "FAILED",
            last_error_code="NO_ANSWER",
            last_error_message="ProtocolError: Connection reset by peer",
        ),
    ),
    ("Failed: HTTP_418", row("FAILED", last_error_code="HTTP_418")),
    ("In doubt", row("UNCONFIRMED")),
    ("In doubt since 10:42 a.m.", row("UNCONFIRMED", last_attempt_at=at(hours=1, minutes=18))),
    ("In doubt since 11/23/2026 11 a.m.", row("UNCONFIRMED", last_attempt_at=at(hours=25))),
    ("In doubt since 11/24/2025 noon", row("UNCONFIRMED", last_attempt_at=at(days=365))),
    ("Superseded", row("SUPERSEDED")),
]


@pytest.mark.parametrize(("words", "contact", "why"), [(*line, None)[:3] for line in TABLE])
def test_words(words, contact, why):
    assert badge(contact, NOW, why).words == words


@pytest.mark.parametrize(
    ("due", "planned", "words"),
    [
        (16, 16, "Retrying in 16 s, 2nd try"),
        # What is due just before a drain waits for that; what is due after it has one of its own.
        (16, 17, "Retrying in 17 s, 2nd try"),
        (40, 16, "Retrying in 40 s, 2nd try"),
        (240, 16, "Retrying in 4 min, 2nd try"),
        (0, 16, "Retrying now, 2nd try"),
    ],
)
def test_what_is_tried_again_says_when_the_drain_comes_that_does_it(due, planned, words):
    retrying = row("PENDING", due_at=later(seconds=due), attempts=1)
    assert (
        badge(retrying, NOW, Reason.RETRY, outlook=Outlook(later(seconds=planned))).words == words
    )
    to_send = row("PENDING", due_at=later(seconds=16))
    planned_at = Outlook(later(seconds=16))
    assert badge(to_send, NOW, Reason.LATER, outlook=planned_at).words == "To be sent in 16 s"


@pytest.mark.parametrize(
    ("due", "known", "words"),
    [
        (0, Outlook(stopped=True), "Will be tried again"),
        (240, Outlook(stopped=True), "Will be tried again"),
        # One call has failed, and the next one may not: it is tried at its time.
        (0, Outlook(silent=True), "Will be tried again"),
        (240, Outlook(silent=True), "Retrying in 4 min, 2nd try"),
        (0, Outlook(opens_at=later(seconds=90)), "Retrying in 2 min, 2nd try"),
        (240, Outlook(opens_at=later(seconds=90)), "Retrying in 4 min, 2nd try"),
        # It should have been tried long ago: nobody does.
        (-3600, Outlook(), "Will be tried again"),
    ],
)
def test_no_try_is_promised_that_can_not_come(due, known, words):
    retrying = row("PENDING", due_at=later(seconds=due), attempts=1)
    assert badge(retrying, NOW, Reason.RETRY, outlook=known).words == words


def test_what_is_sent_later_has_no_time_while_nothing_is_sent():
    to_send = row("PENDING", due_at=later(minutes=4))
    stopped = Outlook(stopped=True)
    assert badge(to_send, NOW, Reason.LATER, outlook=stopped).words == "To be sent later"


def test_every_status_has_words_and_a_mark():
    for status in Status:
        assert "cs-mark" in render(badge(row(status), NOW, None))


def test_each_reason_has_a_badge():
    for why in Reason:
        assert badge(row("PENDING", due_at=NOW), NOW, why).words


def test_times_are_in_the_readers_zone():
    with timezone.override("Asia/Tokyo"):
        doubtful = row("UNCONFIRMED", last_attempt_at=at(minutes=1))
        assert badge(doubtful, NOW, None).words == "In doubt since 8:59 p.m."


def test_the_text_of_an_error_is_harmless():
    message = "<script>alert(1)</script>\n" + "x " * 10_000 + "\u202e"
    failed = row("FAILED", last_error_message="\u202e\u2066" + message)
    assert len(reason(failed)) <= 70
    html = render(badge(failed, NOW, None))
    assert "<script>" not in html
    assert "\u202e" not in html
    assert "&lt;script&gt;" in html


def test_the_badge_speaks_other_languages():
    with translation.override("de"):
        assert str(badge(row("SYNCED"), NOW, None).words)
