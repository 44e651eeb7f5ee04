"""Questions that are built once, and asked with other values."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from conversion_sync.models import Contact, Engagement
from conversion_sync.models.among import among
from conversion_sync.models.prepared import _statement, finds_any
from tests.kit import contact

pytestmark = pytest.mark.django_db


def either(using, pks, keys):
    rows = Contact.objects.using(using)
    return rows.filter(Q(among(pks)) | Q(among(keys, "key")), first_name="Ann").order_by()


def in_two_tables(using, pks):
    contacts = Contact.objects.using(using).filter(among(pks)).order_by().values_list("pk")
    engagements = Engagement.objects.using(using).filter(among(pks, "contact")).order_by()
    return contacts.union(engagements.values_list("pk"), all=True)


def test_each_value_is_in_its_place():
    ann, other = contact("ann@x.example", first_name="Ann"), contact("bob@x.example")
    for pks, keys, found in (
        ([ann.pk], ["x"], True),
        ([0], [ann.key], True),
        ([0, -1], ["x", "y", ann.key], True),
        ([0, -1], ["x", "y", "z"], False),
        ([other.pk], [other.key], False),
        ({other.pk, ann.pk}, {other.key}, True),
    ):
        assert finds_any(either, "default", pks, keys) is found
        assert either("default", pks, keys).exists() is found


def test_one_collection_may_be_asked_for_in_several_tables():
    row = contact()
    assert not finds_any(in_two_tables, "default", [row.pk + 1])
    assert finds_any(in_two_tables, "default", [row.pk + 1, row.pk])
    Engagement.objects.create(contact=row, name="x")
    Contact.unmarked.filter(pk=row.pk).update(first_name="y")
    assert finds_any(in_two_tables, "default", [row.pk])


def test_a_statement_is_built_once_and_brings_one_row():
    for number in range(5):
        contact(f"ann{number}@x.example", first_name="Ann")
    _statement.cache_clear()
    with CaptureQueriesContext(connection) as queries:
        for number in range(3):
            assert finds_any(either, "default", [0, number], [f"ann{number}@x.example"])
    assert len(queries) == 3
    assert _statement.cache_info().misses == 1
    assert all("LIMIT 1" in each["sql"] for each in queries)
