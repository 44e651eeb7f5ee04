"""Interleavings with real connections: what happens on another one while a source is rendered.

A function of the mirror stands still in the drain, after the link was locked and the source read;
others go on meanwhile.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.db.models import F

from conversion_sync import mirrors
from conversion_sync.mirrors.backfill import Backfill
from conversion_sync.models import Contact, MirrorLink
from tests.kit import PROMPT, roll_back
from tests.mirrors.kit import contacts, link, marks, render
from tests.mirrors.shop.models import Customer, Plan

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="one writer at a time"),
]


class Pause:
    """Where a thread stands still, once, until it is let go."""

    def __init__(self) -> None:
        self.reached, self.let_go = threading.Event(), threading.Event()
        self.is_armed = False

    def here(self) -> None:
        if self.is_armed:
            self.is_armed = False
            self.reached.set()
            assert self.let_go.wait(PROMPT)


class Other:
    """Something that goes on in a thread, on a connection of its own."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(act,))
        self._thread.start()

    def _run(self, act: Callable[[], object]) -> None:
        try:
            act()
        except BaseException as error:
            self.error = error
        finally:
            connections.close_all()

    def join(self) -> None:
        self._thread.join(PROMPT)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error

    def waits(self) -> bool:
        self._thread.join(0.3)
        return self._thread.is_alive()


@pytest.fixture
def pause():
    return Pause()


@pytest.fixture
def customers(mirror, pause):
    def name(customer: Any) -> str:
        pause.here()
        return str(customer.name)

    class CustomerMirror(mirrors.Mirror[Customer]):
        source = Customer.objects.select_related("plan")
        email = F("email")
        variables = {"name": name, "plan": F("plan__name")}  # noqa: RUF012
        on_exit = mirrors.DELETE

    return mirror("contact", Customer, CustomerMirror)


@pytest.fixture
def ann():
    return Customer.objects.create(
        email="ann@x.example", name="1", plan=Plan.objects.create(name="pro")
    )


def saved(customer, **changes):
    for name, value in changes.items():
        setattr(customer, name, value)
    customer.save()


def said(name="name"):
    return contacts()["ann@x.example"].custom_variables[name]


def held(pause, act=render):
    """A drain that has locked and read, and stands still."""
    pause.is_armed = True
    other = Other(act)
    assert pause.reached.wait(PROMPT)
    return other


@pytest.mark.parametrize("is_new", [True, False])
def test_of_two_saves_of_one_source_the_newer_stands(customers, ann, pause, is_new):
    if not is_new:
        render()
        saved(ann, name="2")
    older = held(pause)
    # The site does not wait.
    saved(ann, name="3")
    newer = Other(render)
    # Of a new source there is no link to wait for: the older one finds that it comes too late.
    assert newer.waits() != is_new
    pause.let_go.set()
    older.join()
    newer.join()
    render()
    assert said() == "3"
    assert marks() == []


def test_a_save_against_a_backfill(customers, ann, pause):
    from conversion_sync.mirrors.render import render as rendered

    render()
    backfill = held(pause, lambda: rendered("default", customers, [ann.pk]))
    saved(ann, name="2")
    drain = Other(render)
    assert drain.waits()
    pause.let_go.set()
    backfill.join()
    drain.join()
    render()
    assert said() == "2"


def test_a_rename_of_a_related_row_against_a_save(customers, ann, pause):
    render()
    saved(ann, name="2")
    drain = held(pause)
    saved(ann.plan, name="premium")
    saved(ann, name="3")
    pause.let_go.set()
    drain.join()
    render()
    assert (said(), said("plan")) == ("3", "premium")


def test_a_rename_of_a_related_row_against_a_backfill(customers, ann, pause):
    from conversion_sync.mirrors.render import render as rendered

    render()
    backfill = held(pause, lambda: rendered("default", customers, [ann.pk]))
    saved(ann.plan, name="premium")
    drain = Other(render)
    pause.let_go.set()
    backfill.join()
    drain.join()
    render()
    assert said("plan") == "premium"


def test_a_source_that_is_deleted_in_flight_is_not_brought_back(customers, ann, pause):
    render()
    saved(ann, name="2")
    drain = held(pause)
    ann.delete()
    pause.let_go.set()
    drain.join()
    render()
    assert contacts() == {}


def test_a_source_that_is_deleted_before_it_is_read(customers, ann, pause):
    drain = held(pause)
    Customer.objects.filter(pk=ann.pk).delete()
    pause.let_go.set()
    drain.join()
    render()
    assert contacts() == {}


def test_what_is_not_committed_is_not_rendered(customers, ann):
    render()
    with transaction.atomic():
        saved(ann, name="2")
        Other(render).join()
        assert Contact.objects.get().custom_variables["name"] == "1"
    render()
    assert said() == "2"


def test_a_rolled_back_savepoint_leaves_no_mark(customers, ann):
    render()
    with transaction.atomic():
        saved(ann, name="2")
        with contextlib.suppress(AttributeError):
            roll_back(lambda: saved(Customer(email="bob@x.example")))
    assert len(marks()) == 1
    render()
    assert [*contacts()] == ["ann@x.example"]


