"""Whose turn it is: opt-outs before all, the others in turn, a hung endpoint one call at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from conversion_sync.api import ConfigurationError
from conversion_sync.models import (
    BulkJob,
    ChannelState,
    Contact,
    Heartbeat,
    Status,
    SubscriptionChange,
)
from conversion_sync.models.clock import db_now
from conversion_sync.sandbox import Sandbox
from conversion_sync.sync import jobs
from conversion_sync.sync.drain import DrainReport, drain
from conversion_sync.sync.kinds import KINDS
from conversion_sync.sync.turns import Turns
from tests.kit import HOUR, MINUTE, company, contact, engagement, fresh, later, push, synced_contact

pytestmark = pytest.mark.django_db

CONTACTS, COMPANIES, SUBSCRIPTIONS, ENGAGEMENTS = (
    "/contacts/batch",
    "/companies/batch",
    "/contacts/batch-subscription",
    "/contacts/engagements",
)

#: Seconds after which a call has timed out.
DEADLINE = 0.5


@pytest.fixture
def hung(conversion: Sandbox, settings: Any) -> Iterator[Callable[..., None]]:
    """Have the endpoints at some paths accept calls and say nothing."""
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "BATCH_SIZE": 1}

    def hang(*paths: str) -> None:
        settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "CALL_DEADLINE": DEADLINE}
        for path in paths:
            conversion.fail("hang_before", path=f"^{path}$", count=None)

    yield hang
    conversion.clear_faults()


def paths(box: Sandbox, since: int) -> list[str]:
    return [call.path for call in box.calls[since:]]


def one_call(box: Sandbox) -> str:
    """A drain that has time for one turn; the path of its calls."""
    before = len(box.calls)
    drain(stop=lambda: len(box.calls) > before)
    [path] = {path.partition("by-email")[0] for path in paths(box, before)}
    return path


def opt_out(address: str) -> SubscriptionChange:
    row = Contact.objects.get(email=address)
    row.subscription_status = "UNSUBSCRIBED"
    row.save()
    return SubscriptionChange.objects.get(contact=row, status="UNSUBSCRIBED")


def slow() -> set[str]:
    return set(ChannelState.objects.exclude(timed_out_at=None).values_list("name", flat=True))


def test_an_opt_out_is_the_first_call_though_contacts_are_hung(conversion, hung):
    synced_contact("ann@x.example")
    for number in range(3):
        contact(f"c{number}@x.example")
    hung(CONTACTS)
    drain(stop=lambda: bool(slow()))
    change = opt_out("ann@x.example")
    before = len(conversion.calls)
    later()
    drain(stop=lambda: len(conversion.calls) > before)
    assert paths(conversion, before)[0] == SUBSCRIPTIONS
    assert fresh(change).sync_status == Status.SYNCED


def test_an_opt_out_that_comes_meanwhile_is_sent_before_the_next_turn(
    conversion, one_at_a_time, in_flight
):
    synced_contact("ann@x.example")
    company("C1")
    contact("bob@x.example")
    in_flight(lambda: opt_out("ann@x.example"), method="upsert_companies")
    before = len(conversion.calls)
    drain()
    called = paths(conversion, before)
    assert called.index(SUBSCRIPTIONS) == called.index(COMPANIES) + 1


def test_a_drain_goes_on_where_the_last_one_stopped(conversion, one_at_a_time, hung):
    known = synced_contact("ann@x.example")
    synced_contact("gone@x.example").delete()
    for number in range(2):
        company(f"C{number}")
        contact(f"c{number}@x.example")
    for _ in range(12):
        engagement(known)
    called = [one_call(conversion) for _ in range(4)]
    assert len(set(called)) == 4
    called.remove("/contacts/")  # there is one deletion
    assert [one_call(conversion) for _ in range(3)] == called


def test_a_drain_that_dies_at_its_first_call_does_not_begin_there_again(conversion):
    class Killed(BaseException):
        pass

    def die(request: object) -> None:
        raise Killed

    contact()
    company()
    drain(0)
    turn = Heartbeat.load("default").turn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("conversion_sync.sync.drain._send_all", lambda run, *args: die(run))
        patch.setattr(Heartbeat, "write", _but_at_the_end(Heartbeat.write))
        with pytest.raises(Killed):
            drain()
    assert Heartbeat.load("default").turn != turn


def _but_at_the_end(real: Callable[..., None]) -> Callable[..., None]:
    def write(using: str, **columns: Any) -> None:
        if "finished_at" not in columns:
            real(using, **columns)

    return write


def test_every_kind_arrives_while_an_endpoint_is_hung(conversion, hung):
    known, other = synced_contact("ann@x.example"), synced_contact("bob@x.example")
    other.delete()
    rows = [engagement(known), *(contact(f"c{number}@x.example") for number in range(3))]
    rows += [opt_out("ann@x.example")]
    for number in range(5):
        company(f"C{number}")
    hung(COMPANIES)
    before = len(conversion.calls)
    drain()
    assert {str(fresh(row).sync_status) for row in rows} == {Status.SYNCED}
    assert "bob@x.example" not in conversion.contacts
    assert slow() == {"company"}
    before = len(conversion.calls)
    later()
    drain()
    assert paths(conversion, before) == [COMPANIES]


def test_an_endpoint_that_timed_out_gets_one_call_at_a_time_until_it_answers(conversion, hung):
    known = synced_contact("ann@x.example")
    hung(ENGAGEMENTS)
    rows = [engagement(known) for _ in range(3)]
    drain()
    assert {fresh(row).last_error_code for row in rows} == {"NO_ANSWER"}
    assert slow() == {"engagement"}

    more = [engagement(known) for _ in range(4)]
    before = len(conversion.calls)
    drain()
    assert len(paths(conversion, before)) == 1

    conversion.clear_faults()
    drain()
    assert slow() == set()
    assert [fresh(row).sync_status for row in more].count(Status.SYNCED) == 3
    assert [fresh(row).sync_status for row in rows] == [Status.UNCONFIRMED] * 3


def test_while_another_process_tries_nobody_else_does(conversion):
    row = contact()
    now = db_now("default")
    ChannelState.objects.create(name="contact", timed_out_at=now, trial_until=now + MINUTE / 2)
    assert drain() == DrainReport()
    assert conversion.calls == []
    ChannelState.objects.update(trial_until=now - HOUR)
    drain()
    assert fresh(row).sync_status == Status.SYNCED
    assert slow() == set()


def test_where_nothing_is_to_be_sent_the_trial_is_given_back(conversion):
    ChannelState.objects.create(name="contact", timed_out_at=db_now("default"))
    drain()
    assert ChannelState.objects.get().trial_until is None
    assert slow() == {"contact"}


def test_a_trial_is_not_taken_for_a_turn_that_another_kind_gets(conversion, monkeypatch):
    engagement(synced_contact("known@x.example"))
    contact(), company()
    for name in ("contact", "company", "engagement"):
        ChannelState.objects.create(name=name, timed_out_at=db_now("default"))
    given = []
    monkeypatch.setattr(Turns, "_give", lambda self, name, priorities: given.append(name))
    drain(stop=lambda: bool(given))
    tried = ChannelState.objects.filter(trial_until__isnull=False)
    assert [*tried.values_list("name", flat=True)] == given


def test_where_nothing_can_be_sent_the_trial_is_given_back(conversion, monkeypatch):
    contact()
    ChannelState.objects.create(name="contact", timed_out_at=db_now("default"))

    def refuse(self, count):
        raise ConfigurationError("no key")

    monkeypatch.setattr("conversion_sync.sync.loop.loop.Loop._have_slots", refuse)
    drain()
    assert ChannelState.objects.get().trial_until is None
    assert slow() == {"contact"}


def test_an_error_that_comes_at_once_is_an_answer(conversion):
    contact()
    ChannelState.objects.create(name="contact", timed_out_at=db_now("default"))
    conversion.fail("500")
    drain()
    assert slow() == set()


def test_a_hung_comparison_leaves_the_others_their_turn(conversion, hung):
    synced_contact("ann@x.example")
    jobs.start(BulkJob.Action.COMPARE, Contact)
    row = contact("bob@x.example")
    conversion.fail("hang_before", method="GET", count=None)
    hung()
    drain()
    assert fresh(row).sync_status == Status.SYNCED
    assert slow() == {"job"}


def test_opt_outs_that_hang_leave_the_others_their_turn(conversion, hung):
    for number in range(3):
        synced_contact(f"c{number}@x.example")
        opt_out(f"c{number}@x.example")
    rows = [company("C1"), contact("new@x.example")]
    hung(SUBSCRIPTIONS)
    before = len(conversion.calls)
    drain()
    assert {str(fresh(row).sync_status) for row in rows} == {Status.SYNCED}
    assert paths(conversion, before).count(SUBSCRIPTIONS) == 1
    conversion.clear_faults()
    later()
    push()
    assert not SubscriptionChange.objects.unfinished().exists()


def test_each_channel_has_a_name_of_its_own():
    assert len({channel.name for channel in KINDS}) == len(KINDS)
