"""What gateways, firewalls and routers between us and the API say, and what becomes of the rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import F

from conversion_sync.api import ForeignAnswer
from conversion_sync.models import ApiGate, Company, Contact, Deletion, Engagement
from conversion_sync.models.clock import db_now
from conversion_sync.sandbox import Sandbox
from conversion_sync.status.messages import in_words
from conversion_sync.sync.compare import compare_many
from conversion_sync.sync.drain import drain
from conversion_sync.sync.gate import Gate
from conversion_sync.sync.run import Run
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
    drain_now,
    later,
    now,
    until_idle,
)

pytestmark = MARKS

PENDING, SYNCED, FAILED = "PENDING", "SYNCED", "FAILED"

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

#: What says that the size or the content is refused: a fault of the sandbox, and its options.
REFUSALS = [
    ("html", {"status": 400}),
    ("html", {"status": 403}),
    ("html", {"status": 405}),
    ("html", {"status": 413}),
    ("html", {"status": 414}),
    ("html", {"status": 431}),
    ("status", {"status": 413, "body": {"message": "Request Too Long"}}),
    ("status", {"status": 403, "body": {"message": "Forbidden"}}),
    ("status", {"status": 422, "body": {"error": "blocked"}}),
    ("status", {"status": 413, "code": "PAYLOAD_TOO_LARGE"}),
]

#: How routers say that they know no such path.
ROUTERS = {
    "Kong": {"message": "no Route matched with those values"},
    "NestJS": {"message": "Cannot DELETE /x", "error": "Not Found", "statusCode": 404},
    "Fastify": {"message": "Route DELETE:/x not found", "error": "Not Found", "statusCode": 404},
    "AWS": {"message": "Not Found"},
    "Vercel": {"error": {"code": "NOT_FOUND", "message": "The page could not be found"}},
    "Cloudflare": {"success": False, "errors": [{"code": 7003, "message": "No route"}]},
    "Express": {"success": False, "message": "Route not found"},
    "a page": None,
}


def others(lane: Lane, number: int) -> Any:
    """Another row of that lane, due now; the contact that it needs has arrived."""
    if lane is COMPANY:
        return Company.objects.create(external_id=f"other-{number}")
    contact = Contact(email=f"other{number}@x.example")
    contact.save()
    if lane is CONTACT:
        return contact
    drain_now()
    if lane is ENGAGEMENT:
        return Engagement.objects.create(contact=contact, name="Other", description="Yes.")
    if lane is DELETION:
        contact.delete()
        return Deletion.objects.get(key=contact.key)
    contact.subscription_status = "UNSUBSCRIBED"
    contact.save()
    return contact.subscription_changes.get()


def refuse(box: Sandbox, lane: Lane, kind: str, options: dict[str, Any]) -> None:
    """Refuse the lane's first row, for ever."""
    mine = {"a@x.example", ADA, "c-1"}
    if lane is DELETION:
        lane.fault(box, kind, count=None, **options)
        return
    box.fail(kind, method=lane.method, path=f"^{lane.path}$", count=None, **options)
    box.faults[-1].when = lambda body: any(name in json.dumps(body) for name in mine)


# The size or the content


@pytest.mark.parametrize("lane", LANES, ids=str)
@pytest.mark.parametrize(("kind", "options"), REFUSALS)
def test_a_row_whose_content_is_refused_fails_once_another_has_arrived_there(
    kind: str, options: dict[str, Any], lane: Lane, box: Sandbox
):
    row = lane.make()
    refuse(box, lane, kind, options)
    drain_now()
    then = now(row)
    code = "CONTENT_REFUSED"
    assert (then.sync_status, then.last_error_code, then.claim) == (PENDING, code, None)
    assert ApiGate.load("default").faults == 1

    other = others(lane, 1)
    drain_now()
    assert now(other).sync_status == SYNCED
    later(MINUTE)
    drain_now()

    then = now(row)
    assert (then.sync_status, then.last_error_code, then.due_at) == (FAILED, code, None)
    assert f"HTTP {options['status']}: " in then.last_error_message
    assert ApiGate.load("default").faults == 0

    box.clear_faults()
    rows: Any = type(row)
    rows.objects.filter(pk=row.pk).retry_failed()
    until_idle()
    assert now(row).sync_status == SYNCED


