"""Conditions in JSON: built again, they say what they said."""

from __future__ import annotations

import datetime
import json

import pytest
from django.db.models import Exists, F, Q

from conversion_sync.models import Contact, Status
from conversion_sync.sync.jobs.selection import Unsayable, pack, unpack
from tests.kit import ANN, BOB, contact

CARL = "carl@x.example"


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (Q(), {ANN, BOB, CARL}),
        (Q(key=ANN), {ANN}),
        (~Q(key=ANN), {BOB, CARL}),
        (Q(key=ANN) | Q(first_name="Bob", sync_status=Status.PENDING), {ANN, BOB}),
        (~(Q(key=ANN) | ~Q(first_name="")), {CARL}),
        (Q(key__in=(ANN, BOB)) & ~Q(first_name="Bob"), {ANN}),
        (Q(key__in={BOB}), {BOB}),
        (Q(company=None) & Q(company__isnull=True), {ANN, BOB, CARL}),
        (Q(created_at__gt=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)), {ANN, BOB, CARL}),
        (Q(created_at__date__lt=datetime.date(2020, 1, 1)), set()),
        (Q(company__company_name="x") | Q(pk__gt=0), {ANN, BOB, CARL}),
    ],
)
@pytest.mark.django_db
def test_it_selects_the_same_rows_after_its_way_through_json(condition, found):
    contact(first_name="Ann")
    contact(BOB, first_name="Bob")
    contact(CARL)
    again = unpack(json.loads(json.dumps(pack(condition))))
    assert set(Contact.objects.filter(again).values_list("key", flat=True)) == found
    assert set(Contact.objects.filter(condition).values_list("key", flat=True)) == found


@pytest.mark.parametrize(
    "condition",
    [
        Q(key=F("email")),
        Q(Exists(Contact.unmarked.all())),
        Q(key="a") ^ Q(key="b"),
        Q(company__in=Contact.unmarked.none()),
        Q(key=b"a"),
    ],
)
def test_what_is_no_plain_value_is_refused(condition):
    with pytest.raises(Unsayable):
        pack(condition)
