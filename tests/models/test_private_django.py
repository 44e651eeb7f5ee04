"""What models take of Django that is not public is as in the versions that it was tried with."""

import inspect
import tomllib
from pathlib import Path
from typing import Any

import django
import pytest
from django.db import models
from django.db.models import Value
from django.db.models.functions import Coalesce
from django.db.models.signals import post_save, pre_save

from conversion_sync.models import Contact
from conversion_sync.models.listeners import anybody_listens
from tests.kit import BOB, contact, fresh

#: The first and the last version whose ``_do_update`` is known to be what a save goes through.
FIRST, LAST = (5, 2), (6, 1)

#: Its arguments before Django 6.0, and since.
BEFORE = ["self", "base_qs", "using", "pk_val", "values", "update_fields", "forced_update"]
SINCE = [*BEFORE, "returning_fields"]


def test_only_versions_that_were_tried_are_taken():
    root = Path(__file__).resolve().parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    after = (LAST[0], LAST[1] + 1)
    assert "django>={}.{},<{}.{}".format(*FIRST, *after) in project["dependencies"]
    assert FIRST <= django.VERSION[:2] <= LAST


def test_the_update_of_a_save_has_the_arguments_that_are_passed_on():
    found = list(inspect.signature(models.Model._do_update).parameters)
    assert found == (SINCE if django.VERSION >= (6, 0) else BEFORE)


@pytest.mark.django_db
@pytest.mark.parametrize("columns", [{"title": "Chief"}, {"email": BOB}])
def test_each_save_of_a_row_goes_through_it_once(monkeypatch, columns):
    row, passed, real = fresh(contact()), [], Contact._do_update

    def do_update(self, base_qs, using, pk_val, values, *args):
        passed.append({field.attname for field, _, _ in values})
        return real(self, base_qs, using, pk_val, values, *args)

    monkeypatch.setattr(Contact, "_do_update", do_update)
    for name, value in columns.items():
        setattr(row, name, value)
    row.save()
    # Where the first one finds that the row is not as it has to be, the next is under its lock.
    assert len(passed) == (1 if "title" in columns else 2)
    assert all({"title", "email"} <= names for names in passed)
    assert fresh(row).revision == 2


@pytest.mark.django_db(transaction=True)
def test_each_creation_of_a_row_goes_through_one_insert(monkeypatch):
    passed, real = [], Contact._do_insert

    def do_insert(self, manager, using, fields, returning_fields, raw):
        passed.append({field.attname for field in fields})
        assert Contact._meta.pk in returning_fields
        return real(self, manager, using, fields, returning_fields, raw)

    monkeypatch.setattr(Contact, "_do_insert", do_insert)
    row = contact()
    assert len(passed) == 1
    assert {"email", "key", "due_at"} <= passed[0]
    assert fresh(row).pk == row.pk


def test_receivers_can_be_told_from_each_other():
    def hear(**kwargs):
        pass

    assert not anybody_listens(Contact)
    for signal in (pre_save, post_save):
        for sender in (Contact, None):
            signal.connect(hear, sender=sender)
            assert anybody_listens(Contact)
            signal.disconnect(hear, sender=sender)
    assert not anybody_listens(Contact)


def test_what_a_column_counts_as_is_asked_of_its_expression():
    column: Any = Contact._meta.get_field("title").get_col("another")
    assert type(column.output_field) is not type(column._output_field_or_none) is models.CharField
    assert Coalesce(column, Value("x")).output_field is column._output_field_or_none