@pytest.mark.parametrize("lane", LANES, ids=str)
def test_a_row_whose_content_is_refused_waits_for_ever_where_no_other_arrives_there(
    lane: Lane, box: Sandbox
):
    row = lane.make()
    refuse(box, lane, "html", {"status": 403})
    waits = []
    for number in range(20):
        # Something arrives, but by another endpoint.
        elsewhere = CONTACT if lane is COMPANY else COMPANY
        others(elsewhere, number)
        drain_now()
        assert now(row).sync_status == PENDING
        waits.append((now(row).due_at - db_now("default")).total_seconds())
        later(5 * HOUR)
    assert waits[-1] > HOUR > MINUTE > waits[0]
    box.clear_faults()
    until_idle()
    assert now(row).sync_status == SYNCED


def test_who_arrived_before_the_refusal_says_nothing(box: Sandbox):
    other = others(ENGAGEMENT, 1)
    drain_now()
    assert now(other).sync_status == SYNCED
    later(MINUTE)
    row = ENGAGEMENT.make()
    refuse(box, ENGAGEMENT, "html", {"status": 413})
    for _ in range(3):
        drain_now()
        assert now(row).sync_status == PENDING
        later(HOUR)


def test_what_staff_marked_as_sent_has_not_arrived(box: Sandbox):
    row = ENGAGEMENT.make()
    refuse(box, ENGAGEMENT, "html", {"status": 413})
    drain_now()
    other = Engagement.objects.create(contact=row.contact, name="Lost", description="Yes.")  # type: ignore[attr-defined]  # an engagement
    box.fail("drop_after", path="engagements", when=lambda body: body["name"] == "Lost")
    box.faults.reverse()
    drain_now()
    Engagement.objects.filter(pk=other.pk).mark_as_sent()
    later(HOUR)
    drain_now()
    assert now(row).sync_status == PENDING


def too_large(limit: int) -> Callable[[Any], bool]:
    return lambda body: len(json.dumps(body)) > limit


@pytest.mark.parametrize(("kind", "options"), REFUSALS)
def test_a_batch_that_is_too_large_is_split_at_once(
    kind: str, options: dict[str, Any], box: Sandbox
):
    Contact.objects.bulk_create(
        Contact(email=f"p{n}@x.example", custom_variables={"note": "x" * 1000}) for n in range(200)
    )
    box.fail(kind, method="POST", count=None, when=too_large(100_000), **options)
    drain(20)
    assert Contact.objects.filter(sync_status=SYNCED).count() == len(box.contacts) == 200
    assert [call.rows for call in box.calls] == [200, 100, 50, 50, 100, 50, 50]
    assert ApiGate.load("default").faults == 0


@pytest.mark.parametrize("place", [0, 100, 199])
def test_one_row_that_a_firewall_blocks_holds_up_no_other(place: int, box: Sandbox):
    Contact.objects.bulk_create(Contact(email=f"p{n}@x.example") for n in range(200))
    bad = f'"p{place}@x.example"'
    box.fail("html", status=403, method="POST", count=None, when=lambda b: bad in json.dumps(b))
    drain(20)
    assert len(box.contacts) == 199
    assert len(box.calls) <= 17
    assert Gate().state().status == "open"
    later(MINUTE)
    drain(20)
    [row] = Contact.objects.failed()
    assert (row.email, row.last_error_code) == (f"p{place}@x.example", "CONTENT_REFUSED")
    assert ApiGate.load("default").faults == 0


def test_ten_batches_that_are_too_large_do_not_open_the_breaker(box: Sandbox):
    Contact.objects.bulk_create(
        Contact(email=f"p{n}@x.example", custom_variables={"note": "x" * 4000}) for n in range(500)
    )
    box.fail("html", status=413, method="POST", count=None, when=too_large(100_000))
    until_idle(seconds=20)
    assert len(box.contacts) == 500
    assert not any(call.method == "GET" for call in box.calls)


@pytest.mark.parametrize("lane", BATCHES, ids=str)
def test_where_all_are_refused_the_breaker_opens_and_no_row_fails(lane: Lane, box: Sandbox):
    for number in range(8):
        others(lane, number)
    box.reset()
    box.fail("html", status=403, count=None)
    for _ in range(6):
        drain_now()
        later(20)
    model = {COMPANY: Company, CONTACT: Contact}.get(lane)
    if model is not None:
        assert model.objects.filter(sync_status=PENDING, attempts=0).count() == 8  # type: ignore[attr-defined]  # each has one
    assert ApiGate.load("default").probes > 0


