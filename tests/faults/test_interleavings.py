"""Interleavings: what happens while a call is under way, on a connection of its own.

A hook of the sandbox runs in the thread that serves the call, and so has its own connection; a
second worker is a thread with its own. Each step waits for the one before it.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, connections, transaction

from conversion_sync import signals
from conversion_sync.api.keys import normal_email
from conversion_sync.models import (
    Company,
    Contact,
    Deletion,
    Engagement,
    Status,
    SubscriptionChange,
)
from conversion_sync.models.attribution import attributed
from conversion_sync.models.clock import db_now
from conversion_sync.sandbox import Sandbox
from conversion_sync.sync.drain import drain
from tests.faults.kit import (
    ADA,
    LONG_ENOUGH,
    MARKS,
    Killed,
    drain_now,
    dying,
    in_flight,
    later,
    now,
    until_idle,
)

pytestmark = MARKS

BOB, CARL = "bob@x.example", "carl@x.example"

UPSERT, SUBSCRIBE, ENGAGE = (
    "/contacts/batch",
    "/contacts/batch-subscription",
    "/contacts/engagements",
)

Write = Callable[..., None]


def by_save(pk: int, **changes: Any) -> None:
    row = Contact.objects.get(pk=pk)
    for name, value in changes.items():
        setattr(row, name, value)
    row.save()


def by_update(pk: int, **changes: Any) -> None:
    assert Contact.objects.filter(pk=pk).update(**changes) == 1


def by_bulk_update(pk: int, **changes: Any) -> None:
    row = Contact.objects.get(pk=pk)
    for name, value in changes.items():
        setattr(row, name, value)
    Contact.objects.bulk_update([row], list(changes))


each_writer = pytest.mark.parametrize("write", [by_save, by_update])
each_moment = pytest.mark.parametrize("moment", ["before", "after"])


class Steps:
    """What other connections do, step by step; an error in any of them fails the test."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        self.errors: list[BaseException] = []
        self.waiting: set[int] = set()
        self.threads: list[threading.Thread] = []
        self.gates: list[threading.Event] = []

    def run(self, act: Callable[[], object]) -> None:
        try:
            act()
        except BaseException as error:
            self.errors.append(error)
            raise
        finally:
            connections.close_all()

    def meanwhile(
        self,
        act: Callable[[], object],
        moment: str = "after",
        path: str = UPSERT,
        method: str = "POST",
    ) -> None:
        """Have something happen on another connection during the next call of that path."""
        number = len(self.waiting)
        self.waiting.add(number)

        def step(request: Any) -> None:
            self.waiting.discard(number)
            self.run(act)

        hook = {"before": self.box.before, "after": self.box.after}[moment]
        hook(step, path=f"^{path}$", method=method)

    def thread(self, act: Callable[[], object]) -> threading.Thread:
        thread = threading.Thread(target=self._quietly, args=(act,))
        self.threads.append(thread)
        thread.start()
        return thread

    def _quietly(self, act: Callable[[], object]) -> None:
        with contextlib.suppress(BaseException):  # the fixture shows it
            self.run(act)

    def worker_held(self, path: str, moment: str = "before") -> Callable[[], None]:
        """Start a second worker, and hold its call. Returns what lets it go, and waits for it.

        The worker begins nothing else from then on: with several calls on their way, it would
        take the same rows again as soon as their lease has been made to end.
        """
        held, idle, go = threading.Event(), threading.Event(), threading.Event()
        self.gates.append(go)

        def stop() -> bool:
            if held.is_set():
                idle.set()
            return held.is_set()

        def hold() -> None:
            held.set()
            assert go.wait(LONG_ENOUGH)

        self.meanwhile(hold, moment, path)
        thread = self.thread(lambda: drain(LONG_ENOUGH, stop=stop))
        assert held.wait(LONG_ENOUGH), self.errors
        assert idle.wait(LONG_ENOUGH), self.errors

        def let_go() -> None:
            go.set()
            thread.join(LONG_ENOUGH)
            assert not thread.is_alive()

        return let_go

    def join(self) -> None:
        for thread in self.threads:
            thread.join(LONG_ENOUGH)

    def end(self) -> None:
        for gate in self.gates:
            gate.set()
        self.join()
        assert self.errors == []
        assert not self.waiting, "a step was never reached"


