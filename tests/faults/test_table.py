"""The table of faults: what becomes of the row, of the gate and of the remote, over real HTTP.

Each fault strikes once. Then time passes and what is to be tried again is: a row that was kept
arrives, one that failed or is in doubt is left alone.
"""

from __future__ import annotations

import datetime
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.utils import OperationalError

from conversion_sync.models import (
    ApiCall,
    ApiGate,
    Contact,
    Deletion,
    Engagement,
    SubscriptionChange,
)
from conversion_sync.models.clock import db_now
from conversion_sync.sandbox import Sandbox
from conversion_sync.sync.drain import drain
from conversion_sync.sync.gate import Gate
from tests.faults.conftest import API_KEY, Configure
from tests.faults.kit import (
    ADA,
    BATCHES,
    COMPANY,
    CONTACT,
    DELETION,
    ENGAGEMENT,
    LANES,
    MARKS,
    OPT_OUT,
    Lane,
    Listener,
    drain_now,
    in_flight,
    later,
    now,
    until_idle,
    untrusted,
)

pytestmark = MARKS

PENDING, SYNCED, FAILED, UNCONFIRMED = "PENDING", "SYNCED", "FAILED", "UNCONFIRMED"
FAULT, NEUTRAL, WAITING, CLOSED = "fault", "neutral", "waiting", "closed"


@dataclass(frozen=True)
class Case:
    """One fault, and what has to come of it.

    Attributes:
        status, code: of a row whose call may be repeated.
        engagement: the same of an engagement, where the design says otherwise.
        effect: on the gate.
        done: whether the work was done all the same.
        others: (status, code) of a lane that is different in yet another way.
    """

    name: str
    kind: str
    status: str
    code: str
    engagement: str | None = None
    effect: str = FAULT
    done: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    others: dict[Lane, tuple[str, str]] = field(default_factory=dict)
    lanes: tuple[Lane, ...] = LANES

    def outcome(self, lane: Lane) -> tuple[str, str]:
        """The status and the code of the row."""
        if lane in self.others:
            return self.others[lane]
        if lane is ENGAGEMENT and self.engagement:
            return self.engagement, self.code
        return self.status, self.code


def unusable(name: str, kind: str, *, done: bool, **options: Any) -> Case:
    """No usable answer: the row is tried again, an engagement is in doubt."""
    return Case(name, kind, PENDING, "NO_ANSWER", UNCONFIRMED, done=done, options=options)


def answered(
    name: str, status: int, code: str, row: str, engagement: str | None = None, **more: Any
) -> Case:
    """The API's own envelope."""
    options = {"status": status, "code": code}
    return Case(name, "status", row, code, engagement, options=options, **more)


def foreign(name: str, status: int) -> Case:
    """A 4xx that says nothing of a row: what comes between us and the API answered."""
    options = {"status": status, "body": {"message": "Not the API."}}
    return Case(name, "status", PENDING, "FOREIGN_ANSWER", FAILED, options=options)


