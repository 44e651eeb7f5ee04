"""The rules of consent (DESIGN.md, "Consent"), one by one: no opt-out is lost or undone."""

from __future__ import annotations

import datetime

import pytest

from conversion_sync.api.errors import ErrorCode
from conversion_sync.models import (
    ApiGate,
    Company,
    Contact,
    Deletion,
    Status,
    SubscriptionChange,
    attributed,
)
from conversion_sync.models.clock import db_now
from conversion_sync.status.messages import in_words
from conversion_sync.sync.drain import drain
from conversion_sync.sync.kinds.contact import Contacts
from conversion_sync.sync.kinds.subscription import most_guarded
from conversion_sync.sync.loop import perform
from conversion_sync.sync.resync import forget, orphan_opt_outs, rows_to_forget
from conversion_sync.sync.run import Run
from conversion_sync.sync.states import FAILED_AFTER
from tests.kit import (
    ANN,
    BOB,
    HOUR,
    SECOND,
    TOKEN,
    claimed,
    contact,
    engagement,
    fresh,
    later,
    log,
    push,
    sent,
    synced_contact,
    write,
)

pytestmark = pytest.mark.django_db

BATCH = "/contacts/batch-subscription"


def subscribe(row: Contact, status: str = "SUBSCRIBED", *, override: bool = False) -> None:
    row = fresh(row)
    row.subscription_status = status
    with attributed(override=override, reason="She asked us." if override else ""):
        row.save()


def statuses(conversion) -> list[list[str]]:
    """What was sent, call by call."""
    return [
        [item["subscriptionStatus"] for item in body["contacts"]]
        for body in sent(conversion, BATCH)
    ]


def gets(conversion) -> list[str]:
    return [key for call in conversion.calls if call.method == "GET" for key in call.keys]


def remote(conversion, email: str = ANN) -> str:
    return str(conversion.contacts[email]["subscriptionStatus"])


def last() -> SubscriptionChange:
    return SubscriptionChange.objects.latest("pk")


@pytest.fixture
def old(conversion) -> Contact:
    """A contact that was made in Conversion more than an hour ago."""
    row = synced_contact()
    write(row, remote_created_at=db_now("default") - HOUR - SECOND)
    return row


def test_the_status_is_never_part_of_an_upsert(conversion):
    contact(subscription_status="UNSUBSCRIBED", first_name="Ann")
    push()
    assert sent(conversion) == [
        {"contacts": [{"email": ANN, "variables": {"first_name": "Ann"}}]},
    ]
    assert statuses(conversion) == [["UNSUBSCRIBED"]]


@pytest.mark.parametrize("status", ["SUBSCRIBED", "UNSUBSCRIBED", "PENDING"])
def test_a_status_arrives_after_its_contact(conversion, status):
    contact(subscription_status=status)
    push()
    assert [call.path for call in conversion.calls] == ["/contacts/batch", BATCH]
    assert remote(conversion) == status
    assert log() == [(status, "SYNCED")]


# What supersedes what


def test_the_newest_change_supersedes_older_ones(conversion):
    row = contact(subscription_status="SUBSCRIBED")
    subscribe(row, "PENDING")
    subscribe(row, "SUBSCRIBED")
    push()
    assert statuses(conversion) == [["SUBSCRIBED"]]
    assert [state for _, state in log()] == ["SUPERSEDED", "SUPERSEDED", "SYNCED"]


def test_an_opt_out_supersedes_what_is_older(conversion):
    row = contact(subscription_status="SUBSCRIBED")
    subscribe(row, "UNSUBSCRIBED")
    push()
    assert statuses(conversion) == [["UNSUBSCRIBED"]]
    assert log() == [("SUBSCRIBED", "SUPERSEDED"), ("UNSUBSCRIBED", "SYNCED")]


def test_nothing_supersedes_an_unsent_opt_out(conversion):
    row = contact(subscription_status="UNSUBSCRIBED")
    subscribe(row, "SUBSCRIBED", override=True)
    push()
    assert statuses(conversion) == [["UNSUBSCRIBED"], ["SUBSCRIBED"]]
    assert remote(conversion) == "SUBSCRIBED"
    assert [state for _, state in log()] == ["SYNCED", "SYNCED"]


