"""The five channels: what goes first, how batches are split, and what each error does."""

from __future__ import annotations

import datetime

import pytest

from conversion_sync.models import (
    ApiCall,
    ApiGate,
    Company,
    Contact,
    Deletion,
    Engagement,
    Status,
    attributed,
)
from conversion_sync.models.clock import db_now
from conversion_sync.status.messages import in_words
from conversion_sync.sync.drain import anything_ready
from conversion_sync.sync.kinds import KINDS
from conversion_sync.sync.kinds.contact import Contacts
from conversion_sync.sync.kinds.engagement import Engagements
from conversion_sync.sync.loop import Loop
from conversion_sync.sync.settle import expire_engagements
from conversion_sync.sync.states import FAILED_AFTER
from tests.kit import (
    ANN,
    BOB,
    DAY,
    HOUR,
    MINUTE,
    claimed,
    company,
    contact,
    engagement,
    fresh,
    later,
    push,
    sent,
    synced_contact,
    write,
)

pytestmark = pytest.mark.django_db

CONTACTS = "/contacts/batch$"
ENGAGEMENTS = "/contacts/engagements"


def many(count: int, **fields: object) -> list[Contact]:
    rows: list[Contact] = Contact.objects.bulk_create(
        [Contact(email=f"c{number:03}@x.example", **fields) for number in range(count)]
    )
    return rows


def batches(conversion) -> list[int]:
    return [len(body["contacts"]) for body in sent(conversion)]


def by_status(model=Contact) -> dict[str, int]:
    found: dict[str, int] = {}
    for status in model.unmarked.values_list("sync_status", flat=True):
        found[status] = found.get(status, 0) + 1
    return found


# The way of each kind


def test_every_kind_arrives_in_the_order_that_matters(conversion, one_at_a_time):
    gone = synced_contact("gone@x.example")
    conversion.reset()
    conversion.app.store.upsert_contacts([{"email": "gone@x.example"}])
    gone.delete()
    acme = company(company_name="Acme", base_domain="acme.example")
    row = contact(company=acme, subscription_status="SUBSCRIBED")
    engagement(row, data={"outcome": "won"})
    push()
    assert [f"{call.method} {call.path}" for call in conversion.calls] == [
        "GET /contacts/by-email/gone%40x.example",
        "DELETE /contacts/by-email/gone%40x.example",
        "POST /companies/batch",
        "POST /contacts/batch",
        "POST /contacts/batch-subscription",
        "POST /contacts/engagements",
    ]
    assert list(conversion.contacts) == [ANN]
    assert conversion.contacts[ANN]["variables"] == {"company_name": "Acme"}
    assert conversion.companies["C1"]["baseDomain"] == "acme.example"
    assert conversion.engagements[0]["data"]["outcome"] == "won"
    assert {status for c in KINDS for status in by_status(c.model)} == {"SYNCED"}
    assert fresh(acme).remote_id == conversion.companies["C1"]["companyId"]
    assert fresh(row).remote_id == conversion.contacts[ANN]["id"]
    assert Engagement.objects.get().remote_id == conversion.engagements[0]["id"]
    assert fresh(row).remote_created_at is not None


@pytest.mark.parametrize("key", ["a/b+c%@x.example", "o'neil#1@x.example", "a&b=c@x.example"])
def test_awkward_keys_are_created_asked_about_and_deleted(conversion, key):
    row = synced_contact(key)
    row.email = ANN
    row.save()
    push()
    assert list(conversion.contacts) == [ANN]


@pytest.mark.parametrize("key", ["a/b", "../x", ".", "..", "é ß", "100%", "#1?x=y"])
def test_awkward_ids_are_created_and_deleted(conversion, key):
    row = company(key)
    push()
    assert list(conversion.companies) == [key]
    row.delete()
    push()
    assert conversion.companies == {}


def test_rows_go_in_batches_of_the_size_that_is_set(conversion, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "BATCH_SIZE": 4}
    many(10)
    push()
    assert sorted(batches(conversion)) == [2, 4, 4]


def test_what_a_person_waits_for_goes_first(conversion, one_at_a_time, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "BATCH_SIZE": 2}
    many(4)
    contact()
    push()
    assert conversion.calls[0].keys[0] == ANN


