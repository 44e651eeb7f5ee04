"""The gate under faults: it shuts for all, costs nothing while it is shut, and opens again."""

from __future__ import annotations

import datetime
import itertools
import threading
import time
from typing import Any

import pytest
from django.db import connection, connections
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from conversion_sync.api import Unauthorized
from conversion_sync.models import ApiGate, Contact, Engagement
from conversion_sync.models.clock import db_now
from conversion_sync.sandbox import Sandbox
from conversion_sync.sync.drain import drain
from conversion_sync.sync.gate import Gate, Refusal, Slots
from conversion_sync.sync.loop import Loop
from conversion_sync.sync.worker import Worker, push
from tests.faults.conftest import Configure
from tests.faults.kit import LANES, MARKS, Lane, drain_now, in_flight, later, now, say, until_idle

pytestmark = MARKS


def people(count: int, prefix: str = "p") -> None:
    Contact.objects.bulk_create(Contact(email=f"{prefix}{n}@x.example") for n in range(count))


def gets(box: Sandbox) -> int:
    return sum(call.method == "GET" for call in box.calls)


def wait_of(gate: Gate) -> float:
    """Seconds until the gate opens."""
    until = gate.state().until
    assert until is not None
    return (until - db_now("default")).total_seconds()


def broken(box: Sandbox, gate: Gate) -> None:
    """Have the breaker open: five faults in a row, of which no row can be the cause."""
    people(5)
    box.fail("html", status=503, count=None)
    for n in range(5):
        Contact.unmarked.filter(email=f"p{n}@x.example").update(due_at="2020-01-01T00:00Z")
        Contact.unmarked.exclude(email=f"p{n}@x.example").update(due_at="2099-01-01T00:00Z")
        drain_now()
    assert (gate.state().status, gate.state().reason) == ("waiting", "UNREACHABLE")


# The breaker


def test_the_breaker_opens_after_five_faults_in_a_row_and_its_probes_are_ever_further_apart(
    box: Sandbox, gate: Gate
):
    broken(box, gate)
    assert (len(box.calls), gets(box)) == (5, 0)
    waits = [wait_of(gate)]
    for probes in range(1, 10):
        later(waits[-1] + 0.1)
        Contact.unmarked.update(due_at="2020-01-01T00:00Z")
        assert drain_now().calls == 1
        assert (len(box.calls), gets(box)) == (5 + probes, probes)
        waits.append(wait_of(gate))
    for wait, full in zip(waits, (2, 4, 8, 16, 32, 64, 128, 256, 300, 300), strict=True):
        assert full / 2 - 1 <= wait <= full
    assert Contact.unmarked.filter(attempts=0, sync_status="PENDING", claim=None).count() == 5


def test_a_probe_that_succeeds_opens_the_gate_at_once_and_all_is_sent(box: Sandbox, gate: Gate):
    broken(box, gate)
    later(300)
    Contact.unmarked.update(due_at="2020-01-01T00:00Z")
    box.clear_faults()
    report = drain(5)
    assert (report.synced, report.calls, gets(box)) == (5, 2, 1)
    row = ApiGate.objects.get()
    assert (row.faults, row.probes, row.blocked_until, row.blocked_reason) == (0, 0, None, "")


def test_while_one_probes_the_others_wait(box: Sandbox, gate: Gate):
    broken(box, gate)
    later(300)
    first, second = gate.take(), gate.take()
    assert isinstance(first, Slots)
    assert first.probe
    assert isinstance(second, Refusal)
    assert second.wait is not None
    assert 20 < second.wait <= 26
    gate.report(None)
    assert isinstance(gate.take(), Slots)


def test_a_probe_that_died_is_made_again(box: Sandbox, gate: Gate):
    broken(box, gate)
    later(300)
    gate.take()
    box.clear_faults()
    later(36)
    Contact.unmarked.update(due_at="2020-01-01T00:00Z")
    until_idle()
    assert Contact.objects.filter(sync_status="SYNCED").count() == 5


def test_a_probe_that_is_refused_opens_the_gate_too(box: Sandbox, gate: Gate):
    """The key may not read contacts, say: that is an answer, the channel works."""
    broken(box, gate)
    later(300)
    Contact.unmarked.update(due_at="2020-01-01T00:00Z")
    box.clear_faults()
    box.fail("status", status=403, method="GET", count=None)
    report = drain(5)
    assert (report.synced, report.calls, gets(box)) == (5, 2, 1)
    assert gate.state().status == "open"