CASES = [
    unusable("500 page", "html", done=False, status=500),
    unusable("502 page", "html", done=False, status=502),
    unusable("503 page", "html", done=False, status=503),
    unusable("200 page", "html", done=False, status=200),
    unusable("502 of a gateway", "status", done=False, status=502, body={"message": "Bad gateway"}),
    unusable("500 page after the work", "html", done=True, status=500, worked=True),
    unusable("900 levels", "deep", done=True, size=900),
    unusable("reset before the work", "drop_before", done=False),
    unusable("reset after the work", "drop_after", done=True),
    unusable("hung socket", "hang", done=True),
    unusable("a byte a second", "drip", done=True, rate=1),
    unusable("truncated JSON", "truncated_json", done=True),
    unusable("garbage", "garbage", done=True),
    unusable("50 MB of answer", "huge", done=True, size=50 * 1024 * 1024),
    unusable("empty object", "status", done=False, status=200, body={}),
    unusable("a list", "status", done=False, status=200, body=[{"success": True}]),
    answered("500 in the envelope", 500, "INTERNAL_ERROR", PENDING, UNCONFIRMED),
    answered("503 in the envelope", 503, "INTERNAL_ERROR", PENDING, UNCONFIRMED),
    Case(
        "500 in the envelope after the work",
        "status",
        PENDING,
        "INTERNAL_ERROR",
        UNCONFIRMED,
        done=True,
        options={"status": 500, "worked": True},
    ),
    Case(
        "500 and a bare message after the work",
        "status",
        PENDING,
        "INTERNAL_ERROR",
        UNCONFIRMED,
        done=True,
        options={"status": 500, "worked": True, "body": {"message": "Oops"}},
    ),
    *(
        Case(f"{status} page", "html", PENDING, "CONTENT_REFUSED", options={"status": status})
        for status in (400, 403, 405, 413, 414, 422, 431)
    ),
    *(foreign(f"{status}, not the API's", status) for status in (402, 406, 408, 409, 410, 418)),
    *(
        Case(
            f"503 {name} that says when to come back",
            kind,
            PENDING,
            "UNAVAILABLE",
            effect=WAITING,
            options={"status": 503, "headers": {"Retry-After": "1"}, **body},
        )
        for name, kind, body in (
            ("in the envelope", "status", {}),
            ("of a gateway", "status", {"body": {"message": "Maintenance"}}),
        )
    ),
    answered("400", 400, "VALIDATION_ERROR", FAILED, effect=NEUTRAL),
    answered("409", 409, "DUPLICATE_ERROR", FAILED, effect=NEUTRAL),
    answered("403", 403, "FORBIDDEN", PENDING, FAILED, effect=NEUTRAL),
    answered("418", 418, "TEAPOT", PENDING, FAILED, effect=NEUTRAL),
    answered("429", 429, "RATE_LIMIT_EXCEEDED", PENDING, effect=WAITING),
    answered("401", 401, "UNAUTHORIZED", PENDING, effect=CLOSED),
    answered(
        "404 in the envelope",
        404,
        "NOT_FOUND",
        PENDING,
        effect=NEUTRAL,
        others={DELETION: (SYNCED, "")},
        # The others push their contact again: see below.
        lanes=(CONTACT, COMPANY, DELETION),
    ),
    Case(
        "success false with 200",
        "success_false_200",
        FAILED,
        "VALIDATION_ERROR",
        effect=NEUTRAL,
        options={"code": "VALIDATION_ERROR"},
    ),
    Case(
        "success false with 200, an internal error",
        "success_false_200",
        PENDING,
        "INTERNAL_ERROR",
        UNCONFIRMED,
        options={"code": "INTERNAL_ERROR"},
    ),
    Case(
        "success false with 200, too many calls",
        "success_false_200",
        PENDING,
        "RATE_LIMIT_EXCEEDED",
        effect=WAITING,
        options={"code": "RATE_LIMIT_EXCEEDED"},
    ),
    Case(
        "data short",
        "short_data",
        PENDING,
        "MISSING",
        effect=NEUTRAL,
        done=True,
        lanes=BATCHES,
    ),
    *(
        Case(f"data {kind}", kind, SYNCED, "", effect=NEUTRAL, done=True, lanes=BATCHES)
        for kind in ("reordered", "repeated", "strangers", "merged")
    ),
    Case(
        "item refused",
        "item_errors",
        FAILED,
        "VALIDATION_ERROR",
        effect=NEUTRAL,
        done=True,
        lanes=BATCHES,
    ),
    Case(
        "item failed",
        "item_errors",
        PENDING,
        "INTERNAL_ERROR",
        effect=NEUTRAL,
        done=True,
        options={"code": "INTERNAL_ERROR"},
        lanes=BATCHES,
    ),
]

TABLE = [
    pytest.param(case, lane, id=f"{case.name}-{lane}") for case in CASES for lane in case.lanes
]


