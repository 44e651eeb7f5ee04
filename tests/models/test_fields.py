"""Columns, and the clock of the database."""

from __future__ import annotations

import datetime
import time
from typing import Any

import pytest
from django.db import connection, connections
from django.db.models import Case, F, Value, When
from django.db.models.functions import Coalesce, NullIf

from conversion_sync.models import Company, Contact, Engagement, SubscriptionChange, attributed
from conversion_sync.models.clock import DbNow, db_now
from conversion_sync.models.fields import KeyField
from tests.kit import ANN, MINUTE, company, contact, engagement, fresh, push

pytestmark = pytest.mark.django_db


def test_the_clock_of_the_database_is_aware_and_right():
    now = db_now("default")
    assert abs(now - datetime.datetime.now(datetime.UTC)) < 5 * MINUTE
    assert now.utcoffset() == datetime.timedelta(0)


def test_the_clock_of_the_database_does_not_stand_still_in_a_transaction():
    first = db_now("default")
    while db_now("default") == first:
        pass
    assert db_now("default") > first


def test_what_was_due_in_this_millisecond_is_due():
    """A time that was read and written again, against the clock of the database: no gap."""
    row = contact()
    table = Contact.unmarked.filter(pk=row.pk)
    end = time.monotonic() + 1.1  # a whole second is among its times
    while time.monotonic() < end:
        table.update(due_at=db_now("default"))
        assert table.filter(due_at__lte=DbNow()).exists()
        table.update(due_at=DbNow())
        assert table.filter(due_at__lte=db_now("default")).exists()


def test_a_clock_without_a_zone_is_taken_for_utc(monkeypatch):
    monkeypatch.setattr(connections["default"], "vendor", "another")
    assert abs(db_now("default") - datetime.datetime.now(datetime.UTC)) < 5 * MINUTE


def test_keys_differ_by_accent_and_case():
    for id in ("e", "E", "é", "è"):
        company(id)
    assert Company.objects.filter(key="e").count() == 1
    assert Company.objects.count() == 4


def test_a_key_is_compared_byte_by_byte_on_mysql(monkeypatch):
    monkeypatch.setattr(connections["default"], "vendor", "mysql")
    type = KeyField(max_length=9).db_parameters(connection)["type"]
    assert type == "varchar(9) COLLATE utf8mb4_bin"


def test_the_clock_of_mysql_is_that_in_utc(monkeypatch):
    monkeypatch.setattr(connections["default"], "vendor", "mysql")
    assert "UTC_TIMESTAMP(6)" in str(Contact.objects.due().query)


@pytest.mark.parametrize(
    ("entered", "kept"),
    [("acme.example", "https://acme.example"), ("http://a.example", "http://a.example")],
)
def test_a_web_address_that_is_entered_without_a_scheme_is_https(entered, kept):
    field = Company._meta.get_field("website").formfield()
    assert field.clean(entered) == kept


TEXTS = [
    (model, field.name)
    for model in (Company, Contact, Engagement, SubscriptionChange)
    for field in model._meta.concrete_fields
    if field.get_internal_type() in ("CharField", "EmailField", "URLField")
]


@pytest.mark.parametrize(("model", "name"), TEXTS, ids=str)
def test_a_column_of_text_may_stand_beside_a_text_in_an_expression(model, name):
    """As one of Django's ``CharField`` may: in its own table, and in a joined one."""
    engagement(contact(company=company(), subscription_status="UNSUBSCRIBED"))
    joined = {Company: f"contact__company__{name}", Contact: f"contact__{name}"}
    tables: list[tuple[Any, str]] = [(model, name), (Engagement, joined.get(model, "name"))]
    for table, path in tables:
        said = table.objects.values_list(
            path,
            Case(When(pk=0, then=Value("x")), default=F(path)),
            Coalesce(NullIf(Value("x"), Value("x")), path),
        )
        assert len(set(said.get())) == 1


