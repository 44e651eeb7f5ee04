"""Values that Python takes for equal, and JSON does not, are changes: they arrive."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command

from conversion_sync.api.canonical import canonical
from conversion_sync.models import Company, Contact, Status
from tests.kit import ANN, EQUAL_BUT_DIFFERENT, company, fresh, push, synced_contact

pytestmark = pytest.mark.django_db

Write = Callable[..., object]


def by_save(row: Any, **columns: Any) -> None:
    for name, value in columns.items():
        setattr(row, name, value)
    row.save()


def by_update(row: Any, **columns: Any) -> None:
    type(row).objects.filter(pk=row.pk).update(**columns)


def by_bulk_update(row: Any, **columns: Any) -> None:
    for name, value in columns.items():
        setattr(row, name, value)
    type(row).objects.bulk_update([row], [*columns])


@pytest.mark.parametrize("write", [by_save, by_update, by_bulk_update])
@pytest.mark.parametrize(("before", "after"), EQUAL_BUT_DIFFERENT)
def test_a_contacts_change_arrives(conversion, before, after, write: Write):
    row = synced_contact(custom_variables={"x": before}, external_contact={"y": before})
    write(row, custom_variables={"x": after}, external_contact={"y": after})
    push()
    # As the database has it: PostgreSQL keeps no exponents.
    row = fresh(row)
    remote = conversion.contacts[ANN]
    assert canonical(remote["variables"]) == canonical(row.custom_variables)
    assert canonical(remote["externalContact"]) == canonical(row.external_contact)
    assert row.sync_status == Status.SYNCED


@pytest.mark.parametrize(("before", "after"), EQUAL_BUT_DIFFERENT)
def test_a_companys_change_arrives(conversion, before, after):
    row = company(custom_variables={"x": before})
    push()
    by_save(row, custom_variables={"x": after})
    push()
    row = Company.objects.get()
    assert canonical(conversion.companies["C1"]["variables"]) == canonical(row.custom_variables)


@pytest.mark.parametrize(("before", "after"), EQUAL_BUT_DIFFERENT)
def test_what_raw_sql_changed_is_found_and_pushed(conversion, before, after):
    row = synced_contact(custom_variables={"x": before})
    Contact.unmarked.update(custom_variables={"x": after})
    said = io.StringIO()
    if canonical(fresh(row).custom_variables) == canonical({"x": before}):
        # PostgreSQL keeps 1e22 and its digits as one number: there is nothing to be found.
        call_command("conversion_verify", "--push", stdout=said)
        return
    with pytest.raises(SystemExit):
        call_command("conversion_verify", "--push", stdout=said, stderr=io.StringIO())
    assert said.getvalue().startswith(f"{ANN}: x: ")
    push()
    assert canonical(conversion.contacts[ANN]["variables"]) == canonical(
        fresh(row).custom_variables
    )


def test_what_is_the_same_on_the_wire_is_not_sent_again(conversion):
    row = synced_contact(custom_variables={"a": 1, "b": [1.0, True]})
    by_save(row, custom_variables={"b": [1.0, True], "a": 1})
    assert push().calls == 0
    assert fresh(row).sync_status == Status.SYNCED
