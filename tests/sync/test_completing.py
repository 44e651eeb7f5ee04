"""The column and the consent log compared and mended, whatever wrote the one without the other."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.core import serializers
from django.core.management import call_command
from django.db import connection, migrations
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState

from conversion_sync.models import Contact, Subscription, SubscriptionChange, attributed
from conversion_sync.sync import completing
from conversion_sync.sync.completing import Fault, after_migrate, complete, disagreements
from tests.kit import ANN, BOB, contact, fresh, log, push, synced_contact, write

pytestmark = pytest.mark.django_db

OUT, IN = Subscription.UNSUBSCRIBED, Subscription.SUBSCRIBED


def raw(sql: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


def by_raw_sql(row: Contact, status: str) -> None:
    raw("UPDATE conversion_sync_contact SET subscription_status = %s WHERE id = %s", status, row.pk)


def by_a_fixture(row: Contact, status: str) -> None:
    row = fresh(row)
    row.subscription_status = status
    for each in serializers.deserialize("json", serializers.serialize("json", [row])):
        each.save()


def by_a_data_migration(row: Contact, status: str) -> None:
    models = ProjectState.from_apps(apps).apps
    historical = models.get_model("conversion_sync", "Contact")
    historical.objects.filter(pk=row.pk).update(subscription_status=status)


def by_a_restore_of_the_log(row: Contact, status: str) -> None:
    by_raw_sql(row, status)
    raw("DELETE FROM conversion_sync_subscriptionchange")


ways = pytest.mark.parametrize(
    "wrote", [by_raw_sql, by_a_fixture, by_a_data_migration, by_a_restore_of_the_log]
)


def found() -> list[tuple[str, Fault]]:
    return [(each.key, each.fault) for each in disagreements("default")]


@ways
@pytest.mark.parametrize("before", ["", IN])
def test_an_opt_out_that_the_log_does_not_know_is_entered_and_sent(conversion, wrote, before):
    row = synced_contact(subscription_status=before)
    wrote(row, OUT)
    assert found() == [(ANN, Fault.LOST)]
    assert complete("default") == 1
    change = SubscriptionChange.objects.latest("pk")
    assert (change.status, change.contact_id, change.source) == (OUT, row.pk, "completed")
    push()
    assert conversion.contacts[ANN]["subscriptionStatus"] == OUT
    assert (found(), complete("default")) == ([], 0)


@pytest.mark.parametrize("status", ["", IN, "PENDING"])
@pytest.mark.parametrize("wrote", [by_raw_sql, by_a_fixture, by_a_data_migration])
def test_an_opt_out_that_stands_is_not_lifted(wrote, status):
    row = contact(subscription_status=OUT)
    wrote(row, status)
    assert found() == [(ANN, Fault.STALE)]
    assert complete("default") == 1
    assert fresh(row).subscription_status == OUT
    assert [change.status for change in SubscriptionChange.objects.all()] == [OUT]


@ways
def test_a_subscription_that_the_log_does_not_know_is_entered_and_goes_through_the_guard(
    conversion, wrote
):
    row = synced_contact()
    write(row, remote_created_at=None)
    wrote(row, IN)
    conversion.contacts[ANN]["subscriptionStatus"] = OUT
    assert found() == [(ANN, Fault.UNSAID)]
    assert complete("default") == 1
    push()
    assert conversion.contacts[ANN]["subscriptionStatus"] == OUT
    assert fresh(row).subscription_status == OUT


def test_an_opt_out_by_address_is_found_for_the_contact_that_is_there():
    row = contact()
    SubscriptionChange.unmarked.bulk_create([SubscriptionChange(address=ANN, status=OUT)])
    assert found() == [(ANN, Fault.STALE)]
    complete("default")
    assert fresh(row).subscription_status == OUT


def test_what_agrees_is_left_alone(conversion):
    """Whatever may become of a contact and its consent by our own ways."""
    contact("gone@x.example", subscription_status=OUT).delete()
    contact("gone@x.example")
    lifted = synced_contact(subscription_status=OUT)
    for override in (False, True):
        lifted = fresh(lifted)
        lifted.subscription_status = IN
        with attributed(override=override, reason="She asked." if override else ""):
            lifted.save()
    moved = synced_contact(BOB, subscription_status=IN)
    moved.email = "carl@x.example"
    moved.save()
    contact("blank@x.example")
    blanked = contact("blanked@x.example", subscription_status=IN)
    blanked.subscription_status = ""
    blanked.save()
    push()
    changes = SubscriptionChange.objects.count()
    assert found() == []
    assert complete("default") == 0
    assert SubscriptionChange.objects.count() == changes


def test_steps_pass_over_no_row(monkeypatch):
    monkeypatch.setattr(completing, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(completing, "MENDED", 2)
    rows = [contact(f"p{number}@x.example", subscription_status=IN) for number in range(10)]
    Contact.unmarked.filter(pk=rows[4].pk).delete()
    Contact.unmarked.update(subscription_status=OUT)
    assert len(found()) == 9
    assert complete("default") == 9
    Contact.unmarked.update(subscription_status=IN)
    assert len(found()) == 9
    assert complete("default") == 9
    assert found() == []


def test_the_number_of_queries_does_not_grow_with_the_rows(django_assert_num_queries):
    for number in range(20):
        contact(f"p{number}@x.example", subscription_status=OUT if number % 2 else IN)
    with django_assert_num_queries(6):
        assert found() == []


# After migrate


def test_what_a_data_migration_wrote_is_completed_after_migrate():
    row, new = contact(), "new@x.example"
    historical = ProjectState.from_apps(apps).apps.get_model("conversion_sync", "Contact")
    historical.objects.filter(pk=row.pk).update(subscription_status=OUT)
    historical.objects.bulk_create([historical(email=new, subscription_status=OUT)])
    plan = [(migrations.Migration("0002_import", "shop"), False)]
    after_migrate(using="default", plan=plan)
    assert log() == [(OUT, "PENDING")]
    assert log(new) == [(OUT, "PENDING")]


def test_where_migrate_had_nothing_to_do_nothing_is_looked_at(django_assert_num_queries):
    with django_assert_num_queries(0):
        after_migrate(using="default", plan=[])


@pytest.mark.django_db(transaction=True)
def test_migrate_completes_by_itself():
    write(contact(), subscription_status=OUT)
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes("conversion_sync")[0][1]
    call_command("migrate", "conversion_sync", "0009", verbosity=0)
    assert log() == []
    call_command("migrate", "conversion_sync", latest, verbosity=0)
    assert log() == [(OUT, "PENDING")]
