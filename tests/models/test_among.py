"""Rows that are found by their primary keys."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversion_sync.models import Contact, Engagement
from conversion_sync.models.among import among
from tests.kit import contact, engagement

pytestmark = pytest.mark.django_db


def rows() -> list[Contact]:
    return [contact(f"c{n}@x.example") for n in range(4)]


def test_it_finds_what_django_finds_with_the_same_statement():
    first, second, *_ = rows()
    pks = [second.pk, first.pk, second.pk, -1]
    with CaptureQueriesContext(connection) as captured:
        found = [*Contact.unmarked.filter(among(pks)).order_by("pk")]
        assert found == [*Contact.unmarked.filter(pk__in=pks).order_by("pk")]
    assert found == [first, second]
    ours, djangos = (query["sql"] for query in captured)
    assert ours == djangos


def test_of_a_reference_it_finds_those_that_have_it():
    first, second, *_ = rows()
    call = engagement(first)
    engagement(second)
    assert [*Engagement.unmarked.filter(among([first.pk], "contact"))] == [call]


def test_it_goes_with_other_conditions_and_changes():
    first, second, *others = rows()
    these = Contact.unmarked.filter(among([first.pk, second.pk]), key="c0@x.example")
    assert these.update(title="Engineer") == 1
    assert Contact.unmarked.filter(title="Engineer").get() == first
    assert set(Contact.unmarked.exclude(among([first.pk, second.pk]))) == set(others)


def test_of_none_there_is_no_statement(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert [*Contact.unmarked.filter(among([]))] == []