def test_what_comes_after_an_unsent_opt_out_is_blocked_unless_somebody_overrides(conversion):
    row = contact(subscription_status="UNSUBSCRIBED")
    subscribe(row, "SUBSCRIBED")
    push()
    assert statuses(conversion) == [["UNSUBSCRIBED"]]
    assert log() == [("UNSUBSCRIBED", "SYNCED"), ("SUBSCRIBED", "FAILED")]
    assert last().last_error_code == "CONSENT_BLOCKED"
    assert in_words(last().last_error_message) == "An opt-out stands in the log."


def test_an_older_change_that_is_tried_again_is_superseded_by_a_newer_that_was_sent(conversion):
    row = synced_contact()
    subscribe(row, "PENDING")
    older = last()
    claimed(older)
    subscribe(row, "SUBSCRIBED")
    write(last(), sync_status=Status.SYNCED, due_at=None)
    later()
    write(older, sync_status=Status.PENDING, claim=None)
    push()
    assert log() == [("PENDING", "SUPERSEDED"), ("SUBSCRIBED", "SYNCED")]
    assert statuses(conversion) == []


def test_one_change_of_a_person_is_in_flight_at_a_time(conversion):
    row = synced_contact()
    subscribe(row, "PENDING")
    claimed(last())
    subscribe(row, "SUBSCRIBED")
    push()
    assert statuses(conversion) == []
    assert log() == [("PENDING", "SENDING"), ("SUBSCRIBED", "PENDING")]
    later()
    push()
    assert statuses(conversion)[-1] == ["SUBSCRIBED"]
    assert remote(conversion) == "SUBSCRIBED"


def test_changes_of_different_people_go_together(conversion):
    for number in range(5):
        contact(f"c{number}@x.example", subscription_status="SUBSCRIBED")
    push()
    assert statuses(conversion) == [["SUBSCRIBED"] * 5]


# What an opt-out waits for


@pytest.mark.parametrize("state", [Status.PENDING, Status.FAILED])
def test_an_opt_out_does_not_wait_for_a_contact_that_is_pending_or_failed(conversion, state):
    row = synced_contact()
    subscribe(row, "UNSUBSCRIBED")
    write(row, sync_status=state, due_at=db_now("default") + HOUR)
    push()
    assert remote(conversion) == "UNSUBSCRIBED"


@pytest.mark.parametrize("columns", [{}, {"claim": TOKEN, "sync_status": Status.SENDING}])
def test_an_opt_out_waits_for_the_first_push_of_its_contact(conversion, columns):
    row = contact(subscription_status="UNSUBSCRIBED")
    write(row, due_at=db_now("default") + HOUR, **columns)
    push()
    assert statuses(conversion) == []
    later()
    push()
    assert [call.path for call in conversion.calls] == ["/contacts/batch", BATCH]
    assert remote(conversion) == "UNSUBSCRIBED"


@pytest.mark.parametrize("fault", ["400", "500", "drop_before"])
def test_an_opt_out_goes_by_its_address_once_the_first_push_failed(conversion, fault):
    # Somebody else has made the record.
    conversion.app.store.upsert_contacts([{"email": ANN}])
    row = contact(subscription_status="UNSUBSCRIBED")
    conversion.fail(fault, path="/contacts/batch$")
    push()
    assert fresh(row).synced_revision == 0
    assert remote(conversion) == "UNSUBSCRIBED"


@pytest.mark.parametrize("fault", ["400", "500", "drop_before"])
def test_an_opt_out_that_finds_nobody_says_so_and_goes_again_with_the_record(conversion, fault):
    row = contact(subscription_status="UNSUBSCRIBED")
    conversion.fail(fault, path="/contacts/batch$")
    push()
    before = fresh(row)
    change = last()
    assert (change.sync_status, change.last_error_code) == (
        "FAILED",
        ErrorCode.NOTHING_TO_UNSUBSCRIBE,
    )
    assert in_words(change.last_error_message) == "Conversion knows nobody by this address."
    assert (before.revision, before.sent_key) == (1, ANN)
    assert before.subscription_status == "UNSUBSCRIBED"
    Contact.objects.all().sync_now()
    push()
    assert remote(conversion) == "UNSUBSCRIBED"
    assert log()[-1] == ("UNSUBSCRIBED", "SYNCED")
    assert not SubscriptionChange.objects.failed().exists()


def test_an_opt_out_in_flight_that_found_nobody_before_the_record_was_made_goes_again(
    conversion, in_flight
):
    row = contact(subscription_status="UNSUBSCRIBED")
    write(row, failing_since=db_now("default"), due_at=db_now("default") + HOUR)

    def arrive() -> None:
        later()
        other = Run("default", 10)
        perform(other, Contacts().deliver(other, 1))

    in_flight(arrive, "set_subscriptions")
    push()
    assert remote(conversion) == "UNSUBSCRIBED"
    assert log() == [("UNSUBSCRIBED", "SUPERSEDED"), ("UNSUBSCRIBED", "SYNCED")]


