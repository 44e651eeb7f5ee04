"""A model test: whatever staff, the remote and the machine do, in any order, the promises hold.

Hypothesis draws the steps; a small reference model says what has to be there in the end.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest
from django.db import connection, connections, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from conversion_sync.api import ConversionError, ValidationFailed
from conversion_sync.models import (
    ApiCall,
    ApiGate,
    Company,
    Contact,
    Engagement,
    SubscriptionChange,
    Wakeup,
)
from conversion_sync.models.attribution import attributed
from conversion_sync.sandbox import Sandbox
from conversion_sync.sync import leases
from conversion_sync.sync.deliveries import Calls
from conversion_sync.sync.drain import drain
from conversion_sync.sync.leases import clocks
from conversion_sync.sync.loop import Running
from conversion_sync.sync.loop.calls import CallsInFlight
from tests.faults.conftest import Configure
from tests.faults.kit import (
    LONG,
    MARKS,
    MODELS,
    Killed,
    dying,
    in_flight,
    later,
    say,
    until_idle,
)

pytestmark = MARKS

EMAILS = [f"{name}@x.example" for name in "abcd"]
FAULTS = ["500", "429", "html=503", "drop_before", "drop_after", "garbage", "short_data", "html"]

#: Equal to each other in Python, some of them, and different for whoever reads the JSON.
VALUES = [None, 0, 1, 1.0, False, True, "1", [1], [1.0], [True], {"n": 0}, {"n": False}]

#: No drain sleeps longer than that for a gate that is shut.
SECONDS = 0.5

#: Seconds that a step of another session may take.
PROMPT = 20.0


@dataclass
class Person:
    """What the reference model knows of a contact."""

    email: str
    first_name: str = ""
    title: str = ""
    company: str = ""
    value: Any = None
    #: When this person opted out, or somebody knowingly lifted that: numbers of steps.
    out: int = 0
    lifted: int = 0
    #: When this person last opted out at the vendor.
    out_there: int = 0


@dataclass
class Event:
    """What the reference model knows of an engagement."""

    may_arrive: int = 1
    taken_as_sent: bool = False
    #: False: its contact was deleted, and it with it.
    exists: bool = True
    of: int = 0


@dataclass
class Reference:
    """The whole: people by primary key, addresses of opt-outs that have arrived, events."""

    people: dict[int, Person] = field(default_factory=dict)
    companies: dict[str, str] = field(default_factory=dict)
    out_at: dict[str, int] = field(default_factory=dict)
    lifted: int = 0
    events: dict[str, Event] = field(default_factory=dict)

    def is_out(self, pk: int) -> bool:
        """Whether this person may not be subscribed."""
        person = self.people[pk]
        at_address = self.out_at.get(person.email, 0)
        # Where somebody has lifted an opt-out, addresses say nothing certain any more.
        by_address = at_address > 0 and at_address > self.lifted
        return (person.out > person.lifted) or by_address


@contextmanager
def meanwhile(happen: Callable[[], ConversionError | None]) -> Iterator[None]:
    """Have something happen once, between the remote's work and the settling.

    An error that it returns is what the worker hears instead of its answers.
    """
    real = CallsInFlight._hear
    with pytest.MonkeyPatch.context() as patch:

        def hear(self: CallsInFlight, came: Any) -> Any:
            patch.setattr(CallsInFlight, "_hear", real)
            if (error := happen()) is not None:
                came = [(r, i, replace(ended, result=None, error=error)) for r, i, ended in came]
            return real(self, came)

        patch.setattr(CallsInFlight, "_hear", hear)
        yield


@contextmanager
def asleep(happen: Callable[[], None]) -> Iterator[None]:
    """Have a worker that holds a claim sleep for 100 s before its call, while something happens."""
    real = CallsInFlight.begin
    with pytest.MonkeyPatch.context() as patch:

        def begin(self: CallsInFlight, running: Running, step: Calls, slots: Any) -> None:
            if step.claim is not None:
                patch.setattr(CallsInFlight, "begin", real)
                later(100)
                patch.setattr(leases, "clocks", lambda: tuple(each + 100 for each in clocks()))
                happen()
            real(self, running, step, slots)

        patch.setattr(CallsInFlight, "begin", begin)
        yield


class Undone(Exception):
    """The site gives a transaction up."""


@contextmanager
def not_yet_committed(act: Callable[[], object]) -> Iterator[None]:
    """Have another session act in a transaction that is committed when the block ends."""
    acted, finish = threading.Event(), threading.Event()
    errors: list[BaseException] = []

    def session() -> None:
        try:
            with transaction.atomic():
                act()
                acted.set()
                assert finish.wait(PROMPT)
        except BaseException as error:
            errors.append(error)
        finally:
            acted.set()
            connections.close_all()

    thread = threading.Thread(target=session)
    thread.start()
    try:
        assert acted.wait(PROMPT)
        yield
    finally:
        finish.set()
        thread.join(PROMPT)
    assert not thread.is_alive()
    assert errors == []


picks = st.integers(0, 1000)
which = st.sampled_from(["c-1", "c-2"])
words = st.sampled_from(["", "Ada", "Bob", "Zoë", "李"])
emails = st.sampled_from([*EMAILS, *(email.upper() for email in EMAILS)])


class Machine(RuleBasedStateMachine):
    """The site, the remote and the reference, side by side."""

    box: ClassVar[Sandbox]
    totals: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        for model in MODELS:
            model.unmarked.all().delete()
        for rows in (ApiCall.objects, ApiGate.objects, Wakeup.objects):
            rows.all().delete()
        self.box.reset()
        self.reference, self.clock, self.drawn = Reference(), 0, 0
        self.totals["examples"] += 1

    def tick(self, name: str) -> int:
        self.totals[name] += 1
        self.clock += 1
        return self.clock

    def pick(self, number: int) -> tuple[Contact, Person] | None:
        people = self.reference.people
        if not people:
            return None
        pk = sorted(people)[number % len(people)]
        return Contact.objects.get(pk=pk), people[pk]

    def is_free(self, email: str) -> bool:
        return email.lower() not in {person.email for person in self.reference.people.values()}

    # What staff and the site do.

    @initialize(names=st.lists(words, min_size=2, max_size=3), known=st.booleans())
    def begin(self, names: list[str], known: bool) -> None:
        for id, name in (("c-1", "Ox"), ("c-2", "Yak")):
            Company.objects.create(external_id=id, company_name=name)
            self.reference.companies[id] = name
        for email, name in zip(EMAILS, names, strict=False):
            self.create(email, name, bulk=True, opted_in=False)
        if known:
            self.settle()

    @rule(email=emails, name=words, bulk=st.booleans(), opted_in=st.booleans())
    def create(self, email: str, name: str, bulk: bool, opted_in: bool) -> None:
        if not self.is_free(email):
            return
        self.tick("created")
        contact = Contact(email=email, first_name=name)
        if opted_in:
            contact.subscription_status = "SUBSCRIBED"
        if bulk:
            Contact.objects.bulk_create([contact])
        else:
            contact.save()
        self.reference.people[contact.pk] = Person(email.lower(), name)

    @rule(number=picks, name=words)
    def edit(self, number: int, name: str) -> None:
        if picked := self.pick(number):
            self.tick("edited")
            contact, person = picked
            contact.first_name = person.first_name = name
            contact.save()

    @rule(number=picks, value=st.sampled_from(VALUES))
    def evaluate(self, number: int, value: Any) -> None:
        """A value takes the place of one that may be equal, and is another on the wire."""
        if picked := self.pick(number):
            self.tick("evaluated")
            contact, person = picked
            contact.custom_variables = {} if value is None else {"score": value}
            person.value = value
            contact.save()

    @rule(number=picks, email=emails, name=words, opted_out=st.booleans(), part=st.booleans())
    def retry(self, number: int, email: str, name: str, opted_out: bool, part: bool) -> None:
        """A transaction, or part of one, is undone and tried again with the same instances."""
        picked = self.pick(number)
        if picked is None or not self.is_free(email):
            return
        clock = self.tick("retried transactions")
        contact, person = picked
        new = Contact(email=email, first_name=name)
        contact.first_name = person.first_name = name
        if opted_out:
            contact.subscription_status = new.subscription_status = "UNSUBSCRIBED"
            person.out = clock
        with transaction.atomic() if part else nullcontext():
            with suppress(Undone), transaction.atomic():
                contact.save()
                new.save()
                raise Undone
            contact.save()
            new.save()
        out = clock if opted_out else 0
        self.reference.people[new.pk] = Person(email.lower(), name, out=out)

    # Companies.

    @rule(
        number=picks,
        id=which,
        how=st.sampled_from(["save", "add", "add one by one", "set", "remove", "clear"]),
    )
    def employ(self, number: int, id: str, how: str) -> None:
        picked = self.pick(number)
        if picked is None:
            return
        self.tick("employed")
        (contact, person), company = picked, Company.objects.get(external_id=id)
        here = [each for each in self.reference.people.values() if each.company == id]
        match how:
            case "save":
                contact.company = company
                contact.save()
            case "add" | "add one by one":
                company.contacts.add(contact, bulk=how == "add")
            case "set":
                company.contacts.set([contact])
            case "remove" if person.company != id:
                return
            case "remove":
                company.contacts.remove(contact)
            case "clear":
                company.contacts.clear()
        if how in ("set", "clear"):
            for each in here:
                each.company = ""
        person.company = {"remove": "", "clear": person.company}.get(how, id)

    @rule(id=which, name=words, in_bulk=st.booleans())
    def rename(self, id: str, name: str, in_bulk: bool) -> None:
        self.tick("renamed")
        self.name(id, name, in_bulk)
        self.reference.companies[id] = name

    @precondition(lambda self: connection.vendor == "postgresql")
    @rule(number=picks, id=which, name=words, in_bulk=st.booleans())
    def rename_late(self, number: int, id: str, name: str, in_bulk: bool) -> None:
        """A contact gets into the company and is sent before the new name is committed."""
        self.tick("renamed late")
        with not_yet_committed(lambda: self.name(id, name, in_bulk)):
            self.employ(number, id, "save")
            drain(SECONDS)
        self.reference.companies[id] = name

    def name(self, id: str, name: str, in_bulk: bool) -> None:
        if in_bulk:
            Company.objects.filter(external_id=id).update(company_name=name)
        else:
            company = Company.objects.get(external_id=id)
            company.company_name = name
            company.save()

    @rule(title=words)
    def bulk_update(self, title: str) -> None:
        self.tick("updated in bulk")
        Contact.objects.update(title=title)
        for person in self.reference.people.values():
            person.title = title

    @rule(number=picks, in_bulk=st.booleans())
    def delete(self, number: int, in_bulk: bool) -> None:
        if picked := self.pick(number):
            self.tick("deleted")
            contact, _ = picked
            pk = contact.pk
            if in_bulk:
                Contact.objects.filter(pk=pk).delete()
            else:
                contact.delete()
            del self.reference.people[pk]
            for event in self.reference.events.values():
                event.exists &= event.of != pk

    @rule(number=picks, email=emails, in_bulk=st.booleans())
    def change_key(self, number: int, email: str, in_bulk: bool) -> None:
        picked = self.pick(number)
        if picked and (self.is_free(email) or picked[1].email == email.lower()):
            self.tick("moved")
            contact, person = picked
            self.move(contact, person, email, in_bulk)

    @precondition(lambda self: len(self.reference.people) > 1)
    @rule(number=picks, in_bulk=st.booleans())
    def swap(self, number: int, in_bulk: bool) -> None:
        one, two = self.pick(number), self.pick(number + 1)
        assert one is not None
        assert two is not None
        self.tick("swapped")
        a, b = one[1].email, two[1].email
        self.move(*one, "between@x.example", in_bulk)
        self.move(*two, a, in_bulk)
        self.move(*one, b, in_bulk)

    def move(self, contact: Contact, person: Person, email: str, in_bulk: bool) -> None:
        if in_bulk:
            Contact.objects.filter(pk=contact.pk).update(email=email)
        else:
            contact.email = email
            contact.save()
        person.email = email.lower()

    # Consent.

    @rule(number=picks, in_bulk=st.booleans())
    def opt_out(self, number: int, in_bulk: bool) -> None:
        if picked := self.pick(number):
            contact, person = picked
            person.out = self.tick("opted out")
            self.subscription(contact, "UNSUBSCRIBED", in_bulk)

    @rule(number=picks, in_bulk=st.booleans())
    def subscribe(self, number: int, in_bulk: bool) -> None:
        if picked := self.pick(number):
            self.tick("subscribed")
            self.subscription(picked[0], "SUBSCRIBED", in_bulk)

    @rule(number=picks)
    def subscribe_anyway(self, number: int) -> None:
        if picked := self.pick(number):
            contact, person = picked
            person.lifted = self.reference.lifted = self.tick("subscribed anyway")
            with attributed(requested_by="Grace", reason="She asked for it.", override=True):
                self.subscription(contact, "SUBSCRIBED", in_bulk=False)

    @precondition(lambda self: self.reference.people)
    @rule(number=picks)
    def opt_out_there(self, number: int) -> None:
        """They click at the vendor, when nothing of ours is under way."""
        self.settle()
        later(2 * 3600)
        picked = self.pick(number)
        assert picked is not None
        self.box.set_status(picked[1].email, "UNSUBSCRIBED")
        picked[1].out = picked[1].out_there = self.tick("opted out there")
        # It stands for the address, whoever has it next.
        self.reference.out_at[picked[1].email] = self.clock

    def subscription(self, contact: Contact, status: str, in_bulk: bool) -> None:
        if in_bulk:
            Contact.objects.filter(pk=contact.pk).update(subscription_status=status)
        else:
            contact.subscription_status = status
            contact.save()

    # Engagements.

    @rule(number=picks)
    def engage(self, number: int) -> None:
        if picked := self.pick(number):
            text = f"event {self.tick('events')}"
            Engagement.objects.create(contact=picked[0], name="Call", description=text)
            self.reference.events[text] = Event(of=picked[0].pk)

    @rule(resend=st.booleans())
    def decide(self, resend: bool) -> None:
        """Somebody decides about the engagements in doubt."""
        rows = Engagement.objects.unconfirmed()
        for text in self.in_doubt():
            self.tick("decided")
            self.reference.events[text].may_arrive += resend
            self.reference.events[text].taken_as_sent |= not resend
        if resend:
            rows.resend()
        else:
            rows.mark_as_sent()

    def in_doubt(self) -> list[str]:
        return list(Engagement.objects.unconfirmed().values_list("description", flat=True))

    # What the machine, the network and the vendor do.

    @rule()
    def work(self) -> None:
        self.tick("drains")
        drain(SECONDS)

    @rule(kind=st.sampled_from(FAULTS), count=st.integers(1, 3))
    def fault(self, kind: str, count: int) -> None:
        self.tick("faults")
        self.box.fail(kind, count=count)
        drain(SECONDS)

    @rule(call=st.integers(1, 4), worked=st.booleans())
    def die(self, call: int, worked: bool) -> None:
        try:
            with dying(call, worked):
                drain(SECONDS)
        except Killed:
            self.tick("crashes")

    @rule(what=st.sampled_from(["edit", "delete", "move", "opt out"]), number=picks)
    def work_while(self, what: str, number: int) -> None:
        """Something changes in flight."""
        self.tick("changes in flight")
        with meanwhile(lambda: self.change(what, number)):
            drain(SECONDS)

    def change(self, what: str, number: int) -> None:
        match what:
            case "edit":
                self.edit(number, f"In flight {self.clock}")
            case "delete":
                self.delete(number, in_bulk=False)
            case "move":
                self.change_key(number, EMAILS[number % 4], in_bulk=True)
            case "opt out":
                self.opt_out(number, in_bulk=False)

    @rule(number=picks, kind=st.sampled_from(["drop_after", "garbage", "short_data", "die"]))
    def come_back(self, number: int, kind: str) -> None:
        """The vendor's record is gone, an edit brings it back, and the answer to that is lost."""
        picked = self.pick(number)
        # What they said at the vendor alone went with the record.
        if picked is None or picked[1].out_there >= max(picked[1].out, 1):
            return
        self.box.app.store.delete_contact(picked[1].email)
        self.edit(number, f"Back {self.tick('came back')}")
        if kind == "die":
            self.die(1, worked=True)
        else:
            self.fault(kind, 1)

    @rule(number=picks, resend=st.booleans())
    def work_late(self, number: int, resend: bool) -> None:
        """A worker's lease is over, another takes over: what the late one hears counts no more."""
        self.edit(number, f"Late {self.tick('late answers')}")

        def late() -> ConversionError | None:
            later(100)
            drain(SECONDS)
            self.decide(resend)
            held = in_flight() or self.in_doubt()
            return None if held else ValidationFailed("It comes too late.")

        with meanwhile(late):
            drain(SECONDS)

    @rule(what=st.sampled_from(["edit", "delete", "move", "opt out"]), number=picks)
    def oversleep(self, what: str, number: int) -> None:
        """A worker sleeps past its lease; the row changes, and another worker sends it."""
        self.edit(number, f"Asleep {self.tick('workers that slept')}")

        def happen() -> None:
            self.change(what, number)
            drain(SECONDS)

        with asleep(happen):
            drain(SECONDS)

    @rule(seconds=st.sampled_from([5, 70, 3700]))
    def time_passes(self, seconds: int) -> None:
        self.tick("jumps of time")
        later(seconds)

    # What has to hold.

    @invariant()
    def nobody_who_opted_out_is_subscribed_again(self) -> None:
        for email, since in self.reference.out_at.items():
            record = self.box.contacts.get(email)
            if record is not None and since > self.reference.lifted:
                assert record["subscriptionStatus"] != "SUBSCRIBED", email

    @invariant()
    def nothing_is_doubled(self) -> None:
        arrived = Counter(record["description"] for record in self.box.engagements)
        for text, times in arrived.items():
            assert times <= self.reference.events[text].may_arrive, text

    @rule()
    def settle(self) -> None:
        """Without faults, after a while, the remote is as the reference says."""
        self.box.clear_faults()
        for _ in range(40):
            report = drain(SECONDS)
            waits = any(model.unmarked.filter(sync_status__in=WAITING).exists() for model in MODELS)
            if not waits and not Company.unmarked.exclude(renamed_revision=None).exists():
                break
            if not report.go_on:
                later(90)
        else:
            raise AssertionError("Rows still wait.")
        assert in_flight() == 0
        self.check_records()
        self.check_consent()
        self.check_events()

    def check_records(self) -> None:
        assert set(Contact.objects.values_list("sync_status", flat=True)) <= {"SYNCED"}
        want = {
            person.email: {
                name: value
                for name, value in (
                    ("first_name", person.first_name),
                    ("title", person.title),
                    ("company_name", self.reference.companies.get(person.company)),
                    ("score", person.value),
                )
                if value is not None and value != ""
            }
            for person in self.reference.people.values()
        }
        here = {key: record["variables"] for key, record in self.box.contacts.items()}
        assert json.dumps(here, sort_keys=True) == json.dumps(want, sort_keys=True)

    def check_consent(self) -> None:
        codes = SubscriptionChange.objects.failed().values_list("last_error_code", flat=True)
        assert set(codes) <= {"CONSENT_BLOCKED", "NOTHING_TO_UNSUBSCRIBE"}
        for pk, person in self.reference.people.items():
            status = self.box.contacts[person.email]["subscriptionStatus"]
            if self.reference.is_out(pk):
                assert status == "UNSUBSCRIBED", person
                log = SubscriptionChange.objects.opt_outs().filter(address=person.email)
                if log.filter(sync_status="SYNCED").exists():
                    self.reference.out_at[person.email] = self.clock

    def check_events(self) -> None:
        arrived = Counter(record["description"] for record in self.box.engagements)
        rows = {row.description: row for row in Engagement.objects.all()}
        for text, event in self.reference.events.items():
            assert (text in rows) == event.exists
            if not event.exists:
                continue
            assert rows[text].sync_status in ("SYNCED", "UNCONFIRMED"), rows[text].sync_status
            if rows[text].sync_status == "SYNCED" and not event.taken_as_sent:
                assert arrived[text] >= 1, text

    def teardown(self) -> None:
        self.settle()


