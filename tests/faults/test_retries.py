"""Tries: which of them count, when a row is given up, and what faults cost in calls."""

from __future__ import annotations

import random
import socket
from collections import Counter
from dataclasses import dataclass

import pytest

from conversion_sync.models import ApiGate, Company, Contact, Engagement
from conversion_sync.models.clock import db_now
from conversion_sync.sandbox import Sandbox
from conversion_sync.sync.gate import Gate
from tests.faults.conftest import Configure
from tests.faults.kit import (
    ADA,
    CONTACT,
    DELETION,
    ENGAGEMENT,
    LANES,
    LONG,
    MARKS,
    MODELS,
    OPT_OUT,
    Lane,
    attempts,
    drain_now,
    later,
    now,
    say,
    until_idle,
)

pytestmark = MARKS

HOUR, DAY = 3600.0, 86400.0

#: What an outage looks like, and whether something answers.
OUTAGES = ("refused", "html 503", "INTERNAL_ERROR", "reset")


def begin(outage: str, box: Sandbox, configure: Configure) -> None:
    """Have every call of the API fail, probes too."""
    if outage == "refused":
        with socket.create_server(("127.0.0.1", 0)) as free:
            configure(BASE_URL=f"http://127.0.0.1:{free.getsockname()[1]}/api/v1")
    elif outage == "html 503":
        box.fail("html", status=503, count=None)
    elif outage == "reset":
        box.fail("drop_before", count=None)
    else:
        box.fail("status", status=500, count=None)


# Promise 6


@pytest.mark.parametrize("lane", LANES, ids=str)
@pytest.mark.parametrize("outage", OUTAGES)
def test_an_outage_of_a_week_costs_no_try(
    outage: str, lane: Lane, box: Sandbox, configure: Configure
):
    row = lane.make()
    begin(outage, box, configure)
    if lane is ENGAGEMENT and outage != "refused":
        # It would be in doubt at once: so it comes while the breaker is open.
        ApiGate.objects.update(faults=5)
    for _ in range(14):
        drain_now()
        later(12 * HOUR)
    then = now(row)
    assert (then.sync_status, then.attempts, then.claim) == ("PENDING", 0, None)

    box.clear_faults()
    configure(BASE_URL=box.base_url)
    until_idle()
    assert now(row).sync_status == "SYNCED"
    assert lane.done(box) == 1


@pytest.mark.parametrize("lane", LANES, ids=str)
@pytest.mark.parametrize("html", [False, True], ids=["envelope", "page"])
def test_a_row_that_breaks_the_server_fails_in_the_end_where_it_is_the_only_traffic(
    html: bool, lane: Lane, box: Sandbox, configure: Configure
):
    if lane is ENGAGEMENT:
        configure(ENGAGEMENTS_IN_DOUBT="resend")
    row = lane.make()
    lane.fault(box, "html" if html else "status", status=500, count=None)
    ages = []
    for _ in range(60):
        drain_now()
        then = now(row)
        assert Gate().state().status == "open"
        if then.sync_status == "FAILED":
            break
        assert then.failing_since is not None
        ages.append((db_now("default") - then.failing_since).total_seconds())
        later(3 * HOUR)
    assert (then.sync_status, then.due_at, then.claim) == ("FAILED", None, None)
    assert then.last_error_code == ("NO_ANSWER" if html else "INTERNAL_ERROR")
    assert max(ages) > DAY - 3 * HOUR - 60
    assert len(ages) >= 11


def test_a_day_must_pass_however_many_tries_were_counted(box: Sandbox):
    row = CONTACT.make()
    CONTACT.fault(box, "status", status=500, count=None)
    for _ in range(30):
        drain_now()
        Contact.unmarked.update(due_at="2020-01-01T00:00Z")
    assert now(row).sync_status == "PENDING"
    assert now(row).attempts >= 20
    later(DAY)
    drain_now()
    assert now(row).sync_status == "FAILED"


def test_enough_tries_must_be_counted_however_much_time_has_passed(box: Sandbox):
    row = CONTACT.make()
    CONTACT.fault(box, "status", status=500, count=None)
    for tries in range(1, 5):
        drain_now()
        later(30 * DAY)
        assert (now(row).sync_status, now(row).attempts) == ("PENDING", tries - 1)


def test_a_change_of_a_row_begins_its_tries_anew(box: Sandbox):
    row = CONTACT.make()
    CONTACT.fault(box, "status", status=500, count=None)
    for _ in range(4):
        drain_now()
        later(5 * HOUR)
    assert now(row).attempts == 3
    row.save()
    then = now(row)
    assert (then.attempts, then.failing_since, then.sync_status) == (0, None, "PENDING")


# The next try is on the row


def test_the_next_try_is_on_the_row_and_ever_further_away(box: Sandbox):
    row = CONTACT.make()
    CONTACT.fault(box, "status", status=500, count=None)
    waits = []
    for _ in range(12):
        drain_now()
        then = now(row)
        assert then.due_at is not None
        waits.append((then.due_at - db_now("default")).total_seconds())
        later(waits[-1] + 0.1)
    fulls = [30.0, *(min(4 * HOUR, 30 * 2.0**n) for n in range(11))]
    for wait, full in zip(waits, fulls, strict=True):
        assert full / 2 - 1 <= wait <= full


def test_nothing_is_tried_before_its_time(box: Sandbox):
    row = CONTACT.make()
    CONTACT.fault(box, "status", status=500)
    drain_now()
    calls = len(box.calls)
    later(14)
    drain_now()
    assert (len(box.calls), now(row).sync_status) == (calls, "PENDING")
    later(17)
    drain_now()
    assert now(row).sync_status == "SYNCED"