@pytest.mark.parametrize("state", [Status.PENDING, Status.SENDING])
def test_any_other_change_waits_for_its_contact(conversion, state):
    row = synced_contact()
    subscribe(row)
    write(row, sync_status=state, due_at=db_now("default") + HOUR)
    push()
    assert statuses(conversion) == []


def test_any_other_change_waits_no_longer_for_a_contact_that_failed(conversion):
    row = synced_contact()
    subscribe(row)
    write(row, sync_status=Status.FAILED, due_at=None)
    push()
    assert remote(conversion) == "SUBSCRIBED"


def test_an_opt_out_without_a_contact_goes_by_its_address(conversion, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "DELETE_REMOTE": False}
    row = synced_contact()
    subscribe(row, "UNSUBSCRIBED")
    row.delete()
    push()
    assert remote(conversion) == "UNSUBSCRIBED"


def test_an_opt_out_of_whom_neither_side_knows_says_so(conversion):
    row = synced_contact()
    subscribe(row, "UNSUBSCRIBED")
    row.delete()
    conversion.reset()
    push()
    assert log() == [("UNSUBSCRIBED", "FAILED")]
    assert last().last_error_code == ErrorCode.NOTHING_TO_UNSUBSCRIBE
    contact()
    push()
    assert remote(conversion) == "UNSUBSCRIBED"
    assert [state for _, state in log()] == ["SUPERSEDED", "SYNCED"]


def test_a_change_in_flight_of_a_contact_that_is_deleted_does_not_wait_for_ever(
    conversion, in_flight
):
    row = synced_contact()
    subscribe(row)
    conversion.fail("500", path=BATCH)
    in_flight(Contact.objects.get().delete, "set_subscriptions")
    push()
    later()
    push()
    assert log() == [("SUBSCRIBED", "SUPERSEDED")]


# A record that is new in Conversion is told of the opt-out that stands


def test_a_person_who_returns_is_still_opted_out(conversion):
    synced_contact(subscription_status="UNSUBSCRIBED").delete()
    push()
    contact()
    push()
    assert remote(conversion) == "UNSUBSCRIBED"
    again = last()
    assert (again.source, again.sync_status) == ("standing opt-out", "SYNCED")


def test_a_new_key_is_told_of_the_opt_out(conversion):
    row = synced_contact(subscription_status="UNSUBSCRIBED")
    row.email = BOB
    row.save()
    push()
    assert remote(conversion, BOB) == "UNSUBSCRIBED"


def test_a_record_that_the_api_has_lost_is_told_of_the_opt_out(conversion):
    row = synced_contact(subscription_status="UNSUBSCRIBED")
    engagement(row)
    conversion.reset()
    push()
    assert remote(conversion) == "UNSUBSCRIBED"
    assert len(conversion.engagements) == 1


def test_a_record_that_an_update_brings_into_being_again_is_told_of_the_opt_out(conversion):
    row = synced_contact(subscription_status="UNSUBSCRIBED")
    conversion.reset()
    row.first_name = "Ann"
    row.save()
    push()
    assert remote(conversion) == "UNSUBSCRIBED"


def test_a_person_who_returns_to_a_record_that_was_kept_is_still_opted_out(conversion, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "DELETE_REMOTE": False}
    synced_contact(subscription_status="UNSUBSCRIBED").delete()
    conversion.set_status(ANN, "SUBSCRIBED")
    contact()
    push()
    assert remote(conversion) == "UNSUBSCRIBED"


def test_after_a_resync_all_opt_outs_are_told_again(conversion):
    kept = synced_contact(subscription_status="UNSUBSCRIBED")
    synced_contact("gone@x.example", subscription_status="UNSUBSCRIBED").delete()
    push()
    conversion.reset()
    conversion.app.store.upsert_contacts([{"email": "gone@x.example"}])
    assert rows_to_forget("contacts") == 1
    told: list[int] = []
    assert forget("contacts", on_progress=told.append) == 1
    assert told == [1]
    assert fresh(kept).is_in_doubt
    push()
    assert remote(conversion) == remote(conversion, "gone@x.example") == "UNSUBSCRIBED"