def test_no_channel_starves_another(conversion, one_at_a_time, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "BATCH_SIZE": 2}
    many(6)
    Company.objects.bulk_create([Company(external_id=str(n)) for n in range(6)])
    push()
    assert [call.path.split("/")[1] for call in conversion.calls] == ["companies", "contacts"] * 3


def test_an_engagement_waits_for_its_contact(conversion):
    conversion.fail("500", path=CONTACTS)
    row = engagement(contact())
    push()
    assert fresh(row).sync_status == Status.PENDING
    assert conversion.engagements == []
    later()
    push()
    assert fresh(row).sync_status == Status.SYNCED


@pytest.mark.parametrize("state", [Status.PENDING, Status.SENDING])
def test_an_engagement_waits_while_its_contact_is_on_its_way(conversion, state):
    of = synced_contact()
    engagement(of)
    write(of, sync_status=state, due_at=db_now("default") + HOUR)
    push()
    assert conversion.engagements == []


def test_an_engagement_waits_no_longer_for_a_contact_that_failed(conversion):
    of = synced_contact()
    engagement(of)
    write(of, sync_status=Status.FAILED, due_at=None)
    push()
    assert len(conversion.engagements) == 1


def test_engagements_go_a_few_at_once(conversion, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "CONCURRENCY": 3}
    of = synced_contact()
    for number in range(7):
        engagement(of, name=f"n{number}")
    push()
    assert {record["name"] for record in conversion.engagements} == {f"n{n}" for n in range(7)}


def test_what_arrives_is_settled_while_others_of_its_group_are_not_answered(
    conversion, settings, monkeypatch
):
    """Or a worker that is killed meanwhile would leave it in doubt."""
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "CALL_DEADLINE": 2}
    ann = synced_contact()
    slow, *others = (engagement(ann, description=f"{n}") for n in range(4))
    is_slow = {"when": lambda body: body["description"] == "0"}
    conversion.fail("hang", path="^/contacts/engagements$", **is_slow)
    real, seen = Loop.take_in, set[tuple[str, ...]]()

    def take_in(loop, timeout):
        real(loop, timeout)
        seen.add(tuple(fresh(row).sync_status for row in (slow, *others)))

    monkeypatch.setattr(Loop, "take_in", take_in)
    push()
    assert (Status.SENDING, Status.SYNCED, Status.SYNCED, Status.SYNCED) in seen
    assert fresh(slow).sync_status == Status.UNCONFIRMED
    assert len(conversion.engagements) == 4


def test_a_slow_rate_makes_one_call_at_once(settings):
    settings.CONVERSION_SYNC = {"RATE_LIMIT": 0.5}
    assert Engagements().most == 1


def test_a_row_that_can_not_be_sent_needs_a_person_and_stops_no_other(conversion):
    bad, _good = contact("ann"), contact()
    report = push()
    assert (report.synced, report.failed) == (1, 1)
    found = fresh(bad)
    assert (found.sync_status, found.last_error_code) == (Status.FAILED, "VALIDATION_ERROR")
    assert found.last_error_message == "Enter a valid email address."
    assert list(conversion.contacts) == [ANN]


def test_a_row_whose_payload_has_a_bug_stops_no_other(conversion):
    bad = contact()
    contact(BOB)
    write(bad, custom_variables=["no object"])
    push()
    assert fresh(bad).sync_status == Status.FAILED
    assert list(conversion.contacts) == [BOB]


def test_each_call_leaves_a_line_and_its_rows_name_it(conversion):
    ann, bob = contact(), contact(BOB)
    push()
    [call] = ApiCall.objects.all()
    assert (call.endpoint, call.rows, call.http_status) == ("POST /contacts/batch", 2, 200)
    assert fresh(ann).last_call == fresh(bob).last_call == call


# Batches with bad rows


@pytest.mark.parametrize("details", [True, False])
def test_one_bad_row_never_stops_another(conversion, details):
    conversion.app.endpoints.details = details
    many(40)
    bad = contact("c_bad@x.example")
    conversion.fail(
        "400", path=CONTACTS, count=None, when=lambda body: "c_bad@x.example" in str(body)
    )
    report = push()
    assert by_status() == {"SYNCED": 40, "FAILED": 1}
    assert (report.synced, report.failed) == (40, 1)
    assert fresh(bad).last_error_code == "VALIDATION_ERROR"
    assert len(sent(conversion)) < 15


