"""The rules of consent (DESIGN.md, "Consent"), one by one: no opt-out is lost or undone."""

from __future__ import annotations

import datetime

import pytest

from conversion_sync.models import (
    Company,
    Contact,
    Deletion,
    Status,
    SubscriptionChange,
    attributed,
)
from conversion_sync.models.fields import db_now
from conversion_sync.sync.outbox import PATIENCE
from conversion_sync.sync.resync import forget, orphan_opt_outs, rows_to_forget
from tests.kit import (
    ANN,
    BOB,
    HOUR,
    SECOND,
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
    assert last().last_error_message == "An opt-out stands in the log."


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


def test_an_opt_out_waits_for_a_contact_that_was_never_confirmed(conversion):
    conversion.fail("500", path="/contacts/batch$")
    contact(subscription_status="UNSUBSCRIBED")
    push()
    assert statuses(conversion) == []
    later()
    push()
    assert remote(conversion) == "UNSUBSCRIBED"


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


def test_an_opt_out_of_whom_the_api_does_not_know_no_longer_matters(conversion):
    row = synced_contact()
    subscribe(row, "UNSUBSCRIBED")
    row.delete()
    push()
    assert conversion.contacts == {}
    assert log() == [("UNSUBSCRIBED", "SUPERSEDED")]


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
    assert fresh(kept).sent_key is None
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
    assert "Conversion says" in blocked.last_error_message
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


def test_guarded_changes_are_claimed_a_few_at_a_time(conversion):
    for number in range(20):
        contact(f"c{number}@x.example")
    push()
    Contact.unmarked.update(remote_created_at=None)
    conversion.reset()
    conversion.app.store.upsert_contacts([{"email": f"c{n}@x.example"} for n in range(20)])
    conversion.set_status("c7@x.example", "UNSUBSCRIBED")
    Contact.objects.update(subscription_status="SUBSCRIBED")
    push()
    assert [len(call) for call in statuses(conversion)] == [7, 8, 4]
    assert len(gets(conversion)) == 20
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
    assert not SubscriptionChange.objects.exists()


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
    write(last(), attempts=50, failing_since=db_now("default") - PATIENCE / 2)
    conversion.fail("500", path=BATCH)
    push()
    assert log() == [("UNSUBSCRIBED", "PENDING")]
    assert fresh(last()).due_at > db_now("default") + datetime.timedelta(minutes=10)