def test_a_resync_of_companies_touches_no_consent(conversion):
    contact(subscription_status="UNSUBSCRIBED")
    Company.objects.create(external_id="C1")
    push()
    conversion.reset()
    forget("companies")
    push()
    assert list(conversion.companies) == ["C1"]
    assert statuses(conversion) == []


def test_an_opt_out_that_was_lifted_is_not_told_again(conversion):
    row = synced_contact(subscription_status="UNSUBSCRIBED")
    subscribe(row, override=True)
    push()
    row.delete()
    push()
    assert orphan_opt_outs() == []
    contact()
    push()
    assert remote(conversion) != "UNSUBSCRIBED"


def test_an_opt_out_that_waits_anyway_is_not_entered_twice(conversion):
    contact(subscription_status="UNSUBSCRIBED")
    push()
    assert log() == [("UNSUBSCRIBED", "SYNCED")]


def test_a_standing_opt_out_keeps_who_asked_for_it(conversion):
    row = contact()
    row.subscription_status = "UNSUBSCRIBED"
    with attributed(requested_by="Eve", reason="She asked us."):
        row.save()
    push()
    fresh(row).delete()
    push()
    contact()
    push()
    assert (last().requested_by, last().reason) == ("Eve", "She asked us.")


# The guard


@pytest.mark.parametrize("status", ["SUBSCRIBED", "PENDING"])
def test_the_api_is_asked_before_anything_but_an_opt_out(conversion, old, status):
    subscribe(old, status)
    push()
    assert gets(conversion) == [ANN]
    assert remote(conversion) == status


def test_the_api_is_not_asked_before_an_opt_out(conversion, old):
    subscribe(old, "UNSUBSCRIBED")
    push()
    assert gets(conversion) == []


def test_the_api_is_not_asked_about_whom_we_made_within_the_hour(conversion):
    subscribe(synced_contact())
    push()
    assert gets(conversion) == []
    assert remote(conversion) == "SUBSCRIBED"


def test_the_api_is_asked_about_whom_it_knew_before_us(conversion):
    conversion.app.store.upsert_contacts([{"email": ANN}])
    conversion.set_status(ANN, "UNSUBSCRIBED")
    contact(subscription_status="SUBSCRIBED")
    push()
    assert gets(conversion) == [ANN]
    assert remote(conversion) == "UNSUBSCRIBED"


def test_an_opt_out_that_the_api_knows_of_blocks_and_is_entered_in_the_log(conversion, old):
    conversion.set_status(ANN, "UNSUBSCRIBED")
    subscribe(old)
    push()
    assert statuses(conversion) == []
    assert remote(conversion) == "UNSUBSCRIBED"
    assert log() == [("SUBSCRIBED", "FAILED"), ("UNSUBSCRIBED", "SYNCED")]
    blocked = SubscriptionChange.objects.earliest("pk")
    assert blocked.last_error_code == "CONSENT_BLOCKED"
    assert "Conversion says" in in_words(blocked.last_error_message)
    assert last().source == "Conversion"
    assert fresh(old).subscription_status == "UNSUBSCRIBED"


def test_what_was_blocked_stays_blocked_when_it_is_retried(conversion, old):
    conversion.set_status(ANN, "UNSUBSCRIBED")
    subscribe(old)
    push()
    SubscriptionChange.objects.retry_failed()
    push()
    assert remote(conversion) == "UNSUBSCRIBED"
    assert statuses(conversion) == []


def test_an_opt_out_in_the_log_blocks_even_where_the_api_knows_of_none(conversion, old):
    subscribe(old, "UNSUBSCRIBED")
    push()
    conversion.set_status(ANN, "SUBSCRIBED")
    subscribe(old)
    push()
    assert statuses(conversion) == [["UNSUBSCRIBED"]]
    assert log()[-1] == ("SUBSCRIBED", "FAILED")


def test_an_opt_out_in_the_log_blocks_even_a_fresh_contact(conversion):
    row = synced_contact(subscription_status="UNSUBSCRIBED")
    subscribe(row, "PENDING")
    push()
    assert log()[-1] == ("PENDING", "FAILED")
    assert remote(conversion) == "UNSUBSCRIBED"


def test_an_opt_out_of_the_address_blocks_another_contact_that_has_it_now(conversion):
    synced_contact(subscription_status="UNSUBSCRIBED").delete()
    push()
    contact(subscription_status="SUBSCRIBED")
    push()
    assert remote(conversion) == "UNSUBSCRIBED"
    assert "SUBSCRIBED" not in [status for call in statuses(conversion) for status in call]