@pytest.mark.parametrize(("kind", "counts"), [("html=502", True), ("403", False)])
def test_where_probes_are_refused_a_fault_is_the_rows_and_a_refusal_is_not(
    kind: str, counts: bool, box: Sandbox
):
    people(1)
    box.fail("status", status=403, method="GET", count=None)
    box.fail(kind, method="POST", count=None)
    for _ in range(3):
        drain_now()
        later(300)
    assert Contact.unmarked.get().attempts == (2 if counts else 0)


@pytest.mark.parametrize("seconds", [None, "3"])
def test_a_probe_that_is_answered_429_waits_as_long_as_that_says(
    seconds: str | None, box: Sandbox, gate: Gate
):
    broken(box, gate)
    box.clear_faults()
    box.fail("status", status=429, headers={"Retry-After": seconds} if seconds else {})
    later(300)
    Contact.unmarked.update(due_at="2020-01-01T00:00Z")
    assert drain_now().calls == 1
    assert wait_of(gate) <= 3
    later(4)
    until_idle()
    assert Contact.objects.filter(sync_status="SYNCED").count() == 5


def test_faults_of_calls_that_were_made_at_once_open_the_breaker_once(
    box: Sandbox, gate: Gate, configure: Configure
):
    configure(CONCURRENCY=16)
    contact = Contact.objects.create(email="ada@x.example")
    drain()
    for number in range(8):
        Engagement.objects.create(contact=contact, name=f"Call {number}", description="Yes.")
    box.fail("status", status=500, count=None)
    # The drain ends with these calls, however slow the machine is.
    drain(20, stop=lambda: sum(call.status == 500 for call in box.calls) >= 8)
    assert ApiGate.objects.get().faults == 8
    assert ApiGate.objects.get().probes == 1


def test_faults_between_successes_do_not_open_the_breaker(box: Sandbox, gate: Gate):
    for number in range(12):
        people(1, f"good{number}")
        drain_now()
        people(1, f"bad{number}")
        box.fail("html", status=502)
        drain_now()
    assert gate.state().status == "open"
    until_idle()
    assert len(box.contacts) == 24


@pytest.mark.parametrize("status", [400, 403, 404, 409, 418])
def test_refusals_say_nothing_against_the_channel(status: int, box: Sandbox, gate: Gate):
    box.fail("status", status=status, code="TEAPOT" if status == 418 else None, count=None)
    for number in range(8):
        people(1, f"p{number}")
        drain_now()
    assert gate.state().status == "open"
    assert ApiGate.objects.get().faults == 0


# Shut, by staff or for a key


def shut(how: str, gate: Gate) -> None:
    if how == "paused":
        gate.pause("Mia")
    elif how == "closed":
        gate.close("UNAUTHORIZED")
    else:
        until = db_now("default") + datetime.timedelta(minutes=4)
        ApiGate.objects.update(blocked_until=until, blocked_reason="UNREACHABLE")


@pytest.mark.parametrize("how", ["paused", "closed", "blocked"])
def test_a_shut_gate_costs_no_call_few_queries_and_no_try(how: str, box: Sandbox, gate: Gate):
    Gate().report(None)
    people(500)
    shut(how, gate)
    with CaptureQueriesContext(connection) as queries:
        started = time.monotonic()
        report = drain(20)
        took = time.monotonic() - started
    say(f"a drain at a {how} gate: {len(queries)} queries, {took * 1000:.0f} ms")
    assert (report.calls, report.rows, report.go_on) == (0, 0, False)
    # Those of the channels before the first one that has rows, opt-outs first of all, among them.
    assert len(queries) <= 40
    assert took < 2
    rows = Contact.unmarked.filter(sync_status="PENDING", claim=None, attempts=0)
    assert rows.filter(failing_since=None, last_attempt_at=None).count() == 500
    assert push().calls == 0

    gate.resume()
    until_idle()
    assert len(box.contacts) == 500


@pytest.mark.parametrize("how", ["paused", "closed", "blocked"])
def test_a_worker_at_a_shut_gate_does_not_spin(how: str, box: Sandbox, gate: Gate):
    Gate().report(None)
    people(10)
    shut(how, gate)
    worker = Worker(poll=0.2)
    threading.Timer(1.0, worker.stop).start()
    with CaptureQueriesContext(connection) as queries:
        worker.run()
    say(f"a worker at a {how} gate: {len(queries)} queries in 1 s")
    assert len(box.calls) == 0
    assert len(queries) <= 40 + 4 * 5