def test_rows_that_the_api_names_are_taken_out_at_once(conversion):
    many(30)
    for number in range(5):
        row = contact(f"bad{number}@x.example")
        # an address that we take for valid, and the API does not
        write(row, key=f'"bad{number}"@x.example')
    push()
    assert by_status() == {"SYNCED": 30, "FAILED": 5}
    assert batches(conversion) == [35, 30]


def test_bad_items_are_answered_one_by_one(conversion):
    conversion.fail("item_errors", code="DUPLICATE_ERROR", email=BOB)
    ann, bob = contact(), contact(BOB)
    push()
    assert fresh(ann).sync_status == Status.SYNCED
    assert (fresh(bob).sync_status, fresh(bob).last_error_code) == ("FAILED", "DUPLICATE_ERROR")


def test_where_many_are_bad_the_rest_goes_one_by_one(conversion):
    rows = many(32)
    bad = {row.key for row in rows[::2]}

    def is_bad(body):
        return bool(bad & {item["email"] for item in body["contacts"]})

    conversion.fail("400", path=CONTACTS, count=None, when=is_bad)
    push()
    for _ in range(10):
        later()
        push()
    assert by_status() == {"SYNCED": 16, "FAILED": 16}
    assert len(sent(conversion)) < 60


def test_a_batch_that_is_split_makes_room_for_others(conversion, monkeypatch):
    monkeypatch.setattr("conversion_sync.sync.kinds.batches.SPLIT_CALLS", 4)
    many(16)
    conversion.fail("400", path=CONTACTS, count=None, when=lambda body: len(body["contacts"]) > 1)
    contact_calls = len(conversion.calls)
    push()
    assert len(conversion.calls) - contact_calls == 4
    waiting = Contact.objects.filter(sync_status=Status.PENDING)
    assert waiting.exists()
    assert {in_words(row.last_error_message) for row in waiting} == {"Its batch was refused."}
    assert all(row.due_at > db_now("default") for row in waiting)
    for _ in range(12):
        later()
        push()
    assert by_status() == {"SYNCED": 16}


def refuse_batches(conversion) -> None:
    conversion.fail("400", path=CONTACTS, count=None, when=lambda body: len(body["contacts"]) > 1)


def test_a_gate_that_shuts_while_a_batch_is_split_holds_the_rest(conversion):
    rows = [contact(f"c{n}@x.example") for n in range(4)]
    conversion.fail(
        "429",
        path=CONTACTS,
        headers={"Retry-After": "60"},
        when=lambda body: len(body["contacts"]) < 4,
    )
    refuse_batches(conversion)
    push()
    assert {fresh(row).sync_status for row in rows} == {Status.PENDING}
    assert {fresh(row).claim for row in rows} == {None}
    assert len(sent(conversion)) == 2
    assert conversion.contacts == {}


def test_what_changed_its_key_while_its_batch_is_split_is_not_sent_under_the_old_one(
    conversion, in_flight
):
    rows = [contact(f"c{n}@x.example") for n in range(4)]
    refuse_batches(conversion)

    def change():
        Contact.objects.filter(key="c2@x.example").update(email="moved@x.example")

    in_flight(change)
    push()
    assert "c2@x.example" not in conversion.contacts
    assert {fresh(row).sync_status for row in rows} == {Status.SYNCED}
    later()
    push()
    assert set(conversion.contacts) == {fresh(row).key for row in rows}


def test_what_is_deleted_while_its_batch_is_split_is_not_sent(conversion, in_flight):
    many(4)
    refuse_batches(conversion)
    in_flight(lambda: Contact.objects.filter(key__in=["c000@x.example", "c001@x.example"]).delete())
    push()
    assert set(conversion.contacts) == {"c002@x.example", "c003@x.example"}


def test_what_is_edited_while_its_batch_is_split_arrives_as_it_is_now(conversion, in_flight):
    many(4)
    refuse_batches(conversion)
    in_flight(lambda: Contact.objects.filter(key="c003@x.example").update(first_name="New"))
    push()
    for _ in range(3):
        later()
        push()
    assert conversion.contacts["c003@x.example"]["variables"] == {"first_name": "New"}


