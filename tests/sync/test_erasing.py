"""A person is erased: nothing says the address any more, and no opt-out is undone by it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import connection

import conversion_sync
from conversion_sync.models import (
    ApiCall,
    BulkJob,
    Contact,
    Deletion,
    Engagement,
    Subscription,
    SubscriptionChange,
    attributed,
)
from conversion_sync.models.clock import db_now
from conversion_sync.records.snapshot import Snapshot
from conversion_sync.records.upsert import Wanted, upsert
from conversion_sync.testing import consent_log
from tests.kit import ANN, BOB, contact, engagement, push

pytestmark = pytest.mark.django_db

IN, OUT = Subscription.SUBSCRIBED, Subscription.UNSUBSCRIBED


def command(*addresses: str, **options: Any) -> str:
    said = io.StringIO()
    call_command("conversion_erase", *addresses, no_input=True, stdout=said, **options)
    return said.getvalue()


def erase(address: str = ANN) -> None:
    """As staff do: until nothing is left."""
    with pytest.raises(CommandError, match="run this again"):
        command(address)
    push()
    command(address)


def everything() -> str:
    """All that the tables of the app, and the admin's history, say."""
    tables = [model._meta.db_table for model in apps.get_app_config("conversion_sync").get_models()]
    said = []
    with connection.cursor() as cursor:
        for table in [*tables, LogEntry._meta.db_table]:
            cursor.execute(f"SELECT * FROM {table}")  # noqa: S608  # a name of a table
            said += [repr(row) for row in cursor.fetchall()]
    return "\n".join(said)


def opted_out(address: str = ANN) -> Contact:
    row = contact(address, subscription_status=IN)
    push()
    row.subscription_status = OUT
    with attributed(reason=f"{address} wrote to us", requested_by=address):
        row.save()
    push()
    return row


def by_save() -> None:
    contact(ANN, subscription_status=IN)


def by_bulk_create() -> None:
    Contact.objects.bulk_create([Contact(email=ANN, subscription_status=IN), Contact(email=BOB)])


def by_a_save_without_it() -> None:
    row = contact(ANN)
    assert row.subscription_status == OUT
    row.subscription_status = IN
    row.save()


def by_changed_email() -> None:
    row = contact(BOB, subscription_status=IN)
    push()
    row.email = ANN
    row.save()


def by_update() -> None:
    contact(BOB, subscription_status=IN)
    push()
    Contact.objects.update(email=ANN)


def by_hand() -> None:
    conversion_sync.set_subscription("Ann@X.example", IN, reason="a form")


def by_upsert() -> None:
    wanted = Wanted(snapshot=Snapshot(key=ANN), subscription=IN)
    [edit] = upsert(Contact, "default", [wanted])
    assert edit.stays_unsubscribed


WAYS = [
    by_save,
    by_bulk_create,
    by_a_save_without_it,
    by_changed_email,
    by_update,
    by_hand,
    by_upsert,
]


def test_nothing_says_the_address_any_more_here_or_there(conversion):
    row = opted_out()
    engagement(row)
    push()
    erase()
    assert ANN not in everything()
    assert conversion.contacts == {}
    assert not Contact.objects.exists()
    assert not Engagement.objects.exists()


@pytest.mark.parametrize("returns", WAYS)
def test_an_opt_out_outlives_the_erasure(conversion, returns):
    opted_out()
    erase()
    returns()
    push()
    assert Contact.objects.get(email=ANN).subscription_status == OUT
    assert conversion.contacts[ANN]["subscriptionStatus"] == OUT
    assert consent_log(ANN)[0] == (OUT, "SYNCED")
    call_command("conversion_verify", local=True, stdout=io.StringIO())


def test_so_does_one_of_which_conversion_alone_knew(conversion):
    contact()
    push()
    conversion.set_status(ANN, OUT)
    erase()
    assert ANN not in everything()
    by_save()
    push()
    assert conversion.contacts[ANN]["subscriptionStatus"] == OUT


def test_so_does_one_that_was_not_sent_yet(conversion):
    contact()
    push()
    Contact.objects.update(subscription_status=OUT)
    erase()
    by_save()
    push()
    assert conversion.contacts[ANN]["subscriptionStatus"] == OUT


def test_so_does_one_of_an_address_that_the_person_had_before(conversion):
    row = opted_out()
    row.email = BOB
    row.save()
    push()
    erase(BOB)
    assert ANN not in everything()
    assert BOB not in everything()
    Contact.objects.bulk_create(
        [Contact(email=each, subscription_status=IN) for each in (ANN, BOB)]
    )
    push()
    assert {each["subscriptionStatus"] for each in conversion.contacts.values()} == {OUT}


