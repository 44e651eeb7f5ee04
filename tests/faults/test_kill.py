"""kill -9: processes of real q clusters at random, and at each step of a delivery."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django_q.models import OrmQ

from conversion_sync.models import (
    Company,
    Contact,
    Engagement,
    SubscriptionChange,
)
from conversion_sync.queues import django_q
from conversion_sync.sandbox import Sandbox
from conversion_sync.sync.drain import drain
from conversion_sync.sync.payloads import company_payload, confirmed, contact_payload
from tests.faults.conftest import API_KEY, Configure
from tests.faults.kill_clusters import ROOT, Clusters
from tests.faults.kit import (
    ENGAGEMENT,
    LANES,
    LONG,
    MARKS,
    MODELS,
    Lane,
    in_flight,
    later,
    now,
    say,
    until_idle,
)
from tests.faults.test_rate import database_url

pytestmark = [
    *MARKS,
    pytest.mark.skipif(
        not Path("/proc/self/stat").exists() or connection.vendor == "mysql",
        reason="Kills what it finds in /proc, on SQLite and PostgreSQL.",
    ),
]

CONTACTS, COMPANIES, EVENTS, KILLS = (7_000, 500, 2_500, 100) if LONG else (1_000, 100, 400, 15)

#: Calls that a worker makes at once.
CONCURRENCY = 4


def environment(box: Sandbox) -> dict[str, str]:
    """Of a process that sends to the sandbox from the test's own database."""
    return {name: value for name, value in os.environ.items() if name != "REDIS_URL"} | {
        "DJANGO_SETTINGS_MODULE": "tests.faults.kill_settings",
        "IGNORE_DOT_ENV": "1",
        # Tasks are signed with it.
        "SECRET_KEY": settings.SECRET_KEY,
        "DEBUG": "0",
        "DATABASE_URL": database_url(),
        "CONVERSION_API_KEY": API_KEY,
        "CONVERSION_BASE_URL": box.base_url,
    }


# --- At each step of a delivery ---------------------------------------------------------------

STEPS = (
    "claimed",
    "before-call",
    "after-call",
    "before-settling",
    "before-commit",
    "settled",
)
DONE = frozenset(STEPS[2:])


