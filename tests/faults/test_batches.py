"""Batches with bad rows in them: the bad ones are found, and the others are not held up."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from conversion_sync.models import ApiGate, Company, Contact, SubscriptionChange
from conversion_sync.sandbox import Sandbox
from conversion_sync.sync.drain import drain
from conversion_sync.sync.gate import Gate
from tests.faults.conftest import Configure
from tests.faults.kit import (
    COMPANY,
    CONTACT,
    LONG,
    MARKS,
    OPT_OUT,
    Lane,
    drain_now,
    later,
    say,
    until_idle,
)

pytestmark = MARKS


def people(count: int, bad: Sequence[int] = ()) -> None:
    """Contacts, some of which pass here, and not at the API."""
    Contact.objects.bulk_create(
        Contact(email=f"p{n}@x.example", title="refused" if n in bad else "fine")
        for n in range(count)
    )


def refuse(box: Sandbox, *, details: bool, items: bool = False) -> None:
    """Have the API refuse contacts whose title says so."""
    endpoints = box.app.endpoints
    endpoints.details, endpoints.item_errors = details, items
    real = endpoints._upsert_contacts

    def upsert(key: str, body: dict[str, list[dict[str, object]]]) -> object:
        for item in body["contacts"]:
            variables = item.get("variables")
            if isinstance(variables, dict) and variables.get("title") == "refused":
                item["variables"] = "of the wrong kind"
        return real(key, body)

    endpoints._handlers["POST /contacts/batch"] = upsert  # type: ignore[assignment]  # a stand-in


def failed() -> set[int]:
    rows = Contact.objects.failed()
    assert not rows.exclude(last_error_code="VALIDATION_ERROR").exists()
    return {int(row.email[1:].partition("@")[0]) for row in rows}


def calls_of(lane: Lane, box: Sandbox) -> list[int]:
    """How many rows each call of the lane held."""
    return [c.rows for c in box.calls if (c.method, c.path) == (lane.method, lane.path)]


# Refused for its content


@pytest.mark.parametrize("bad", [[0], [199], [3, 77, 150], range(0, 200, 2), range(200)])
def test_rows_that_the_answer_names_fail_at_once_and_the_rest_goes_in_one_more_call(
    bad: Sequence[int], box: Sandbox
):
    people(200, bad)
    refuse(box, details=True)
    drain()
    assert failed() == set(bad)
    assert len(box.contacts) == 200 - len(bad)
    assert calls_of(CONTACT, box) == ([200, 200 - len(bad)] if len(bad) < 200 else [200])
    assert "variables must be an object" in Contact.objects.failed()[0].last_error_message


@pytest.mark.parametrize("bad", [[0], [199], [3, 77, 150]])
def test_item_errors_need_no_second_call(bad: Sequence[int], box: Sandbox):
    people(200, bad)
    refuse(box, details=True, items=True)
    drain()
    assert failed() == set(bad)
    assert calls_of(CONTACT, box) == [200]


@pytest.mark.parametrize(
    ("bad", "most"), [([0], 17), ([199], 17), ([113], 17), ([3, 150], 33), ([1, 60, 130], 47)]
)
def test_without_details_a_batch_is_halved_until_its_bad_rows_stand_alone(
    bad: Sequence[int], most: int, box: Sandbox
):
    people(200, bad)
    refuse(box, details=False)
    until_idle(step=120, seconds=20)
    assert failed() == set(bad)
    assert len(box.contacts) == 200 - len(bad)
    assert len(calls_of(CONTACT, box)) <= most
    assert Gate().state().status == "open"


def test_where_many_are_bad_singles_are_cheaper_than_halves(box: Sandbox, configure: Configure):
    configure(BATCH_SIZE=64)
    bad = range(0, 64, 3)
    people(64, bad)
    refuse(box, details=False)
    until_idle(step=120, seconds=20)
    assert failed() == set(bad)
    sizes = calls_of(CONTACT, box)
    say(f"22 of 64 bad: {len(sizes)} calls (halving alone takes 107)")
    assert len(sizes) <= 90


def test_details_that_name_nobody_of_the_batch_are_no_details(box: Sandbox):
    people(8, [5])
    refuse(box, details=False)
    error = {"code": "VALIDATION_ERROR", "message": "No.", "details": [{"email": "who@x.example"}]}
    box.fail("status", status=400, body={"success": False, "error": error})
    until_idle(step=120, seconds=20)
    assert failed() == {5}
    assert len(box.contacts) == 7


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_that_is_split_while_calls_fail_still_ends_right(seed: int, box: Sandbox):
    bad = [seed * 31 % 200, 90, 91]
    people(200, bad)
    refuse(box, details=False)
    box.app.plan._seed = seed
    box.clear_faults()
    box.fail("429:0.1")
    box.fail("500:0.1")
    box.fail("drop-after:0.1")
    until_idle(step=120, seconds=0.9)
    assert failed() == set(bad)
    assert len(box.contacts) == 197


def test_a_company_and_an_opt_out_that_are_refused_stand_alone_too(box: Sandbox):
    Company.objects.bulk_create(Company(external_id=f"c{n}") for n in range(50))
    box.fail("status", path="companies", status=400, when=lambda body: holds(body, "id", "c17"))
    box.faults[0].count = None
    people(50)
    drain()
    Contact.objects.update(subscription_status="UNSUBSCRIBED")
    box.fail(
        "status",
        path="subscription",
        status=400,
        count=None,
        when=lambda body: holds(body, "email", "p33@x.example"),
    )
    until_idle(step=120, seconds=20)
    assert [row.external_id for row in Company.objects.failed()] == ["c17"]
    assert [row.address for row in SubscriptionChange.objects.failed()] == ["p33@x.example"]
    assert len(box.companies) == 49
    statuses = [c["subscriptionStatus"] for c in box.contacts.values()]
    assert statuses.count("UNSUBSCRIBED") == 49
    assert max(len(calls_of(COMPANY, box)), len(calls_of(OPT_OUT, box))) <= 16


def holds(body: dict[str, list[dict[str, object]]], name: str, value: str) -> bool:
    return any(item[name] == value for items in body.values() for item in items)


# A row that breaks the server


@pytest.mark.parametrize("html", [False, True], ids=["envelope", "page"])
@pytest.mark.parametrize("place", [0, 100, 190])
def test_a_row_that_breaks_the_server_is_isolated_and_neither_opens_the_breaker_nor_holds_others_up(
    place: int, html: bool, box: Sandbox
):
    people(200)
    poison = f"p{place}@x.example"
    box.fail("poison", email=poison, html=html, count=None)
    blocked, fresh, drains = 0, 0, 0
    while len(box.contacts) < 199 + fresh and drains < 12:
        drains += 1
        Contact.objects.create(email=f"fresh{drains}@x.example")
        fresh += 1
        drain_now()
        # What came meanwhile has arrived, but for a batch-mate of the bad row at its first tries.
        blocked += Gate().state().status != "open"
        later(40)
    assert len(box.contacts) == 199 + fresh
    sizes, gets = calls_of(CONTACT, box), sum(c.method == "GET" for c in box.calls)
    say(
        f"poison at {place}, {'page' if html else 'envelope'}: {drains} drains,"
        f" {len(sizes)} calls, {gets} probes"
    )
    assert blocked == 0
    assert ApiGate.objects.get().probes == 0
    assert len(sizes) <= fresh + 25
    [row] = Contact.objects.waiting()
    assert row.email == poison
    assert row.attempts >= 1

    box.app.traffic.reset()
    for _ in range(40):
        people_before = len(box.contacts)
        Contact.objects.bulk_create([Contact(email=f"later{people_before}@x.example")])
        drain_now()
        assert len(box.contacts) == people_before + 1
        later(3 * 3600)
        if not Contact.objects.waiting().exists():
            break
    [row] = Contact.objects.failed()
    assert (row.email, row.last_error_code) == (poison, "NO_ANSWER" if html else "INTERNAL_ERROR")
    assert {c.rows for c in box.calls if c.status == 500} == {1}


def test_several_rows_that_break_the_server_are_isolated(box: Sandbox):
    people(200)
    poisons = {f"p{n}@x.example" for n in (0, 1, 50, 120, 199)}
    for poison in poisons:
        box.fail("poison", email=poison, count=None)
    for _ in range(12):
        drain_now()
        assert Gate().state().status == "open"
        if len(box.contacts) == 195:
            break
        later(240)
    assert {c.email for c in Contact.objects.waiting()} == poisons
    assert len(box.contacts) == 195
    say(f"five poisons among 200: {len(box.calls)} calls")


def test_a_row_on_which_the_server_hangs_ends_up_alone(box: Sandbox, configure: Configure):
    configure(CALL_DEADLINE=1, BATCH_SIZE=40)
    people(40)
    box.fail("hang", count=None, when=lambda body: holds(body or {}, "email", "p7@x.example"))
    for _ in range(16):
        drain_now()
        if Contact.objects.filter(sync_status="SYNCED").count() == 39:
            break
        later(2 * 3600)
    [row] = Contact.objects.waiting()
    assert row.email == "p7@x.example"
    assert Gate().state().status == "open"


# Many bad ones


@pytest.mark.parametrize("details", [True, False], ids=["details", "no details"])
def test_good_rows_flow_past_ten_thousand_bad_ones(details: bool, box: Sandbox):
    bad, good = (10_000 if LONG or details else 2_000), 1_000
    refuse(box, details=details)
    people(bad, range(bad))
    Contact.objects.bulk_create(
        Contact(email=f"good{n}@x.example", title="fine") for n in range(good)
    )
    box.app.traffic.reset()
    started, arrived_after = time.monotonic(), None
    Contact.objects.create(email="person@x.example", title="fine")
    drain(20, stop=lambda: any(call.status == 200 for call in box.calls))
    # Its own calls, one after the other; those of others are made beside them.
    own = [call for call in box.calls if "person@x.example" in call.keys]
    assert own[-1].status == 200
    assert len(own) <= 12

    for _ in range(2000):
        report = drain(20)
        if len(box.contacts) == good + 1:
            arrived_after = len(box.calls)
            break
        if not report.go_on:
            later(20)
    say(
        f"{good} good rows behind {bad} bad ones: all arrived after {arrived_after} calls,"
        f" {time.monotonic() - started:.1f} s here"
    )
    assert arrived_after is not None
    assert arrived_after <= bad / 200 * (2 if details else 41) + good / 200 + 80
    assert Contact.objects.filter(title="fine").exclude(sync_status="SYNCED").count() == 0
    assert Gate().state().status == "open"
