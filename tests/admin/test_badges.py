"""What staff read, as a table."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone, translation

from conversion_sync.admin.badges import badge, reason, render, waits_for_contact
from conversion_sync.models import Contact, Engagement, Status, SubscriptionChange

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
    ("Synced on 14 Oct 2026", row("SYNCED", last_synced_at=at(days=41))),
    ("Waiting to be sent", row("PENDING", due_at=NOW)),
    ("Waiting to be sent", row("PENDING", due_at=NOW, last_error_code="NOT_SENT")),
    ("To be sent in 40 s", row("PENDING", due_at=later(seconds=40))),
    ("Retrying in 4 min, 2nd try", row("PENDING", due_at=later(minutes=3, seconds=1), attempts=1)),
    ("Retrying in 1 min, 2nd try", row("PENDING", due_at=later(seconds=60), attempts=1)),
    ("Retrying in 1 h, 3rd try", row("PENDING", due_at=later(minutes=59, seconds=1), attempts=2)),
    ("Retrying in 4 h, 12th try", row("PENDING", due_at=later(hours=4), attempts=11)),
    ("Retrying in 1 day, 13th try", row("PENDING", due_at=later(hours=24), attempts=12)),
    ("Retrying now, 2nd try", row("PENDING", due_at=NOW, attempts=1)),
    (
        "Retrying in 2 min",
        row("PENDING", due_at=later(minutes=2), last_error_code="INTERNAL_ERROR"),
    ),
    ("Sending…", row("SENDING", due_at=later(seconds=9))),
    ("Sending… (the answer is late)", row("SENDING", due_at=NOW)),
    ("Failed", row("FAILED")),
    ("Failed: not a valid email", row("FAILED", last_error_message="not a valid email")),
    ("Failed: refused as not valid", row("FAILED", last_error_code="VALIDATION_ERROR")),
    ("Failed: HTTP_418", row("FAILED", last_error_code="HTTP_418")),
    ("In doubt", row("UNCONFIRMED")),
    ("In doubt since 10:42", row("UNCONFIRMED", last_attempt_at=at(hours=1, minutes=18))),
    ("In doubt since 23 Nov 11:00", row("UNCONFIRMED", last_attempt_at=at(hours=25))),
    ("In doubt since 24 Nov 2025 12:00", row("UNCONFIRMED", last_attempt_at=at(days=365))),
    ("Superseded", row("SUPERSEDED")),
]


@pytest.mark.parametrize(("words", "contact"), TABLE)
def test_words(words, contact):
    assert badge(contact, NOW).words == words


def test_every_status_has_words_and_a_mark():
    for status in Status:
        assert "cs-mark" in render(badge(row(status), NOW))


def test_what_holds_a_pending_row_up_goes_before_its_times():
    waiting = row("PENDING", due_at=NOW, attempts=3)
    assert badge(waiting, NOW, "Waiting for its contact").words == "Waiting for its contact"
    assert badge(row("SYNCED"), NOW, "Waiting for its contact").words == "Synced"


def test_times_are_in_the_readers_zone():
    with timezone.override("Asia/Tokyo"):
        doubtful = row("UNCONFIRMED", last_attempt_at=at(minutes=1))
        assert badge(doubtful, NOW).words == "In doubt since 20:59"


def test_the_text_of_an_error_is_harmless():
    message = "<script>alert(1)</script>\n" + "x " * 10_000 + "\u202e"
    failed = row("FAILED", last_error_message="\u202e\u2066" + message)
    assert len(reason(failed)) <= 70
    html = render(badge(failed, NOW))
    assert "<script>" not in html
    assert "\u202e" not in html
    assert "&lt;script&gt;" in html


def test_the_badge_speaks_other_languages():
    with translation.override("de"):
        assert str(badge(row("SYNCED"), NOW).words)


CONTACT = {
    "never sent": row("PENDING"),
    "changed": row("PENDING", synced_revision=3),
    "in flight": row("SENDING", synced_revision=3),
    "arrived": row("SYNCED", synced_revision=3),
    "failed later": row("FAILED", synced_revision=3),
    "failed at once": row("FAILED"),
}


@pytest.mark.parametrize(
    ("contact", "engagement", "opt_in", "opt_out"),
    [
        ("never sent", True, True, True),
        ("changed", True, True, False),
        ("in flight", True, True, False),
        ("arrived", False, False, False),
        ("failed later", False, False, False),
        ("failed at once", True, True, True),
    ],
)
def test_who_waits_for_a_contact(contact, engagement, opt_in, opt_out):
    person = CONTACT[contact]
    assert waits_for_contact(Engagement(contact=person)) == engagement
    assert waits_for_contact(SubscriptionChange(contact=person, status="SUBSCRIBED")) == opt_in
    assert waits_for_contact(SubscriptionChange(contact=person, status="UNSUBSCRIBED")) == opt_out


def test_an_opt_out_without_a_contact_waits_for_none():
    assert not waits_for_contact(SubscriptionChange(status="UNSUBSCRIBED"))
    assert not waits_for_contact(row("PENDING"))