@pytest.fixture
def steps(box: Sandbox, caplog: pytest.LogCaptureFixture) -> Iterator[Steps]:
    steps = Steps(box)
    yield steps
    steps.end()
    # A bug that a worker records on its rows, and a later try makes good, is one all the same.
    logged = [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert [record.getMessage() for record in logged] == []


def known(*emails: str) -> list[Contact]:
    """Contacts that have arrived."""
    rows = [Contact.objects.create(email=email, first_name=email[:3]) for email in emails]
    drain_now()
    assert not Contact.objects.waiting().exists()
    return rows


def local() -> dict[str, str]:
    return dict(Contact.objects.values_list("key", "first_name"))


def remote(box: Sandbox) -> dict[str, str]:
    return {key: record["variables"].get("first_name", "") for key, record in box.contacts.items()}


def posted(box: Sandbox, path: str) -> list[Any]:
    """The bodies of the calls, oldest first; of a batch, its items."""
    bodies = [call.body for call in box.calls if (call.method, call.path) == ("POST", path)]
    return [body.get("contacts", body) for body in bodies]


def deletions(box: Sandbox) -> int:
    return sum(call.method == "DELETE" for call in box.calls)


def arrives(box: Sandbox) -> None:
    """Whatever happened, the remote ends as the local is, and nothing is left over."""
    until_idle()
    assert remote(box) == local()
    assert in_flight() == 0
    assert not Contact.objects.unfinished().exists()
    assert not Deletion.objects.open().exists()


# --- Saving and settling: a row that changes in flight ----------------------------------------


@pytest.mark.parametrize("write", [by_save, by_update, by_bulk_update])
@each_moment
def test_an_edit_in_flight_is_sent_after_it(box, steps, write, moment):
    [ada] = known(ADA)
    Contact.objects.update(first_name="Old")
    states = []

    def edit() -> None:
        lease = now(ada).due_at
        write(ada.pk, first_name="New")
        found = now(ada)
        states.append((found.sync_status, found.claim is not None, found.due_at == lease))

    steps.meanwhile(edit, moment)
    drain_now()
    # The edit undid nothing of the claim, and the settling nothing of the edit.
    assert states == [(Status.SENDING, True, True)]
    assert [body[0]["variables"]["first_name"] for body in posted(box, UPSERT)][1:] == [
        "Old",
        "New",
    ]
    arrives(box)


def test_an_instance_that_was_loaded_before_the_claim_undoes_nothing_of_it(box, steps):
    [ada] = known(ADA)
    Contact.objects.update(last_name="Lovelace")
    stale = Contact.objects.get()
    assert (stale.sync_status, stale.claim) == (Status.PENDING, None)
    stale.first_name = "New"
    states = []

    def save() -> None:
        stale.save()
        found = now(ada)
        states.append((found.sync_status, found.claim is not None, found.sent_revision))

    steps.meanwhile(save)
    drain_now()
    assert states == [(Status.SENDING, True, 2)]
    arrives(box)
    assert box.contacts[ADA]["variables"]["last_name"] == "Lovelace"


def test_an_edit_in_flight_of_a_call_that_failed_is_sent_at_once(box, steps):
    [ada] = known(ADA)
    Contact.objects.update(first_name="Old")
    steps.meanwhile(lambda: by_save(ada.pk, first_name="New"), "before")
    box.fail("status", status=400, code="VALIDATION_ERROR", path=UPSERT)
    drain_now()
    assert now(ada).sync_status == Status.SYNCED
    arrives(box)


def test_sync_now_in_flight_sends_again(box, steps):
    known(ADA)
    Contact.objects.update(first_name="Old")
    steps.meanwhile(lambda: Contact.objects.sync_now())
    drain_now()
    assert len(posted(box, UPSERT)) == 3
    arrives(box)


def test_a_change_that_is_rolled_back_in_flight_changes_nothing(box, steps):
    [ada] = known(ADA)
    Contact.objects.update(first_name="Old")

    def try_to_edit() -> None:
        with transaction.atomic():
            by_save(ada.pk, first_name="New", email=BOB)
            transaction.set_rollback(True)

    steps.meanwhile(try_to_edit)
    drain_now()
    assert remote(box) == {ADA: "Old"}
    assert len(posted(box, UPSERT)) == 2
    arrives(box)


def test_a_company_renamed_while_its_contact_is_in_flight_arrives_at_the_contact(box, steps):
    company = Company.objects.create(external_id="c1", company_name="Old")
    Contact.objects.create(email=ADA, company=company)

    def rename() -> None:
        row = Company.objects.get()
        row.company_name = "New"
        row.save()

    steps.meanwhile(rename)
    arrives(box)
    assert box.contacts[ADA]["variables"]["company_name"] == "New"
    assert box.companies["c1"]["variables"]["company_name"] == "New"


@pytest.mark.parametrize("how", ["instance", "queryset"])
@each_moment
def test_a_row_deleted_in_flight_is_brought_back_neither_here_nor_there(box, steps, how, moment):
    known(ADA)
    Contact.objects.update(first_name="Old")
    leases = []

    def delete() -> None:
        leases.append(Contact.objects.get().due_at)
        (Contact.objects.get() if how == "instance" else Contact.objects.all()).delete()

    steps.meanwhile(delete, moment)
    drain_now()
    # The call in flight may write until its lease is over: only then is the deletion due.
    deletion = Deletion.objects.get()
    assert (deletion.sync_status, deletion.due_at) == (Status.PENDING, leases[0])
    assert not Deletion.objects.due().exists()
    assert (local(), deletions(box)) == ({}, 0)
    arrives(box)
    assert (remote(box), deletions(box)) == ({}, 1)


# --- Keys -------------------------------------------------------------------------------------


@each_writer
@each_moment
def test_a_key_changed_in_flight_is_deleted_when_the_lease_is_over(box, steps, write, moment):
    [ada] = known(ADA)
    Contact.objects.update(first_name="Old")
    leases = []

    def change() -> None:
        leases.append(now(ada).due_at)
        write(ada.pk, email=BOB)

    steps.meanwhile(change, moment)
    drain_now()
    deletion = Deletion.objects.get()
    assert (deletion.key, deletion.sync_status, deletion.due_at) == (ADA, "PENDING", leases[0])
    # The new key waits for nothing.
    assert set(remote(box)) == {ADA, BOB}
    assert deletions(box) == 0
    arrives(box)
    assert set(remote(box)) == {BOB}


def swap(write: Write) -> None:
    ada, bob = Contact.objects.order_by("pk").values_list("pk", flat=True)
    with transaction.atomic():
        write(ada, email=CARL)
        write(bob, email=ADA)
        write(ada, email=BOB)


def there_and_back(write: Write) -> None:
    ada = Contact.objects.earliest("pk").pk
    write(ada, email=CARL)
    write(ada, email=ADA)


def away(write: Write) -> None:
    write(Contact.objects.earliest("pk").pk, email=CARL)


def onto_a_deleted_one(write: Write) -> None:
    ada, bob = Contact.objects.order_by("pk")
    bob.delete()
    write(ada.pk, email=BOB)


def delete_and_recreate(write: Write) -> None:
    Contact.objects.earliest("pk").delete()
    new = Contact.objects.create(email=ADA)
    write(new.pk, first_name="Anew")


def rotate_through_an_edit(write: Write) -> None:
    swap(write)
    write(Contact.objects.earliest("pk").pk, first_name="Edited")
    swap(write)


#: Changes after which there is something to delete, whatever happens then.
DELETING = [swap, away, onto_a_deleted_one, delete_and_recreate, rotate_through_an_edit]

each_change = pytest.mark.parametrize("change", [*DELETING, there_and_back])


@each_change
@each_writer
@pytest.mark.parametrize("synced", [True, False], ids=["synced", "never sent"])
def test_after_any_change_of_keys_the_remote_ends_as_the_local_is(box, change, write, synced):
    if synced:
        known(ADA, BOB)
    else:
        Contact.objects.bulk_create([Contact(email=ADA), Contact(email=BOB)])
    change(write)
    arrives(box)


@each_change
@each_writer
@each_moment
def test_and_so_it_does_when_they_change_in_flight(box, steps, change, write, moment):
    known(ADA, BOB)
    Contact.objects.sync_now()
    steps.meanwhile(lambda: change(write), moment)
    arrives(box)


@each_change
@each_writer
def test_and_when_they_change_in_flight_of_the_first_push(box, steps, change, write):
    Contact.objects.bulk_create([Contact(email=ADA), Contact(email=BOB)])
    steps.meanwhile(lambda: change(write))
    arrives(box)


@pytest.mark.parametrize("change", DELETING)
@each_writer
@each_moment
def test_and_when_the_change_is_undone_in_flight_of_the_deletion(box, steps, change, write, moment):
    rows = known(ADA, BOB)
    emails = [ADA, BOB]
    change(write)

    def back() -> None:
        with transaction.atomic():
            Contact.objects.exclude(pk__in=[row.pk for row in rows]).delete()
            for row in rows:
                Contact.objects.filter(pk=row.pk).update(email=f"{row.pk}@y.example")
            for row, email in zip(rows, emails, strict=True):
                if Contact.objects.filter(pk=row.pk).exists():
                    write(row.pk, email=email)

    if not Deletion.objects.open().exists():
        pytest.fail("nothing is deleted: the case says nothing")
    steps.meanwhile(back, moment, "/contacts/by-email/.*", "DELETE")
    arrives(box)


@each_writer
@pytest.mark.parametrize(
    ("old", "new"),
    [(ADA, "Ada@X.example"), ("ada@ren\u00e9.example", "ada@rene\u0301.example")],
    ids=["case", "unicode"],
)
@pytest.mark.parametrize("in_the_middle", [True, False], ids=["in flight", "at rest"])
def test_another_spelling_of_the_same_address_deletes_nothing(
    box, steps, write, old, new, in_the_middle
):
    [row] = known(old)
    if in_the_middle:
        Contact.objects.update(first_name="Old")
        steps.meanwhile(lambda: write(row.pk, email=new))
        drain_now()
    else:
        write(row.pk, email=new)
    arrives(box)
    assert not Deletion.objects.exists()
    assert (deletions(box), list(remote(box))) == (0, [normal_email(old)])
    assert now(row).email == new


def test_a_contact_created_in_flight_of_the_deletion_of_its_key_waits_for_it(box, steps):
    [ada] = known(ADA)
    ada.delete()
    waited = []

    def return_and_drain() -> None:
        Contact.objects.create(email=ADA, first_name="Back")
        drain(0.5)
        waited.append(Contact.objects.get().sync_status)

    steps.meanwhile(return_and_drain, "before", "/contacts/by-email/.*", "DELETE")
    arrives(box)
    assert waited == [Status.PENDING]
    assert remote(box) == {ADA: "Back"}


@each_writer
def test_a_company_whose_id_changes_in_flight_moves(box, steps, write):
    row = Company.objects.create(external_id="c1", company_name="Engines")
    drain_now()
    Company.objects.update(company_name="Old")

    def change() -> None:
        if write is by_update:
            Company.objects.update(external_id="c2")
        else:
            found = Company.objects.get()
            found.external_id = "c2"
            found.save()

    steps.meanwhile(change, path="/companies/batch")
    drain_now()
    assert set(box.companies) == {"c1", "c2"}
    arrives(box)
    assert set(box.companies) == {"c2"}
    assert now(row).sync_status == Status.SYNCED


# --- Leases -----------------------------------------------------------------------------------


def test_an_expired_lease_is_taken_over_and_the_late_result_refused(box, steps):
    [ada] = known(ADA)
    Contact.objects.update(first_name="New")
    let_go = steps.worker_held(UPSERT)
    late = now(ada).claim
    drain_now()
    assert now(ada).claim == late
    later(61)
    drain_now()
    assert now(ada).sync_status == Status.SYNCED
    assert remote(box) == {ADA: "New"}
    box.fail("status", status=400, code="VALIDATION_ERROR", path=UPSERT)
    let_go()
    found = now(ada)
    assert (found.sync_status, found.last_error_code) == (Status.SYNCED, "")
    arrives(box)


def test_a_late_result_does_not_settle_what_another_worker_is_sending(box, steps):
    [ada] = known(ADA)
    Contact.objects.update(first_name="New")
    first = steps.worker_held(UPSERT)
    later(61)
    second = steps.worker_held(UPSERT)
    held = now(ada).claim
    first()
    found = now(ada)
    assert (found.claim, found.sync_status) == (held, Status.SENDING)
    second()
    arrives(box)


def test_a_late_confirmation_does_not_hide_a_newer_edit(box, steps):
    [ada] = known(ADA)
    Contact.objects.update(first_name="Old")
    let_go = steps.worker_held(UPSERT, "after")
    by_save(ada.pk, first_name="New")
    let_go()
    arrives(box)
    assert remote(box) == {ADA: "New"}


@pytest.fixture
def engaged(box: Sandbox) -> Engagement:
    [ada] = known(ADA)
    row: Engagement = Engagement.objects.create(contact=ada, name="Call", description="Yes.")
    return row


def in_doubt(steps: Steps, row: Engagement) -> Callable[[], None]:
    """An engagement in doubt, whose worker still waits for its answer."""
    let_go = steps.worker_held(ENGAGE)
    later(61)
    drain_now()
    found = now(row)
    assert (found.sync_status, found.claim is None) == (Status.UNCONFIRMED, False)
    return let_go


def test_an_engagement_in_doubt_takes_a_definite_answer_that_comes_late(box, steps, engaged):
    in_doubt(steps, engaged)()
    assert now(engaged).sync_status == Status.SYNCED
    assert len(box.engagements) == 1


def test_an_engagement_in_doubt_takes_a_definite_refusal_that_comes_late(box, steps, engaged):
    let_go = in_doubt(steps, engaged)
    box.fail("status", status=400, code="VALIDATION_ERROR", path=ENGAGE)
    let_go()
    assert now(engaged).sync_status == Status.FAILED
    assert box.engagements == []


@pytest.mark.parametrize(
    ("decide", "status", "arrivals"), [("resend", "PENDING", 1), ("mark_as_sent", "SYNCED", 0)]
)
def test_once_a_person_has_decided_the_late_answer_is_refused(
    box, steps, engaged, decide, status, arrivals
):
    let_go = in_doubt(steps, engaged)
    assert getattr(Engagement.objects, decide)() == 1
    # Else the late worker's own drain would send it before the test could look.
    Engagement.unmarked.filter(sync_status="PENDING").update(
        due_at=db_now("default") + datetime.timedelta(seconds=60)
    )
    box.fail("status", status=400, code="VALIDATION_ERROR", path=ENGAGE)
    let_go()
    found = now(engaged)
    assert (found.sync_status, found.last_error_code) == (status, "NO_ANSWER" if arrivals else "")
    until_idle()
    assert now(engaged).sync_status == Status.SYNCED
    assert len(box.engagements) == arrivals


# --- Consent ----------------------------------------------------------------------------------


def set_status(pk: int, status: str) -> None:
    by_save(pk, subscription_status=status)


def statuses_sent(box: Sandbox) -> list[str]:
    return [item["subscriptionStatus"] for body in posted(box, SUBSCRIBE) for item in body]


@pytest.fixture
def old(box: Sandbox) -> Contact:
    """A contact of long ago: the guard asks the remote about it."""
    [row] = known(ADA)
    later(2 * 60 * 60)
    return row


# What they say there after the check is the race that the docs admit.
@pytest.mark.parametrize(
    ("where", "moment"), [("here", "before"), ("here", "after"), ("there", "before")]
)
def test_an_opt_out_while_a_subscription_is_in_the_guard_wins(box, steps, old, where, moment):
    set_status(old.pk, "SUBSCRIBED")

    def opt_out() -> None:
        if where == "here":
            set_status(old.pk, "UNSUBSCRIBED")
        else:
            box.set_status(ADA, "UNSUBSCRIBED")

    steps.meanwhile(opt_out, moment, "/contacts/by-email/.*", "GET")
    until_idle()
    assert box.contacts[ADA]["subscriptionStatus"] == "UNSUBSCRIBED"
    assert now(old).subscription_status == "UNSUBSCRIBED"
    assert statuses_sent(box) == ([] if where == "there" else ["UNSUBSCRIBED"])


@pytest.mark.parametrize("created", ["by us just now", "long ago"])
@pytest.mark.parametrize("override", [True, False])
def test_a_subscription_whose_worker_died_is_not_sent_after_a_newer_opt_out(box, created, override):
    [ada] = known(ADA)
    if created == "long ago":
        later(2 * 60 * 60)
    with attributed(override=override, reason="She asked."):
        set_status(ada.pk, "SUBSCRIBED")
    with pytest.raises(Killed), dying(1, worked=False):
        drain(20)
    set_status(ada.pk, "UNSUBSCRIBED")
    until_idle()
    assert statuses_sent(box) == ["UNSUBSCRIBED"]
    first = SubscriptionChange.objects.earliest("pk")
    assert first.sync_status == Status.SUPERSEDED


@each_moment
def test_an_opt_out_while_a_subscription_is_in_flight_is_sent_after_it(box, steps, old, moment):
    set_status(old.pk, "SUBSCRIBED")
    steps.meanwhile(lambda: set_status(old.pk, "UNSUBSCRIBED"), moment, SUBSCRIBE)
    until_idle()
    assert statuses_sent(box) == ["SUBSCRIBED", "UNSUBSCRIBED"]
    assert box.contacts[ADA]["subscriptionStatus"] == "UNSUBSCRIBED"


@each_moment
def test_a_subscription_while_an_opt_out_is_in_flight_is_blocked(box, steps, old, moment):
    set_status(old.pk, "UNSUBSCRIBED")
    steps.meanwhile(lambda: set_status(old.pk, "SUBSCRIBED"), moment, SUBSCRIBE)
    until_idle()
    assert statuses_sent(box) == ["UNSUBSCRIBED"]
    newest = SubscriptionChange.objects.latest("pk")
    assert (newest.sync_status, newest.last_error_code) == (Status.FAILED, "CONSENT_BLOCKED")


@pytest.mark.parametrize("second", ["UNSUBSCRIBED", "PENDING"])
def test_two_changes_of_one_contact_are_never_in_flight_together(box, steps, old, second):
    set_status(old.pk, "SUBSCRIBED")
    let_go = steps.worker_held(SUBSCRIBE)
    set_status(old.pk, second)
    drain_now()
    assert statuses_sent(box) == ["SUBSCRIBED"]
    assert SubscriptionChange.objects.latest("pk").sync_status == Status.PENDING
    let_go()
    until_idle()
    assert statuses_sent(box) == ["SUBSCRIBED", second]
    assert box.contacts[ADA]["subscriptionStatus"] == second


@each_writer
@pytest.mark.parametrize("status", ["SUBSCRIBED", "UNSUBSCRIBED"])
@each_moment
def test_a_key_changed_while_its_consent_is_in_flight_takes_it_along(
    box, steps, old, write, status, moment
):
    set_status(old.pk, status)
    steps.meanwhile(lambda: write(old.pk, email=BOB), moment, SUBSCRIBE)
    arrives(box)
    assert set(remote(box)) == {BOB}
    assert box.contacts[BOB]["subscriptionStatus"] == status


@pytest.mark.parametrize("subscribed", [True, False])
def test_an_opt_out_of_the_old_address_before_its_deletion_is_carried_over(
    box, steps, old, subscribed
):
    by_save(old.pk, email=BOB)
    if subscribed:
        set_status(old.pk, "SUBSCRIBED")
    steps.meanwhile(
        lambda: box.set_status(ADA, "UNSUBSCRIBED"), "before", "/contacts/by-email/ada.*", "GET"
    )
    arrives(box)
    assert box.contacts[BOB]["subscriptionStatus"] == "UNSUBSCRIBED"
    assert "SUBSCRIBED" not in statuses_sent(box)


def test_an_opt_out_of_a_contact_deleted_in_its_flight_is_not_lost(box, steps, old, configure):
    configure(DELETE_REMOTE=False)
    set_status(old.pk, "UNSUBSCRIBED")
    box.fail("drop_before", path=SUBSCRIBE)
    steps.meanwhile(lambda: Contact.objects.get().delete(), "before", SUBSCRIBE)
    until_idle()
    assert box.contacts[ADA]["subscriptionStatus"] == "UNSUBSCRIBED"


# --- Several workers, and the host's own transactions -----------------------------------------


def together(steps: Steps, count: int = 2) -> None:
    """Have workers drain at once."""
    start = threading.Barrier(count)

    def work() -> None:
        start.wait(LONG_ENOUGH)
        while drain_now().go_on:
            pass

    threads = [steps.thread(work) for _ in range(count)]
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_two_drains_at_once_send_no_row_twice(box, steps, configure):
    configure(BATCH_SIZE=5)
    Contact.objects.bulk_create(Contact(email=f"c{n}@x.example") for n in range(100))
    together(steps)
    arrives(box)
    emails = [item["email"] for body in posted(box, UPSERT) for item in body]
    assert sorted(emails) == sorted(local())


def test_two_drains_at_once_send_no_engagement_twice(box, steps):
    [ada] = known(ADA)
    Engagement.objects.bulk_create(
        Engagement(contact=ada, name=f"Call {n}", description="Yes.") for n in range(60)
    )
    together(steps)
    until_idle()
    assert len(box.engagements) == len(posted(box, ENGAGE)) == 60
    assert set(Engagement.objects.values_list("sync_status", flat=True)) == {Status.SYNCED}


def test_a_second_worker_sends_what_the_first_does_not_hold(box, steps, configure):
    configure(BATCH_SIZE=1)
    Contact.objects.bulk_create([Contact(email=ADA), Contact(email=BOB)])
    let_go = steps.worker_held(UPSERT)
    drain_now()
    # Whichever of the two is held.
    assert len(remote(box)) == 1
    assert len(posted(box, UPSERT)) == 2
    let_go()
    arrives(box)
    assert len(posted(box, UPSERT)) == 2


def test_settling_waits_for_a_host_that_holds_a_row_and_harms_nobody(box, steps):
    """The host locks in the other order: who waited for it with a lock would deadlock with it."""
    ada, bob = known(ADA, BOB)
    Contact.objects.update(last_name="New")
    holds, settled, done = threading.Event(), threading.Event(), []

    def host() -> None:
        with transaction.atomic():
            by_save(bob.pk, first_name="Host")
            holds.set()
            # SQLite has one writer at a time: there nothing is settled before the host ends.
            settled.wait(0.3 if connection.vendor == "sqlite" else LONG_ENOUGH)
            by_save(ada.pk, first_name="Host")
        done.append(True)

    def arrived(pks: list[int], **kwargs: Any) -> None:
        if ada.pk in pks:
            settled.set()

    def start() -> None:
        steps.thread(host)
        assert holds.wait(LONG_ENOUGH)

    signals.row_synced.connect(arrived)
    try:
        steps.meanwhile(start)
        drain(10)
    finally:
        signals.row_synced.disconnect(arrived)
    assert done == [True]
    arrives(box)
    assert remote(box) == {ADA: "Host", BOB: "Host"}
    assert len(posted(box, UPSERT)[1]) == 2


def test_a_claim_passes_by_what_a_host_holds(box, steps):
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("one writer at a time: a claim waits")
    Contact.objects.bulk_create([Contact(email=ADA), Contact(email=BOB)])
    with transaction.atomic():
        Contact.unmarked.filter(email=ADA).select_for_update().get()
        steps.thread(lambda: drain_now()).join(LONG_ENOUGH)
        assert list(remote(box)) == [BOB]
    arrives(box)


def rename(company: Company) -> None:
    Company.objects.filter(pk=company.pk).update(company_name="Renamed")


def by_another_id(company: Company) -> None:
    Company.objects.filter(pk=company.pk).update(external_id="c2")


def hold_up(
    steps: Steps, first: Callable[[], object], then: Callable[[], object]
) -> Callable[[], None]:
    """A host does one thing, and in the same transaction, a while later, another."""
    holds = threading.Event()

    def host() -> None:
        with transaction.atomic():
            first()
            holds.set()
            # A worker that waited would have looked for a deadlock before there is one (after a
            # second, on PostgreSQL): who comes later is the victim.
            time.sleep(1.5)
            then()

    def start() -> None:
        steps.thread(host)
        assert holds.wait(LONG_ENOUGH)

    return start


no_row_locks = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="one writer at a time: nobody holds a row"
)