def test_one_that_was_lifted_leaves_nothing(conversion):
    row = opted_out()
    with attributed(override=True, reason="asked us"):
        row.subscription_status = IN
        row.save()
    push()
    erase()
    assert not SubscriptionChange.objects.exists()


def test_somebody_may_lift_it_after_the_return(conversion):
    opted_out()
    erase()
    with attributed(override=True, reason="asked us"):
        by_save()
    push()
    assert conversion.contacts[ANN]["subscriptionStatus"] == IN
    assert Contact.objects.get().subscription_status == IN


def test_whoever_has_not_opted_out_may_subscribe_again_and_conversion_is_asked_first(conversion):
    contact(ANN, subscription_status=IN)
    push()
    erase()
    assert not SubscriptionChange.objects.exists()
    asked = len([call for call in conversion.calls if call.method == "GET"])
    by_save()
    push()
    assert conversion.contacts[ANN]["subscriptionStatus"] == IN
    assert len([call for call in conversion.calls if call.method == "GET"]) == asked + 1


def test_others_are_left_alone(conversion):
    opted_out()
    opted_out(BOB)
    log = consent_log(BOB)
    erase()
    assert list(conversion.contacts) == [BOB]
    assert consent_log(BOB) == log


def test_an_erased_address_is_not_sent_again(conversion):
    opted_out()
    erase()
    calls = len(conversion.calls)
    call_command("conversion_resync", no_input=True, stdout=io.StringIO())
    push()
    assert len(conversion.calls) == calls


def test_a_dry_run_changes_nothing(conversion):
    opted_out()
    before = everything()
    assert "1 contact" in command(ANN, dry_run=True)
    assert everything() == before


def test_history_is_emptied(conversion):
    row = contact()
    push()
    now = db_now("default")
    ApiCall.objects.create(endpoint="e", started_at=now, error_message=f"bad: {ANN}")
    kept = {"pk": row.pk + 1, "key": BOB}
    job = BulkJob.objects.create(
        action=BulkJob.Action.COMPARE,
        model=Contact._meta.label,
        finished_at=now,
        findings=[{"pk": row.pk, "fields": []}, kept, {"pk": 0, "key": ANN}],
    )
    other = BulkJob.objects.create(
        action=BulkJob.Action.COMPARE,
        model=Contact._meta.label,
        finished_at=now,
        filter={"q": ANN},
    )
    entry = LogEntry.objects.create(
        user=User.objects.create_user("staff"),
        content_type=ContentType.objects.get_for_model(Contact),
        object_id=str(row.pk),
        object_repr=str(row),
        action_flag=CHANGE,
    )
    erase()
    assert ANN not in everything()
    job.refresh_from_db()
    entry.refresh_from_db()
    assert job.findings == [kept]
    assert entry.object_repr == "erased"
    assert not BulkJob.objects.filter(pk=other.pk).exists()


def test_what_has_failed_there_is_said(conversion):
    contact()
    push()
    Contact.objects.all().delete()
    Deletion.unmarked.update(sync_status="FAILED", due_at=None)
    with pytest.raises(CommandError, match="run this again"):
        command(ANN)
    assert Deletion.objects.filter(key=ANN).exists()


def test_an_address_that_is_none_is_refused(conversion):
    with pytest.raises(CommandError, match="'bob'"):
        command("bob")


def test_nobody_at_the_address_is_no_error(conversion):
    assert "nothing" in command(ANN)


def test_the_contact_is_in_flight(conversion):
    """What a worker holds is not forgotten before it has settled."""
    opted_out()
    SubscriptionChange.unmarked.filter(status=OUT).update(sync_status="SENDING")
    with pytest.raises(CommandError, match="run this again"):
        command(ANN)
    assert SubscriptionChange.objects.filter(address=ANN, status=OUT).exists()


@pytest.mark.django_db(transaction=True)
def test_a_usual_creation_knows_of_the_opt_out(conversion):
    """Outside of a transaction a new contact is one INSERT, which proves that nobody is known."""
    opted_out()
    erase()
    assert contact().subscription_status == OUT
    push()
    assert conversion.contacts[ANN]["subscriptionStatus"] == OUT


def test_a_wish_that_moves_to_an_erased_address_is_asked_about(conversion):
    contact()
    push()
    erase()
    row = contact(BOB, subscription_status=IN)
    row.email = ANN
    row.save()
    asked = len([call for call in conversion.calls if call.method == "GET"])
    push()
    assert conversion.contacts[ANN]["subscriptionStatus"] == IN
    assert len([call for call in conversion.calls if call.method == "GET"]) == asked + 1