# What faults cost


@dataclass
class Run:
    """What a run cost: calls, faults, and by what.

    ``ruled`` are calls that a rule adds to the repeats: an opt-out whose contact's push failed goes
    by its address at once, and again with the record; each try of a deletion asks first.
    """

    calls: int
    ruled: int
    faults: int
    gets: int
    drains: int
    kinds: Counter[str]


def fill(contacts: int, companies: int, opt_outs: int, engagements: int, deletions: int) -> None:
    """Make rows of all kinds, by way of a first clean run."""
    Contact.objects.bulk_create(
        [Contact(email=f"old{n}@x.example", first_name="Old") for n in range(deletions)]
    )
    if deletions:
        until_idle()
        Contact.objects.filter(first_name="Old").delete()
    Company.objects.bulk_create(Company(external_id=f"c{n}") for n in range(companies))
    people = Contact.objects.bulk_create(
        Contact(email=f"p{n}@x.example", subscription_status="UNSUBSCRIBED" if n < opt_outs else "")
        for n in range(contacts)
    )
    Engagement.objects.bulk_create(
        Engagement(contact=people[n], name=f"Call {n}", description="Yes.")
        for n in range(engagements)
    )


def run(box: Sandbox, loads: dict[str, int], seed: int | None) -> Run:
    """Send it all, with 30% of the calls going wrong where there is a seed."""
    fill(**loads)
    box.app.traffic.reset()
    if seed is not None:
        box.app.plan._seed = seed
        box.clear_faults()
        random.seed(seed)  # for the jitter
        # Of the calls, 10% each: the second and third are asked only where the ones before passed.
        box.fail("429:0.1")
        box.fail("500:0.1111")
        box.fail("drop_before:0.125")
    drains = len(until_idle(step=35, seconds=0.9))
    calls = box.calls
    kinds = Counter(call.fault for call in calls if call.fault)
    gets = sum(call.method == "GET" for call in calls)
    unknown = [call for call in calls if call.status == 404 and call.method == "POST"]
    asked = [c.path for c in calls if c.method == "GET" and "/old" in c.path and not c.fault]
    ruled = len(unknown) + len(asked) - len(set(asked))
    return Run(len(calls), ruled, kinds.total(), gets, drains, kinds)


def wipe(box: Sandbox) -> None:
    box.reset()
    for model in reversed(MODELS):
        model.unmarked.all().delete()
    ApiGate.objects.all().delete()


LOADS = {
    "batches": {
        "contacts": 2000,
        "companies": 500,
        "opt_outs": 500,
        "engagements": 0,
        "deletions": 0,
    },
    "all kinds": {
        "contacts": 1000,
        "companies": 300,
        "opt_outs": 200,
        "engagements": 40,
        "deletions": 40,
    },
}


def test_30_percent_faults_cost_no_more_than_a_tenth_of_a_call_beyond_the_repeats(
    box: Sandbox, configure: Configure
):
    # 25 rows a call: more calls, so more faults, for the same rows.
    configure(BATCH_SIZE=25, ENGAGEMENTS_IN_DOUBT="resend")
    more = faults = 0
    for name, load in LOADS.items():
        wipe(box)
        clean = run(box, load, None)
        say(f"{name}: a clean run is {clean.calls} calls")
        for seed in range(1, 21 if LONG else 4):
            wipe(box)
            faulty = run(box, load, seed)
            added = faulty.calls - faulty.ruled - clean.calls
            extra = added / faulty.faults
            say(
                f"  seed {seed}: {faulty.calls} calls ({faulty.ruled} by rule),"
                f" {faulty.faults} faults"
                f" ({faulty.faults / faulty.calls:.0%}; {dict(faulty.kinds)}),"
                f" {faulty.gets} probes, {faulty.drains} drains: {extra:.3f} calls for each fault"
            )
            more, faults = more + added, faults + faulty.faults
            assert 0.15 < faulty.faults / faulty.calls < 0.45
            # Rows that chance picks again and again are isolated as a bad one would be.
            assert extra <= 1.3
            check_all_arrived(box, load)
    say(f"  all: {more / faults:.3f} calls for each of {faults} faults")
    assert more <= 1.1 * faults


def check_all_arrived(box: Sandbox, load: dict[str, int]) -> None:
    assert len(box.contacts) == load["contacts"]
    assert len(box.companies) == load["companies"]
    assert len(box.engagements) == load["engagements"]
    opted_out = [c for c in box.contacts.values() if c["subscriptionStatus"] == "UNSUBSCRIBED"]
    assert len(opted_out) == load["opt_outs"]
    for model in MODELS:
        # An opt-out that went by its address before its contact had arrived was entered again.
        assert not model.unmarked.exclude(sync_status__in=("SYNCED", "SUPERSEDED")).exists()
        assert attempts(model) == 0


def test_faults_of_one_channel_hold_up_no_other(box: Sandbox):
    Company.objects.bulk_create(Company(external_id=f"c{n}") for n in range(50))
    CONTACT.make()
    box.fail("status", path="companies", status=500, count=None)
    drain_now()
    assert ADA in box.contacts
    assert Contact.objects.get().sync_status == "SYNCED"


@pytest.mark.parametrize("lane", [OPT_OUT, DELETION], ids=str)
def test_a_channel_that_alone_fails_counts_its_tries(lane: Lane, box: Sandbox):
    row = lane.make()
    lane.fault(box, "html", status=500, count=None)
    for n in range(4):
        drain_now()
        Contact.objects.create(email=f"other{n}@x.example")
        drain_now()
        later(2 * HOUR)
    assert now(row).attempts >= 3
