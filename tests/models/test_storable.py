"""What no database can keep, or JSON has no word for, breaks no save, and is never sent."""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from django.core import serializers
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext_lazy

from conversion_sync import signals
from conversion_sync.api.errors import ErrorCode
from conversion_sync.models import (
    Company,
    Contact,
    Engagement,
    Status,
    SubscriptionChange,
    attributed,
)
from conversion_sync.models.storable import (
    REPLACEMENT,
    is_storable_json,
    replacements,
    storable_json,
    storable_text,
)
from conversion_sync.status.messages import in_words
from tests.kit import (
    ANN,
    BOB,
    begin_savepoint,
    company,
    contact,
    engagement,
    fresh,
    later,
    log,
    push,
    sent,
    synced_contact,
)

pytestmark = pytest.mark.django_db

NAN, ENDLESS = float("nan"), float("-inf")
UTC = datetime.UTC


class Plan(str, Enum):  # noqa: UP042  # many a site has them
    PRO = "pro"


# Values


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("Ann", "Ann"),
        ("A\0n", "A\ufffdn"),
        ("\ud800", "\ufffd"),
        ("\udc00A\ud800", "\ufffdA\ufffd"),
        ("\ud83d\ude00", "\U0001f600"),
        ("\ud83d\ude00\ud83d", "\U0001f600\ufffd"),
        ("\U0001f600\ufffd", "\U0001f600\ufffd"),
    ],
)
def test_a_text_has_something_in_place_of_what_is_no_character(text, stored):
    assert storable_text(text) == stored


@pytest.mark.parametrize(
    ("value", "is_replaced"),
    [
        ("A\0n", True),
        ("\ud83d", True),
        ({"name": "A\0n"}, True),
        ({"n\0": 1}, True),
        ({"rate": NAN}, True),
        ({"Zürich": ["é", {"deep": ENDLESS}]}, True),
        ("Zürich", False),
        ("\ud83d\ude00", False),
        ({"city": "Zürich", "rate": 1.5, "seats": 3, "paid": True, "note": None}, False),
        ({"Zürich": ["\ud83d\ude00", 1.5]}, False),
    ],
)
def test_what_is_replaced_is_told_who_asks(value, is_replaced):
    with replacements() as found:
        storable_json(value)
    assert bool(found) is is_replaced
    assert is_storable_json(value) is not is_replaced
    with replacements() as found:
        pass
    assert not found


def test_of_rows_that_are_created_together_those_say_so_that_were_given_it():
    values = [{"city": "Zürich"}, {"city": "Z\0rich"}, {"rate": 1.5}, {"rate": NAN}]
    Contact.objects.bulk_create(
        Contact(email=f"c{n}@x.example", custom_variables=value) for n, value in enumerate(values)
    )
    failed = Contact.objects.filter(sync_status=Status.FAILED, last_error_code="UNSTORABLE")
    assert [*failed.order_by("pk").values_list("key", flat=True)] == [
        "c1@x.example",
        "c3@x.example",
    ]


KINDS: list[tuple[Any, Any]] = [
    (Decimal("12.50"), "12.50"),
    (datetime.date(2026, 2, 3), "2026-02-03"),
    (datetime.datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC), "2026-02-03T04:05:06Z"),
    (datetime.time(4, 5), "04:05:00"),
    (datetime.timedelta(hours=1), "P0DT01H00M00S"),
    (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    (gettext_lazy("Contact"), "Contact"),
    (Plan.PRO, "pro"),
    ((1, Decimal(2)), [1, "2"]),
    ({Plan.PRO: 1, gettext_lazy("Contact"): 2, 3: 4}, {"pro": 1, "Contact": 2, "3": 4}),
]


