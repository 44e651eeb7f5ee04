"""One sentence and a colour for the whole, as a table; and that the facts it is made of are so."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.utils import timezone

from conversion_sync.api.errors import ErrorCode
from conversion_sync.models import ApiCall, ApiGate, Contact, Engagement, Heartbeat, MirrorMark
from conversion_sync.models.clock import db_now
from conversion_sync.status.errors import needs_a_person, remedy
from conversion_sync.status.facts import facts, pace
from conversion_sync.status.glance import glance
from conversion_sync.status.overview import overview
from conversion_sync.status.verdict import Facts, Tone, Verdict, verdict
from conversion_sync.sync.gate import BREAKER, Gate, GateState

NOW = datetime.datetime(2026, 11, 24, 17, 2, 0, tzinfo=datetime.UTC)
AT_16_58 = NOW - datetime.timedelta(minutes=4)
SOON, LATER = (NOW + datetime.timedelta(seconds=s) for s in (40, 600))

PAUSED = GateState("paused", reason="anna", since=AT_16_58)
REFUSED = GateState("closed", LATER, "UNAUTHORIZED", AT_16_58)
REDIRECTED = GateState("closed", LATER, "REDIRECTED", AT_16_58)
BROKEN = GateState("waiting", SOON, "UNREACHABLE", faults=BREAKER)
LIMITED = GateState("waiting", SOON, "RATE_LIMIT_EXCEEDED")
AWAY = GateState("waiting", LATER, "UNAVAILABLE")

TABLE: list[tuple[str, Tone, dict[str, Any]]] = [
    ("All is in Conversion.", Tone.GOOD, {}),
    ("Sending: 1,240 rows, about 40 s left.", Tone.BUSY, {"moving": 1240, "seconds_left": 40.0}),
    ("Sending: 1 row, about 1 s left.", Tone.BUSY, {"moving": 1, "seconds_left": 0.0}),
    ("Sending: 1,240 rows.", Tone.BUSY, {"moving": 1240}),
    (
        "Sending: 1,240 rows; 20 are tried again later.",
        Tone.BUSY,
        {"moving": 1240, "retrying": 20, "seconds_left": 40.0},
    ),
    ("20 rows wait for the next drain.", Tone.WAITING, {"moving": 20, "sending": False}),
    (
        "20 rows wait to be sent: no worker was seen since 4:58 p.m.",
        Tone.WAITING,
        {"moving": 20, "lively": False, "seen_at": AT_16_58, "seconds_left": 4.0},
    ),
    (
        "20 rows wait to be sent: no worker was seen yet.",
        Tone.WAITING,
        {"moving": 20, "lively": False},
    ),
    (
        "2 changes of your own models are to be looked at.",
        Tone.BUSY,
        {"marks": 2, "seen_at": NOW - datetime.timedelta(seconds=60)},
    ),
    (
        "1 change of your own models is to be looked at: no worker was seen since 4:58 p.m.",
        Tone.WAITING,
        {"marks": 1, "seen_at": AT_16_58},
    ),
    (
        "1 change of your own models is to be looked at: no worker was seen yet.",
        Tone.WAITING,
        {"marks": 1},
    ),
    ("Sending: 3 rows.", Tone.BUSY, {"moving": 3, "marks": 5}),
    ("1 row did not arrive, and is tried again by itself.", Tone.RETRYING, {"retrying": 1}),
    (
        "Conversion does not answer since 4:58 p.m.: 20 rows wait, nothing is lost.",
        Tone.BAD,
        {"silent_since": AT_16_58, "retrying": 20, "gate": BROKEN},
    ),
    (
        "Conversion does not answer since 4:58 p.m.: 20 rows wait, nothing is lost.",
        Tone.BAD,
        {"silent_since": AT_16_58, "retrying": 20},
    ),
    (
        "Conversion does not answer since 4:58 p.m.: 2 rows wait, nothing is lost; "
        "1 row needs a person.",
        Tone.BAD,
        {"silent_since": AT_16_58, "moving": 2, "in_doubt": 1},
    ),
    ("All is in Conversion.", Tone.GOOD, {"silent_since": AT_16_58}),
    (
        "The API key was refused at 4:58 p.m.: nothing is sent until one is accepted; "
        "3 rows wait, nothing is lost.",
        Tone.BAD,
        {"gate": REFUSED, "moving": 3},
    ),
    (
        "The API key was refused at 4:58 p.m.: nothing is sent until one is accepted.",
        Tone.BAD,
        {"gate": REFUSED},
    ),
    (
        "The address of the API redirects elsewhere since 4:58 p.m.: nothing is sent until that is "
        "corrected.",
        Tone.BAD,
        {"gate": REDIRECTED},
    ),
    (
        "Paused by anna since 4:58 p.m.: 1 row waits, nothing is lost.",
        Tone.OFF,
        {"gate": PAUSED, "moving": 1, "working": False},
    ),
    ("Paused by anna since 4:58 p.m.", Tone.OFF, {"gate": PAUSED, "seconds_left": 3.0}),
    (
        "Nobody is sending since 4:58 p.m.: 5 rows wait, nothing is lost.",
        Tone.BAD,
        {"working": False, "lively": False, "seen_at": AT_16_58, "moving": 5},
    ),
    (
        "Nobody is sending: 5 rows wait, nothing is lost; 2 rows need a person.",
        Tone.BAD,
        {"working": False, "lively": False, "moving": 5, "failed": 2},
    ),
    (
        "Conversion asks to wait, sending goes on in 40 s: 9 rows wait, nothing is lost.",
        Tone.WAITING,
        {"gate": LIMITED, "moving": 9},
    ),
    (
        "Conversion asks to wait, sending goes on in 10 min: 9 rows wait, nothing is lost.",
        Tone.OFF,
        {"gate": AWAY, "moving": 9},
    ),
    ("3 rows need a person; all else is in Conversion.", Tone.BAD, {"failed": 2, "in_doubt": 1}),
    (
        "3 rows need a person; all else is in Conversion.",
        Tone.BAD,
        {"stuck": 3, "stuck_for": "FORBIDDEN"},
    ),
    (
        "Conversion does not answer since 4:58 p.m.: 2 rows wait, nothing is lost; "
        "1 row needs a person.",
        Tone.BAD,
        {"silent_since": AT_16_58, "retrying": 2, "stuck": 1, "stuck_for": "FOREIGN_ANSWER"},
    ),
    (
        "1 row would leave and waits for a decision; all else is in Conversion.",
        Tone.BAD,
        {"leaving": 1},
    ),
    (
        "3 rows need a person; 20 rows would leave and wait for a decision; 2 records of your own "
        "models can't be used as they are. Sending: 4 rows.",
        Tone.BAD,
        {"failed": 3, "leaving": 20, "faulty": 2, "moving": 4},
    ),
    (
        "Paused by anna since 4:58 p.m.: 1 row waits, nothing is lost; 1 record of your own models "
        "can't be used as it is.",
        Tone.OFF,
        {"gate": PAUSED, "moving": 1, "faulty": 1},
    ),
    (
        "1 row needs a person, 24 more wait for that; all else is in Conversion.",
        Tone.BAD,
        {"failed": 1, "held": 24},
    ),
    ("1 row needs a person.", Tone.BAD, {"failed": 1, "moving": 7, "detailed": False}),
    (
        "1 row needs a person. Sending: 7 rows, about 2 s left.",
        Tone.BAD,
        {"failed": 1, "moving": 7, "seconds_left": 2.0},
    ),
    (
        "Nothing is sent of the contacts, companies: something fails.",
        Tone.BAD,
        {"troubles": ("contacts", "companies"), "moving": 9, "seconds_left": 2.0},
    ),
    (
        "Sending is switched off in the settings (ENABLED): changes are only noted.",
        Tone.OFF,
        {"enabled": False, "has_key": False, "moving": 4, "working": False},
    ),
    (
        "The settings hold no API key (API_KEY): changes are only noted.",
        Tone.BAD,
        {"has_key": False, "moving": 4, "working": False},
    ),
]


@pytest.mark.parametrize(("words", "tone", "known"), TABLE)
def test_the_sentence(words, tone, known):
    found = verdict(Facts(NOW, **known))
    assert (found.words, found.tone) == (words, tone)


@pytest.mark.parametrize(
    ("tone", "good"),
    [
        (Tone.GOOD, True),
        (Tone.BUSY, True),
        (Tone.WAITING, True),
        (Tone.RETRYING, True),
        (Tone.OFF, False),
        (Tone.BAD, False),
    ],
)
def test_who_did_not_ask_is_told_what_is_not_good(tone, good):
    assert Verdict(tone, "x").is_good is good


@pytest.mark.parametrize("known", [known for _words, tone, known in TABLE if tone == Tone.BAD])
def test_no_time_left_is_told_where_nothing_is_sent(known):
    stopped = {"silent_since", "gate", "working", "troubles", "has_key"} & set(known)
    found = verdict(Facts(NOW, **known))
    assert not (stopped and "left" in found.words)


# The facts


def read() -> Facts:
    return facts(overview(), "default")


def said() -> str:
    return verdict(read()).words


def call(code: str = "", seconds: float = 10, rows: int = 60) -> None:
    ApiCall.objects.create(
        endpoint="POST /contacts/batch",
        rows=rows,
        started_at=timezone.now() - datetime.timedelta(seconds=seconds),
        error_code=code,
    )


def tried(row: Any) -> None:
    type(row).unmarked.filter(pk=row.pk).update(
        attempts=1, failing_since=timezone.now(), last_error_code="NOT_SENT"
    )


@pytest.fixture
def ann(db, conversion):
    return Contact.objects.create(email="ann@x.example")


def test_without_rows_all_is_in_conversion(db, conversion):
    assert said() == "All is in Conversion."


def test_a_time_left_is_told_at_the_pace_of_the_last_minutes(ann):
    assert said() == "Sending: 1 row."
    call(seconds=60, rows=1)
    assert "about 1 min left" in said()
    tried(Contact.objects.create(email="bob@x.example"))
    assert said() == "Sending: 1 row; 1 is tried again later."


def test_reads_and_calls_that_failed_are_no_pace(ann):
    call("NOT_SENT")
    ApiCall.objects.create(endpoint="GET /contacts/{email}", rows=5, started_at=timezone.now())
    assert pace("default", db_now("default")) is None


def test_what_waits_for_a_person_is_not_on_its_way(ann):
    Contact.unmarked.update(sync_status="FAILED", due_at=None)
    Engagement.objects.create(contact=ann, name="Call", description="Talked")
    call()
    assert said() == "1 row needs a person, 1 more waits for that; all else is in Conversion."


def test_an_api_that_is_down_is_said_while_the_gate_is_open(ann):
    tried(ann)
    ApiGate.write("default", last_ok_at=timezone.now() - datetime.timedelta(seconds=400))
    call("NOT_SENT", seconds=500)
    for seconds in (300, 200):
        call("NO_ANSWER", seconds=seconds)
    assert read().silent_since is None
    ApiGate.write("default", faults=2)
    assert Gate().state().status == "open"
    since = read().silent_since
    assert since is not None
    assert 290 < (timezone.now() - since).total_seconds() < 310
    assert said().startswith("Conversion does not answer since")


def test_one_fault_a_moment_ago_is_not_silence_but_many_are(ann):
    tried(ann)
    call("NO_ANSWER", seconds=2)
    ApiGate.write("default", faults=1)
    assert read().silent_since is None
    ApiGate.write("default", faults=BREAKER)
    assert read().silent_since is not None


def test_no_time_left_is_told_between_two_drains(ann):
    now = db_now("default")
    call()
    Contact.unmarked.update(due_at=now - datetime.timedelta(seconds=30))
    ended = now - datetime.timedelta(seconds=40)
    Heartbeat.write("default", started_at=ended, finished_at=ended)
    assert said() == "1 row waits for the next drain."
    assert read().seconds_left is None
    Heartbeat.write("default", started_at=now)
    assert said().startswith("Sending: 1 row, about")
    # It died.
    Heartbeat.write("default", started_at=now - datetime.timedelta(seconds=70))
    Heartbeat.write("default", finished_at=now - datetime.timedelta(seconds=75))
    assert said() == "1 row waits for the next drain."


def test_a_worker_that_stopped_is_seen_before_anybody_is_alarmed(ann):
    long_ago = db_now("default") - datetime.timedelta(seconds=120)
    Contact.unmarked.update(due_at=long_ago)
    Heartbeat.write("default", started_at=long_ago, finished_at=long_ago)
    call()
    found = verdict(read())
    assert found.tone == Tone.WAITING
    assert found.words.startswith("1 row waits to be sent: no worker was seen since")
    assert "left" not in found.words


def test_who_paused_it_is_said(ann):
    Gate().pause("anna")
    assert said().startswith("Paused by anna since ")


def test_what_changed_in_the_models_of_the_site_is_not_in_conversion_yet(db, conversion):
    MirrorMark.objects.create(model="shop.customer", source="1")
    words = "1 change of your own models is to be looked at: no worker was seen yet."
    assert (said(), glance("default").words) == (words, words)


def refused(email: str, code: str) -> None:
    row = Contact.objects.create(email=email)
    columns = {"attempts": 0, "failing_since": timezone.now(), "last_error_code": code}
    due = db_now("default") + datetime.timedelta(seconds=90)
    Contact.unmarked.filter(pk=row.pk).update(due_at=due, **columns)


@pytest.mark.parametrize("code", [code for code in (*ErrorCode, "TEAPOT") if needs_a_person(code)])
def test_who_is_tried_again_but_needs_a_person_is_not_passed_over(db, conversion, code):
    refused("ann@x.example", "NO_ANSWER")
    refused("bob@x.example", code)
    refused("cid@x.example", code)
    found = verdict(read())
    assert found.words == (
        "2 rows need a person. 1 row did not arrive, and is tried again by itself."
    )
    assert found.advice == remedy(code, "PENDING")
    assert glance("default") == Verdict(Tone.BAD, "2 rows need a person.", found.advice)


def test_who_is_tried_again_and_needs_nobody_is_in_nobodys_way(db, conversion):
    for number, code in enumerate(code for code in ErrorCode if not needs_a_person(code)):
        refused(f"p{number}@x.example", code)
    assert verdict(read()).tone == Tone.RETRYING
    assert glance("default").is_good


def test_what_was_changed_since_it_was_refused_is_on_its_way(db, conversion):
    refused("ann@x.example", "FORBIDDEN")
    assert verdict(read()).tone == Tone.BAD
    row = Contact.objects.get()
    row.first_name = "Ann"
    row.save()
    assert said() == "Sending: 1 row."
    assert glance("default").is_good


def test_many_errors_of_what_waits_are_each_found(db, conversion):
    for number in range(5):
        refused(f"p{number}@x.example", f"CODE_{number}")
    assert glance("default").words == "5 rows need a person."
