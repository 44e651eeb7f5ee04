"""Deliveries side by side: their slots, their calls, their answers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import OperationalError, transaction
from urllib3.connection import HTTPConnection

from conversion_sync.api import Bug, ConfigurationError, NotFound, NotSent, Withheld
from conversion_sync.api.calls import Call, Phase
from conversion_sync.api.errors import NoAnswer, RateLimited, Unauthorized
from conversion_sync.api.generation import IN_USE as api
from conversion_sync.api.request import Request
from conversion_sync.models import ApiCall, ApiGate, Contact
from conversion_sync.models.clock import db_now
from conversion_sync.sync import remote
from conversion_sync.sync.claim import Claim
from conversion_sync.sync.deliveries import Calls, Delivery, LoggedAnswer, NoSlot, SlotsNeeded
from conversion_sync.sync.gate import BREAKER, Gate
from conversion_sync.sync.loop import Loop, Running, call, perform
from conversion_sync.sync.loop.call import CallSlot
from conversion_sync.sync.loop.slots import AHEAD
from conversion_sync.sync.remote import client
from conversion_sync.sync.run import PROBE, Run
from conversion_sync.sync.transactions import CallInTransaction
from tests.kit import MINUTE, PROMPT, SECOND, wait_until

pytestmark = pytest.mark.django_db

NOBODY = "nobody@x.example"

#: Seconds: more than any test takes.
LONG = 600.0


@pytest.fixture
def run(conversion) -> Run:
    return Run("default", 20)


def ask(*emails: str) -> Delivery[list[LoggedAnswer[Any]]]:
    answers = yield Calls([api.get_contact(email) for email in emails or [NOBODY]])
    return list(answers)


def breaker_opens() -> None:
    ApiGate.write("default", faults=BREAKER, blocked_until=None)


def finish(loop: Loop, running: Sequence[Running]) -> None:
    while not all(each.has_ended for each in running):
        loop.take_in(loop.serve())


# Calls


def test_a_call_is_logged_and_the_gate_hears_of_it(conversion, run):
    [answer] = perform(run, ask())
    assert isinstance(answer.error, NotFound)
    assert ApiCall.objects.get().pk == answer.call
    assert ApiGate.load("default").last_ok_at is not None
    assert run.made == 1


def test_calls_at_once_have_a_slot_each_and_are_answered_in_their_order(conversion, settings, run):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "RATE_LIMIT": 20}
    conversion.app.store.upsert_contacts([{"email": "b@x.example"}])
    began = time.monotonic()
    answers = perform(run, ask("a@x.example", "b@x.example", "c@x.example"))
    assert time.monotonic() - began > 0.1
    assert [answer.error is None for answer in answers] == [False, True, False]
    assert len({answer.call for answer in answers}) == 3


def test_the_calls_of_several_deliveries_are_on_their_way_at_once(conversion, run):
    # None is answered before all have come.
    all_there = threading.Barrier(6, timeout=PROMPT / 2)
    conversion.before(lambda request: all_there.wait(), count=6)
    loop = Loop(run)
    running = [Running("contact", ask(f"{n}@x.example")) for n in range(6)]
    for each in running:
        loop.start(each)
    finish(loop, running)
    assert not all_there.broken
    assert run.made == 6


def test_a_mistake_in_one_call_touches_no_other(conversion, run, caplog):
    def read(envelope: Any) -> int:
        return 1 // 0

    def both() -> Delivery[list[LoggedAnswer[Any]]]:
        broken: Request[int] = Request("GET", "/contacts/by-email/a%40x.example", "GET x", read)
        return list((yield Calls([broken, api.get_contact("a@x.example")])))

    conversion.app.store.upsert_contacts([{"email": "a@x.example"}])
    answers = perform(run, both())
    assert [type(answer.error) for answer in answers] == [Bug, type(None)]
    assert "ZeroDivisionError" in caplog.text


def test_a_delivery_works_in_the_thread_of_the_loop(conversion, run):
    def delivery() -> Delivery[set[int]]:
        threads = {threading.get_ident()}
        yield SlotsNeeded()
        threads.add(threading.get_ident())
        yield Calls([api.get_contact(NOBODY)])
        return threads | {threading.get_ident()}

    assert perform(run, delivery()) == {threading.get_ident()}


def test_what_a_delivery_raises_is_its_end(conversion, run):
    def delivery() -> Delivery[None]:
        yield Calls([api.get_contact(NOBODY)])
        raise KeyError("oops")

    with pytest.raises(KeyError):
        perform(run, delivery())


def test_in_a_transaction_it_calls_nobody(conversion, run):
    with transaction.atomic(), pytest.raises(CallInTransaction):
        perform(run, ask())
    assert not conversion.calls
    # That of a TestCase is none.
    [answer] = perform(run, ask())
    assert isinstance(answer.error, NotFound)


def test_without_a_usable_url_nothing_is_called(settings):
    settings.CONVERSION_SYNC = {"API_KEY": "k", "BASE_URL": "http://elsewhere.example/"}
    with pytest.raises(ConfigurationError):
        perform(Run("default", 20), ask())


def test_an_endpoint_that_says_nothing_is_noted_but_not_for_a_probe(conversion, settings, run):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "CALL_DEADLINE": 1}
    conversion.fail("hang_before", count=None)

    def probing() -> Delivery[None]:
        yield Calls([api.get_contact(PROBE)], is_probe=True)

    loop = Loop(run)
    running = [Running("a", ask()), Running("b", probing())]
    for each in running:
        loop.start(each)
    finish(loop, running)
    assert [each.is_silent for each in running] == [True, None]
    assert isinstance(running[0].result[0].error, NoAnswer)


def test_what_is_raised_at_the_end_of_one_delivery_costs_no_other_its_answers(
    conversion, run, monkeypatch
):
    # Else, on a busy machine, one of them may wait for another slot.
    monkeypatch.setattr(call, "TOO_LATE", LONG)
    ended = list[Running]()

    def on_end(running: Running) -> None:
        ended.append(running)
        if len(ended) == 1:
            raise OperationalError("gone")

    loop = Loop(run, on_end)
    for name in "ab":
        loop.start(Running(name, ask()))
    while loop._calls._heard.qsize() < 2:
        loop.serve()
        time.sleep(0.01)
    with pytest.raises(OperationalError):
        loop.take_in(1)
    assert loop.is_busy()
    loop.take_in(1)
    assert sorted(running.name for running in ended) == ["a", "b"]
    assert isinstance(ended[1].result[0].error, NotFound)
    assert not loop.is_busy()


# Slots


def test_a_slot_that_is_too_late_is_taken_anew(conversion, run, monkeypatch):
    taken = []
    real = Gate.take

    def take(gate, *args, **kwargs):
        taken.append(real(gate, *args, **kwargs))
        return taken[-1]

    def delivery(pause: float) -> Delivery[None]:
        yield SlotsNeeded()
        time.sleep(pause)
        yield Calls([api.get_contact(NOBODY)])

    monkeypatch.setattr(Gate, "take", take)
    with monkeypatch.context() as patch:
        # However busy the machine is.
        patch.setattr(call, "TOO_LATE", LONG)
        perform(run, delivery(0))
    assert len(taken) == 1
    perform(run, delivery(AHEAD + 0.1))
    # On a busy machine the other one may be too late, too.
    assert len(taken) >= 3
    assert run.made == 2


def test_a_call_that_is_too_late_is_heard_of_at_once(conversion, run, monkeypatch):
    """Not when the loop looks again, or when another call is answered."""
    late: list[float] = []
    real = CallSlot.wait

    def wait(slot: CallSlot) -> None:
        slot._slot = slot._slot._replace(at=slot._slot.at - 1.0)
        late.append(time.monotonic())
        real(slot)

    monkeypatch.setattr(CallSlot, "wait", wait)
    loop, running = Loop(run), Running("a", ask())
    loop.start(running)
    while not late:
        loop.serve()
    loop._calls.wait(LONG)
    assert len(loop._calls.newly_late()) == 1
    loop.close()


def test_slots_that_nothing_has_begun_in_are_given_back(conversion, settings, run):
    """Those of a drain that ends, and those that passed."""
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "RATE_LIMIT": 10}

    def delivery() -> Delivery[None]:
        yield SlotsNeeded(9)

    loop, running = Loop(run), Running("a", delivery())
    loop.start(running)
    finish(loop, [running])
    free_at = ApiGate.objects.get().next_slot_at
    loop.give_back()
    assert ApiGate.objects.get().next_slot_at < free_at - 0.7 * SECOND
    loop.give_back()
    loop.close()


@pytest.fixture
def first_bytes(monkeypatch) -> list[float]:
    """When the first byte of each call was sent: on a busy machine it arrives later."""
    moments, real = list[float](), Call.enter

    def enter(call: Call, phase: Phase) -> None:
        is_first = phase is Phase.SENDING and call.phase is not Phase.SENDING
        real(call, phase)
        if is_first:
            moments.append(time.monotonic())

    monkeypatch.setattr(Call, "enter", enter)
    return moments


def most_in_a_second(moments: Sequence[float]) -> int:
    moments = sorted(moments)
    return max(sum(0 <= other - each < 1 for other in moments) for each in moments)


def test_calls_whose_connections_open_slowly_crowd_no_others(
    conversion, settings, run, monkeypatch, first_bytes
):
    """The first three connections take so long that their calls meet those behind them."""
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "RATE_LIMIT": 4}
    monkeypatch.setattr(remote, "_clients", {})
    pauses, real = iter([1.2, 1.2, 1.2]), HTTPConnection.connect

    def connect(self: HTTPConnection) -> None:
        time.sleep(next(pauses, 0))
        real(self)

    monkeypatch.setattr(HTTPConnection, "connect", connect)
    answers = perform(run, ask(*(f"{n}@x.example" for n in range(10))))
    assert {type(answer.error) for answer in answers} == {NotFound}
    assert len(first_bytes) == len(conversion.calls)
    assert most_in_a_second(first_bytes) <= 4


def test_calls_that_slept_over_their_slots_take_others(
    conversion, settings, run, monkeypatch, first_bytes
):
    """The machine stops for a while when the first of eight calls has been made."""
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "RATE_LIMIT": 4}
    real = CallSlot._is_set_back

    def waits(slot: CallSlot, ahead: float) -> bool:
        answer = real(slot, ahead)
        if ahead == 0 and slot not in woken:
            woken.append(slot)
            time.sleep(max(0.0, stopped + 2.5 - time.monotonic()))
        return answer

    woken, stopped = list[CallSlot](), time.monotonic()
    monkeypatch.setattr(CallSlot, "_is_set_back", waits)
    answers = perform(run, ask(*(f"{n}@x.example" for n in range(8))))
    assert {type(answer.error) for answer in answers} == {NotFound}
    assert len(first_bytes) == len(conversion.calls)
    assert most_in_a_second(first_bytes) <= 4


def test_what_comes_too_late_is_not_sent_where_the_gate_has_been_shut(
    conversion, settings, run, monkeypatch
):
    real, serve = CallSlot.wait, Loop.serve

    def wait(slot: CallSlot) -> None:
        time.sleep(0.2)
        real(slot)

    def serve_paused(loop: Loop) -> float:
        if loop._calls._late:
            Gate().pause("Ann")
        return serve(loop)

    monkeypatch.setattr(CallSlot, "wait", wait)
    monkeypatch.setattr(Loop, "serve", serve_paused)
    [answer] = perform(run, ask())
    assert isinstance(answer.error, Withheld)
    assert not conversion.calls


def test_who_has_its_slots_goes_before_others_that_wait(conversion, run):
    order = []

    def delivery(name: str) -> Delivery[None]:
        yield SlotsNeeded()
        order.append(name)
        yield Calls([api.get_contact(NOBODY)])

    loop = Loop(run)
    running = [Running(name, delivery(name), is_urgent=name == "c") for name in "abc"]
    for each in running:
        loop.start(each)
    finish(loop, running)
    assert order == ["c", "a", "b"]


def test_no_call_begins_when_the_time_of_the_run_is_over(conversion):
    conversion.app.troubles.latency = 0.4

    def delivery() -> Delivery[None]:
        yield Calls([api.get_contact(NOBODY)])
        yield Calls([api.get_contact(NOBODY)])

    with pytest.raises(NoSlot):
        perform(Run("default", 0.3), delivery())
    assert len(conversion.calls) == 1


def test_a_gate_that_opens_too_late_lets_nothing_through(conversion, run):
    Gate().report(RateLimited("no", retry_after=30))
    with pytest.raises(NoSlot) as caught:
        perform(run, ask())
    assert 28 < (caught.value.wait or 0) <= 30
    assert conversion.calls == []


def test_a_gate_that_shuts_while_a_slot_is_waited_for_lets_nothing_through(
    conversion, run, monkeypatch
):
    # However much of the wait a busy machine has taken: it was one.
    monkeypatch.setattr("conversion_sync.sync.loop.slots.SOON", -60.0)
    ApiGate.write("default", next_slot_at=db_now("default") + 0.7 * SECOND)
    real = Gate.take

    def take(self, *args, **kwargs):
        slots = real(self, *args, **kwargs)
        ApiGate.write("default", blocked_until=db_now("default") + MINUTE)
        return slots

    run.gate.take = take.__get__(run.gate)
    with pytest.raises(NoSlot):
        perform(run, ask())
    assert conversion.calls == []


def test_what_has_its_slot_is_not_sent_any_more_once_another_was_refused(conversion, settings, run):
    """The first of three calls, two seconds apart, is answered by 429."""
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "RATE_LIMIT": 0.5}
    conversion.fail("429", headers={"Retry-After": "60"})
    rows = [Contact(pk=n, email=f"{n}@x.example") for n in range(1, 4)]
    Contact.objects.bulk_create(rows)
    claim = Claim(Contact, "default", rows=rows)
    Contact.unmarked.update(claim=claim.token, due_at=db_now("default") + MINUTE)

    def delivery() -> Delivery[list[LoggedAnswer[Any]]]:
        requests = [api.get_contact(row.email) for row in rows]
        return list((yield Calls(requests, claim, [[row.pk] for row in rows])))

    answers = perform(run, delivery())
    # On a busy machine the first may be late for its slot, and another one is refused.
    assert Counter(type(a.error) for a in answers) == {RateLimited: 1, Withheld: 2}
    assert len(conversion.calls) == 1


def test_a_call_that_did_not_begin_is_no_line_of_the_call_log(conversion, settings, run):
    """All are connected when the first is refused; it may take any time to be answered."""
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "RATE_LIMIT": 4}
    conversion.fail("429", headers={"Retry-After": "60"})
    answers = perform(run, ask("a@x.example", "b@x.example", "c@x.example"))
    withheld = [isinstance(answer.error, Withheld) for answer in answers]
    assert [answer.call is None for answer in answers] == withheld
    assert not ApiCall.objects.filter(error_code="WITHHELD").exists()
    assert ApiCall.objects.count() == len(conversion.calls) == run.made


@pytest.mark.parametrize(("fault", "error"), [("429", RateLimited), ("401", Unauthorized)])
def test_a_call_that_carries_no_row_is_not_made_either_once_another_was_refused(
    conversion, settings, run, fault, error
):
    """The first of three calls, two seconds apart, is refused."""
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "RATE_LIMIT": 0.5}
    conversion.fail(fault, headers={"Retry-After": "60"})
    answers = perform(run, ask("a@x.example", "b@x.example", "c@x.example"))
    assert Counter(type(a.error) for a in answers) == {error: 1, Withheld: 2}
    assert len(conversion.calls) == 1


# Threads


def threads() -> int:
    return sum(thread.name == "conversion-api" for thread in threading.enumerate())


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_when_the_loop_is_stopped_no_call_begins_any_more(
    conversion, settings, run, monkeypatch, error
):
    """Two of three calls wait for their slots when the process is told to end."""
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "RATE_LIMIT": 0.5}
    before = threads()
    real = Loop.take_in

    def take_in(loop: Loop, timeout: float) -> None:
        real(loop, timeout)
        if conversion.calls:
            raise error

    monkeypatch.setattr(Loop, "take_in", take_in)
    with pytest.raises(error):
        perform(run, ask("a@x.example", "b@x.example", "c@x.example"))
    # The client's own thread stays for the next call.
    wait_until(lambda: threads() <= before + 1, "calls still wait for their slots")
    assert len(conversion.calls) == 1


def test_no_thread_of_a_loop_outlives_it(conversion, run):
    before = threads()
    for _ in range(5):
        perform(run, ask(*(f"{n}@x.example" for n in range(6))))
    # Those of the client stay for a while: one for each call that was on its way at once.
    wait_until(lambda: threads() <= before + 6, "threads of a loop stay")


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_a_call_for_which_there_is_no_thread_was_not_sent(conversion, run, monkeypatch, at):
    """The system gives so many threads, and no more; each call takes two."""
    client()  # A client of its own has no thread yet.
    given, start = list[threading.Thread](), threading.Thread.start

    def limited(thread: threading.Thread) -> None:
        if thread.name == "conversion-api":
            if len(given) == at:
                raise RuntimeError("can't start new thread")
            given.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    # One call is not over before the other begins.
    conversion.app.troubles.latency = 1.0
    answers = perform(run, ask("a@x.example", "b@x.example"))
    unsent = [answer for answer in answers if isinstance(answer.error, NotSent)]
    assert unsent
    assert len(conversion.calls) == 2 - len(unsent)


# Probes


def test_after_an_outage_a_harmless_call_goes_first(conversion, run):
    breaker_opens()
    perform(run, ask())
    assert [call.keys for call in conversion.calls] == [[PROBE], [NOBODY]]
    assert run.made == 2


def test_a_probe_that_fails_shuts_the_gate_again(conversion, run):
    breaker_opens()
    conversion.fail("500")
    with pytest.raises(NoSlot) as caught:
        perform(run, ask())
    assert 0 < (caught.value.wait or 0) <= 2
    assert len(conversion.calls) == 1


def test_a_probe_that_is_refused_for_its_content_shows_that_the_api_works(conversion, run):
    breaker_opens()
    conversion.fail("400", method="GET")
    perform(run, ask())
    assert len(conversion.calls) == 2


def test_a_probe_that_says_the_key_is_wrong_closes_the_gate(conversion, run):
    breaker_opens()
    conversion.fail("401")
    with pytest.raises(NoSlot) as caught:
        perform(run, ask())
    assert caught.value.wait is None