def test_items_that_the_answer_leaves_out_are_tried_again(conversion):
    conversion.fail("short_data", size=1)
    ann, bob = contact(), contact(BOB)
    push()
    states = {fresh(row).sync_status for row in (ann, bob)}
    assert states == {Status.SYNCED, Status.PENDING}
    missing = Contact.objects.get(sync_status=Status.PENDING)
    assert missing.last_error_code == "MISSING"
    assert missing.due_at > db_now("default") + MINUTE / 5
    later()
    push()
    assert by_status() == {"SYNCED": 2}


@pytest.mark.parametrize("kind", ["reordered", "repeated", "strangers"])
def test_items_are_matched_by_their_key(conversion, kind):
    conversion.fail(kind)
    rows = [contact(), contact(BOB), contact("c@x.example")]
    push()
    assert [fresh(row).remote_id for row in rows] == [
        conversion.contacts[row.key]["id"] for row in rows
    ]


def test_a_row_that_breaks_the_server_is_isolated_and_fails_in_the_end(conversion):
    many(8)
    killer = contact(BOB)
    conversion.fail("poison", email=BOB, count=None)
    for _ in range(25):
        push()
        Contact.unmarked.exclude(failing_since=None).update(
            failing_since=db_now("default") - 2 * FAILED_AFTER
        )
        ApiGate.write("default", blocked_until=None)
        later()
    assert by_status() == {"SYNCED": 8, "FAILED": 1}
    assert fresh(killer).last_error_code == "INTERNAL_ERROR"


# What comes of faults


@pytest.mark.parametrize(
    ("fault", "options", "code"),
    [
        ("500", {}, "INTERNAL_ERROR"),
        ("drop_before", {}, "NO_ANSWER"),
        ("drop_after", {}, "NO_ANSWER"),
        ("truncated_json", {}, "NO_ANSWER"),
        ("html", {"status": 502}, "NO_ANSWER"),
        ("403", {}, "FORBIDDEN"),
    ],
)
def test_a_fault_delays_a_contact_and_costs_no_try_at_first(conversion, fault, options, code):
    row = contact()
    conversion.fail(fault, **options)
    push()
    found = fresh(row)
    assert (found.sync_status, found.last_error_code) == (Status.PENDING, code)
    assert (found.attempts, found.claim) == (0, None)
    assert found.failing_since is not None
    wait = found.due_at - db_now("default")
    assert datetime.timedelta(seconds=13) < wait <= datetime.timedelta(seconds=30)
    later()
    push()
    found = fresh(row)
    assert (found.sync_status, found.last_error_code) == (Status.SYNCED, "")
    assert (found.attempts, found.failing_since) == (0, None)


def test_a_try_counts_once_other_calls_succeed(conversion):
    row = contact()
    conversion.fail("500", path=CONTACTS, count=None, when=lambda body: ANN in str(body))
    push()
    contact(BOB)
    push()
    assert fresh(row).attempts == 0
    later()
    push()
    assert fresh(row).attempts == 1


def test_a_try_counts_where_the_row_is_the_only_traffic_and_a_probe_succeeds(conversion):
    row = contact()
    conversion.fail("500", path=CONTACTS, count=None)
    for expected in (0, 1, 2):
        push()
        assert fresh(row).attempts == expected
        later()
    assert "GET" in [call.method for call in conversion.calls]


def test_no_try_counts_during_an_outage(conversion):
    row = contact()
    conversion.fail("503", count=None)
    for _ in range(8):
        push(seconds=0.3)
        ApiGate.write("default", blocked_until=None)
        later()
    assert fresh(row).attempts == 0
    conversion.clear_faults()
    push()
    assert fresh(row).sync_status == Status.SYNCED


@pytest.mark.parametrize(
    ("attempts", "since", "status"),
    [
        (11, 2 * FAILED_AFTER, Status.FAILED),
        (11, FAILED_AFTER / 2, Status.PENDING),
        (10, 2 * FAILED_AFTER, Status.PENDING),
    ],
)
def test_a_row_fails_after_enough_counted_tries_over_a_day(conversion, attempts, since, status):
    row = contact()
    write(
        row,
        attempts=attempts,
        failing_since=db_now("default") - since,
        last_attempt_at=db_now("default") - HOUR,
    )
    conversion.fail("500", path=CONTACTS)
    report = push()
    assert fresh(row).sync_status == status
    assert report.failed == (status == Status.FAILED)