@pytest.mark.parametrize(("case", "lane"), TABLE)
def test_a_fault_leaves_row_gate_and_remote_as_the_table_says(
    case: Case, lane: Lane, box: Sandbox, gate: Gate, configure: Configure
):
    row = lane.make()
    if case.kind in ("hang", "drip"):
        configure(CALL_DEADLINE=1)
    lane.fault(box, case.kind, **case.options)
    before = lane.calls(box)

    drain_now()

    status, code = case.outcome(lane)
    assert lane.calls(box) == before + 1
    check_row(now(row), status, code, held=case.effect in (WAITING, CLOSED))
    check_gate(case.effect)
    assert bool(lane.done(box)) == (case.done or status == SYNCED == case.status)

    configure(CALL_DEADLINE=5)
    check_end(row, lane, box, status, before)


def check_row(row: Any, status: str, code: str, *, held: bool) -> None:
    """The row says what happened, when it is tried next, and has lost no try by it."""
    assert (row.sync_status, row.last_error_code) == (status, code)
    assert bool(row.last_error_message) == bool(code)
    assert API_KEY not in row.last_error_message
    assert (row.claim is not None) == (status == UNCONFIRMED)
    if status != PENDING:
        assert row.due_at is None
        return
    wait = (row.due_at - db_now("default")).total_seconds()
    if held or code == "NOT_FOUND":
        # The gate holds it, or its contact goes first: no wait of its own.
        assert wait <= 30
    else:
        assert 14 < wait <= 30
    answered_item = code in ("MISSING",) or row.last_error_message == "A fault of the sandbox."
    assert row.attempts == 0 or answered_item


def check_gate(effect: str) -> None:
    """The gate is open but for what has to shut it, and counts the faults of the channel."""
    state, row = Gate().state(), ApiGate.load("default")
    assert state.status == {WAITING: "waiting", CLOSED: "closed"}.get(effect, "open")
    assert row.faults == (1 if effect == FAULT else 0)


def check_end(row: Any, lane: Lane, box: Sandbox, status: str, before: int) -> None:
    """What could be tried again is, and arrives; what could not is not."""
    if Gate().state().status == "closed":
        assert drain_now().calls == 0
        Gate().resume()
    done = lane.done(box)
    later(3600)
    until_idle()
    row = now(row)
    assert in_flight() == 0
    if status == PENDING:
        assert row.sync_status == SYNCED
        assert (row.attempts, row.failing_since, row.last_error_code) == (0, None, "")
        assert lane.done(box) == 1
    elif status == UNCONFIRMED:
        assert (row.sync_status, lane.calls(box), lane.done(box)) == (status, before + 1, done)
    else:
        assert (row.sync_status, lane.calls(box)) == (status, before + 1)


# Never sent


@contextmanager
def refused(box: Sandbox, configure: Configure, path: Path) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configure(BASE_URL=f"http://127.0.0.1:{port}/api/v1")
    yield


@contextmanager
def unknown_name(box: Sandbox, configure: Configure, path: Path) -> Iterator[None]:
    configure(BASE_URL="https://nowhere.invalid/api/v1")
    yield


@contextmanager
def untrusted_certificate(box: Sandbox, configure: Configure, path: Path) -> Iterator[None]:
    with untrusted(path) as listener:
        configure(BASE_URL=f"https://127.0.0.1:{listener.port}/api/v1")
        yield
    assert listener.connections == 1
    assert listener.heard == b""


@contextmanager
def no_tls_there(box: Sandbox, configure: Configure, path: Path) -> Iterator[None]:
    configure(BASE_URL=f"https://127.0.0.1:{box.port}/api/v1")
    yield


@contextmanager
def no_ca_file(box: Sandbox, configure: Configure, path: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(path / "nowhere.pem"))
        configure(BASE_URL=f"https://127.0.0.1:{box.port}/api/v1")
        yield


@contextmanager
def dead_address(box: Sandbox, configure: Configure, path: Path) -> Iterator[None]:
    """Somebody listens, and never takes a connection: the queue is full."""
    with socket.socket() as listener, ExitStack() as callers:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        port = listener.getsockname()[1]
        configure(BASE_URL=f"http://127.0.0.1:{port}/api/v1", CALL_DEADLINE=0.3)
        yield
    configure(CALL_DEADLINE=5)