def test_an_override_lifts_the_opt_outs_that_are_older(conversion, old):
    subscribe(old, "UNSUBSCRIBED")
    push()
    subscribe(old, override=True)
    push()
    assert remote(conversion) == "SUBSCRIBED"
    assert last().reason == "She asked us."
    subscribe(old, "PENDING")  # nothing stands any more
    push()
    assert remote(conversion) == "PENDING"


def test_an_override_does_not_lift_an_opt_out_that_nobody_here_knew_of(conversion, old):
    conversion.set_status(ANN, "UNSUBSCRIBED")
    subscribe(old, override=True)
    push()
    assert remote(conversion) == "UNSUBSCRIBED"
    assert statuses(conversion) == []
    subscribe(old, override=True)  # now they know
    push()
    assert remote(conversion) == "SUBSCRIBED"


def test_an_override_does_not_lift_an_opt_out_that_is_newer(conversion, old):
    subscribe(old, "UNSUBSCRIBED")
    push()
    subscribe(old, override=True)
    subscribe(old, "UNSUBSCRIBED")
    push()
    assert remote(conversion) == "UNSUBSCRIBED"
    assert "SUBSCRIBED" not in [status for call in statuses(conversion) for status in call]


def test_an_opt_out_in_flight_of_a_subscription_is_sent_after_it(conversion, in_flight):
    row = synced_contact()
    subscribe(row)
    in_flight(lambda: subscribe(row, "UNSUBSCRIBED"), "set_subscriptions")
    push()
    assert statuses(conversion) == [["SUBSCRIBED"], ["UNSUBSCRIBED"]]
    assert remote(conversion) == "UNSUBSCRIBED"


def test_an_opt_out_while_the_guard_asks_is_not_undone(conversion, old, in_flight):
    subscribe(old)
    in_flight(lambda: subscribe(old, "UNSUBSCRIBED"), "get_contact")
    push()
    assert remote(conversion) == "UNSUBSCRIBED"
    assert statuses(conversion)[-1] == ["UNSUBSCRIBED"]


@pytest.mark.parametrize(
    ("fault", "options", "state"),
    [
        ("500", {}, "PENDING"),
        ("drop_after", {}, "PENDING"),
        ("401", {}, "PENDING"),
        ("429", {"headers": {"Retry-After": "60"}}, "PENDING"),
        ("400", {}, "FAILED"),
    ],
)
def test_where_the_api_does_not_say_nothing_is_sent(conversion, old, fault, options, state):
    subscribe(old)
    conversion.fail(fault, method="GET", **options)
    push()
    assert statuses(conversion) == []
    assert log() == [("SUBSCRIBED", state)]
    assert last().claim is None


def test_whom_the_guard_does_not_find_is_pushed_again_first(conversion, old):
    subscribe(old)
    conversion.reset()
    push()
    assert [call.path for call in conversion.calls if call.method == "POST"] == [
        "/contacts/batch",
        BATCH,
    ]
    assert remote(conversion) == "SUBSCRIBED"


def test_a_contact_that_is_lost_again_and_again_is_pushed_again_once(conversion):
    row = synced_contact()
    subscribe(row)
    conversion.fail("404", code="NOT_FOUND", path=BATCH, count=None)
    push()
    assert len(sent(conversion)) == 2
    assert log() == [("SUBSCRIBED", "FAILED")]


@pytest.mark.parametrize(
    ("settings_", "most"),
    [
        ({"CONCURRENCY": 24}, 24),
        ({"CONCURRENCY": 4}, 4),
        ({"CONCURRENCY": 4, "LEASE": 90}, 12),
        ({"CONCURRENCY": 1}, 1),
        # One round has no time for all its slots.
        ({"CONCURRENCY": 24, "RATE_LIMIT": 1, "LEASE": 45}, 5),
        ({"CONCURRENCY": 24, "RATE_LIMIT": 0.1, "LEASE": 45}, 1),
    ],
)
def test_the_gets_of_guarded_changes_fit_into_a_lease(conversion, settings, settings_, most):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, **settings_}
    assert most_guarded() == most


@pytest.mark.parametrize("word", ["BOUNCED", "complained", True, 7, {"status": "SUBSCRIBED"}])
def test_a_word_that_nobody_knows_holds_the_change(conversion, old, word):
    conversion.contacts[ANN]["subscriptionStatus"] = word
    subscribe(old)
    push()
    assert statuses(conversion) == []
    assert (last().sync_status, last().last_error_code) == ("FAILED", "CONSENT_BLOCKED")
    assert "nobody here knows" in in_words(last().last_error_message)


