"""Two real q clusters at once on one database: everything arrives, once."""

from __future__ import annotations

import contextlib
import os
import random
import time

import pytest
from django.db import connection

from conversion_sync.models import (
    ApiCall,
    Company,
    Contact,
    Deletion,
    Engagement,
    Heartbeat,
    Status,
    SubscriptionChange,
    Wakeup,
)
from conversion_sync.queues.django_q import schedule_sweep
from conversion_sync.sandbox import Sandbox
from tests.databases.conftest import SECRET_KEY, wait_until

pytestmark = [pytest.mark.databases, pytest.mark.django_db(transaction=True)]

CONTACTS, COMPANIES, ENGAGEMENTS = 300, 60, 120


def test_these_tests_run_on_a_server():
    assert connection.vendor in ("postgresql", "mysql"), "set DATABASE_URL: make test-databases"


def waiting() -> bool:
    models = (Company, Contact, Deletion, SubscriptionChange, Engagement)
    return any(model.objects.waiting().exists() for model in models)


class Site:
    """People at work while the clusters send."""

    def __init__(self) -> None:
        self.chance = random.Random(8)
        self.number = 0
        self.opted_out: set[int] = set()
        self.acts = [self.edit, self.edit, self.edit, self.update, self.opt_out, self.key]
        self.acts += [self.delete, self.engage]

    def someone(self) -> Contact:
        pks = list(Contact.objects.values_list("pk", flat=True))
        row: Contact = Contact.objects.get(pk=self.chance.choice(pks))
        return row

    def act(self) -> None:
        self.number += 1
        self.chance.choice(self.acts)()

    def edit(self) -> None:
        row = self.someone()
        row.first_name = f"Edit {self.number}"
        row.save()

    def update(self) -> None:
        some = [self.someone().pk for _ in range(5)]
        Contact.objects.filter(pk__in=some).update(last_name=f"Update {self.number}")

    def opt_out(self) -> None:
        row = self.someone()
        row.subscription_status = "UNSUBSCRIBED"
        row.save()
        self.opted_out.add(row.pk)

    def key(self) -> None:
        row = self.someone()
        row.email = f"moved{self.number}@x.example"
        row.save()

    def delete(self) -> None:
        # Its engagements go with it, sent or not: those of the first contacts are counted.
        with contextlib.suppress(IndexError):
            row = self.someone()
            if not row.engagements.exists():
                row.delete()

    def engage(self) -> None:
        row = self.someone()
        Engagement.objects.create(contact=row, name=f"Act {self.number}", description="Yes.")


def test_two_clusters_at_once_deliver_everything_once(conversion: Sandbox, start_cluster, settings):
    settings.CONVERSION_SYNC = settings.CONVERSION_SYNC | {"QUEUE": "none"}
    clusters = {start_cluster(QUEUE_NAME="shared").pid for _ in range(2)}
    companies = Company.objects.bulk_create(
        Company(external_id=f"c{n}", company_name=f"Company {n}") for n in range(COMPANIES)
    )
    contacts = Contact.objects.bulk_create(
        Contact(
            email=f"p{n}@x.example",
            first_name=f"P {n}",
            company=companies[n % COMPANIES],
            subscription_status="SUBSCRIBED",
        )
        for n in range(CONTACTS)
    )
    Engagement.objects.bulk_create(
        Engagement(contact=contacts[n % 40], name=f"Call {n}", description="Yes.")
        for n in range(ENGAGEMENTS)
    )

    site, seen, end = Site(), set[int](), time.monotonic() + 120
    while site.number < 150 or seen != clusters:
        assert time.monotonic() < end, f"of {clusters}, only {seen} sent anything"
        site.act()
        ask_for_a_drain()
        seen |= who_is_sending() & clusters
        time.sleep(0.02)

    def all_sent() -> bool:
        ask_for_a_drain()
        time.sleep(0.2)
        return not waiting()

    wait_until(all_sent, 120, "rows still wait")

    rows = Contact.objects.select_related("company")
    assert set(conversion.contacts) == {row.key for row in rows}
    for row in rows:
        there = conversion.contacts[row.key]
        assert there["variables"].get("first_name") == row.first_name
        assert there["variables"].get("last_name", "") == row.last_name
        assert there["variables"].get("company_name") == row.company.company_name
        assert there["subscriptionStatus"] == row.subscription_status
    gone = site.opted_out & {row.pk for row in rows}
    assert gone
    assert all(row.subscription_status == "UNSUBSCRIBED" for row in rows if row.pk in gone)
    assert len(conversion.companies) == COMPANIES
    names = [record["name"] for record in conversion.engagements]
    assert sorted(names) == sorted(Engagement.objects.values_list("name", flat=True))
    assert set(Engagement.objects.values_list("sync_status", flat=True)) == {Status.SYNCED}
    assert not Contact.objects.unfinished().exists()
    assert not Deletion.objects.open().exists()


def ask_for_a_drain() -> None:
    """As a save does, in the queue of the clusters."""
    from django_q.brokers import get_broker
    from django_q.conf import Conf
    from django_q.models import OrmQ
    from django_q.tasks import async_task

    from conversion_sync.queues.django_q import DRAIN

    if OrmQ.objects.filter(key="shared").count() < 4:
        assert Conf.ORM == "default"
        with pytest.MonkeyPatch.context() as patch:
            # Tasks are signed: a cluster takes those of its own site alone.
            patch.setattr(Conf, "SECRET_KEY", SECRET_KEY)
            patch.setattr(Conf, "PREFIX", "shared")
            async_task(DRAIN, broker=get_broker("shared"))


def who_is_sending() -> set[int]:
    """The cluster of the worker that began the last drain: each has a process group of its own."""
    worker = Heartbeat.load("default").worker.rpartition(":")[2]
    with contextlib.suppress(ProcessLookupError, ValueError):
        return {os.getpgid(int(worker))}
    return set()


def test_several_clusters_find_one_sweep(start_cluster):
    from django_q.models import Schedule

    schedule_sweep("default")
    Contact.objects.create(email="ann@x.example")
    for _ in range(2):
        start_cluster()
    # Its own queue has no task: only the schedule can have it sent.
    wait_until(
        lambda: Contact.objects.get().sync_status == Status.SYNCED, 75, "the sweep did not come"
    )
    assert Schedule.objects.filter(name="conversion_sync sweep").count() == 1


def test_a_row_that_was_refused_once_is_sent_when_it_says_without_a_sweep(
    conversion: Sandbox, start_cluster, settings
):
    from django_q.models import Schedule

    settings.CONVERSION_SYNC = settings.CONVERSION_SYNC | {"QUEUE": "none"}
    Schedule.objects.all().delete()
    conversion.fail("html", status=503)
    start_cluster(QUEUE_NAME="shared", BACKOFF="4", SWEEP="cron")
    Contact.objects.create(email="ann@x.example")
    ask_for_a_drain()
    wait_until(lambda: Contact.objects.get().sync_status == Status.SYNCED, 60, "nobody came for it")
    refused, arrived = ApiCall.objects.order_by("pk")
    assert (refused.http_status, arrived.http_status) == (503, 200)
    planned = Wakeup.load("default").next_drain_at
    assert refused.started_at < planned <= arrived.started_at
    assert not Schedule.objects.exists()