@pytest.mark.parametrize(("value", "written"), KINDS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("around", [lambda v: {"x": v}, lambda v: {"a": [{"x": v}]}], ids="fd")
def test_what_djangos_encoder_takes_is_stored_and_sent_as_it_writes_it(
    conversion, value, written, around
):
    row = contact(custom_variables=around(value), external_contact=around(value))
    acme, call = company(custom_variables=around(value)), engagement(row, data=around(value))
    assert fresh(row).custom_variables == fresh(row).external_contact == around(written)
    assert fresh(acme).custom_variables == around(written)
    Contact.objects.update(custom_variables=around(value))
    call.data = around(value)
    Engagement.objects.bulk_update([call], ["data"])
    push()
    assert {str(fresh(each).sync_status) for each in (row, acme, call)} == {Status.SYNCED}
    [[pushed]] = [body["contacts"] for body in sent(conversion)]
    assert pushed["variables"] == around(written)
    [body] = sent(conversion, "/contacts/engagements")
    assert body["data"].items() >= around(written).items()


@pytest.mark.parametrize(
    "value", [{1, 2}, b"bytes", object()], ids=lambda value: type(value).__name__
)
def test_what_djangos_encoder_does_not_take_is_said_to_who_wrote_it(value):
    with pytest.raises(TypeError):
        contact(custom_variables={"x": value})
    assert not Contact.objects.exists()


def test_a_value_that_holds_itself_is_said_to_who_wrote_it():
    value = dict[str, Any]()
    value["x"] = [value, value]
    with pytest.raises(ValueError, match="itself"):
        storable_json(value)
    twice = {"a": 1}
    assert storable_json([twice, twice]) == [twice, twice]


def test_a_lookup_takes_what_djangos_encoder_takes():
    row = contact(custom_variables={"price": Decimal("1.50")})
    assert Contact.objects.get(custom_variables__price=Decimal("1.50")) == row
    assert Contact.objects.get(custom_variables={"price": Decimal("1.50")}) == row


def test_a_form_of_the_sites_own_takes_what_the_encoder_takes():
    row = Contact(email=ANN, custom_variables={"price": Decimal("1.50"), "on": datetime.date.max})
    row.full_clean()


# What can't be stored


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": [value]}
    return value


BAD: dict[str, Any] = {
    "nan": NAN,
    "infinity": ENDLESS,
    "digits": -(10**5000),
    "nul": "a\0b",
    "half": "a\ud800b",
    "name": {"a\0": 1},
    "within": [{"x": ["\udfff"]}],
    "deep": deep(20),
    "deeper": deep(2000),
}

each_bad_value = pytest.mark.parametrize("bad", BAD.values(), ids=BAD)


def makers(bad: Any) -> dict[str, Callable[[], Any]]:
    def changed(row: Any, **values: Any) -> Any:
        for name, value in values.items():
            setattr(row, name, value)
        return row

    def saved(row: Any, **values: Any) -> Any:
        changed(row, **values).save()
        return row

    def updated(row: Any, **values: Any) -> Any:
        type(row).objects.filter(pk=row.pk).update(**values)
        return row

    def in_bulk(row: Any, **values: Any) -> Any:
        type(row).objects.bulk_update([changed(row, **values)], list(values))
        return row

    variables = {"x": bad}
    return {
        "create": lambda: contact(custom_variables=variables),
        "bulk_create": lambda: Contact.objects.bulk_create(
            [Contact(email=ANN, custom_variables=variables)]
        )[0],
        "save": lambda: saved(contact(), external_contact=variables),
        "update": lambda: updated(contact(), custom_variables=variables),
        "bulk_update": lambda: in_bulk(contact(), custom_variables=variables),
        "company": lambda: company(custom_variables=variables),
        "engagement": lambda: engagement(synced_contact(BOB), data=variables),
    }


def says(row: Any) -> tuple[str, str, Any]:
    found = fresh(row)
    return (found.sync_status, found.last_error_code, found.due_at)


FAILED = (Status.FAILED, ErrorCode.UNSTORABLE, None)


@pytest.mark.parametrize("how", makers(None))
@each_bad_value
def test_json_has_no_word_for_it_and_the_row_says_so(conversion, bad, how):
    row = makers(bad)[how]()
    assert says(row) == FAILED
    field = "data" if how == "engagement" else None
    field = field or ("external_contact" if how == "save" else "custom_variables")
    stored = getattr(fresh(row), field)
    assert REPLACEMENT in json.dumps(stored, ensure_ascii=False)
    words = in_words(fresh(row).last_error_message).lower()
    assert str(type(row)._meta.get_field(field).verbose_name) in words
    push()
    assert not [body for body in sent(conversion) if ANN in json.dumps(body)]
    assert not conversion.companies
    assert not conversion.engagements
    setattr(row, field, {"x": "well"})
    row.save()
    push()
    assert says(row) == (Status.SYNCED, "", None)
    assert REPLACEMENT not in str(conversion.calls)


TEXTS: list[Callable[[str], Any]] = [
    lambda bad: contact(first_name=bad),
    lambda bad: contact(linkedin_url=f"https://x.example/{bad}"),
    lambda bad: Contact.objects.bulk_create([Contact(email=ANN, phone=bad)])[0],
    lambda bad: company(company_name=bad),
    lambda bad: company(website=bad),
    lambda bad: engagement(synced_contact(BOB), name=bad),
    lambda bad: engagement(synced_contact(BOB), description=bad),
]


@pytest.mark.parametrize("make", TEXTS)
@pytest.mark.parametrize("bad", ["a\0b", "a\ud800b"], ids=["nul", "half"])
def test_a_text_that_cannot_be_stored_breaks_no_save(conversion, make, bad):
    row = make(bad)
    assert says(row) == FAILED
    push()
    assert ANN not in conversion.contacts
    assert not conversion.companies
    assert not conversion.engagements


def test_texts_of_several_rows_are_updated_and_each_of_them_says_so():
    rows = [contact(ANN), contact(BOB)]
    assert Contact.objects.filter(first_name="").update(first_name="a\0b", last_name="X") == 2
    assert [says(row) for row in rows] == [FAILED, FAILED]
    assert {fresh(row).first_name for row in rows} == {"a\ufffdb"}


def test_a_bulk_update_says_it_of_the_rows_at_fault_alone(conversion):
    bad, good = contact(ANN), contact(BOB)
    bad.first_name, good.first_name = "\ud800", "Bob"
    assert Contact.objects.bulk_update([bad, good], ["first_name"]) == 2
    push()
    assert says(bad) == FAILED
    assert fresh(good).sync_status == Status.SYNCED
    assert list(conversion.contacts) == [BOB]


def test_the_contacts_of_a_company_are_sent_with_the_name_that_it_had(conversion):
    acme = company(company_name="Acme")
    ann, bob = contact(company=acme), contact(BOB)
    push()
    acme.company_name = "A\0cme"
    acme.save()
    bob.company = acme
    bob.save()
    Contact.objects.filter(pk=ann.pk).update(title="CTO")
    push()
    assert says(acme) == FAILED
    assert conversion.contacts[ANN]["variables"] == {"title": "CTO", "company_name": "Acme"}
    assert "company_name" not in conversion.contacts[BOB]["variables"]
    acme.company_name = "Acme Ltd"
    acme.save()
    push()
    names = {key: each["variables"]["company_name"] for key, each in conversion.contacts.items()}
    assert names == {ANN: "Acme Ltd", BOB: "Acme Ltd"}
    assert REPLACEMENT not in str(sent(conversion))


# Keys


def test_an_email_with_half_a_character_breaks_neither_save_nor_lookup(conversion):
    half = "a\ud800nn@x.example"
    assert not Contact.objects.filter(email=half).exists()
    assert not Contact.objects.filter(email__iexact=half).exists()
    assert not Contact.objects.filter(email__in=[half, BOB]).exists()
    row, created = Contact.objects.get_or_create(email=half, subscription_status="UNSUBSCRIBED")
    assert created
    assert says(row) == FAILED
    assert Contact.objects.get_or_create(email=half)[1] is False
    push()
    assert not conversion.contacts
    row.email = ANN
    row.save()
    push()
    assert says(row) == (Status.SYNCED, "", None)
    assert list(conversion.contacts) == [ANN]
    assert conversion.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"


@pytest.mark.parametrize("how", ["save", "update", "bulk_update"])
def test_an_email_that_is_changed_to_half_a_character(conversion, how):
    row = synced_contact()
    half = "b\udfffob@x.example"
    match how:
        case "save":
            row.email = half
            row.save()
        case "update":
            Contact.objects.update(email=half)
        case _:
            row.email = half
            Contact.objects.bulk_update([row], ["email"])
    assert says(row) == FAILED
    row = fresh(row)
    row.email = BOB
    row.save()
    push()
    assert list(conversion.contacts) == [BOB]


def test_an_external_id_with_half_a_character_is_not_sent(conversion):
    row = company("C\ud8001")
    assert says(row) == FAILED
    assert Company.objects.get(external_id="C\ud8001") == row
    push()
    assert not conversion.companies


def test_a_nul_in_a_key_counts_for_nothing_as_before(conversion):
    row = contact("an\0n@x.example")
    push()
    assert (fresh(row).email, fresh(row).key) == (ANN, ANN)
    assert says(row) == (Status.SYNCED, "", None)


# Consent


def test_who_asked_and_why_breaks_no_opt_out(conversion):
    row = synced_contact()
    with attributed(requested_by="a\0b", source="\ud800", reason="\0\udfff"):
        row.subscription_status = "UNSUBSCRIBED"
        row.save()
    change = SubscriptionChange.objects.get()
    assert (change.requested_by, change.source) == ("a\ufffdb", "\ufffd")
    assert change.reason == "\ufffd\ufffd"
    push()
    assert log() == [("UNSUBSCRIBED", "SYNCED")]
    with attributed(requested_by="a\0b"):
        row.delete()
    push()
    assert not conversion.contacts


def test_an_opt_out_is_entered_and_sent_though_a_name_cannot_be_stored(conversion):
    row = synced_contact()
    row.first_name, row.subscription_status = "a\0", "UNSUBSCRIBED"
    row.save()
    assert says(row) == FAILED
    push()
    assert log() == [("UNSUBSCRIBED", "SYNCED")]
    assert conversion.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"


# How long it is remembered


@pytest.mark.parametrize("again", ["save", "mark", "sync_now", "update"])
def test_until_the_value_is_another_one_the_row_is_not_sent(conversion, again):
    row = fresh(contact(first_name="a\0"))
    match again:
        case "save":
            row.save()
        case "update":
            Contact.objects.update(last_name="Lee")
        case how:
            getattr(Contact.objects.all(), how)()
    push()
    assert says(row) == FAILED
    assert in_words(fresh(row).last_error_message).startswith("First name: ")
    assert not conversion.contacts
    Contact.objects.update(first_name="Ann")
    push()
    assert says(row) == (Status.SYNCED, "", None)


def test_it_is_remembered_of_a_row_that_was_in_flight(conversion, in_flight):
    row = synced_contact()
    row.title = "CTO"
    row.save()
    in_flight(lambda: Contact.objects.update(first_name="a\0"))
    push()
    assert conversion.contacts[ANN]["variables"] == {"title": "CTO"}
    later()
    push()
    assert says(row) == FAILED
    assert REPLACEMENT not in str(sent(conversion))


def test_a_save_that_was_rolled_back_leaves_nothing_behind(conversion):
    row = contact()
    with transaction.atomic():
        savepoint = begin_savepoint()
        row.first_name = "a\0"
        row.save()
        transaction.savepoint_rollback(savepoint)
    push()
    assert says(row) == (Status.SYNCED, "", None)


def test_a_replacement_that_was_given_is_a_character_like_any_other(conversion):
    row = contact(first_name="A\ufffd")
    push()
    assert says(row) == (Status.SYNCED, "", None)
    assert conversion.contacts[ANN]["variables"]["first_name"] == "A\ufffd"


@pytest.mark.django_db(transaction=True)
def test_the_site_is_told_after_the_commit():
    heard = list[Any]()

    def hear(sender: Any, pks: list[int], **more: Any) -> None:
        heard.append((sender, pks))

    signals.row_failed.connect(hear)
    try:
        with transaction.atomic():
            row = contact(first_name="\0")
            assert not heard
        contact(BOB)
    finally:
        signals.row_failed.disconnect(hear)
    assert heard == [(Contact, [row.pk])]


@pytest.mark.parametrize("kind", [Contact, Company, Engagement])
def test_a_fixture_is_loaded_and_its_rows_say_so(conversion, kind):
    """As one that was written from SQLite is loaded into PostgreSQL."""
    ann = contact()
    rows: list[Any] = [ann, company(), engagement(ann)]
    [row] = [row for row in rows if isinstance(row, kind)]
    bad: dict[Any, tuple[str, Any]] = {
        Contact: ("first_name", "a\0"),
        Company: ("custom_variables", {"x": NAN}),
        Engagement: ("name", "\ud800"),
    }
    setattr(row, *bad[kind])
    for each in serializers.deserialize("python", serializers.serialize("python", [row])):
        each.save()
    assert says(row) == FAILED
    assert in_words(fresh(row).last_error_message)
    push()
    assert REPLACEMENT not in str(conversion.calls)


def test_an_engagement_of_a_fixture_that_was_sent_is_not_sent_again(conversion):
    row = engagement(contact())
    push()
    row = fresh(row)
    row.name = "a\0"
    for each in serializers.deserialize("python", serializers.serialize("python", [row])):
        each.save()
    assert says(row) == (Status.SYNCED, "", None)


@pytest.mark.django_db(transaction=True)
def test_a_data_migration_writes_what_djangos_encoder_takes():
    executor = MigrationExecutor(connection)
    historical = executor.loader.project_state(
        [("conversion_sync", "0016_json_as_django_writes_it")]
    ).apps.get_model("conversion_sync", "Contact")
    row = historical.objects.create(email=ANN, custom_variables={"price": Decimal("1.50")})
    assert Contact.objects.get(pk=row.pk).custom_variables == {"price": "1.50"}