@pytest.mark.parametrize("some_arrive", [True, False])
def test_what_is_put_off_in_a_split_has_lost_a_try_only_where_others_arrived(
    some_arrive: bool, box: Sandbox
):
    Contact.objects.bulk_create(Contact(email=f"p{n}@x.example") for n in range(8))
    bad = '"p7@x.example"' if some_arrive else "@x.example"
    box.fail("html", status=403, method="POST", count=None, when=lambda b: bad in json.dumps(b))
    drain(5, stop=lambda: len(box.calls) >= 2)
    waiting = Contact.objects.filter(sync_status=PENDING)
    assert {row.last_error_code for row in waiting} == {"CONTENT_REFUSED"}
    assert {row.attempts for row in waiting} == {1 if some_arrive else 0}
    assert waiting.count() == (4 if some_arrive else 8)


def test_five_blocked_engagements_in_a_row_do_not_open_the_breaker(box: Sandbox):
    row = ENGAGEMENT.make()
    blocked = [
        Engagement.objects.create(contact=row.contact, name=f"Bad {n}", description="Yes.")  # type: ignore[attr-defined]  # an engagement
        for n in range(6)
    ]
    box.fail(
        "html", status=403, path="engagements", count=None, when=lambda body: "Bad" in body["name"]
    )
    drain_now()
    Gate().resume()
    others(ENGAGEMENT, 1)
    drain(5)
    Engagement.unmarked.filter(name__startswith="Bad", sync_status=PENDING).update(
        due_at=F("last_attempt_at")
    )
    drain(5)
    assert {now(each).sync_status for each in blocked} == {FAILED}
    assert Gate().state().status == "open"
    assert ApiGate.load("default").faults == 0


# A router's 404


def router(box: Sandbox, name: str, **where: Any) -> None:
    body = ROUTERS[name]
    if body is None:
        box.fail("html", status=404, **where)
    else:
        box.fail("status", status=404, body=body, **where)


@pytest.mark.parametrize("name", ROUTERS)
def test_a_deletion_that_a_router_answers_is_not_taken_for_done(name: str, box: Sandbox):
    row = DELETION.make()
    router(box, name, path="by-email", count=None)

    drain_now()

    then = now(row)
    assert (then.sync_status, then.last_error_code) == (FAILED, "FOREIGN_ANSWER")
    assert "between this site and Conversion" in in_words(then.last_error_message)
    assert ADA in box.contacts
    # Before a deletion, Conversion is asked for the opt-out; that was not Conversion.
    assert "DELETE" not in [call.method for call in box.calls]

    box.clear_faults()
    Deletion.objects.all().retry_failed()
    until_idle()
    assert now(row).sync_status == SYNCED
    assert ADA not in box.contacts


@pytest.mark.parametrize("name", ROUTERS)
def test_a_deletion_that_a_router_begins_to_answer_is_not_taken_for_done(name: str, box: Sandbox):
    row = DELETION.make()
    router(box, name, path="by-email", method="DELETE")
    box.before(lambda request: router(box, name, path="by-email"), method="DELETE")
    drain_now()
    assert (now(row).sync_status, now(row).last_error_code) == (FAILED, "FOREIGN_ANSWER")
    assert [call.method for call in box.calls][-3:] == ["GET", "DELETE", "GET"]
    assert ADA in box.contacts


@pytest.mark.parametrize("name", ROUTERS)
def test_a_deletion_whose_record_is_there_after_all_is_tried_again(name: str, box: Sandbox):
    row = DELETION.make()
    router(box, name, method="DELETE")
    drain_now()
    assert (now(row).sync_status, now(row).last_error_code) == (PENDING, "FOREIGN_ANSWER")
    until_idle()
    assert now(row).sync_status == SYNCED
    assert ADA not in box.contacts


@pytest.mark.parametrize("name", ROUTERS)
def test_a_deletion_whose_record_is_gone_is_done(name: str, box: Sandbox):
    row = DELETION.make()
    box.app.store.delete_contact(ADA)
    router(box, name, method="DELETE")
    drain_now()
    assert now(row).sync_status == SYNCED