@pytest.mark.parametrize("word", [None, "", "SUBSCRIBED", "pending", " Subscribed "])
def test_a_word_that_is_understood_holds_nothing(conversion, old, word):
    conversion.contacts[ANN]["subscriptionStatus"] = word
    subscribe(old)
    push()
    assert statuses(conversion) == [["SUBSCRIBED"]]


def test_guarded_changes_are_claimed_a_few_at_a_time(conversion, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "CONCURRENCY": 8}
    for number in range(20):
        contact(f"c{number}@x.example")
    push()
    Contact.unmarked.update(remote_created_at=None)
    conversion.reset()
    conversion.app.store.upsert_contacts([{"email": f"c{n}@x.example"} for n in range(20)])
    conversion.set_status("c7@x.example", "UNSUBSCRIBED")
    Contact.objects.update(subscription_status="SUBSCRIBED")
    push()
    sizes = [len(call) for call in statuses(conversion)]
    assert (sum(sizes), max(sizes) <= 8) == (19, True)
    # On a machine that is busy a drain may end between the two, and the next one asks again.
    assert len({*gets(conversion)}) == 20
    assert remote(conversion, "c7@x.example") == "UNSUBSCRIBED"
    assert remote(conversion, "c8@x.example") == "SUBSCRIBED"


def test_a_change_whose_claim_was_lost_while_the_guard_asked_is_not_sent(
    conversion, old, in_flight
):
    subscribe(old)
    in_flight(
        lambda: write(last(), claim=None, sync_status=Status.PENDING, due_at=None), "get_contact"
    )
    push()
    assert statuses(conversion) == []


# A changed key


def test_the_opt_out_that_the_old_address_has_is_carried_over(conversion):
    row = synced_contact(subscription_status="SUBSCRIBED")
    conversion.set_status(ANN, "UNSUBSCRIBED")
    row.email = BOB
    row.save()
    push()
    assert list(conversion.contacts) == [BOB]
    assert remote(conversion, BOB) == "UNSUBSCRIBED"
    assert fresh(row).subscription_status == "UNSUBSCRIBED"
    assert "SUBSCRIBED" not in statuses(conversion)[-1]


def test_what_is_known_already_is_not_carried_over_twice(conversion):
    row = synced_contact(subscription_status="UNSUBSCRIBED")
    row.email = BOB
    row.save()
    push()
    assert log(BOB) == [("UNSUBSCRIBED", "SYNCED")]
    assert last().source == "standing opt-out"


def test_other_changes_wait_for_the_opt_out_of_the_old_address(conversion):
    row = synced_contact()
    conversion.set_status(ANN, "UNSUBSCRIBED")
    row.email, row.subscription_status = BOB, "SUBSCRIBED"
    row.save()
    conversion.fail("500", method="GET")
    push()
    assert statuses(conversion) == []
    assert set(conversion.contacts) == {ANN, BOB}
    later()
    push()
    assert remote(conversion, BOB) == "UNSUBSCRIBED"
    assert list(conversion.contacts) == [BOB]


def test_an_override_with_a_changed_key_covers_what_our_log_knew_of_the_old_one(conversion):
    row = synced_contact(subscription_status="UNSUBSCRIBED")
    row.email, row.subscription_status = BOB, "SUBSCRIBED"
    with attributed(override=True, reason="She asked us."):
        row.save()
    push()
    assert list(conversion.contacts) == [BOB]
    assert remote(conversion, BOB) == "SUBSCRIBED"
    assert fresh(row).subscription_status == "SUBSCRIBED"


def test_an_override_with_a_changed_key_does_not_cover_what_nobody_here_knew(conversion):
    row = synced_contact()
    conversion.set_status(ANN, "UNSUBSCRIBED")
    row.email, row.subscription_status = BOB, "SUBSCRIBED"
    with attributed(override=True, reason="She asked us."):
        row.save()
    push()
    assert remote(conversion, BOB) == "UNSUBSCRIBED"


def test_an_override_that_was_sent_does_not_cover_what_came_after_it(conversion):
    row = synced_contact(subscription_status="UNSUBSCRIBED")
    subscribe(row, override=True)
    push()
    conversion.set_status(ANN, "UNSUBSCRIBED")
    Contact.objects.update(email=BOB)
    push()
    assert remote(conversion, BOB) == "UNSUBSCRIBED"