@pytest.mark.parametrize("lane", LANES, ids=str)
@pytest.mark.parametrize(
    "how",
    [refused, unknown_name, untrusted_certificate, no_tls_there, no_ca_file, dead_address],
)
def test_what_was_never_sent_is_tried_again_an_engagement_too(
    how: Callable[..., Any],
    lane: Lane,
    box: Sandbox,
    configure: Configure,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    row = lane.make()
    before = lane.calls(box)
    real = socket.getaddrinfo

    def lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)

    with how(box, configure, tmp_path):
        drain_now()

    check_row(now(row), PENDING, "NOT_SENT", held=False)
    check_gate(FAULT)
    assert not lane.done(box)
    configure(BASE_URL=box.base_url)
    check_end(row, lane, box, PENDING, before)
    assert lane.calls(box) == before + 1


# 429


def on(seconds: float) -> str:
    """An HTTP date so many seconds from now."""
    when = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return format_datetime(when, usegmt=True)


@pytest.mark.parametrize("lane", [CONTACT, ENGAGEMENT], ids=str)
@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("7", 6, 7),
        ("2.5", 1.5, 2.5),
        (lambda: on(40), 37, 40),
        (lambda: on(-40), 0.1, 1),
        (None, 0.1, 1),
        ("0", 0.1, 1),
        ("-5", 0.1, 1),
        ("soon", 0.1, 1),
        ("", 0.1, 1),
        ("1e400", 0.1, 1),
        (str(10**9), 895, 900),
        ("9" * 400, 0.1, 900),
        (lambda: on(10**9), 895, 900),
    ],
    ids=[
        "seconds",
        "a fraction",
        "date",
        "past date",
        "absent",
        "zero",
        "negative",
        "garbage",
        "blank",
        "infinite",
        "ten to the ninth",
        "endless",
        "far date",
    ],
)
def test_429_holds_the_gate_for_as_long_as_it_says_and_no_longer_than_15_minutes(
    lane: Lane, value: Any, least: float, most: float, box: Sandbox, gate: Gate
):
    row = lane.make()
    value = value() if callable(value) else value
    headers = {} if value is None else {"Retry-After": value}
    lane.fault(box, "status", status=429, headers=headers)
    before = lane.calls(box)

    drain_now()

    state = gate.state()
    assert state.until is not None
    wait = (state.until - db_now("default")).total_seconds()
    assert least - 0.9 <= wait <= most
    assert (state.status, state.reason) == ("waiting", "RATE_LIMIT_EXCEEDED")
    check_row(now(row), PENDING, "RATE_LIMIT_EXCEEDED", held=True)
    assert drain_now().calls == 0
    later(most + 1)
    drain_now()
    assert now(row).sync_status == SYNCED
    assert lane.calls(box) == before + 2


def test_429s_that_name_no_time_wait_longer_and_longer(box: Sandbox, gate: Gate):
    CONTACT.make()
    waits = []
    for _ in range(9):
        CONTACT.fault(box, "status", status=429)
        drain_now()
        until = gate.state().until
        assert until is not None
        waits.append(round((until - db_now("default")).total_seconds() + 0.2))
        later(61)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    drain()
    assert Contact.objects.get().sync_status == SYNCED
    CONTACT.fault(box, "status", status=429)
    Contact.objects.update(first_name="Augusta")
    drain_now()
    until = gate.state().until
    assert until is not None
    assert (until - db_now("default")).total_seconds() <= 1


def test_429s_of_calls_that_were_made_at_once_count_as_one(box: Sandbox, gate: Gate):
    contact = Contact.objects.create(email=ADA)
    drain()
    for number in range(4):
        Engagement.objects.create(contact=contact, name=f"Call {number}", description="Yes.")
    ENGAGEMENT.fault(box, "status", status=429, count=4)
    drain_now()
    until = gate.state().until
    assert until is not None
    assert (until - db_now("default")).total_seconds() <= 1
    until_idle()
    assert len(box.engagements) == 4