WAITING = ("PENDING", "SENDING")


def test_the_promises_hold_whatever_happens(box: Sandbox, configure: Configure):
    configure(LEASE=60, CALL_DEADLINE=2)
    Company.unmarked.all().delete()
    Machine.box, Machine.totals = box, Counter()
    # A server answers more slowly than a file does.
    examples, steps = (600, 60) if LONG else (60 if connection.vendor == "sqlite" else 15, 30)
    try:
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        drawn = ", ".join(f"{count} {what}" for what, count in Machine.totals.most_common())
        say(f"model test: {drawn}")


# What it has found.


def test_what_somebody_says_at_another_address_does_not_lift_the_opt_out_of_an_address(
    box: Sandbox,
):
    ada = Contact.objects.create(email="ada@x.example")
    office = Contact.objects.create(email="office@x.example")
    until_idle()
    office.subscription_status = "UNSUBSCRIBED"
    office.save()
    until_idle()
    ada.subscription_status = "SUBSCRIBED"
    ada.save()
    until_idle()
    office.email = "new-office@x.example"
    office.save()
    until_idle()

    ada.email = "office@x.example"
    ada.save()
    until_idle()

    assert box.contacts["office@x.example"]["subscriptionStatus"] == "UNSUBSCRIBED"


def test_a_change_whose_worker_died_and_whose_contact_is_gone_holds_nobody_up(box: Sandbox):
    ada = Contact.objects.create(email="ada@x.example", subscription_status="SUBSCRIBED")
    with pytest.raises(Killed), dying(2, worked=False):
        drain(20)
    assert SubscriptionChange.objects.get().sync_status == "SENDING"
    ada.delete()
    back = Contact.objects.create(email="ada@x.example", subscription_status="UNSUBSCRIBED")

    until_idle()

    assert in_flight() == 0
    assert box.contacts[back.key]["subscriptionStatus"] == "UNSUBSCRIBED"
    assert SubscriptionChange.objects.latest("pk").sync_status == "SYNCED"


def test_two_who_opted_out_there_and_swap_their_addresses_stay_opted_out(box: Sandbox):
    one = Contact.objects.create(email="a@x.example")
    two = Contact.objects.create(email="b@x.example", subscription_status="SUBSCRIBED")
    until_idle()
    later(2 * 3600)
    for email in ("a@x.example", "b@x.example"):
        box.set_status(email, "UNSUBSCRIBED")

    for contact, email in ((one, "c@x.example"), (two, "a@x.example"), (one, "b@x.example")):
        contact.email = email
        contact.save()
    until_idle()

    statuses = {key: record["subscriptionStatus"] for key, record in box.contacts.items()}
    assert statuses == {"a@x.example": "UNSUBSCRIBED", "b@x.example": "UNSUBSCRIBED"}
