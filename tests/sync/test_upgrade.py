"""Rows of the release before: what was last sent of them is read, and not sent again."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from conversion_sync.api import Client, CompanyRecord, ContactRecord, v1
from conversion_sync.models import (
    BulkJob,
    Company,
    Contact,
    Deletion,
    Engagement,
    Status,
    SubscriptionChange,
    Upgrade,
)
from conversion_sync.records.last_sent import VERSION
from conversion_sync.sync import upgrade
from conversion_sync.sync.drain import anything_ready, drain
from tests.kit import HOUR, PROMPT, SECOND, claimed, fresh, in_utc, push, write
from tests.migrating import migrate, models_at

# It writes rows as they were before, by models that know plain times alone.
pytestmark = [pytest.mark.django_db(transaction=True), in_utc]

BEFORE = "0016_json_as_django_writes_it"

KNOWN = {"sent_revision": 1, "synced_revision": 1}
DOUBT = {"sent_revision": 1, "synced_revision": 0, "sync_status": "PENDING"}
EDITED = KNOWN | {"sync_status": "PENDING", "revision": 2}


class Old:
    """An installation of the release before, and what Conversion has of it."""

    def __init__(self, conversion: Any) -> None:
        migrate(BEFORE)
        self.api = Client("test-key", conversion.base_url)
        self.conversion, self.calls = conversion, 0

    def upgrade(self) -> None:
        """Install this release; what it sends is looked at from now on."""
        self.calls = len(self.conversion.calls)
        migrate(None)
        assert len(self.conversion.calls) == self.calls

    def sent(self, path: str) -> list[Any]:
        """The bodies of the calls of this release, oldest first."""
        since = self.conversion.calls[self.calls :]
        return [call.body for call in since if (call.method, call.path) == ("POST", path)]

    def items(self, path: str = "/contacts/batch", name: str = "contacts") -> dict[str, Any]:
        """What this release has sent, by key; nothing of it twice."""
        found: dict[str, Any] = {}
        for item in (item for body in self.sent(path) for item in body[name]):
            key = item.get("email") or item["id"]
            assert key not in found
            found[key] = item
        return found

    def add(self, table: str, **columns: Any) -> int:
        row = models_at(BEFORE).get_model("conversion_sync", table).objects.create(**columns)
        return int(row.pk)

    def contact(self, name: str, carried: dict[str, Any] | None, **columns: Any) -> int:
        """A contact, of whom the last call has carried these variables."""
        email = f"{name}@x.example"
        payload = None
        if carried is not None:
            company = {n: v for n, v in carried.items() if n == "company_name"}
            variables = {n: v for n, v in carried.items() if n != "company_name"}
            record = ContactRecord(email, variables, company=company)
            payload = v1.contact_item(record)
            self.api.upsert_contacts([record])
        return self.add("Contact", email=email, **self.state(email, payload), **columns)

    def company(self, id: str, record: CompanyRecord | None, **columns: Any) -> int:
        payload = None
        if record is not None:
            payload = v1.company_item(record)
            self.api.upsert_companies([record])
        return self.add("Company", external_id=id, **self.state(id, payload) | columns)

    def state(self, key: str, payload: dict[str, Any] | None) -> dict[str, Any]:
        if payload is None:
            return {"key": key, "sync_status": "PENDING", "due_at": timezone.now()}
        return {"key": key, "sent_key": key, "sent_payload": payload, "remote_id": f"r-{key}"}


SYNCED: dict[str, Any] = KNOWN | {"sync_status": "SYNCED", "due_at": None}


@pytest.fixture
def old(conversion) -> Iterator[Old]:
    try:
        yield Old(conversion)
    finally:
        migrate(None)


def finish() -> None:
    """Go on until all is done, looks that rest between included."""
    for _ in range(50):
        Upgrade.objects.update(due_at=None)
        if not upgrade.step("default"):
            return
    raise AssertionError("It does not come to an end.")


def rows() -> list[Any]:
    return [row for model in (Company, Contact) for row in model.unmarked.order_by("pk")]


def is_anew(row: Any) -> bool:
    return row.sent_payload is None or row.sent_payload.get("version") == VERSION


def test_nothing_is_sent_that_had_arrived_and_nothing_is_lost(old, conversion):
    acme = old.company(
        "C1",
        CompanyRecord("C1", "a.example", {"company_name": "Acme"}),
        **SYNCED,
        base_domain="a.example",
        company_name="Acme",
    )
    old.company("C2", CompanyRecord("C2", "b.example", {"size": "1-10"}), **EDITED, size="1-10")
    old.company("C3", None)
    past, soon = timezone.now() - HOUR, timezone.now() + 50 * SECOND
    custom = {"n": 1, "f": 1.5, "t": True, "deep": [{"x": None}]}
    carried = {"first_name": "Ann", "company_name": "Acme", **custom}
    same = {"first_name": "Ann", "company_id": acme, "custom_variables": custom}
    old.contact("same", carried, **same, **SYNCED)
    old.contact("saved", carried, **same, **EDITED)
    old.contact("edited", {"title": "Boss"}, title="Chief", **EDITED)
    old.contact("blanked", {"title": "Boss", "plan": "pro", "company_name": "X"}, **EDITED)
    unconfirmed = {"sent_revision": 2, "synced_revision": 1, "revision": 2}
    old.contact("clearing", {"title": None}, **unconfirmed, sync_status="PENDING")
    flight: dict[str, Any] = {"sync_status": "SENDING", "claim": uuid.uuid4()}
    old.contact("lost", {"title": "Boss"}, title="Boss", due_at=past, **DOUBT | flight)
    held = old.contact("held", {"title": "Boss"}, title="Boss", due_at=soon, **DOUBT | flight)
    old.contact("doubt", {"title": "Boss"}, title="Boss", **DOUBT)
    failed = {"sync_status": "FAILED", "due_at": None, "last_error_code": "DUPLICATE_ERROR"}
    old.contact("failed", {"title": "Boss"}, title="Chief", **EDITED | failed)
    new = old.contact("new", None, first_name="New")
    old.add("SubscriptionChange", contact_id=new, address="new@x.example", status="UNSUBSCRIBED")
    old.add("SubscriptionChange", address="same@x.example", status="SUBSCRIBED",
            sync_status="SYNCED", due_at=None)  # fmt: skip
    event = {"contact_id": new, "name": "Call", "description": "D", "occurred_at": past}
    for status, due_at in (("PENDING", past), ("SYNCED", None), ("UNCONFIRMED", None)):
        old.add("Engagement", **event, sync_status=status, due_at=due_at)
    old.add("Engagement", **event, due_at=past, **flight)
    before = states()

    old.upgrade()

    assert states() == before
    push()
    finish()
    assert old.items() == {
        "edited@x.example": {"email": "edited@x.example", "variables": {"title": "Chief"}},
        "blanked@x.example": {
            "email": "blanked@x.example",
            "variables": {"title": None, "plan": None, "company_name": None},
        },
        "clearing@x.example": {"email": "clearing@x.example", "variables": {"title": None}},
        "lost@x.example": {"email": "lost@x.example", "variables": {"title": "Boss"}},
        "doubt@x.example": {"email": "doubt@x.example", "variables": {"title": "Boss"}},
        "new@x.example": {"email": "new@x.example", "variables": {"first_name": "New"}},
    }
    assert old.items("/companies/batch", "companies") == {
        "C2": {"id": "C2", "baseDomain": None, "variables": {"size": "1-10"}},
        "C3": {"id": "C3"},
    }
    assert len(old.sent("/contacts/engagements")) == 1
    assert [body["contacts"] for body in old.sent("/contacts/batch-subscription")] == [
        [{"email": "new@x.example", "subscriptionStatus": "UNSUBSCRIBED"}]
    ]
    assert all(map(is_anew, rows()))
    waiting = {row.email for row in Contact.objects.exclude(sync_status=Status.SYNCED)}
    assert waiting == {"held@x.example", "failed@x.example"}
    assert fresh(Contact.objects.get(pk=held)).claim == flight["claim"]
    engagements = Engagement.objects.order_by("sync_status").values_list("sync_status", flat=True)
    assert [*engagements] == ["SYNCED", "SYNCED", "UNCONFIRMED", "UNCONFIRMED"]
    assert not Upgrade.objects.exists()


def states() -> list[Any]:
    """How the rows stand, as far as both releases know."""
    columns = ("pk", "revision", "sync_status", "due_at", "priority", "claim", "updated_at")
    models: tuple[Any, ...] = (Company, Contact, SubscriptionChange, Engagement, Deletion)
    return [list(model.unmarked.order_by("pk").values_list(*columns)) for model in models]


def test_a_job_that_was_half_done_goes_on(old, conversion):
    done, left = (
        old.contact(name, {"title": "Boss"}, title="Boss", **SYNCED) for name in ("done", "left")
    )
    old.add(
        "BulkJob", action="sync_now", model="conversion_sync.Contact", filter={"and": []},
        arguments={}, cursor=done, last_pk=left, total=2, done=1,
    )  # fmt: skip
    old.upgrade()
    push()
    assert old.items().keys() == {"left@x.example"}
    assert BulkJob.objects.get().done == 2


@pytest.mark.parametrize("stored_anew_first", [True, False])
def test_a_save_that_changes_nothing_is_not_sent(old, conversion, stored_anew_first):
    pk = old.contact("ann", {"title": "Boss", "x": 1}, title="Boss",
                     custom_variables={"x": 1}, **SYNCED)  # fmt: skip
    old.upgrade()
    if stored_anew_first:
        finish()
    row = Contact.objects.get(pk=pk)
    assert is_anew(row) is stored_anew_first
    row.save()
    assert (push().calls, fresh(row).sync_status) == (0, Status.SYNCED)
    row.custom_variables = {"x": True}
    row.save()
    push()
    assert old.items()["ann@x.example"]["variables"]["x"] is True


def test_a_key_that_was_left_and_comes_back_is_known_again(old, conversion):
    pk = old.contact("ann", {"title": "Boss", "plan": "pro"}, title="Boss", **SYNCED)
    old.upgrade()
    for email in ("bob@x.example", "ann@x.example"):
        row = Contact.objects.get(pk=pk)
        row.email = email
        row.save()
    push()
    assert old.items()["ann@x.example"]["variables"] == {"title": "Boss", "plan": None}
    assert not Deletion.objects.exists()


# A rolling deploy


def test_what_a_worker_of_the_release_before_stores_meanwhile_is_read_and_stored_anew(
    old, conversion
):
    pk = old.contact("ann", {"title": "Boss"}, title="Boss", **SYNCED)
    old.upgrade()
    drain()
    row = Contact.objects.get(pk=pk)
    assert is_anew(row)
    # It changes, and an old worker sends it.
    record = ContactRecord("ann@x.example", {"title": "Chief"})
    old.api.upsert_contacts([record])
    write(row, title="Chief", sent_payload=v1.contact_item(record))
    fresh(row).save()
    assert push().calls == 0
    # The first look found something: there is a second one, later.
    assert Upgrade.objects.get().due_at is not None
    assert not anything_ready()
    assert not is_anew(fresh(row))
    finish()
    assert is_anew(fresh(row))
    assert not Upgrade.objects.exists()
    assert (push().calls, fresh(row).revision) == (0, 2)


def test_a_worker_of_the_release_before_settles_what_it_had_sent(old, conversion):
    pk = old.contact("ann", {"title": "Boss"}, title="Boss", **SYNCED)
    old.upgrade()
    row = Contact.objects.get(pk=pk)
    claimed(row, sent_payload=row.sent_payload)
    finish()
    assert is_anew(fresh(row))
    write(row, claim=None, sync_status=Status.SYNCED, due_at=None, synced_revision=row.revision)
    fresh(row).save()
    assert push().calls == 0


# The steps


@contextmanager
def held(pk: int) -> Iterator[None]:
    """Have somebody else hold a contact."""
    holds, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                Contact.unmarked.select_for_update().get(pk=pk)
                holds.set()
                assert done.wait(PROMPT)
        finally:
            connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert holds.wait(PROMPT)
        yield
    finally:
        done.set()
        thread.join(PROMPT)


def many(old: Old, count: int) -> list[int]:
    return [old.contact(f"a{n}", {"title": "Boss"}, title="Boss", **SYNCED) for n in range(count)]


def test_it_goes_through_more_rows_than_one_step_has(old, conversion, monkeypatch):
    monkeypatch.setattr(upgrade, "ROWS_AT_ONCE", 3)
    many(old, 8)
    old.upgrade()
    assert anything_ready()
    finish()
    assert all(map(is_anew, rows()))


def test_begun_again_it_goes_on(old, conversion, monkeypatch):
    monkeypatch.setattr(upgrade, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(upgrade, "STEP_SECONDS", 0.0)
    many(old, 8)
    old.upgrade()
    upgrade._look("default")
    assert [is_anew(row) for row in rows()] == [True] * 3 + [False] * 5
    assert Upgrade.objects.get().cursor == rows()[2].pk
    upgrade._look("default")
    assert [is_anew(row) for row in rows()] == [True] * 6 + [False] * 2


@pytest.mark.skipif(connection.vendor == "sqlite", reason="nobody holds a row there")
def test_a_row_that_somebody_holds_is_left_for_the_next_look(old, conversion):
    first, _second = many(old, 2)
    old.upgrade()
    with held(first):
        upgrade.step("default")
        assert [is_anew(row) for row in rows()] == [False, True]
    finish()
    assert all(map(is_anew, rows()))


def test_where_nothing_was_sent_nothing_is_left_to_be_done(old, conversion):
    old.contact("ann", None)
    old.upgrade()
    assert not Upgrade.objects.exists()


def test_what_makes_no_sense_stops_nothing(old, conversion):
    first, second = many(old, 2)
    old.upgrade()
    write(Contact.objects.get(pk=first), sent_payload=["junk"])
    finish()
    assert is_anew(Contact.objects.get(pk=second))


def test_it_is_named():
    assert str(Upgrade(name="sent contacts")) == "sent contacts"
