"""Models of a site that inherit from one of ours: a child with a table of its own, and a proxy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, models
from django.test.utils import isolate_apps

from conversion_sync.models import Contact, Engagement, Status, SubscriptionChange
from tests.kit import ANN, BOB, fresh, push

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module", autouse=True)  # before the transaction of a test
def member(django_db_setup: None, django_db_blocker: Any) -> Iterator[Any]:
    """A child of Contact with a column of its own."""
    with isolate_apps("conversion_sync"):

        class Member(Contact):
            level = models.CharField(max_length=20, default="")

            class Meta:
                app_label = "conversion_sync"

    with django_db_blocker.unblock():
        with connection.schema_editor() as editor:
            editor.create_model(Member)
        yield Member
        with connection.schema_editor() as editor:
            editor.delete_model(Member)


@pytest.fixture
def proxy() -> Any:
    with isolate_apps("conversion_sync"):

        class Customer(Contact):
            class Meta:
                app_label = "conversion_sync"
                proxy = True

    return Customer


@pytest.fixture(params=["member", "proxy"])
def model(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def variable(conversion: Any, email: str = ANN) -> Any:
    return conversion.contacts[email]["variables"].get("first_name")


def test_it_is_created_edited_and_deleted_as_a_contact(conversion, model):
    created = model.objects.create(email=ANN, first_name="Ann")
    push()
    assert variable(conversion) == "Ann"
    for row in (created, model.objects.get()):
        row.first_name += "a"
        row.save()
        assert fresh(Contact.objects.get()).sync_status == Status.PENDING
        push()
        assert variable(conversion) == row.first_name
    created.delete()
    push()
    assert ANN not in conversion.contacts
    assert not Contact.objects.exists()


def test_its_own_columns_are_kept_and_cost_no_call(conversion, member):
    row = member.objects.create(email=ANN, level="gold")
    push()
    calls = len(conversion.calls)
    row.level = "silver"
    row.save()
    member.objects.filter(level="silver").update(level="bronze")
    push()
    assert member.objects.get().level == "bronze"
    assert fresh(Contact.objects.get()).sync_status == Status.SYNCED
    assert len(conversion.calls) == calls


def test_an_update_of_many_is_sent(conversion, model):
    model.objects.create(email=ANN)
    push()
    model.objects.filter(email=ANN).update(first_name="Ann")
    assert Contact.objects.get().sync_status == Status.PENDING
    push()
    assert variable(conversion) == "Ann"


def test_an_update_of_both_tables_is_sent(conversion, member):
    member.objects.create(email=ANN)
    push()
    member.objects.filter(level="").update(level="gold", first_name="Ann")
    push()
    assert member.objects.get().level == "gold"
    assert variable(conversion) == "Ann"


def test_its_email_changes_its_key_however_it_is_written(conversion, model):
    row = model.objects.create(email=ANN, first_name="Ann")
    push()
    row.email = BOB
    row.save()
    push()
    assert list(conversion.contacts) == [BOB]
    model.objects.filter(email=BOB).update(email=ANN)
    push()
    assert list(conversion.contacts) == [ANN]


def test_its_consent_is_logged_and_sent(conversion, model):
    row = model.objects.create(email=ANN)
    push()
    row.subscription_status = "UNSUBSCRIBED"
    row.save()
    push()
    assert SubscriptionChange.objects.get().contact_id == row.pk
    assert conversion.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"
    other = model.objects.create(email=BOB)
    model.objects.filter(pk=other.pk).update(subscription_status="UNSUBSCRIBED")
    push()
    assert conversion.contacts[BOB]["subscriptionStatus"] == "UNSUBSCRIBED"


def test_any_spelling_of_its_email_finds_it(model):
    row = model.objects.create(email="Ann@X.example")
    assert model.objects.get_or_create(email="ann@x.EXAMPLE") == (row, False)


def test_events_are_sent_of_it(conversion, model):
    row = model.objects.create(email=ANN)
    Engagement.objects.create(contact=row, name="Call", description="We talked.")
    push()
    assert len(conversion.engagements) == 1


def test_many_of_a_proxy_are_created_at_once(conversion, proxy):
    proxy.objects.bulk_create([proxy(email=ANN), proxy(email=BOB)])
    push()
    assert set(conversion.contacts) == {ANN, BOB}


def test_a_child_that_is_deleted_alone_leaves_its_contact(conversion, member):
    row = member.objects.create(email=ANN, first_name="Ann")
    push()
    row.delete(keep_parents=True)
    push()
    assert not member.objects.exists()
    assert Contact.objects.get().sync_status == Status.SYNCED
    assert variable(conversion) == "Ann"


def test_one_that_was_deleted_meanwhile_is_not_brought_back(conversion, model):
    row = model.objects.create(email=ANN)
    model.objects.get().delete()
    with pytest.raises(Exception, match=r"not exist|did not affect any rows"):
        row.save()
    assert not Contact.objects.exists()
