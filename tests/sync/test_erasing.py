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
from django.test.utils import CaptureQueriesContext

import conversion_sync
from conversion_sync.models import (
    ApiCall,
    BulkJob,
    Contact,
    Deletion,
    Engagement,
    MirrorLink,
    Subscription,
    SubscriptionChange,
    attributed,
)
from conversion_sync.models.clock import db_now
from conversion_sync.records.snapshot import Snapshot
from conversion_sync.records.upsert import upsert
from conversion_sync.records.wanted import Wanted
from conversion_sync.testing import consent_log
from tests.kit import ANN, BOB, contact, engagement, push, without_key, write

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


def moved(old: str = BOB, new: str = ANN) -> Contact:
    """A contact who has opted out at an address, and has another one since."""
    row = opted_out(old)
    row.email = new
    row.save()
    return row


def test_an_opt_out_of_a_former_address_stands_though_something_is_in_flight(conversion):
    """It stood by the contact alone, which is gone when what is in flight has settled."""
    row = moved()
    push()
    SubscriptionChange.unmarked.filter(address=ANN, status=OUT).delete()
    conversion.set_status(ANN, IN)
    line = SubscriptionChange.objects.create(contact=row, address=ANN, status=IN)
    SubscriptionChange.unmarked.filter(pk=line.pk).update(sync_status="SENDING")
    with pytest.raises(CommandError, match="run this again"):
        command(ANN)
    SubscriptionChange.unmarked.filter(pk=line.pk).update(sync_status="SUPERSEDED", due_at=None)
    push()
    command(ANN)
    assert ANN not in everything()
    by_bulk_create()
    assert Contact.objects.get(email=ANN).subscription_status == OUT


def failed_opt_out() -> SubscriptionChange:
    row = contact(ANN, subscription_status=IN)
    push()
    row.subscription_status = OUT
    row.save()
    line = SubscriptionChange.objects.get(status=OUT)
    SubscriptionChange.unmarked.filter(pk=line.pk).update(
        sync_status="FAILED", due_at=None, last_error_code="VALIDATION_ERROR"
    )
    return line


def test_an_opt_out_that_failed_is_waited_for_where_the_record_stays(conversion, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "DELETE_REMOTE": False}
    line = failed_opt_out()
    for _ in range(2):
        with pytest.raises(CommandError, match="run this again"):
            command(ANN)
        push()
    assert SubscriptionChange.objects.get(pk=line.pk).sync_status == "FAILED"
    SubscriptionChange.objects.filter(pk=line.pk).sync_now()
    push()
    assert conversion.contacts[ANN]["subscriptionStatus"] == OUT
    command(ANN)
    assert ANN not in everything()


def test_of_nobody_there_an_opt_out_that_failed_is_not_waited_for(conversion):
    conversion_sync.set_subscription(ANN, OUT, reason="a call")
    push()
    assert consent_log(ANN) == [(OUT, "FAILED")]
    command(ANN)
    by_save()
    assert Contact.objects.get().subscription_status == OUT


def test_a_former_address_is_erased_though_it_waited_at_first(conversion):
    contact(BOB)
    push()
    row = Contact.objects.get()
    row.email = ANN
    row.save()
    conversion.set_status(BOB, OUT)
    with pytest.raises(CommandError, match="run this again"):
        command(ANN)
    assert Contact.objects.filter(email=ANN).exists()
    push()
    erase(ANN)
    assert ANN not in everything()
    assert BOB not in everything()
    Contact.objects.bulk_create(
        [Contact(email=each, subscription_status=IN) for each in (ANN, BOB)]
    )
    assert {each.subscription_status for each in Contact.objects.all()} == {OUT}


@pytest.mark.parametrize("state", ["PENDING", "SENDING", "FAILED"])
def test_a_contact_is_kept_while_something_of_a_former_address_waits(conversion, state):
    moved()
    Deletion.unmarked.update(sync_status=state)
    words = {"PENDING": "waiting to be sent", "SENDING": "sending", "FAILED": "failed"}[state]
    assert f"deletion of {BOB}: {words}" in refused(ANN)
    assert Contact.objects.exists()
    assert Deletion.objects.get().successor is not None


def refused(*addresses: str) -> str:
    said = io.StringIO()
    with pytest.raises(CommandError, match="run this again"):
        call_command("conversion_erase", *addresses, no_input=True, stdout=said)
    return said.getvalue()


def test_with_changed_keys_kept_there_what_is_told_of_them_is_erased_too(conversion, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "DELETE_CHANGED_KEYS": False}
    contact(BOB)
    push()
    conversion.set_status(BOB, OUT)
    Contact.objects.update(email=ANN)
    push()
    assert consent_log(BOB)
    erase(ANN)
    assert BOB not in everything()
    contact(BOB, subscription_status=IN)
    assert Contact.objects.get().subscription_status == OUT