def test_a_save_in_autocommit_is_committed_with_its_mark(customers, ann, monkeypatch):
    render()

    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError("the process dies here")

    monkeypatch.setattr("conversion_sync.mirrors.hearing.write", fail)
    with pytest.raises(OSError, match="dies"):
        saved(ann, name="2")
    assert Customer.objects.get().name == "1"


def test_two_drains_that_find_one_new_key_make_one_row(customers, ann, pause):
    other = Customer.objects.create(email="ANN@x.example", name="2")
    first = held(pause)
    assert other.pk
    from conversion_sync.mirrors.render import render as rendered

    second = Other(lambda: rendered("default", customers, [other.pk]))
    second.join()
    pause.let_go.set()
    first.join()
    render()
    assert len(contacts()) == 1


def test_the_site_does_not_wait_while_its_source_is_rendered(customers, ann, pause):
    render()
    saved(ann, name="2")
    drain = held(pause)
    with transaction.atomic():
        Customer.objects.select_for_update().get(pk=ann.pk)
        saved(ann, name="3")
    pause.let_go.set()
    drain.join()


def test_drains_that_deal_with_one_ring_of_emails_side_by_side(customers, monkeypatch):
    count = 20
    some = [Customer(name=f"n{each}", email=f"c{each}@x.example") for each in range(count)]
    Customer.marked.bulk_create(some)
    render()
    rows = {key: row.pk for key, row in contacts().items()}
    monkeypatch.setattr("conversion_sync.mirrors.step.MARKS", 3)
    with transaction.atomic():
        for place, each in enumerate(some):
            saved(each, email=f"c{(place + 1) % count}@x.example")
    for drain in [Other(render) for _ in range(3)]:
        drain.join()
    render()
    found = {key: row.custom_variables["name"] for key, row in contacts().items()}
    assert found == {f"c{(place + 1) % count}@x.example": f"n{place}" for place in range(count)}
    assert {key: row.pk for key, row in contacts().items()} == rows
    assert marks() == []


def test_who_waits_for_its_turn_keeps_what_it_has_while_the_owner_of_its_key_is_rendered(customers):
    """Of a ring of three, the second waits for the third, whose link somebody holds just then."""
    from conversion_sync.mirrors.render import render as rendered

    ring = [Customer.objects.create(name=f"n{n}", email=f"c{n}@x.example") for n in range(3)]
    render()
    rows = {key: row.pk for key, row in contacts().items()}
    with transaction.atomic():
        for place, each in enumerate(ring):
            saved(each, email=f"c{(place + 1) % 3}@x.example")
    rendered("default", customers, [ring[0].pk])
    with transaction.atomic():
        MirrorLink.objects.select_for_update().get(pk=link(ring[2]).pk)
        Other(lambda: rendered("default", customers, [ring[1].pk])).join()
    waiting = link(ring[1])
    assert (waiting.state, waiting.row) == (MirrorLink.State.WAITING, rows["c0@x.example"])
    render()
    assert {key: row.pk for key, row in contacts().items()} == rows


class Deadlock:
    """A transaction that has locked a contact and wants its link, which a backfill has locked.

    Which of the two the database refuses it says itself.
    """

    def __init__(self, source: Any) -> None:
        self.link = link(source)
        self.has_contact, self.was_refused = threading.Event(), False

    def run(self) -> None:
        try:
            with transaction.atomic():
                # Of two, MariaDB refuses the one that has changed less.
                Contact.unmarked.exclude(pk=self.link.row or 0).update(title="other")
                Contact.unmarked.filter(pk=self.link.row or 0).update(title="chief")
                self.has_contact.set()
                MirrorLink.objects.select_for_update().get(pk=self.link.pk)
        except OperationalError:
            self.was_refused = True

    def waited_long_enough(self) -> None:
        """PostgreSQL refuses who finds the deadlock: who has looked for it looks no more."""
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_sleep(1.2 * extract(epoch FROM setting::interval)) "
                    "FROM (SELECT current_setting('deadlock_timeout') AS setting) AS found"
                )


def test_a_backfill_that_the_database_refuses_for_a_drain_tries_again(
    customers, ann, pause, caplog
):
    Customer.marked.bulk_create(Customer(email=f"c{each}@x.example") for each in range(5))
    render()
    for attempt in range(5):
        Customer.objects.filter(pk=ann.pk).update(name=f"{attempt}")
        backfill = Backfill("default", customers, restart=True)
        holding = held(pause, partial(list, backfill.run()))
        deadlock = Deadlock(ann)
        other = Other(deadlock.run)
        assert deadlock.has_contact.wait(PROMPT)
        deadlock.waited_long_enough()
        pause.let_go.set()
        holding.join()
        other.join()
        assert said() == f"{attempt}"
        if not deadlock.was_refused:
            break
        pause.reached.clear()
        pause.let_go.clear()
    assert "trying again" in caplog.text
    assert backfill.report.counts == {"changed": 1, "unchanged": 5}
    assert Contact.unmarked.filter(title="chief").count() == 1