def test_a_wait_that_is_shorter_than_the_drain_is_slept_not_spun(box: Sandbox, gate: Gate):
    people(10)
    box.fail("status", status=429, headers={"Retry-After": "1"})
    with CaptureQueriesContext(connection) as queries:
        report = drain(5)
    assert (report.synced, report.calls) == (10, 2)
    # On a busy machine a slot passes while rows are claimed, and is taken anew. Spun, they would
    # be thousands.
    assert len(queries) <= 200


def test_nobody_is_told_to_go_on_while_the_gate_is_shut(box: Sandbox, gate: Gate):
    people(600)
    box.fail("status", status=429, headers={"Retry-After": "60"})
    assert drain_now().go_on is False
    later(61)
    box.after(lambda request: gate.pause("Mia"))
    report = drain(5)
    connections.close_all()
    assert (report.calls, report.go_on) == (1, False)
    assert Contact.objects.filter(sync_status="SYNCED").count() == 200
    gate.resume()
    until_idle()
    assert len(box.contacts) == 600


def test_a_drain_that_slept_until_its_slot_finds_the_gate_that_was_shut_meanwhile(
    box: Sandbox, gate: Gate, configure: Configure
):
    people(1)
    gate.take()
    later(-1.5)
    ApiGate.objects.update(blocked_until=None)
    Contact.unmarked.update(due_at="2020-01-01T00:00Z")

    def pause() -> None:
        gate.pause("Mia")
        connection.close()

    threading.Timer(0.5, pause).start()
    assert drain(10).calls == 0
    gate.resume()
    later(2)
    until_idle()
    assert len(box.contacts) == 1


def test_a_closure_is_for_one_key_and_keeps_no_key(box: Sandbox, gate: Gate, configure: Configure):
    gate.close("UNAUTHORIZED")
    assert gate.state().status == "closed"
    configure(API_KEY="another")
    assert gate.state().status == "open"
    configure(API_KEY="sk_live_very_secret")
    assert gate.state().status == "closed"
    assert "secret" not in repr(list(ApiGate.objects.values()))
    gate.resume()
    assert gate.state().status == "open"


# A closure ends by itself


def close(box: Sandbox, by: str) -> None:
    """Have a 401 or a redirect shut the gate, with rows that wait."""
    people(3)
    box.fail(by, count=None)
    drain_now()
    assert Gate().state().status == "closed"
    box.app.traffic.reset()


@pytest.mark.parametrize("by", ["401", "redirect"])
def test_a_closure_that_passes_is_lifted_by_a_harmless_call(by: str, box: Sandbox, gate: Gate):
    close(box, by)
    box.clear_faults()
    later(25)
    assert drain_now().calls == 0
    later(6)
    report = drain(5)
    assert (report.synced, gets(box), len(box.calls)) == (3, 1, 2)
    row = ApiGate.objects.get()
    assert (row.closed_for, row.closed_reason, row.closed_at, row.closure_probes) == (
        "",
        "",
        None,
        0,
    )


@pytest.mark.parametrize("by", ["401", "redirect"])
def test_probes_of_a_closure_are_ever_further_apart_up_to_an_hour(
    by: str, box: Sandbox, gate: Gate
):
    close(box, by)
    times = []
    for minute in range(12 * 60):
        if drain_now().calls:
            times.append(minute)
        later(60)
    steps = [b - a for a, b in itertools.pairwise(times)]
    assert times[0] == 1
    # The sweeps come by the minute, and a little later each time.
    assert all(later >= earlier - 1 for earlier, later in itertools.pairwise(steps))
    assert all(59 <= step <= 60 for step in steps[-3:])
    assert len(times) == gets(box) == len(box.calls) <= 20
    assert Contact.unmarked.filter(sync_status="PENDING", attempts=0, claim=None).count() == 3


@pytest.mark.parametrize(
    ("kind", "options", "opens"),
    [
        ("status", {"status": 404}, True),
        ("status", {"status": 403}, True),
        ("status", {"status": 400}, True),
        ("status", {"status": 401}, False),
        ("status", {"status": 429}, False),
        ("status", {"status": 500}, False),
        ("status", {"status": 404, "body": {"message": "no Route matched"}}, False),
        ("status", {"status": 403, "body": {"message": "Forbidden"}}, False),
        ("status", {"status": 200, "body": {"success": True}}, False),
        ("html", {"status": 200}, False),
        ("html", {"status": 404}, False),
        ("redirect", {}, False),
        ("drop_before", {}, False),
    ],
)
def test_only_an_answer_of_the_api_lifts_a_closure(
    kind: str, options: dict[str, Any], opens: bool, box: Sandbox, gate: Gate
):
    close(box, "401")
    box.clear_faults()
    box.fail(kind, method="GET", **options)
    later(31)
    drain(5)
    assert gate.state().status == ("open" if opens else "closed")
    assert len(box.contacts) == (3 if opens else 0)
    assert gets(box) == 1