@pytest.fixture
def die(box: Sandbox) -> Iterator[Callable[[str, str], int]]:
    """Have a process drain, and die at a step of a model's delivery; the signal that ended it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.kill_steps"],
        cwd=ROOT,
        env=environment(box),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout
    assert stdout.readline() == "ready\n"

    def order(model: str, step: str) -> int:
        stdin.write(f"{model} {step}\n")
        stdin.flush()
        return int(stdout.readline())

    yield order
    process.communicate()


@pytest.mark.parametrize("lane", LANES, ids=str)
def test_a_worker_that_dies_at_any_step_loses_nothing_and_doubles_nothing(
    lane: Lane, die: Callable[[str, str], int], box: Sandbox
):
    for step in STEPS:
        box.reset()
        for model in MODELS:
            model.unmarked.all().delete()
        row = lane.make()
        calls = lane.calls(box)

        assert die(type(row).__name__, step) == 9, step

        assert lane.calls(box) - calls == (step in DONE), step
        drain(1.0)
        # While the lease lasts, nobody else takes the row.
        assert lane.calls(box) - calls == (step in DONE), step
        assert in_flight() == (step != "settled"), step
        later(100)
        until_idle()
        assert in_flight() == 0
        if lane is ENGAGEMENT and step != "settled":
            assert now(row).sync_status == "UNCONFIRMED"
            assert lane.done(box) == (step in DONE)
            continue
        assert now(row).sync_status == "SYNCED"
        assert lane.done(box) == 1
        # Nothing is sent twice that was settled.
        assert lane.calls(box) - calls == (2 if step in DONE - {"settled"} else 1), step


# --- At random --------------------------------------------------------------------------------

ACTS = (
    *("edit", "edit", "bulk_edit", "blank", "delete", "move", "move", "swap"),
    *("opt_out", "subscribe", "company", "event"),
)


class World:
    """Staff, a site and its visitors, who change rows while processes die."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.number = 0
        self.done = Counter[str]()
        #: Who opted out, and under which addresses.
        self.out: set[int] = set()
        #: Addresses of people who opted out there, and were then deleted.
        self.left: set[str] = set()

    def next(self) -> int:
        self.number += 1
        return self.number

    def populate(self) -> None:
        companies = Company.objects.bulk_create(
            Company(external_id=f"c-{n}", company_name=f"Company {n}") for n in range(COMPANIES)
        )
        contacts = Contact.objects.bulk_create(
            Contact(
                email=f"p{n}@x.example",
                first_name=f"First {n}",
                company=companies[n % COMPANIES] if n % 3 else None,
                subscription_status="SUBSCRIBED" if n % 10 == 0 else "",
            )
            for n in range(CONTACTS)
        )
        self.engage(self.chance.sample(contacts, EVENTS))

    def engage(self, contacts: list[Contact]) -> None:
        Engagement.objects.bulk_create(
            Engagement(contact=contact, name="Event", description=f"event {self.next()}")
            for contact in contacts
        )

    def some(self, most: int) -> list[Contact]:
        pks = list(Contact.objects.values_list("pk", flat=True))
        chosen = self.chance.sample(pks, min(most, len(pks)))
        return list(Contact.objects.filter(pk__in=chosen))

    def act(self) -> None:
        name = self.chance.choice(ACTS)
        getattr(self, name)()
        self.done[name] += 1

    def edit(self) -> None:
        for contact in self.some(5):
            contact.first_name = f"Edited {self.next()}"
            contact.save()

    def bulk_edit(self) -> None:
        pks = [contact.pk for contact in self.some(40)]
        Contact.objects.filter(pk__in=pks).update(title=f"Title {self.next()}")

    def blank(self) -> None:
        for contact in self.some(3):
            contact.first_name = contact.title = ""
            contact.save()

    def delete(self) -> None:
        for contact in self.some(2):
            if contact.pk in self.out:
                self.out.discard(contact.pk)
                self.left |= set(
                    SubscriptionChange.objects.filter(
                        contact=contact, status="UNSUBSCRIBED", address=contact.key
                    ).values_list("address", flat=True)
                )
            key = contact.key
            contact.delete()
            if self.chance.random() < 0.5:
                # They come back, in other letters.
                Contact.objects.create(email=key.upper(), last_name=f"Back {self.next()}")

    def move(self) -> None:
        for contact in self.some(2):
            contact.email = f"m{self.next()}@x.example"
            contact.save()

    def swap(self) -> None:
        one, two = self.some(2)
        a, b = one.email, two.email
        for contact, email in ((one, f"s{self.next()}@x.example"), (two, a), (one, b)):
            contact.email = email
            contact.save()

    def opt_out(self) -> None:
        for contact in self.some(3):
            contact.subscription_status = "UNSUBSCRIBED"
            contact.save()
            self.out.add(contact.pk)

    def subscribe(self) -> None:
        """Of those who opted out, too: nobody may notice that in Conversion."""
        for contact in [*self.some(3), *Contact.objects.filter(pk__in=list(self.out)[:2])]:
            contact.subscription_status = "SUBSCRIBED"
            contact.save()

    def company(self) -> None:
        company = self.chance.choice(list(Company.objects.all()))
        if self.chance.random() < 0.5:
            company.company_name = f"Renamed {self.next()}"
        else:
            company.external_id = f"moved-{self.next()}"
        company.save()

    def event(self) -> None:
        self.engage(self.some(10))


def unfinished() -> int:
    return sum(
        model.unmarked.filter(sync_status__in=("PENDING", "SENDING")).count() for model in MODELS
    )


def differences(box: Sandbox) -> list[str]:
    """How the remote differs from the local, record by record."""
    found = []
    pairs: tuple[tuple[Any, dict[str, Any], Any], ...] = (
        (Contact.objects.select_related("company"), box.contacts, contact_payload),
        (Company.objects.all(), box.companies, company_payload),
    )
    for rows, remote, payload in pairs:
        local = {row.key: row for row in rows}
        found += [f"only there: {key}" for key in remote.keys() - local.keys()]
        for key, row in local.items():
            if key not in remote:
                found.append(f"only here: {key}")
            elif (want := confirmed(payload(row)).get("variables", {})) != remote[key]["variables"]:
                found.append(f"{key}: {want} is {remote[key]['variables']}")
    return found