# 401, redirects


@pytest.mark.parametrize("lane", LANES, ids=str)
def test_401_closes_the_gate_but_for_probes_until_the_key_changes(
    lane: Lane, box: Sandbox, gate: Gate, configure: Configure
):
    row = lane.make()
    box.app.keys = frozenset({"new-key"})
    before = lane.calls(box)
    drain_now()
    check_row(now(row), PENDING, "UNAUTHORIZED", held=True)
    assert (gate.state().status, gate.state().reason) == ("closed", "UNAUTHORIZED")
    for _ in range(3):
        later(24 * 3600)
        assert drain_now().calls == 1
        assert box.calls[-1].method == "GET"
        assert gate.state().status == "closed"
    assert now(row).attempts == 0
    assert API_KEY not in repr(ApiGate.objects.values())

    configure(API_KEY="new-key")

    assert gate.state().status == "open"
    drain_now()
    assert now(row).sync_status == SYNCED
    assert lane.done(box) == 1
    # A deletion comes after a GET, which was refused.
    assert lane.calls(box) == before + (1 if lane is DELETION else 2)


def test_401_in_the_middle_of_a_run_keeps_what_arrived_and_loses_nothing(
    box: Sandbox, gate: Gate, configure: Configure
):
    # One after the other: another would be on its way when the first 401 comes.
    configure(CONCURRENCY=1)
    Contact.objects.bulk_create(Contact(email=f"p{n}@x.example") for n in range(600))
    box.after(lambda request: setattr(box.app, "keys", frozenset({"new-key"})))

    drain()

    assert gate.state().status == "closed"
    assert Contact.objects.filter(sync_status=SYNCED).count() == len(box.contacts) == 200
    waiting = Contact.objects.filter(sync_status=PENDING, claim=None, attempts=0)
    assert waiting.count() == 400
    assert CONTACT.calls(box) == 2

    configure(API_KEY="new-key")
    drain()

    assert Contact.objects.filter(sync_status=SYNCED).count() == len(box.contacts) == 600
    assert CONTACT.calls(box) == 4


@pytest.mark.parametrize("lane", LANES, ids=str)
@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_closes_the_gate_and_the_key_does_not_travel(
    status: int, lane: Lane, box: Sandbox, gate: Gate, elsewhere: Listener
):
    row = lane.make()
    to = f"http://127.0.0.1:{elsewhere.port}/api/v1"
    lane.fault(box, "redirect", status=status, location=to)
    before = lane.calls(box)

    drain_now()

    check_row(now(row), PENDING, "REDIRECTED", held=True)
    check_gate(CLOSED)
    assert elsewhere.connections == 0
    assert not lane.done(box)
    check_end(row, lane, box, PENDING, before)
    assert elsewhere.connections == 0


@pytest.mark.parametrize("lane", LANES, ids=str)
@pytest.mark.parametrize(
    "wrong", [{"API_KEY": "not a key"}, {"BASE_URL": "http://api.example/"}], ids=["key", "URL"]
)
def test_a_setting_that_cannot_be_used_costs_no_try_and_leaves_nothing_in_doubt(
    wrong: dict[str, str], lane: Lane, box: Sandbox, configure: Configure
):
    row = lane.make()
    before = lane.calls(box)
    configure(**wrong)
    for _ in range(3):
        drain_now()
        later(3600)
    row = now(row)
    assert (row.sync_status, row.attempts, row.claim) == (PENDING, 0, None)
    configure(API_KEY=API_KEY, BASE_URL=box.base_url)
    drain()
    assert now(row).sync_status == SYNCED
    assert lane.calls(box) == before + 1


# Answers about several rows


