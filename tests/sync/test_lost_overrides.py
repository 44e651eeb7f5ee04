"""An override whose answer was lost is not sent over an opt-out that may be newer than it."""

from __future__ import annotations

import contextlib

import pytest

from conversion_sync.models import ApiGate, Contact, Status, SubscriptionChange, attributed
from conversion_sync.sync.drain import drain
from tests.kit import ANN, BOB, fresh, later, log, push, sent, synced_contact, write
from tests.sync.lost_answers import LOST, lose_answer
from tests.sync.test_reentry import BATCH, remote

pytestmark = pytest.mark.django_db


@pytest.fixture
def old(conversion) -> Contact:
    """A contact who has opted out, and of whom our upsert is no longer fresh."""
    row = synced_contact(subscription_status="UNSUBSCRIBED")
    write(row, remote_created_at=None)
    return row


def subscribe_anyway(row: Contact) -> None:
    row = fresh(row)
    row.subscription_status = "SUBSCRIBED"
    with attributed(override=True, reason="She asked us."):
        row.save()


def lose_the_answer(conversion, settings, way: str) -> None:
    lose_answer(conversion, settings, way, BATCH)
    assert remote(conversion) == "SUBSCRIBED"
    assert last().sync_status == Status.PENDING


def last() -> SubscriptionChange:
    return SubscriptionChange.objects.latest("pk")


def push_later() -> None:
    later()
    push()


@pytest.mark.parametrize("way", LOST)
def test_the_person_opts_out_there_before_it_is_tried_again(conversion, settings, old, way):
    subscribe_anyway(old)
    lose_the_answer(conversion, settings, way)
    conversion.set_status(ANN, "UNSUBSCRIBED")
    push_later()
    assert remote(conversion) == "UNSUBSCRIBED"
    assert len(sent(conversion, BATCH)) == 2  # the opt-out that is old, and the override
    assert fresh(old).subscription_status == "UNSUBSCRIBED"
    assert log()[-2:] == [("SUBSCRIBED", "FAILED"), ("UNSUBSCRIBED", "SYNCED")]


@pytest.mark.parametrize("way", LOST)
def test_nobody_opts_out_there(conversion, settings, old, way):
    subscribe_anyway(old)
    lose_the_answer(conversion, settings, way)
    push_later()
    assert remote(conversion) == "SUBSCRIBED"
    assert log()[-1] == ("SUBSCRIBED", "SYNCED")
    assert fresh(old).subscription_status == "SUBSCRIBED"


def test_a_worker_that_was_killed(conversion, old, in_flight):
    subscribe_anyway(old)

    def die() -> None:
        raise SystemExit

    in_flight(die, "set_subscriptions")
    with contextlib.suppress(SystemExit):
        drain()
    conversion.set_status(ANN, "UNSUBSCRIBED")
    push_later()
    assert remote(conversion) == "UNSUBSCRIBED"
    assert log()[-1] == ("UNSUBSCRIBED", "SYNCED")


def test_a_refusal_after_a_lost_answer_changes_nothing(conversion, settings, old):
    subscribe_anyway(old)
    lose_the_answer(conversion, settings, "reset")
    conversion.fail("429", path=BATCH, headers={"Retry-After": "1"})
    push_later()
    ApiGate.write("default", blocked_until=None)
    conversion.set_status(ANN, "UNSUBSCRIBED")
    push_later()
    assert remote(conversion) == "UNSUBSCRIBED"


@pytest.mark.parametrize(
    ("fault", "of"),
    [
        ("drop_before", {"method": "GET"}),
        ("500", {"method": "GET"}),
        ("429", {"path": BATCH}),
        ("401", {"path": BATCH}),
    ],
)
def test_what_has_certainly_not_arrived_is_sent_over_the_opt_out_that_it_lifts(
    conversion, old, fault, of
):
    subscribe_anyway(old)
    conversion.fail(fault, **of)
    push()
    ApiGate.write("default", blocked_until=None, closed_for="")
    push_later()
    assert remote(conversion) == "SUBSCRIBED"


def test_who_is_deleted_meanwhile_stays_opted_out(conversion, settings, old):
    subscribe_anyway(old)
    lose_the_answer(conversion, settings, "reset")
    conversion.set_status(ANN, "UNSUBSCRIBED")
    fresh(old).delete()
    push_later()
    again = Contact.objects.create(email=ANN, subscription_status="SUBSCRIBED")
    push_later()
    assert remote(conversion) == "UNSUBSCRIBED"
    assert fresh(again).subscription_status == "UNSUBSCRIBED"


def test_who_goes_on_under_another_address_stays_opted_out(conversion, settings, old):
    subscribe_anyway(old)
    lose_the_answer(conversion, settings, "reset")
    conversion.set_status(ANN, "UNSUBSCRIBED")
    row = fresh(old)
    row.email = BOB
    row.save()
    push()
    push_later()
    assert list(conversion.contacts) == [BOB]
    assert remote(conversion, BOB) == "UNSUBSCRIBED"


def test_a_batch_that_may_have_arrived_and_is_split_leaves_each_in_doubt(conversion):
    rows = [synced_contact(email, subscription_status="UNSUBSCRIBED") for email in (ANN, BOB)]
    for row in rows:
        write(row, remote_created_at=None)
        subscribe_anyway(row)
    conversion.fail("status", path=BATCH, status=400, worked=True)
    # The parts are certainly refused.
    conversion.fail("429", path=BATCH, headers={"Retry-After": "1"}, count=None)
    drain(3)
    conversion.clear_faults()
    ApiGate.write("default", blocked_until=None)
    assert {remote(conversion, row.email) for row in rows} == {"SUBSCRIBED"}
    for row in rows:
        conversion.set_status(row.email, "UNSUBSCRIBED")
    push_later()
    assert {remote(conversion, row.email) for row in rows} == {"UNSUBSCRIBED"}


def test_an_override_that_is_ordered_once_more_is_sent(conversion, settings, old):
    subscribe_anyway(old)
    lose_the_answer(conversion, settings, "reset")
    conversion.set_status(ANN, "UNSUBSCRIBED")
    push_later()
    subscribe_anyway(old)
    push_later()
    assert remote(conversion) == "SUBSCRIBED"


def test_a_stale_instance_does_not_take_the_doubt_away(conversion, settings, old):
    subscribe_anyway(old)
    stale = last()
    lose_the_answer(conversion, settings, "reset")
    stale.save()
    assert last().may_have_arrived_at is not None
