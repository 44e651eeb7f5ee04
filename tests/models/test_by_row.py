"""Values by row in one UPDATE: each arrives as an UPDATE of its own writes it."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

import pytest
from django.db import DataError, connection, transaction

from conversion_sync.models import Contact, Deletion, SubscriptionChange, SyncedModel
from conversion_sync.models.by_row import update_by_row
from tests.kit import contact, fresh

pytestmark = pytest.mark.django_db

TIME = datetime.datetime(2024, 2, 29, 23, 59, 59, 999999, datetime.UTC)

TEXTS = [
    "",
    "0",
    "null",
    "NULL",
    "it's",
    'say "so"',
    "back\\slash \\' \\\" \\u0041 \\x41",
    "100 % %s %(a)s {} $1 ?",
    '{"a": 1}',
    "[1, 2]",
    "{1,2}",
    "a\nb\r\n\tc",
    "\N{GRINNING FACE}\N{LATIN SMALL LETTER E WITH ACUTE} e\N{COMBINING ACUTE ACCENT}",
    "\N{ZERO WIDTH SPACE}\N{RIGHT-TO-LEFT OVERRIDE}\N{NO-BREAK SPACE} ",
    "x" * 255,
]

JSON: list[Any] = [
    None,
    {},
    [],
    0,
    1,
    1.5,
    10**15,
    True,
    False,
    "",
    "text",
    "null",
    {"a": None, "b": [1, 1.0, True, {"c": "d'\"\\"}], "": {"\N{GRINNING FACE}": "\n"}},
    {"long": "x" * 100_000},
    *TEXTS,
]

VALUES: dict[str, tuple[type[SyncedModel], list[Any]]] = {
    "sent_payload": (Contact, JSON),
    "custom_variables": (Contact, [value for value in JSON if value is not None]),
    "remote_id": (Contact, TEXTS),
    "last_error_message": (Contact, [*TEXTS, "y" * 100_000]),
    "address": (SubscriptionChange, TEXTS),
    "last_attempt_at": (
        Contact,
        [None, TIME, TIME.replace(microsecond=0), TIME.replace(year=2000)],
    ),
    "attempts": (Contact, [0, 1, 32767]),
    "synced_revision": (Contact, [0, 1, 2**62]),
    "claim": (Contact, [None, uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)]),
    "only_asks": (Deletion, [True, False]),
}


def rows_of(model: type[SyncedModel], count: int) -> list[int]:
    """The primary keys of new rows."""
    if model is Contact:
        made: list[Any] = [Contact(email=f"c{n}@x.example") for n in range(count)]
    elif model is Deletion:
        made = [Deletion(kind="contact", key=f"d{n}@x.example") for n in range(count)]
    else:
        made = [SubscriptionChange(address=f"s{n}@x.example") for n in range(count)]
    return [row.pk for row in model.unmarked.bulk_create(made)]


def stored(model: type[SyncedModel], name: str) -> dict[int, Any]:
    """What the database has in the column, before Django makes anything of it."""
    field: Any = model._meta.get_field(name)
    table, column = model._meta.db_table, field.column
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id, {column} FROM {table} ORDER BY id")  # noqa: S608  # names of ours
        return dict(cursor.fetchall())


def write_each(model: type[SyncedModel], name: str, values: dict[int, Any]) -> None:
    """Write the values as Django does, in an UPDATE each."""
    for pk, value in values.items():
        model.unmarked.filter(pk=pk).update(**{name: value})


@pytest.mark.parametrize("name", VALUES)
def test_each_value_is_stored_as_an_update_of_its_own_stores_it(name, django_assert_num_queries):
    model, values = VALUES[name]
    given = dict(zip(rows_of(model, len(values)), values, strict=True))
    write_each(model, name, given)
    expected = stored(model, name)
    write_each(model, name, dict.fromkeys(given, values[-1]))
    with django_assert_num_queries(1):
        assert update_by_row(model.unmarked.all(), list(given), {}, {name: given}) == len(given)
    assert stored(model, name) == expected


@pytest.mark.skipif(connection.vendor == "postgresql", reason="It has no NUL.")
def test_a_nul_is_stored_as_django_stores_it():
    [pk] = rows_of(Contact, 1)
    write_each(Contact, "remote_id", {pk: "a\0b"})
    expected = stored(Contact, "remote_id")
    update_by_row(Contact.unmarked.all(), [pk], {}, {"remote_id": {pk: "a\0b"}})
    assert stored(Contact, "remote_id") == expected == {pk: "a\0b"}


@pytest.mark.skipif(connection.vendor == "sqlite", reason="It knows no lengths.")
def test_what_is_too_long_is_refused_and_not_cut_off():
    [pk] = rows_of(Contact, 1)
    with pytest.raises(DataError), transaction.atomic():
        update_by_row(Contact.unmarked.all(), [pk], {}, {"remote_id": {pk: "x" * 256}})


def test_several_columns_and_what_all_share_are_one_statement(django_assert_num_queries):
    one, two, three = (contact(f"{name}@x.example") for name in ("one", "two", "three"))
    with django_assert_num_queries(1):
        update_by_row(
            Contact.unmarked.all(),
            [one.pk, two.pk],
            {"sync_status": "SENDING", "claim": uuid.UUID(int=7)},
            {
                "remote_id": {one.pk: "1", two.pk: "2"},
                "sent_payload": {one.pk: {"a": 1}, two.pk: None},
                "last_attempt_at": {one.pk: TIME, two.pk: None},
            },
        )
    found = [fresh(row) for row in (one, two, three)]
    assert [row.remote_id for row in found] == ["1", "2", ""]
    assert [row.sent_payload for row in found] == [{"a": 1}, None, None]
    assert [row.last_attempt_at for row in found] == [TIME, None, None]
    assert [row.sync_status for row in found] == ["SENDING", "SENDING", "PENDING"]


def test_a_row_without_a_value_of_its_own_keeps_what_is_there():
    one, two = contact("one@x.example", title="One"), contact("two@x.example", title="Two")
    own = {"title": {one.pk: "", two.pk + 1000: "None"}, "phone": {}}
    assert update_by_row(Contact.unmarked.all(), [one.pk, two.pk], {"attempts": 3}, own) == 2
    found = [fresh(row) for row in (one, two)]
    assert [(row.title, row.attempts) for row in found] == [("", 3), ("Two", 3)]


def test_of_no_rows_there_is_no_statement(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert update_by_row(Contact.unmarked.all(), [], {"attempts": 1}, {}) == 0


def test_many_rows_have_each_their_own():
    pks = rows_of(Contact, 1000)
    own = {pk: {"number": pk} for pk in pks}
    assert update_by_row(Contact.unmarked.all(), pks, {}, {"sent_payload": own}) == 1000
    assert dict(Contact.unmarked.values_list("pk", "sent_payload")) == own
