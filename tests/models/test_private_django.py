"""What models take of Django that is not public is as in the versions that it was tried with."""

import inspect
import tomllib
from pathlib import Path

import django
import pytest
from django.db import models

from tests.kit import contact, fresh

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
def test_each_save_of_a_row_goes_through_it_once(monkeypatch):
    row, passed, real = contact(), [], models.Model._do_update

    def do_update(self, base_qs, using, pk_val, values, *args):
        passed.append({field.attname for field, _, _ in values})
        return real(self, base_qs, using, pk_val, values, *args)

    monkeypatch.setattr(models.Model, "_do_update", do_update)
    row.title = "Chief"
    row.save()
    assert len(passed) == 1
    assert {"title", "revision"} <= passed[0]
    assert (fresh(row).title, fresh(row).revision) == ("Chief", 2)
