"""The verdict for those who pass by: the same in its gist, at a cost that does not grow."""

from __future__ import annotations

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversion_sync.models import Contact, Engagement
from conversion_sync.models.clock import db_now
from conversion_sync.status.facts import facts
from conversion_sync.status.glance import glance
from conversion_sync.status.overview import overview
from conversion_sync.status.verdict import verdict
from conversion_sync.sync.gate import Gate

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("conversion")]


def whole():
    return verdict(facts(overview(), "default"))


def test_a_pause_and_how_many_rows_wait_are_said_as_on_the_dashboard():
    Contact.objects.create(email="ann@x.example")
    Gate().pause("anna")
    assert glance("default") == whole()
    assert "1 row waits" in glance("default").words


def test_that_nobody_is_sending_is_said_too():
    Contact.objects.create(email="ann@x.example")
    Contact.unmarked.update(due_at=db_now("default") - datetime.timedelta(days=1))
    assert glance("default") == whole()
    assert not glance("default").is_good


def test_rows_that_need_a_person_are_counted_but_not_what_waits_for_them():
    ann = Contact.objects.create(email="ann@x.example")
    Engagement.objects.create(contact=ann, name="Call", description="Talked")
    Contact.unmarked.update(sync_status="FAILED", due_at=None)
    assert glance("default").words == "1 row needs a person."


def test_what_it_reads_does_not_grow_with_the_rows():
    reads = []
    for number in range(2):
        for each in range(4 * number):
            Contact.objects.create(email=f"{each}@x.example")
        Contact.unmarked.filter(email__startswith="1").update(sync_status="FAILED", due_at=None)
        with CaptureQueriesContext(connection) as queries:
            glance("default")
        reads.append([q["sql"] for q in queries])
    assert len(reads[0]) == len(reads[1]) <= 13
    counts = [sql for sql in reads[1] if "COUNT(" in sql]
    assert counts
    assert all("LIMIT" in sql for sql in counts)
    assert all(sql.startswith("SELECT") for sql in reads[1])