@pytest.mark.parametrize("fault", ["401", "429", "redirect"])
def test_a_shut_gate_costs_the_rows_nothing(conversion, fault):
    row = contact()
    conversion.fail(fault, headers={"Retry-After": "100"})
    push()
    found = fresh(row)
    assert (found.sync_status, found.attempts, found.claim) == (Status.PENDING, 0, None)
    assert found.failing_since is None
    assert found.due_at <= db_now("default")
    assert len(conversion.calls) == 1


def test_a_url_that_can_not_be_used_costs_the_rows_nothing(conversion, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "BASE_URL": "http://a.example/api"}
    row = contact()
    for _ in range(3):
        push()
        later()
    found = fresh(row)
    assert (found.sync_status, found.attempts, found.failing_since) == (Status.PENDING, 0, None)


def test_a_contact_that_was_not_found_on_its_upsert_is_tried_again(conversion):
    row = contact()
    conversion.fail("404", code="NOT_FOUND")
    push()
    assert (fresh(row).sync_status, fresh(row).last_error_code) == (Status.PENDING, "NOT_FOUND")
    later()
    push()
    assert fresh(row).sync_status == Status.SYNCED


def test_what_the_app_itself_gets_wrong_is_on_the_row(conversion, monkeypatch):
    def fail(self, row):
        raise RuntimeError("oops")

    monkeypatch.setattr(Contacts, "request", fail)
    row = contact()
    company()
    push()
    found = fresh(row)
    assert (found.sync_status, found.last_error_code) == (Status.PENDING, "BUG")
    assert "oops" in found.last_error_message
    assert list(conversion.companies) == ["C1"]


# Engagements


@pytest.mark.parametrize(
    ("fault", "options", "status"),
    [
        ("400", {}, Status.FAILED),
        ("403", {}, Status.FAILED),
        ("500", {}, Status.UNCONFIRMED),
        ("html", {"status": 404}, Status.FAILED),
        ("html", {"status": 413}, Status.PENDING),
        ("status", {"status": 503, "headers": {"Retry-After": "60"}}, Status.PENDING),
        ("401", {}, Status.PENDING),
        ("drop_before", {}, Status.UNCONFIRMED),
        ("drop_after", {}, Status.UNCONFIRMED),
        ("garbage", {}, Status.UNCONFIRMED),
        ("html", {"status": 502}, Status.UNCONFIRMED),
    ],
)
def test_an_engagement_is_never_sent_twice_by_itself(conversion, fault, options, status):
    row = engagement(synced_contact())
    conversion.fail(fault, path=ENGAGEMENTS, **options)
    push()
    assert fresh(row).sync_status == status
    assert len(conversion.engagements) == (fault in ("drop_after", "garbage"))


def test_an_engagement_in_doubt_is_sent_again_where_the_site_says_so(conversion, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "ENGAGEMENTS_IN_DOUBT": "resend"}
    row = engagement(synced_contact())
    conversion.fail("drop_after", path=ENGAGEMENTS)
    push()
    found = fresh(row)
    assert (found.sync_status, found.claim) == (Status.PENDING, None)
    assert found.due_at > db_now("default")
    later()
    push()
    assert fresh(row).sync_status == Status.SYNCED
    assert len(conversion.engagements) == 2


def test_an_engagement_whose_worker_is_gone_is_in_doubt(conversion):
    row = engagement(synced_contact())
    claimed(row, seconds=-1)
    push()
    found = fresh(row)
    assert (found.sync_status, found.due_at) == (Status.UNCONFIRMED, None)
    assert found.claim is not None
    assert conversion.engagements == []


def test_an_engagement_whose_worker_is_gone_is_sent_again_where_the_site_says_so(
    conversion, settings
):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "ENGAGEMENTS_IN_DOUBT": "resend"}
    row = engagement(synced_contact())
    claimed(row, seconds=-1)
    push()
    assert fresh(row).sync_status == Status.SYNCED