def test_what_staff_have_paused_is_not_probed(box: Sandbox, gate: Gate):
    close(box, "401")
    gate.pause("Mia")
    box.clear_faults()
    later(24 * 3600)
    assert drain_now().calls == 0
    assert gate.state().status == "paused"


def test_a_probe_lifts_only_the_closure_that_it_was_sent_for(box: Sandbox, gate: Gate):
    close(box, "401")
    box.clear_faults()

    def meanwhile(request: Any) -> None:
        gate.resume()
        gate.close("REDIRECTED")
        connection.close()

    box.before(meanwhile, method="GET")
    later(31)
    assert drain_now().calls == 1
    assert (gate.state().status, gate.state().reason) == ("closed", "REDIRECTED")


def test_staff_who_pause_while_a_probe_is_on_its_way_have_paused(box: Sandbox, gate: Gate):
    close(box, "401")
    box.clear_faults()

    def pause(request: Any) -> None:
        gate.pause("Mia")
        connection.close()

    box.before(pause, method="GET")
    later(31)
    assert drain_now().calls == 1
    assert gate.state().status == "paused"


def test_two_drains_send_one_probe(box: Sandbox, gate: Gate):
    close(box, "401")
    later(31)
    assert Gate().take_probe() is not None
    assert Gate().take_probe() is None


def test_the_closure_of_another_key_is_not_probed(box: Sandbox, gate: Gate, configure: Configure):
    close(box, "401")
    box.clear_faults()
    configure(API_KEY="another")
    later(31)
    drain(5)
    assert gets(box) == 0
    assert len(box.contacts) == 3


def test_calls_that_were_on_their_way_do_not_begin_a_closure_anew(box: Sandbox, gate: Gate):
    close(box, "401")
    since = gate.state().since
    later(10)
    gate.report(Unauthorized("no"))
    assert gate.state().since == since - datetime.timedelta(seconds=10)  # type: ignore[operator]  # it is closed


def test_a_probe_waits_for_what_else_holds_the_gate(box: Sandbox, gate: Gate):
    close(box, "401")
    box.clear_faults()
    box.fail("status", status=429, headers={"Retry-After": "600"}, method="GET")
    later(31)
    drain_now()
    later(300)
    assert drain_now().calls == 0
    later(301)
    drain(5)
    assert len(box.contacts) == 3


def test_a_clock_that_was_set_back_holds_up_no_probe(box: Sandbox, gate: Gate):
    close(box, "401")
    box.clear_faults()
    ApiGate.objects.update(closed_at=F("closed_at") + datetime.timedelta(hours=1))
    drain(5)
    assert len(box.contacts) == 3


def test_a_pause_outlasts_a_new_key(box: Sandbox, gate: Gate, configure: Configure):
    gate.pause("Mia")
    configure(API_KEY="another")
    assert (gate.state().status, gate.state().reason) == ("paused", "Mia")


# Waiting, and calling


def test_what_waits_for_a_slot_is_not_claimed_and_no_transaction_is_open_meanwhile(
    box: Sandbox, configure: Configure, monkeypatch: pytest.MonkeyPatch
):
    configure(RATE_LIMIT=10, BATCH_SIZE=10)
    people(60)
    seen, real = [], Loop.take_in

    def watched(loop: Loop, timeout: float) -> None:
        waiting = in_flight() - 10 * loop.in_flight()
        seen.append((connection.in_atomic_block, waiting))
        real(loop, timeout)

    monkeypatch.setattr(Loop, "take_in", watched)
    drain(20)
    assert len(box.contacts) == 60
    assert len(seen) >= 4
    assert set(seen) == {(False, 0)}


@pytest.mark.parametrize("lane", LANES, ids=str)
def test_no_transaction_is_open_during_a_call_and_the_claim_is_written_before(
    lane: Lane, box: Sandbox
):
    row = lane.make()
    ours = connections["default"]
    seen: list[tuple[bool, Any]] = []

    def look(request: Any) -> None:
        seen.append((ours.in_atomic_block, now(row)))
        connection.close()

    box.before(look, path=f"^{lane.path}$")
    drain()
    [(in_transaction, then)] = seen
    assert in_transaction is False
    assert (then.sync_status, then.claim is None) == ("SENDING", False)
    assert 50 < (then.due_at - db_now("default")).total_seconds() <= 60
    if hasattr(then, "sent_revision"):
        assert (then.sent_revision, then.sent_key) == (then.revision, then.key)
        assert then.sent_payload