@no_row_locks
@pytest.mark.parametrize("first", [rename, by_another_id])
def test_a_host_that_holds_a_company_while_its_contact_is_settled_is_in_no_deadlock(
    box, steps, first
):
    company = Company.objects.create(external_id="c1", company_name="Old")
    ada = Contact.objects.create(email=ADA, company=company)
    steps.meanwhile(
        hold_up(steps, lambda: first(company), lambda: by_save(ada.pk, first_name="Host"))
    )
    drain_now()
    steps.join()
    arrives(box)
    assert remote(box) == {ADA: "Host"}


@no_row_locks
@pytest.mark.parametrize("path", [SUBSCRIBE, ENGAGE])
def test_a_host_that_moves_and_deletes_a_contact_while_its_events_are_settled_is_in_none(
    box, steps, old, path
):
    set_status(old.pk, "UNSUBSCRIBED")
    Engagement.objects.create(contact=old, name="Call", description="Yes.")
    steps.meanwhile(
        hold_up(steps, lambda: by_save(old.pk, email=BOB), lambda: Contact.objects.get().delete()),
        path=path,
    )
    drain_now()
    steps.join()
    until_idle()
    assert (in_flight(), box.contacts) == (0, {})


@no_row_locks
def test_a_host_that_holds_a_company_holds_up_nobody_who_saves_its_contacts(box, steps):
    company = Company.objects.create(external_id="c1", company_name="Old")
    [ada] = known(ADA)
    ada.company = company
    ada.save()
    with transaction.atomic():
        company.industry = "Engines"
        company.save()
        # Two writes of one row: its company is looked at again when they are committed.
        steps.thread(lambda: by_save(ada.pk, email=BOB)).join(5)
        assert now(ada).email == BOB
    arrives(box)


# --- Wake -------------------------------------------------------------------------------------


def test_a_save_while_a_drain_runs_asks_for_a_drain_of_its_own(box, steps, configure, monkeypatch):
    from conversion_sync.queues import django_q

    asked = []

    def enqueue(using: str) -> bool:
        asked.append(using)
        return True

    monkeypatch.setattr(django_q, "enqueue", enqueue)
    configure(QUEUE="django_q")
    [ada] = known(ADA)
    by_save(ada.pk, first_name="Old")
    by_save(ada.pk, first_name="Older")
    before = len(asked)
    steps.meanwhile(lambda: by_save(ada.pk, first_name="New"))
    drain_now()
    assert len(asked) == before + 1
    arrives(box)
