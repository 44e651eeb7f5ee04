"""Rows that are copied as Django's documentation says: the primary key is taken away, and saved."""

from __future__ import annotations

import copy
import pickle
from contextlib import suppress
from typing import Any

import pytest
from django.db import transaction

from conversion_sync.models import Contact, Engagement, Status, Subscription
from tests.kit import company, contact, engagement, push

pytestmark = pytest.mark.django_db

OUT = Subscription.UNSUBSCRIBED

WAYS = {
    "the same instance": lambda row: row,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda row: pickle.loads(pickle.dumps(row)),  # noqa: S301  # our own
}

each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def copied(row: Any, way: Any, **columns: Any) -> Any:
    new = way(row)
    new.pk = None
    new._state.adding = True
    for name, value in columns.items():
        setattr(new, name, value)
    return new


def save(row: Any) -> None:
    row.save()


def save_without_saying_that_it_is_new(row: Any) -> None:
    row._state.adding = False
    row.save()


def bulk_create(row: Any) -> None:
    type(row).objects.bulk_create([row])


def loaded(row: Contact) -> Contact:
    found: Contact = Contact.objects.get(pk=row.pk)
    return found


def saved(row: Contact) -> Contact:
    row = loaded(row)
    row.save()
    return row


def assigned(row: Contact) -> Contact:
    row = loaded(row)
    row.subscription_status = OUT
    row.save()
    return row


def read_again(row: Contact) -> Contact:
    assert assigned(row).subscription_status == OUT
    return row


@each_way
@pytest.mark.parametrize("before", [lambda row: row, loaded, saved, assigned, read_again])
@pytest.mark.parametrize("write", [save, save_without_saying_that_it_is_new, bulk_create])
def test_a_copy_has_the_subscription_and_is_in_the_log(way, before, write):
    row = before(contact("ann@x.example", first_name="Ann", subscription_status=OUT))
    write(copied(row, way, email="bob@x.example"))
    new = Contact.objects.get(email="bob@x.example")
    assert (new.first_name, new.subscription_status) == ("Ann", OUT)
    assert [change.status for change in new.subscription_changes.all()] == [OUT]
    first = Contact.objects.get(email="ann@x.example")
    assert [change.status for change in first.subscription_changes.all()] == [OUT]


@each_way
def test_its_state_is_that_of_a_new_row(conversion, way):
    row = contact("ann@x.example")
    push()
    row = Contact.objects.get()
    row.save()
    new = copied(row, way, email="bob@x.example")
    new.save()
    assert (new.sync_status, new.attempts, new.remote_id) == (Status.PENDING, 0, "")
    assert (new.claim, new.last_call, new.last_synced_at) == (None, None, None)
    push()
    assert sorted(conversion.contacts) == ["ann@x.example", "bob@x.example"]


@each_way
def test_copies_of_the_others_are_rows_of_their_own(conversion, way):
    first, person = company("C1", company_name="One"), contact()
    call = engagement(person)
    push()
    first.save()
    copied(first, way, external_id="C2").save()
    copied(Engagement.objects.get(pk=call.pk), way).save()
    push()
    assert sorted(conversion.companies) == ["C1", "C2"]
    assert len(conversion.engagements) == 2


@pytest.mark.django_db(transaction=True)
@each_way
def test_a_copy_follows_its_own_transaction(way):
    row = contact("ann@x.example")
    with suppress(ZeroDivisionError), transaction.atomic():
        row.subscription_status = OUT
        row.save()
        new = copied(copy.copy(row), way, email="bob@x.example")
        new.save()
        raise ZeroDivisionError
    for each in (row, new):
        each.save()
    assert {each.email: each.subscription_status for each in Contact.objects.all()} == {
        "ann@x.example": OUT,
        "bob@x.example": OUT,
    }


def test_a_column_that_was_deferred_can_not_be_copied():
    """As in Django, of which each release says so in its own way: nobody knows what it was."""
    contact(subscription_status=OUT)
    row = Contact.objects.defer("subscription_status").get()
    new = copied(row, copy.copy, email="bob@x.example")
    with pytest.raises((Contact.DoesNotExist, AttributeError)):
        new.save()