def test_a_former_address_that_another_has_now_is_theirs(conversion):
    moved()
    push()
    other = opted_out(BOB)
    log = consent_log(BOB)
    erase(ANN)
    assert Contact.objects.get() == other
    assert conversion.contacts[BOB]["subscriptionStatus"] == OUT
    assert set(consent_log(BOB)) <= set(log)
    other.delete()
    contact(BOB, subscription_status=IN)
    assert Contact.objects.get().subscription_status == OUT


def test_a_job_that_goes_on_is_waited_for(conversion):
    row = contact()
    job = BulkJob.objects.create(
        action=BulkJob.Action.COMPARE,
        model=Contact._meta.label,
        findings=[{"pk": row.pk, "fields": [["first_name", "Ann", "Anna"]]}],
    )
    assert f"bulk job {job.pk}: not finished" in refused(ANN)
    BulkJob.objects.update(finished_at=db_now("default"))
    command(ANN)
    job.refresh_from_db()
    assert job.findings == []


def test_what_others_have_in_history_stays(conversion):
    row, others = contact(), [f"d{ANN}", f"{ANN}.au", f"x-{ANN}", f"x.{ANN}"]
    push()
    now = db_now("default")
    user = User.objects.create_user("staff")
    contacts = ContentType.objects.get_for_model(Contact)
    for number, other in enumerate(others, 1):
        ApiCall.objects.create(
            endpoint="e", started_at=now, error_code="E", error_message=f"bad: {other}"
        )
        BulkJob.objects.create(
            action=BulkJob.Action.COMPARE,
            model=Contact._meta.label,
            finished_at=now,
            filter={"q": other},
            findings=[{"pk": 0, "key": other}],
        )
        LogEntry.objects.create(
            user=user,
            content_type=contacts,
            object_id=str(row.pk + number),
            object_repr=other,
            action_flag=CHANGE,
        )
    erase()
    calls = ApiCall.objects.exclude(error_message="").order_by("pk")
    assert [each.error_message for each in calls] == [f"bad: {other}" for other in others]
    assert [each.filter["q"] for each in BulkJob.objects.order_by("pk")] == others
    assert [each.findings[0]["key"] for each in BulkJob.objects.order_by("pk")] == others
    assert [each.object_repr for each in LogEntry.objects.order_by("pk")] == others


def test_the_person_is_found_in_history_in_any_spelling(conversion):
    row = contact("Ada@Müller.example")
    entry = LogEntry.objects.create(
        user=User.objects.create_user("staff"),
        content_type=ContentType.objects.get_for_model(SubscriptionChange),
        object_id="1",
        object_repr=f"{row.email}: Unsubscribed",
        change_message=f'[{{"changed": {{"name": "of\\n{row.key}."}}}}]',
        action_flag=CHANGE,
    )
    command("ada@xn--mller-kva.example")
    entry.refresh_from_db()
    assert (entry.object_repr, entry.change_message) == ("erased", "")


def test_lines_that_stay_are_not_counted_as_erased(conversion):
    opted_out()
    with pytest.raises(CommandError, match="run this again"):
        command(ANN)
    push()
    before = SubscriptionChange.objects.count()
    said = command(ANN)
    assert SubscriptionChange.objects.count() == 1
    assert before == 2
    assert "erased: 1 line of the consent log" in said


def test_where_history_fails_a_second_run_finds_all(conversion, monkeypatch):
    """What is erased first is that by which the rest is found."""

    def fails(*args: Any, **options: Any) -> None:
        raise RuntimeError

    row = opted_out()
    job = BulkJob.objects.create(
        action=BulkJob.Action.COMPARE,
        model=Contact._meta.label,
        finished_at=db_now("default"),
        findings=[{"pk": row.pk, "fields": []}],
    )
    with monkeypatch.context() as patch:
        patch.setattr("conversion_sync.sync.erasing.forget", fails)
        with pytest.raises(RuntimeError):
            command(ANN)
    erase()
    job.refresh_from_db()
    assert job.findings == []


def test_a_clash_of_one_of_many_is_said_before_anybody_is_erased(conversion):
    contact(ANN)
    holder, other = contact(BOB), contact("bob2@x.example")
    without_key(other, "BOB@x.example")
    with pytest.raises(CommandError, match="conversion_merge"):
        command(ANN, BOB)
    assert Contact.objects.filter(email=ANN).exists()
    assert Contact.objects.filter(pk=holder.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_the_links_of_sources_are_locked_before_the_contact(conversion):
    """As rendering does; and history is gone through with nothing locked."""
    if not connection.features.has_select_for_update:
        pytest.skip("This database locks no rows.")
    contact()
    with CaptureQueriesContext(connection) as queries:
        command(ANN)
    statements = [each["sql"] for each in queries]
    locked = [sql for sql in statements if " FOR " in sql and "UPDATE" in sql]
    assert MirrorLink._meta.db_table in locked[0]
    first = statements.index(locked[0])
    assert not any(ApiCall._meta.db_table in sql for sql in statements[first:])


def test_what_was_deleted_in_an_older_spelling_is_found(conversion):
    row = contact()
    push()
    write(row, sent_key="ANN@x.example")
    erase()
    assert "ann@x.example" not in everything().casefold()
