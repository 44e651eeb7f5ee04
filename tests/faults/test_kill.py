"""kill -9: processes of real q clusters at random, and at each step of a delivery."""

from __future__ import annotations

import datetime
import math
import os
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ

from conversion_sync.models import (
    ApiGate,
    ChannelState,
    Company,
    Contact,
    Engagement,
    SubscriptionChange,
)
from conversion_sync.queues import django_q
from conversion_sync.records.mappers import mapper_of
from conversion_sync.sandbox import Sandbox
from conversion_sync.sandbox.traffic import Call, Traffic
from conversion_sync.sync.drain import drain
from tests.faults.conftest import API_KEY, Configure
from tests.faults.kill_clusters import PUSH, QCLUSTER, ROOT, Clusters
from tests.faults.kill_settings import LEASE
from tests.faults.kill_world import World
from tests.faults.kit import (
    DELETION,
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
CONCURRENCY = 24

#: The sandbox keeps so many of the last calls.
CALLS = 100_000

#: Seconds without any progress, after the last kill, that nothing excuses.
STUCK = 60


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
        # Nothing is sent twice that was settled, nor a deletion of what is gone: it asks first.
        twice = step in DONE - {"settled"} and lane is not DELETION
        assert lane.calls(box) - calls == (2 if twice else 1), step


# --- At random --------------------------------------------------------------------------------


def unfinished() -> int:
    return sum(
        model.unmarked.filter(sync_status__in=("PENDING", "SENDING")).count() for model in MODELS
    )


def unfinished_rows() -> str:
    """All columns of what is not done, with the gate and the channels."""
    rows = [
        {"model": model.__name__, **values}
        for model in MODELS
        for values in model.unmarked.filter(sync_status__in=("PENDING", "SENDING")).values()[:5]
    ]
    return "\n".join(
        str(values) for values in (*rows, *ApiGate.objects.values(), *ChannelState.objects.values())
    )


def variables(row: Any) -> dict[str, Any]:
    """What the remote has to hold of a row."""
    said = mapper_of(type(row)).of_row(row)
    return {**said.variables, **said.company}


def differences(box: Sandbox, world: World) -> list[str]:
    """How the remote differs from the local, record by record."""
    found = []
    # Who was known there, and gone here before the first push, is none of our business.
    ours = {key for call in box.calls if call.path == "/contacts/batch" for key in call.keys}
    strangers = world.known - ours
    pairs: tuple[tuple[Any, dict[str, Any]], ...] = (
        (Contact.objects.select_related("company"), box.contacts),
        (Company.objects.all(), box.companies),
    )
    for rows, remote in pairs:
        local = {row.key: row for row in rows}
        found += [f"only there: {key}" for key in remote.keys() - local.keys() - strangers]
        for key, row in local.items():
            if key not in remote:
                found.append(f"only here: {key}")
            elif (want := variables(row)) != remote[key]["variables"]:
                found.append(f"{key}: {want} is {remote[key]['variables']}")
    return found


@pytest.mark.parametrize(
    ("command", "latency"), [(QCLUSTER, 0.05), (PUSH, 0.4)], ids=["qcluster", "push"]
)
def test_killed_at_random_the_remote_ends_as_the_local(
    command: Sequence[str],
    latency: float,
    box: Sandbox,
    configure: Configure,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """Kill what sends, while rows change.

    The plain worker begins drain after drain while calls are on their way, so these take longer.
    """
    OrmQ.objects.all().delete()
    configure(QUEUE="django_q")
    monkeypatch.setattr(box.app.troubles, "latency", latency)
    monkeypatch.setattr(box.app, "traffic", Traffic(CALLS))
    world, begun = World(seed := random.randrange(1_000_000), box), time.monotonic()
    world.populate(CONTACTS, COMPANIES, EVENTS)
    count = 1 if connection.vendor == "sqlite" else 2
    log = tmp_path / "qcluster.log"
    with Clusters(count, environment(box), log, command) as clusters:
        next_kill, next_sweep, end = begun + 4, 0.0, begun + KILLS * 10
        while time.monotonic() < end:
            kills = clusters.killed.total()
            if kills >= KILLS and world.out_there:
                break
            clusters.supervise()
            world.act()
            if time.monotonic() >= next_sweep:
                # As the schedule does, in seconds instead of minutes.
                django_q.enqueue()
                next_sweep = time.monotonic() + 1
            # Where it is always killed before anybody has arrived, nobody opts out in Conversion.
            may_kill = kills < KILLS // 2 or world.out_there
            if may_kill and time.monotonic() >= next_kill and clusters.kill(world.chance):
                next_kill = time.monotonic() + world.chance.uniform(0.3, 2.0)
            time.sleep(0.05)
        assert kills >= KILLS, f"seed {seed}: {clusters.killed}\n{log.read_text()[-3000:]}"
        rest, progress = unfinished(), time.monotonic()
        while rest and time.monotonic() < progress + STUCK:
            clusters.supervise()
            django_q.enqueue()
            time.sleep(1)
            if (left := unfinished()) != rest:
                rest, progress = left, time.monotonic()
    OrmQ.objects.all().delete()

    arrived = Counter(record["description"] for record in box.engagements)
    statuses = Counter(Engagement.objects.values_list("sync_status", flat=True))
    say(
        f"kill -9, {connection.vendor}, {count} {command[0]}: {CONTACTS + COMPANIES + EVENTS} rows,"
        f" {kills} kills ({', '.join(f'{n} {who}' for who, n in clusters.killed.most_common())}),"
        f" {clusters.restarts} restarts by the supervisor, {len(box.calls)} calls,"
        f" {world.done.total()} rounds of changes, {time.monotonic() - begun:.0f} s;"
        f" engagements {dict(statuses)}, opted out: {len(world.out)} here, {len(world.out_there)}"
        f" there ({len(overwritten(box, world))} of them in the moment that is not promised);"
        f" seed {seed}"
    )
    assert rest == 0, (
        f"seed {seed}, {timezone.now()}\n{unfinished_rows()}\n{log.read_text()[-3000:]}"
    )
    assert in_flight() == 0
    assert differences(box, world) == [], f"seed {seed}"
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
    codes = set(failed.values_list("last_error_code", flat=True))
    # What went by its address before its contact arrived found nobody; it went again.
    assert codes <= {"CONSENT_BLOCKED", "NOTHING_TO_UNSUBSCRIBE"}
    remote = {key: record["subscriptionStatus"] for key, record in box.contacts.items()}
    assert {remote.get(key, "UNSUBSCRIBED") for key in world.left} <= {"UNSUBSCRIBED"}
    there = {pk: when for pk, (_, when) in world.out_there.items()}
    for pk in overwritten(box, world):
        del there[pk]
    assert world.out
    assert there
    check_opted_out(remote, there | world.out)
    keys = dict(Contact.objects.values_list("pk", "key"))
    newest = {c.contact_id: c for c in SubscriptionChange.objects.order_by("pk") if c.contact_id}
    arrived = {pk: change.status for pk, change in newest.items() if change.sync_status == "SYNCED"}
    wrong = {pk for pk, status in arrived.items() if remote[keys[pk]] != status}
    assert wrong <= there.keys()


def check_opted_out(remote: dict[str, str], known: dict[int, datetime.datetime]) -> None:
    """Nobody of these is subscribed, or was by a call of a claim that was made after."""
    contacts = Contact.objects.filter(pk__in=known)
    assert {contact.key for contact in contacts if remote[contact.key] != "UNSUBSCRIBED"} == set()
    assert contacts.count() == len(known)
    sent = SubscriptionChange.objects.filter(contact__in=known, sync_status="SYNCED")
    others = sent.exclude(status="UNSUBSCRIBED").values_list("contact", "last_attempt_at")
    assert [pk for pk, claimed_at in others if claimed_at > known[pk]] == []


def overwritten(box: Sandbox, world: World) -> set[int]:
    """Who opted out there after we had asked, and before our call: that is not promised."""
    calls = box.calls
    assert len(calls) < CALLS, "the sandbox has forgotten the oldest"
    asked: dict[str, float] = {}
    moments = defaultdict[str, list[tuple[float, float]]](list)
    for call in calls:
        if call.method == "GET":
            asked |= dict.fromkeys(call.keys, call.time)
        for key in says_otherwise(call):
            # The work is done a little later than the call comes.
            moments[key].append((asked.get(key, math.inf), call.time + 1))
    return {
        pk
        for pk, (address, when) in world.out_there.items()
        if any(
            since < when.timestamp() < until and until - since < LEASE + 2
            for since, until in moments[address]
        )
    }


def says_otherwise(call: Call) -> list[str]:
    """The addresses whose opt-out this call would end."""
    if call.method == "DELETE":
        return call.keys
    if call.path != "/contacts/batch-subscription":
        return []
    return [
        item["email"]
        for item in call.body["contacts"]
        if item["subscriptionStatus"] != "UNSUBSCRIBED"
    ]