def test_an_old_address_that_the_api_does_not_know_needs_no_deletion(conversion):
    row = synced_contact()
    conversion.reset()
    row.email = BOB
    row.save()
    push()
    assert Deletion.objects.get().sync_status == Status.SYNCED
    assert [call.method for call in conversion.calls] == ["GET", "POST"]


def test_a_contact_deleted_while_its_old_address_is_asked_about_takes_nothing_over(
    conversion, in_flight
):
    row = synced_contact()
    conversion.set_status(ANN, "UNSUBSCRIBED")
    row.email = BOB
    row.save()
    in_flight(lambda: Contact.objects.all().delete(), "get_contact")
    push()
    later()
    push()
    assert conversion.contacts == {}
    # What was said at the old address stands there, and nowhere else.
    assert log() == [("UNSUBSCRIBED", "SYNCED")]
    assert log(BOB) == []


# A deletion


def test_the_opt_out_of_a_record_that_is_deleted_stands_for_its_address(conversion):
    row = synced_contact()
    conversion.set_status(ANN, "UNSUBSCRIBED")
    row.delete()
    push()
    assert conversion.contacts == {}
    change = last()
    assert (change.address, change.contact, change.source) == (ANN, None, "Conversion")
    again = contact(subscription_status="SUBSCRIBED")
    push()
    assert remote(conversion) == "UNSUBSCRIBED"
    assert statuses(conversion) == [["UNSUBSCRIBED"]]
    assert fresh(again).subscription_status == "UNSUBSCRIBED"


@pytest.mark.parametrize("word", ["COMPLAINED", 7])
def test_a_word_that_nobody_knows_of_a_record_that_is_deleted_stands_for_its_address(
    conversion, word
):
    row = synced_contact()
    conversion.contacts[ANN]["subscriptionStatus"] = word
    row.delete()
    push()
    assert (last().source, last().reason) == ("Conversion", str(word))
    again = contact(subscription_status="SUBSCRIBED")
    push()
    assert statuses(conversion) == [["UNSUBSCRIBED"]]
    assert fresh(again).subscription_status == "UNSUBSCRIBED"


def test_a_word_that_nobody_knows_is_carried_over_to_the_new_address(conversion):
    row = synced_contact(subscription_status="SUBSCRIBED")
    conversion.contacts[ANN]["subscriptionStatus"] = "COMPLAINED"
    row.email = BOB
    row.save()
    push()
    assert remote(conversion, BOB) == "UNSUBSCRIBED"
    assert fresh(row).subscription_status == "UNSUBSCRIBED"


def test_who_is_added_again_before_the_deletion_is_sent_is_still_opted_out(conversion):
    row = synced_contact()
    conversion.set_status(ANN, "UNSUBSCRIBED")
    row.delete()
    contact(subscription_status="SUBSCRIBED")
    push()
    assert remote(conversion) == "UNSUBSCRIBED"
    assert statuses(conversion) == [["UNSUBSCRIBED"]]
    assert log()[0] == ("SUBSCRIBED", "SUPERSEDED")


def test_an_override_covers_the_opt_out_of_a_deleted_record_that_our_log_knew(conversion):
    synced_contact(subscription_status="UNSUBSCRIBED").delete()
    with attributed(override=True, reason="She asked us."):
        contact(subscription_status="SUBSCRIBED")
    push()
    assert remote(conversion) == "SUBSCRIBED"


def test_an_override_does_not_cover_the_opt_out_of_a_deleted_record_that_nobody_knew(conversion):
    row = synced_contact()
    conversion.set_status(ANN, "UNSUBSCRIBED")
    row.delete()
    with attributed(override=True, reason="She asked us."):
        contact(subscription_status="SUBSCRIBED")
    push()
    assert remote(conversion) == "UNSUBSCRIBED"


def test_what_the_log_knows_of_an_address_is_not_entered_twice(conversion):
    synced_contact(subscription_status="UNSUBSCRIBED").delete()
    push()
    assert log() == [("UNSUBSCRIBED", "SYNCED")]