@pytest.mark.parametrize(
    ("kind", "options", "status", "code"),
    [
        ("status", {"status": 429}, PENDING, "RATE_LIMIT_EXCEEDED"),
        ("status", {"status": 401}, PENDING, "UNAUTHORIZED"),
        ("status", {"status": 500}, PENDING, "INTERNAL_ERROR"),
        ("html", {"status": 502}, PENDING, "NO_ANSWER"),
        ("html", {"status": 200}, FAILED, "FOREIGN_ANSWER"),
        ("html", {"status": 403}, FAILED, "FOREIGN_ANSWER"),
        ("drop_before", {}, PENDING, "NO_ANSWER"),
    ],
)
def test_the_get_that_checks_a_deletion_may_fail_itself(
    kind: str, options: dict[str, Any], status: str, code: str, box: Sandbox
):
    row = DELETION.make()
    router(box, "Kong", method="DELETE")
    # The drain may ask for the record before the deletion, too.
    box.before(lambda request: box.fail(kind, method="GET", **options), method="DELETE")
    drain_now()
    then = now(row)
    assert (then.sync_status, then.last_error_code, then.claim) == (status, code, None)
    assert ADA in box.contacts


def test_a_company_that_a_router_answers_is_asked_for_as_a_company(box: Sandbox):
    company = COMPANY.make()
    drain_now()
    company.delete()
    row = Deletion.objects.get()
    router(box, "Kong", path="by-external-id", count=None)
    drain_now()
    assert now(row).sync_status == FAILED
    assert box.calls[-1].path == "/companies/by-external-id/c-1"


def test_one_router_among_several_deletions_touches_no_other(box: Sandbox):
    Contact.objects.bulk_create(Contact(email=f"p{n}@x.example") for n in range(4))
    drain_now()
    Contact.objects.all().delete()
    router(box, "Kong", path="p2", count=None)
    until_idle()
    statuses = dict(Deletion.objects.values_list("key", "sync_status"))
    assert statuses.pop("p2@x.example") == FAILED
    assert set(statuses.values()) == {SYNCED}
    assert list(box.contacts) == ["p2@x.example"]


@pytest.mark.parametrize("name", ROUTERS)
@pytest.mark.parametrize("lane", [CONTACT, COMPANY, OPT_OUT, ENGAGEMENT], ids=str)
def test_a_router_says_nothing_of_what_conversion_has(lane: Lane, name: str, box: Sandbox):
    row = lane.make()
    pushes = CONTACT.calls(box)
    router(box, name, method="POST", path=f"^{lane.path}$")
    drain_now()
    then = now(row)
    assert then.last_error_code == "FOREIGN_ANSWER"
    assert then.sync_status == (FAILED if lane is ENGAGEMENT else PENDING)
    assert ApiGate.load("default").faults == 1
    if lane is not CONTACT:
        # Its contact is not forgotten, nor pushed again.
        assert CONTACT.calls(box) == pushes


@pytest.mark.parametrize("name", ROUTERS)
def test_a_comparison_does_not_take_a_routers_word(name: str, box: Sandbox):
    contact = CONTACT.make()
    drain_now()
    router(box, name, method="GET")
    [compared] = compare_many([now(contact)], Run("default", 5), give_way=False)
    assert compared.is_missing is False
    assert isinstance(compared.error, ForeignAnswer)


# 503


@pytest.mark.parametrize("lane", LANES, ids=str)
@pytest.mark.parametrize("body", [None, {"message": "Maintenance"}], ids=["envelope", "gateway"])
def test_503_holds_the_gate_for_as_long_as_it_says(lane: Lane, body: Any, box: Sandbox):
    row = lane.make()
    before = lane.calls(box)
    lane.fault(box, "status", status=503, body=body, headers={"Retry-After": "120"}, count=None)

    for _ in range(10):
        drain_now()
        later(6)

    state = Gate().state()
    assert (state.status, state.reason) == ("waiting", "UNAVAILABLE")
    assert state.until is not None
    assert 40 < (state.until - db_now("default")).total_seconds() <= 61
    assert lane.calls(box) == before + 1
    assert (now(row).sync_status, now(row).attempts) == (PENDING, 0)
    box.clear_faults()
    later(61)
    until_idle()
    assert now(row).sync_status == SYNCED
    assert lane.done(box) == 1


def test_503_that_asks_for_a_day_waits_a_quarter_of_an_hour(box: Sandbox):
    CONTACT.make()
    CONTACT.fault(box, "status", status=503, headers={"Retry-After": "86400"})
    drain_now()
    until = Gate().state().until
    assert until is not None
    assert 890 < (until - db_now("default")).total_seconds() <= 900