def test_a_short_answer_holds_up_only_the_rows_that_it_leaves_out(box: Sandbox):
    Contact.objects.bulk_create(Contact(email=f"p{n}@x.example") for n in range(10))
    CONTACT.fault(box, "short_data", size=3)
    drain_now()
    assert Contact.objects.filter(sync_status=SYNCED).count() == 7
    assert Contact.objects.filter(sync_status=PENDING, last_error_code="MISSING").count() == 3
    until_idle()
    assert Contact.objects.filter(sync_status=SYNCED, attempts=0).count() == 10
    assert CONTACT.calls(box) == 2


@pytest.mark.parametrize("kind", ["reordered", "repeated", "strangers"])
def test_each_row_gets_the_id_that_the_answer_gives_to_its_own_key(kind: str, box: Sandbox):
    Contact.objects.bulk_create(Contact(email=f"p{n}@x.example") for n in range(10))
    CONTACT.fault(box, kind)
    drain_now()
    for contact in Contact.objects.all():
        assert contact.sync_status == SYNCED
        assert contact.remote_id == box.contacts[contact.key]["id"]


def test_a_row_that_the_vendor_calls_by_a_merged_address_has_arrived(box: Sandbox):
    Contact.objects.bulk_create(Contact(email=f"p{n}@x.example") for n in range(10))
    CONTACT.fault(box, "merged", email="p3@x.example")
    drain_now()
    for contact in Contact.objects.all():
        assert contact.sync_status == SYNCED
        assert contact.remote_id == box.contacts[contact.key]["id"]
    assert CONTACT.calls(box) == 1


def test_an_item_error_is_that_of_its_row_alone(box: Sandbox):
    Contact.objects.bulk_create(Contact(email=f"p{n}@x.example") for n in range(10))
    CONTACT.fault(box, "item_errors", email="p3@x.example", message="No such person.")
    drain_now()
    [failed] = Contact.objects.filter(sync_status=FAILED)
    assert (failed.email, failed.last_error_message) == ("p3@x.example", "No such person.")
    assert Contact.objects.filter(sync_status=SYNCED).count() == 9


@pytest.mark.parametrize("lane", BATCHES, ids=str)
def test_a_message_that_no_database_can_hold_costs_no_row(lane: Lane, box: Sandbox):
    row = lane.make()
    lane.fault(box, "item_errors", message="nul \x00, half \ud800, " + "long " * 2000)
    drain_now()
    row = now(row)
    assert (row.sync_status, row.last_error_code) == (FAILED, "VALIDATION_ERROR")
    assert row.last_error_message.startswith("nul ")


def test_an_id_that_no_column_can_hold_costs_no_row(box: Sandbox):
    row = CONTACT.make()
    answer = {"success": True, "data": [{"email": ADA, "contactId": "x\x00" + "y" * 1000}]}
    CONTACT.fault(box, "status", status=200, body=answer)
    drain_now()
    assert now(row).sync_status == SYNCED


# The contact is gone at the remote


@pytest.mark.parametrize("lane", [OPT_OUT, ENGAGEMENT], ids=str)
def test_a_contact_that_the_remote_lost_is_pushed_again_once_and_then_the_row(
    lane: Lane, box: Sandbox
):
    row = lane.make()
    box.contacts.pop(ADA, None)
    box.app.store.delete_contact(ADA)
    before = lane.calls(box)
    until_idle()
    assert now(row).sync_status == SYNCED
    assert lane.done(box) == 1
    assert lane.calls(box) <= before + 3


@pytest.mark.parametrize("lane", [OPT_OUT, ENGAGEMENT], ids=str)
def test_a_contact_that_is_never_found_fails_its_row_after_one_more_push(lane: Lane, box: Sandbox):
    row = lane.make()
    lane.fault(box, "status", status=404, code="NOT_FOUND", count=None)
    before, pushed = lane.calls(box), CONTACT.calls(box)
    for _ in range(10):
        drain_now()
        later(3600)
    row = now(row)
    assert (row.sync_status, row.last_error_code) == (FAILED, "NOT_FOUND")
    assert lane.calls(box) == before + 2
    assert CONTACT.calls(box) == pushed + 1


# The guard