def test_an_engagement_that_stops_its_workers_fails_in_the_end_where_the_site_resends(
    conversion, settings
):
    settings.CONVERSION_SYNC = {
        **settings.CONVERSION_SYNC,
        "ENGAGEMENTS_IN_DOUBT": "resend",
        "MAX_ATTEMPTS": 3,
    }
    row = engagement(synced_contact())
    claimed(row, seconds=-1)
    assert expire_engagements("default") == 1
    found = fresh(row)
    assert (found.sync_status, found.claim, found.attempts) == (Status.PENDING, None, 1)
    assert found.failing_since is not None
    claimed(row, seconds=-1, attempts=2, failing_since=db_now("default") - 2 * DAY)
    push()
    found = fresh(row)
    assert (found.sync_status, found.claim, found.due_at) == (Status.FAILED, None, None)
    assert (found.last_error_code, conversion.engagements) == ("NO_ANSWER", [])


def test_an_engagement_in_flight_is_left_alone(conversion):
    row = engagement(synced_contact())
    claimed(row, seconds=30)
    push()
    assert fresh(row).sync_status == Status.SENDING


def test_an_engagement_whose_contact_the_api_has_lost_pushes_it_first_and_once(conversion):
    row = engagement(synced_contact(first_name="Ann"))
    conversion.reset()
    push()
    assert conversion.contacts[ANN]["variables"] == {"first_name": "Ann"}
    assert len(conversion.engagements) == 1
    lost = engagement(row.contact)
    conversion.fail("404", code="NOT_FOUND", path=ENGAGEMENTS, count=None)
    push()
    assert (fresh(lost).sync_status, fresh(lost).last_error_code) == ("FAILED", "NOT_FOUND")


def test_a_bug_while_an_engagement_is_sent_leaves_it_in_doubt(conversion, monkeypatch):
    def fail(self, row, item):
        raise RuntimeError("oops")

    row = engagement(synced_contact())
    monkeypatch.setattr(Engagements, "request", fail)
    push()
    assert (fresh(row).sync_status, fresh(row).last_error_code) == (Status.UNCONFIRMED, "BUG")


# Deletions


def test_a_deletion_of_a_company(conversion):
    row = company()
    push()
    with attributed(bulk=True):
        row.delete()
    push()
    assert conversion.companies == {}
    assert Deletion.objects.get().sync_status == Status.SYNCED


@pytest.mark.parametrize(
    ("fault", "status"), [("400", "FAILED"), ("500", "PENDING"), ("drop_after", "PENDING")]
)
def test_a_deletion_that_does_not_arrive_holds_up_its_key(conversion, fault, status):
    synced_contact().delete()
    conversion.fail(fault, method="DELETE")
    push()
    again = contact()
    assert Deletion.objects.get().sync_status == status
    push()
    assert fresh(again).sync_status == Status.PENDING
    assert not anything_ready()


def test_a_lease_that_ran_out_is_a_try_and_the_row_is_sent(conversion):
    row = contact()
    claimed(row, seconds=-1)
    push()
    assert fresh(row).sync_status == Status.SYNCED


def test_a_row_that_kills_its_workers_fails_in_the_end(conversion):
    row = contact()
    claimed(row, seconds=-1, attempts=11, failing_since=db_now("default") - 2 * FAILED_AFTER)
    report = push()
    assert (fresh(row).sync_status, fresh(row).last_error_code) == (Status.FAILED, "NO_ANSWER")
    assert report.failed == 1
    assert conversion.calls == []


def test_suspects_go_in_ever_smaller_batches(conversion):
    rows = many(30)
    Contact.unmarked.update(attempts=5)
    push()
    sizes = batches(conversion)
    assert max(sizes) <= 3
    assert sum(sizes) == 30
    assert all(fresh(row).sync_status == Status.SYNCED for row in rows)


def test_what_was_tried_before_does_not_fill_up_the_batch_of_a_person(conversion, one_at_a_time):
    many(3)
    Contact.unmarked.update(attempts=1)
    contact()
    push()
    assert batches(conversion) == [1, 3]


def test_rows_that_were_tried_before_do_not_travel_with_fresh_ones(conversion):
    many(4)
    Contact.unmarked.filter(key__lt="c002").update(attempts=1)
    push()
    assert batches(conversion) == [2, 2]