def test_columns_of_text_are_updated_by_cases(conversion):
    row = contact(title="CEO ", first_name="Ann")
    Contact.objects.update(
        title=Case(When(title="CEO ", then=Value("CEO")), default=F("title")),
        subscription_status=Case(
            When(first_name="Ann", then=Value("UNSUBSCRIBED")), default=F("subscription_status")
        ),
    )
    push()
    assert conversion.contacts[ANN]["variables"]["title"] == fresh(row).title == "CEO"
    assert conversion.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"


# The subscription is written only where it was assigned since the instance was loaded


@pytest.fixture
def loaded() -> Contact:
    """Loaded while subscribed; somebody unsubscribed them since."""
    row: Contact = fresh(contact(subscription_status="SUBSCRIBED"))
    Contact.objects.update(subscription_status="UNSUBSCRIBED")
    return row


def status() -> str:
    return str(Contact.objects.get().subscription_status)


def said() -> str:
    """What was assigned last: while an opt-out stands, the log alone has it."""
    assert status() == "UNSUBSCRIBED"
    return str(SubscriptionChange.objects.latest("pk").status)


def test_a_status_that_was_only_loaded_is_not_written(loaded):
    loaded.first_name = "Ann"
    loaded.save()
    assert status() == "UNSUBSCRIBED"


def test_a_status_that_was_only_loaded_is_not_written_even_when_it_is_named(loaded):
    loaded.save(update_fields=["subscription_status"])
    assert status() == "UNSUBSCRIBED"


def test_a_status_that_was_assigned_is_written(loaded):
    loaded.subscription_status = "PENDING"
    loaded.save()
    assert said() == "PENDING"


def test_a_status_that_was_assigned_is_written_once(loaded):
    loaded.subscription_status = "SUBSCRIBED"
    loaded.save()
    Contact.objects.update(subscription_status="UNSUBSCRIBED")
    loaded.save()
    assert status() == "UNSUBSCRIBED"


def test_a_status_that_was_assigned_outlives_a_save_of_other_fields(loaded):
    loaded.subscription_status = "PENDING"
    loaded.save(update_fields=["first_name"])
    assert said() == "UNSUBSCRIBED"
    loaded.save()
    assert said() == "PENDING"


@pytest.mark.parametrize("fields", [None, ["subscription_status"]])
def test_a_status_that_was_read_anew_is_not_written(loaded, fields):
    loaded.subscription_status = "PENDING"
    loaded.refresh_from_db(fields=fields)
    loaded.save()
    assert status() == "UNSUBSCRIBED"


def test_a_status_that_was_assigned_outlives_the_reading_of_other_fields(loaded):
    loaded.subscription_status = "PENDING"
    loaded.refresh_from_db(fields=["first_name"])
    loaded.save()
    assert said() == "PENDING"


def test_a_status_that_was_deferred_and_then_read_is_not_written(loaded):
    part = Contact.objects.defer("subscription_status").get()
    assert part.subscription_status == "UNSUBSCRIBED"
    with attributed(override=True, reason="Asked."):
        Contact.objects.update(subscription_status="PENDING")
    part.save()
    assert status() == "PENDING"


def test_a_status_that_was_deferred_and_assigned_is_written(loaded):
    part = Contact.objects.defer("subscription_status").get()
    part.subscription_status = "SUBSCRIBED"
    part.save()
    assert said() == "SUBSCRIBED"


def test_the_status_that_a_contact_was_made_with_is_not_written_again():
    [row] = Contact.objects.bulk_create([Contact(email=ANN, subscription_status="SUBSCRIBED")])
    Contact.objects.update(subscription_status="UNSUBSCRIBED")
    row.first_name = "Ann"
    row.save()
    assert status() == "UNSUBSCRIBED"


def test_the_caller_may_leave_the_subscription_as_the_database_has_it(loaded):
    loaded.subscription_status = "SUBSCRIBED"
    loaded.keep_subscription()
    loaded.save()
    assert status() == "UNSUBSCRIBED"