@pytest.mark.parametrize(
    ("kind", "options", "code", "state"),
    [
        ("status", {"status": 500}, "INTERNAL_ERROR", "open"),
        ("html", {"status": 503}, "NO_ANSWER", "open"),
        ("html", {"status": 404}, "FOREIGN_ANSWER", "open"),
        (
            "status",
            {"status": 404, "body": {"message": "no Route matched"}},
            "FOREIGN_ANSWER",
            "open",
        ),
        ("status", {"status": 404, "body": {"code": "NOT_FOUND"}}, "FOREIGN_ANSWER", "open"),
        ("html", {"status": 403}, "CONTENT_REFUSED", "open"),
        ("html", {"status": 413}, "CONTENT_REFUSED", "open"),
        ("deep", {}, "NO_ANSWER", "open"),
        ("status", {"status": 503, "headers": {"Retry-After": "9"}}, "UNAVAILABLE", "waiting"),
        ("garbage", {}, "NO_ANSWER", "open"),
        ("status", {"status": 429}, "RATE_LIMIT_EXCEEDED", "waiting"),
        ("status", {"status": 401}, "UNAUTHORIZED", "closed"),
        ("status", {"status": 200, "body": {"success": True}}, "NO_ANSWER", "open"),
    ],
)
def test_a_guard_that_learns_nothing_sends_nothing(
    kind: str, options: dict[str, Any], code: str, state: str, box: Sandbox, gate: Gate
):
    contact = CONTACT.make()
    drain()
    Contact.unmarked.update(remote_created_at=None)
    contact.subscription_status = "SUBSCRIBED"  # type: ignore[attr-defined]  # a contact
    contact.save()
    box.fail(kind, method="GET", **options)

    drain_now()

    row = SubscriptionChange.objects.get()
    assert (row.sync_status, row.last_error_code, row.claim) == (PENDING, code, None)
    assert OPT_OUT.calls(box) == 0
    assert gate.state().status == state
    gate.resume()
    later(3600)
    drain()
    assert now(row).sync_status == SYNCED
    assert box.contacts[ADA]["subscriptionStatus"] == "SUBSCRIBED"


def test_an_old_address_is_not_deleted_before_its_opt_out_is_known(box: Sandbox):
    contact = CONTACT.make()
    drain()
    box.set_status(ADA, "UNSUBSCRIBED")
    contact.email = "countess@x.example"  # type: ignore[attr-defined]  # a contact
    contact.save()
    box.fail("html", method="GET", status=503)
    drain_now()
    deletion = Deletion.objects.get()
    assert (deletion.sync_status, deletion.last_error_code) == (PENDING, "NO_ANSWER")
    assert ADA in box.contacts
    until_idle()
    assert ADA not in box.contacts
    assert box.contacts["countess@x.example"]["subscriptionStatus"] == "UNSUBSCRIBED"


# The database