def test_killed_at_random_the_remote_ends_as_the_local(
    box: Sandbox, configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    OrmQ.objects.all().delete()
    configure(QUEUE="django_q")
    monkeypatch.setattr(box.app, "latency", 0.05)
    world, begun = World(seed := random.randrange(1_000_000)), time.monotonic()
    world.populate()
    count = 1 if connection.vendor == "sqlite" else 2
    log = tmp_path / "qcluster.log"
    with Clusters(count, environment(box), log) as clusters:
        next_kill, next_sweep, end = begun + 4, 0.0, begun + KILLS * 10
        while (kills := clusters.killed.total()) < KILLS and time.monotonic() < end:
            clusters.supervise()
            world.act()
            if time.monotonic() >= next_sweep:
                # As the schedule does, in seconds instead of minutes.
                django_q.enqueue()
                next_sweep = time.monotonic() + 1
            if time.monotonic() >= next_kill and clusters.kill(world.chance):
                next_kill = time.monotonic() + world.chance.uniform(0.3, 2.0)
            time.sleep(0.05)
        assert kills >= KILLS, f"seed {seed}: {clusters.killed}\n{log.read_text()[-3000:]}"
        settled = time.monotonic() + (300 if LONG else 60)
        while (rest := unfinished()) and time.monotonic() < settled:
            clusters.supervise()
            django_q.enqueue()
            time.sleep(1)
    OrmQ.objects.all().delete()

    arrived = Counter(record["description"] for record in box.engagements)
    statuses = Counter(Engagement.objects.values_list("sync_status", flat=True))
    say(
        f"kill -9, {connection.vendor}, {count} cluster(s): {CONTACTS + COMPANIES + EVENTS} rows,"
        f" {kills} kills ({', '.join(f'{n} {who}' for who, n in clusters.killed.most_common())}),"
        f" {clusters.restarts} restarts by the supervisor, {len(box.calls)} calls,"
        f" {world.done.total()} rounds of changes, {time.monotonic() - begun:.0f} s;"
        f" engagements {dict(statuses)}, {len(world.out)} opted out; seed {seed}"
    )
    assert rest == 0, f"seed {seed}\n{log.read_text()[-3000:]}"
    assert in_flight() == 0
    assert differences(box) == [], f"seed {seed}"
    check_engagements(arrived, statuses, kills)
    check_consent(box, world)


def check_engagements(arrived: Counter[str], statuses: Counter[str], kills: int) -> None:
    assert [text for text, times in arrived.items() if times > 1] == []
    assert set(statuses) <= {"SYNCED", "UNCONFIRMED"}
    assert statuses["UNCONFIRMED"] <= kills * CONCURRENCY
    sent = Engagement.objects.filter(sync_status="SYNCED").values_list("description", flat=True)
    assert [text for text in sent if text not in arrived] == []


def check_consent(box: Sandbox, world: World) -> None:
    failed = SubscriptionChange.objects.filter(sync_status="FAILED")
    assert set(failed.values_list("last_error_code", flat=True)) <= {"CONSENT_BLOCKED"}
    remote = {key: record["subscriptionStatus"] for key, record in box.contacts.items()}
    out = Contact.objects.filter(pk__in=world.out)
    assert {remote[contact.key] for contact in out} <= {"UNSUBSCRIBED"}
    assert out.count() == len(world.out) > 0
    assert {remote.get(key, "UNSUBSCRIBED") for key in world.left} <= {"UNSUBSCRIBED"}
    newest: dict[int, SubscriptionChange] = {
        change.contact_id: change
        for change in SubscriptionChange.objects.exclude(contact=None).order_by("pk")
        if change.contact_id is not None
    }
    keys = dict(Contact.objects.values_list("pk", "key"))
    wrong = [
        change
        for pk, change in newest.items()
        if change.sync_status == "SYNCED" and remote[keys[pk]] != change.status
    ]
    assert wrong == []
