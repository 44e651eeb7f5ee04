"""Questions that are built once, and asked with other values."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from conversion_sync.models import Contact, Engagement
from conversion_sync.models.among import among
from conversion_sync.models.prepared import _statement, prepared
from tests.kit import contact

pytestmark = pytest.mark.django_db


def either(using, pks, keys):
    rows = Contact.objects.using(using)
    return rows.filter(Q(among(pks)) | Q(among(keys, "key")), first_name="Ann").order_by()


def in_two_tables(using, pks):
    contacts = Contact.objects.using(using).filter(among(pks)).order_by().values_list("pk")
    engagements = Engagement.objects.using(using).filter(among(pks, "contact")).order_by()
    return contacts.union(engagements.values_list("pk"), all=True)


def answers(question, *values):
    with connection.cursor() as cursor:
        cursor.execute(*prepared(question, "default", *values))
        return sorted(row[0] for row in cursor.fetchall())


def test_each_value_is_in_its_place():
    ann, other = contact("ann@x.example", first_name="Ann"), contact("bob@x.example")
    for pks, keys, found in (
        ([ann.pk], ["x"], True),
        ([0], [ann.key], True),
        ([0, -1], ["x", "y", ann.key], True),
        ([0, -1], ["x", "y", "z"], False),
        ([other.pk], [other.key], False),
        ({other.pk, ann.pk}, {other.key}, True),
        ([], [ann.key], True),
        ([ann.pk], [], True),
    ):
        assert answers(either, pks, keys) == [ann.pk] * found
        assert list(Contact.objects.raw(*prepared(either, "default", pks, keys))) == [ann] * found
        assert list(either("default", pks, keys)) == [ann] * found


def test_one_collection_may_be_asked_for_in_several_tables():
    row = contact()
    assert answers(in_two_tables, [row.pk + 1]) == []
    call = Engagement.objects.create(contact=row, name="x")
    assert answers(in_two_tables, [row.pk + 1, row.pk]) == sorted([row.pk, call.pk])


def test_a_statement_is_built_once():
    for number in range(5):
        contact(f"ann{number}@x.example", first_name="Ann")
    _statement.cache_clear()
    with CaptureQueriesContext(connection) as queries:
        for number in range(3):
            assert len(answers(either, [0, -number], [f"ann{number}@x.example"])) == 1
    assert len(queries) == 3
    assert _statement.cache_info().misses == 1
