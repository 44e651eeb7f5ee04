"""A worker that slept past its lease sends nothing of what it claimed before."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pytest

from conversion_sync.api.calls import Call, Phase
from conversion_sync.api.errors import Withheld
from conversion_sync.models import Contact, Deletion, Status, SubscriptionChange, SyncedModel
from conversion_sync.models.clock import db_now
from conversion_sync.sync import leases
from conversion_sync.sync.claim import Claim
from conversion_sync.sync.drain import drain
from tests.kit import (
    SECOND,
    TOKEN,
    company,
    contact,
    engagement,
    fresh,
    later,
    push,
    sent,
    synced_contact,
    write,
)

pytestmark = pytest.mark.django_db

KINDS = ["contact", "company", "opt-out", "subscription", "deletion", "engagement"]


def due(kind: str) -> SyncedModel:
    """One row of the kind, and nothing else that is due."""
    match kind:
        case "contact":
            return contact()
        case "company":
            return company()
        case "engagement":
            return engagement(synced_contact())
        case "deletion":
            synced_contact().delete()
            return Deletion.objects.get()
    row = synced_contact()
    row.subscription_status = "UNSUBSCRIBED" if kind == "opt-out" else "SUBSCRIBED"
    row.save()
    if kind == "subscription":
        # Its contact was saved with it, and goes first.
        write(row, due_at=None, sync_status="SYNCED")
    return SubscriptionChange.objects.get()


def writes(box: Any) -> int:
    """The calls that change something."""
    return sum(call.method != "GET" for call in box.calls)


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Have this process sleep for so many seconds: its clocks go on."""
    real, slept = leases.clocks, [0.0]
    monkeypatch.setattr(leases, "clocks", lambda: tuple(now + slept[0] for now in real()))

    def sleep(seconds: float) -> None:
        slept[0] += seconds

    return sleep


def before_the_check(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have something happen once, after a claim and all waiting, before its lease is looked at."""
    real = Claim.out_of_time

    def check(claim: Claim, pks: Collection[int]) -> set[int]:
        monkeypatch.setattr(Claim, "out_of_time", real)
        act()
        return real(claim, pks)

    monkeypatch.setattr(Claim, "out_of_time", check)


def before_the_first_byte(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have something happen once, while a call that carries rows has its connection."""
    real = Call.enter

    def enter(call: Call, phase: Phase) -> None:
        if phase is Phase.SENDING and call.before_sending is not None:
            monkeypatch.setattr(Call, "enter", real)
            act()
        real(call, phase)

    monkeypatch.setattr(Call, "enter", enter)


def assert_sent_once(box: Any, row: SyncedModel, before: int) -> None:
    found = fresh(row)
    assert (found.sync_status, found.attempts, found.failing_since) == (Status.SYNCED, 0, None)
    assert writes(box) == before + 1


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_too_little_of_its_lease_left_is_claimed_anew(conversion, monkeypatch, kind):
    row = due(kind)
    before = writes(conversion)
    near = db_now("default") + 10 * SECOND
    held = type(row).unmarked.filter(pk=row.pk)
    before_the_check(monkeypatch, lambda: held.update(due_at=near))
    drain()
    assert_sent_once(conversion, row, before)


@pytest.mark.parametrize("kind", KINDS)
def test_what_another_worker_holds_by_now_is_not_sent(conversion, monkeypatch, kind):
    row = due(kind)
    before = writes(conversion)
    soon = db_now("default") + 60 * SECOND
    held = type(row).unmarked.filter(pk=row.pk)
    before_the_check(monkeypatch, lambda: held.update(claim=TOKEN, due_at=soon))
    drain()
    assert writes(conversion) == before
    assert (fresh(row).sync_status, fresh(row).claim) == (Status.SENDING, TOKEN)


@pytest.mark.parametrize("when", [before_the_check, before_the_first_byte])
@pytest.mark.parametrize("kind", KINDS)
def test_a_process_that_slept_sends_nothing_of_what_it_held(
    conversion, monkeypatch, sleeps, kind, when
):
    """After 45 s of 60, a call of 20 s may not end before the lease."""
    row = due(kind)
    before = writes(conversion)
    when(monkeypatch, lambda: sleeps(45))
    drain()
    assert_sent_once(conversion, row, before)


def test_one_row_of_a_batch_that_is_no_longer_held_keeps_the_call_back(conversion, monkeypatch):
    rows = [contact(f"c{number}@x.example") for number in range(3)]
    taken = Contact.unmarked.filter(pk=rows[1].pk)
    soon = db_now("default") + 60 * SECOND
    before_the_check(monkeypatch, lambda: taken.update(claim=TOKEN, due_at=soon))
    drain()
    assert [len(body["contacts"]) for body in sent(conversion)] == [2]
    found = [str(fresh(row).sync_status) for row in rows]
    assert found == [Status.SYNCED, Status.SENDING, Status.SYNCED]


def test_a_row_that_is_deleted_meanwhile_keeps_no_other_back(conversion, monkeypatch):
    rows = [contact(f"c{number}@x.example") for number in range(2)]
    gone = Contact.objects.filter(pk=rows[0].pk)
    before_the_check(monkeypatch, lambda: gone.delete())
    drain()
    assert fresh(rows[1]).sync_status == Status.SYNCED
    later()
    push()
    assert list(conversion.contacts) == ["c1@x.example"]


@pytest.mark.parametrize("clock", [0, 1])
def test_either_clock_tells_of_a_sleep(monkeypatch, clock):
    now = [1000.0, 1000.0]
    monkeypatch.setattr(leases, "clocks", lambda: tuple(now))
    lease = leases.Lease()
    lease.check()
    now[clock] += 41
    with pytest.raises(Withheld):
        lease.check()


def test_a_clock_that_steps_back_makes_no_lease_longer(monkeypatch):
    now = [1000.0, 1000.0]
    monkeypatch.setattr(leases, "clocks", lambda: tuple(now))
    lease = leases.Lease()
    now[0] += 30
    now[1] -= 3600
    assert lease.left() == 30