@pytest.mark.parametrize(
    ("fault", "options", "state"),
    [
        ("500", {}, Status.PENDING),
        ("drop_before", {}, Status.PENDING),
        ("garbage", {}, Status.PENDING),
        ("429", {"headers": {"Retry-After": "100"}}, Status.PENDING),
        ("403", {}, Status.PENDING),
        ("400", {}, Status.FAILED),
        ("html", {"status": 404}, Status.FAILED),
    ],
)
def test_nothing_is_deleted_where_the_api_does_not_say(conversion, fault, options, state):
    synced_contact().delete()
    conversion.fail(fault, method="GET", **options)
    drain()
    assert Deletion.objects.get().sync_status == state
    assert list(conversion.contacts) == [ANN]
    assert "DELETE" not in [call.method for call in conversion.calls]
    Deletion.objects.retry_failed()
    ApiGate.write("default", blocked_until=None)
    later()
    push()
    assert conversion.contacts == {}


def test_whom_we_deleted_before_is_asked_about_though_we_have_just_made_the_record(conversion):
    synced_contact().delete()
    push()
    again = synced_contact()
    conversion.set_status(ANN, "UNSUBSCRIBED")
    subscribe(again)
    push()
    assert remote(conversion) == "UNSUBSCRIBED"
    assert gets(conversion) == [ANN, ANN]


# Keys that are kept


@pytest.fixture
def kept(conversion, settings) -> Contact:
    """A contact whose old email stays in Conversion, where the person has opted out."""
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "DELETE_CHANGED_KEYS": False}
    row = synced_contact(subscription_status="SUBSCRIBED")
    conversion.set_status(ANN, "UNSUBSCRIBED")
    row.email = BOB
    row.save()
    return row


def test_the_opt_out_of_an_email_that_is_kept_is_carried_over(conversion, kept):
    push()
    assert remote(conversion) == remote(conversion, BOB) == "UNSUBSCRIBED"
    assert [status for status, _ in log(BOB)] == ["SUBSCRIBED", "UNSUBSCRIBED"]
    assert ("SUBSCRIBED", "SYNCED") not in log(BOB)
    assert log()[-1] == ("UNSUBSCRIBED", "SYNCED")
    assert "DELETE" not in [call.method for call in conversion.calls]


def test_other_changes_wait_for_the_question_about_an_email_that_is_kept(conversion, kept):
    conversion.fail("500", method="GET")
    push()
    assert fresh(kept).sync_status == Status.SYNCED
    assert ["SUBSCRIBED"] not in statuses(conversion)[1:]
    assert log(BOB) == [("SUBSCRIBED", "PENDING")]
    later()
    push()
    assert remote(conversion, BOB) == "UNSUBSCRIBED"


def test_whoever_has_the_email_next_does_not_wait_for_the_question(conversion, kept):
    conversion.fail("400", method="GET")
    other = contact(first_name="Other")
    push()
    assert Deletion.objects.get().sync_status == Status.FAILED
    assert fresh(other).sync_status == Status.SYNCED
    assert conversion.contacts[ANN]["variables"] == {"first_name": "Other"}


def test_an_email_that_is_kept_and_comes_back_is_not_asked_about(conversion, kept):
    kept.email = ANN
    kept.save()
    push()
    assert not Deletion.objects.exists()
    assert list(conversion.contacts) == [ANN]
    assert "DELETE" not in [call.method for call in conversion.calls]


def test_companies_whose_id_is_kept_leave_nothing(conversion, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "DELETE_CHANGED_KEYS": False}
    row = Company.objects.create(external_id="C1")
    push()
    row.external_id = "C2"
    row.save()
    push()
    assert not Deletion.objects.exists()
    assert list(conversion.companies) == ["C1", "C2"]


# For ever


def test_an_opt_out_that_is_refused_needs_a_person_and_still_stands(conversion):
    row = synced_contact()
    subscribe(row, "UNSUBSCRIBED")
    conversion.fail("400", path=BATCH)
    push()
    assert log() == [("UNSUBSCRIBED", "FAILED")]
    subscribe(row)
    push()
    assert log()[-1] == ("SUBSCRIBED", "FAILED")
    first = SubscriptionChange.objects.filter(address=ANN, status="UNSUBSCRIBED")
    first.retry_failed()
    push()
    assert remote(conversion) == "UNSUBSCRIBED"


def test_an_opt_out_is_tried_for_as_long_as_it_takes(conversion):
    row = synced_contact()
    subscribe(row, "UNSUBSCRIBED")
    write(last(), attempts=50, failing_since=db_now("default") - FAILED_AFTER / 2)
    conversion.fail("500", path=BATCH)
    push()
    assert log() == [("UNSUBSCRIBED", "PENDING")]
    assert fresh(last()).due_at > db_now("default") + datetime.timedelta(minutes=10)