@contextmanager
def table_missing(table: str) -> Iterator[None]:
    """A table that can be neither read nor written."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO hidden_away")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE hidden_away RENAME TO {table}")


@pytest.mark.parametrize("lane", LANES, ids=str)
def test_a_call_log_that_cannot_be_written_costs_nothing_but_its_lines(lane: Lane, box: Sandbox):
    row = lane.make()
    before, lines = lane.calls(box), ApiCall.objects.count()
    with table_missing("conversion_sync_apicall"):
        drain_now()
    assert now(row).sync_status == SYNCED
    assert lane.done(box) == 1
    assert lane.calls(box) == before + 1
    assert ApiCall.objects.count() == lines


class Failing:
    """The database fails the nth statement that writes, from when it is armed."""

    def __init__(self, nth: int) -> None:
        self.nth, self.armed, self.seen = nth, False, 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        writes = sql.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE"))
        if self.armed and writes and "heartbeat" not in sql:
            self.seen += 1
            if self.seen == self.nth:
                raise OperationalError("the database is gone")
        return execute(sql, params, many, context)


@pytest.mark.parametrize("lane", LANES, ids=str)
@pytest.mark.parametrize("nth", range(1, 7))
def test_a_database_that_fails_after_the_answer_is_written_again_not_called_again(
    nth: int, lane: Lane, box: Sandbox
):
    row = lane.make()
    before = lane.calls(box)
    failing = Failing(nth)
    box.after(lambda request: setattr(failing, "armed", True), path=f"^{lane.path}$")
    # What comes after the settling may end the drain: the next one goes on.
    with connection.execute_wrapper(failing), suppress(OperationalError):
        drain(20)
    # The log of calls, the gate, the row: each of these has failed once.
    assert failing.seen >= min(nth, 3)
    row = now(row)
    assert (row.sync_status, row.last_error_code, row.claim) == (SYNCED, "", None)
    assert lane.calls(box) == before + 1
    assert lane.done(box) == 1


@pytest.mark.parametrize("lane", LANES, ids=str)
def test_a_database_that_is_locked_after_the_answer_is_waited_for(
    lane: Lane, box: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    if connection.vendor != "sqlite":
        pytest.skip("Only SQLite locks the whole database.")
    row = lane.make()
    before = lane.calls(box)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 20")
    released = []

    def lock(request: Any) -> None:
        other = sqlite3.connect(
            connection.settings_dict["NAME"], isolation_level=None, check_same_thread=False
        )
        other.execute("BEGIN IMMEDIATE")

        def release() -> None:
            other.execute("ROLLBACK")
            other.close()
            released.append(True)

        threading.Timer(0.6, release).start()

    box.after(lock, path=f"^{lane.path}$")
    try:
        drain(20)
    finally:
        connection.close()
    assert released
    assert (now(row).sync_status, now(row).last_error_code) == (SYNCED, "")
    assert lane.calls(box) == before + 1
    assert lane.done(box) == 1


def cutting() -> Callable[[], None]:
    """What cuts the connection that this thread has now, by another one."""
    postgres = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()" if postgres else "SELECT CONNECTION_ID()")
        [backend] = cursor.fetchone()

    def cut() -> None:
        other = connections.create_connection("default")
        try:
            with other.cursor() as cursor:
                if postgres:
                    cursor.execute("SELECT pg_terminate_backend(%s)", [backend])
                else:
                    cursor.execute(f"KILL {int(backend)}")
        finally:
            other.close()

    return cut


def test_a_connection_that_is_dead_before_the_drain_is_opened_again(box: Sandbox):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no connection to cut.")
    row = CONTACT.make()
    cutting()()
    drain(20)
    assert now(row).sync_status == SYNCED


@pytest.mark.parametrize("pause", [0.0, 0.7], ids=["", "long before"])
@pytest.mark.parametrize("lane", LANES, ids=str)
def test_a_connection_that_is_cut_before_the_answer_is_opened_again(
    lane: Lane, pause: float, box: Sandbox
):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no connection to cut.")
    row = lane.make()
    before = lane.calls(box)
    cut = cutting()

    def cut_and_pause(request: Any) -> None:
        cut()
        time.sleep(pause)

    box.after(cut_and_pause, path=f"^{lane.path}$")
    drain(20)
    assert (now(row).sync_status, now(row).last_error_code) == (SYNCED, "")
    assert lane.calls(box) == before + 1
    assert lane.done(box) == 1


@pytest.mark.parametrize("lane", LANES, ids=str)
def test_rows_that_somebody_else_has_locked_are_settled_when_they_are_free(
    lane: Lane, box: Sandbox
):
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("No locks of rows here.")
    row = lane.make()
    free, locked = threading.Event(), threading.Event()

    def host() -> None:
        try:
            with transaction.atomic():
                list(type(row).unmarked.select_for_update().filter(pk=row.pk))
                locked.set()
                free.wait(5)
        finally:
            connection.close()

    thread = threading.Thread(target=host)

    def lock(request: Any) -> None:
        thread.start()
        locked.wait(5)
        threading.Timer(0.4, free.set).start()

    box.after(lock, path=f"^{lane.path}$", method=lane.method)
    drain_now()
    thread.join(5)
    assert now(row).sync_status == SYNCED
    assert lane.done(box) == 1
