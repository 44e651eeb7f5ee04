"""Rows that can't be loaded, built, stamped or settled: each stands alone, and stops no other."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection

from conversion_sync.api.errors import ErrorCode
from conversion_sync.models import (
    BulkJob,
    ChannelState,
    Company,
    Contact,
    Deletion,
    Engagement,
    Status,
    SubscriptionChange,
    SyncedModel,
)
from conversion_sync.status.overview import overview
from conversion_sync.sync import jobs, kinds
from conversion_sync.sync.claim import LARGEST
from conversion_sync.sync.drain import anything_ready, drain
from conversion_sync.sync.kinds.company import Companies
from conversion_sync.sync.kinds.contact import Contacts
from tests.kit import (
    claimed,
    company,
    contact,
    engagement,
    fresh,
    push,
    sent,
    synced_contact,
    write,
)

pytestmark = pytest.mark.django_db

VENDOR = connection.vendor

only_sqlite = pytest.mark.skipif(VENDOR != "sqlite", reason="its triggers")


def sql(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def assign(row: SyncedModel, column: str, value: str) -> None:
    """Write a column past the ORM."""
    cast = "::jsonb" if VENDOR == "postgresql" and value[:1] in "{[" else ""
    table = row._meta.db_table
    sql(f"UPDATE {table} SET {column} = %s{cast} WHERE id = %s", value, row.pk)  # noqa: S608  # names of ours


JSON: dict[type[SyncedModel], str] = {
    Contact: "custom_variables",
    Company: "custom_variables",
    Engagement: "data",
    Deletion: "forgotten",
}


def spoil(row: SyncedModel) -> None:
    """Have the row raise when it is loaded to be sent."""
    match VENDOR:
        case "postgresql":
            # 9999-12-31 23:59 in New York: the database takes it, its driver does not.
            assign(row, "last_attempt_at", "10000-01-01 04:59:00+00")
        case "mysql":
            # Valid for the database; Python refuses to read a number of so many digits.
            assign(row, JSON[type(row)], f'{{"a": {"1" * 5000}}}')
        case _:
            assign(row, "last_attempt_at", "2026-13-01 00:00:00")


def deep(levels: int) -> str:
    return '{"a": ' * levels + "1" + "}" * levels


def people(name: str) -> list[Contact]:
    return [synced_contact(f"{name}{number}@x.example") for number in range(4)]


def one_of_each(name: str, known: list[Contact] | None = None) -> dict[str, SyncedModel]:
    """A row of each kind that is due, of people that differ from those of other names."""
    one, two, three, four = known or people(name)
    one.subscription_status = "UNSUBSCRIBED"
    one.save()
    two.subscription_status = "SUBSCRIBED"
    two.save()
    three.delete()
    return {
        "contact": contact(f"{name}@x.example"),
        "company": company(name),
        "opt-out": SubscriptionChange.objects.get(contact=one),
        "subscription": SubscriptionChange.objects.get(contact=two),
        "deletion": Deletion.objects.get(key=f"{name}2@x.example"),
        "engagement": engagement(four),
    }


def bad_and_good() -> list[dict[str, SyncedModel]]:
    """A row of each kind, and another of each; all of them are due."""
    known = {name: people(name) for name in ("bad", "good")}
    return [one_of_each(name, known[name]) for name in known]


KINDS = ["contact", "company", "opt-out", "subscription", "deletion", "engagement"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_cannot_be_loaded_fails_and_all_others_arrive(conversion, kind, heard):
    bad, good = bad_and_good()
    if VENDOR == "mysql" and type(bad[kind]) not in JSON:
        pytest.skip("MariaDB keeps nothing there that its driver can't read.")
    spoil(bad[kind])
    push()
    rows = type(bad[kind]).unmarked.filter(pk=bad[kind].pk)
    [(status, code, words)] = rows.values_list(
        "sync_status", "last_error_code", "last_error_message"
    )
    assert (status, code) == (Status.FAILED, ErrorCode.UNSENDABLE)
    assert words
    assert ("failed", [bad[kind].pk]) in heard
    others = [row for row in (*bad.values(), *good.values()) if row != bad[kind]]
    assert {str(fresh(row).sync_status) for row in others} == {Status.SYNCED}
    assert not anything_ready()
    assert not ChannelState.objects.exclude(failed_at=None).exists()


@pytest.mark.parametrize("levels", [30, 970])
def test_values_that_are_too_deep_stop_no_other_row(conversion, levels):
    if VENDOR == "mysql" and levels > 30:
        pytest.skip("MariaDB takes no more than 32 levels.")
    bad, good = bad_and_good()
    poisoned = [bad[kind] for kind in ("contact", "company", "engagement")]
    for row in poisoned:
        assign(row, JSON[type(row)], deep(levels))
    push()
    others = [row for row in (*bad.values(), *good.values()) if row not in poisoned]
    assert {str(fresh(row).sync_status) for row in others} == {Status.SYNCED}
    for row in poisoned:
        [(status, code)] = (
            type(row).unmarked.filter(pk=row.pk).values_list("sync_status", "last_error_code")
        )
        assert (status, code) in [(Status.SYNCED, ""), (Status.FAILED, ErrorCode.UNSENDABLE)]
        # Newer Pythons may write what is as deep.
        assert levels == 30 or sys.version_info >= (3, 12) or status == Status.FAILED


def test_two_hundred_rows_go_out_around_many_that_are_bad(conversion):
    rows = [contact(f"c{n:03}@x.example") for n in range(200)]
    for row in rows[::50]:
        spoil(row)
    push()
    assert Contact.unmarked.filter(sync_status=Status.SYNCED).count() == 196
    assert Contact.unmarked.filter(sync_status=Status.FAILED).count() == 4


def test_a_call_holds_no_more_than_a_megabyte(conversion):
    for number in range(40):
        contact(f"c{number:03}@x.example", custom_variables={"text": "é" * 20_000})
    contact("large@x.example", custom_variables={"text": "x" * (LARGEST + 1)})
    push()
    assert Contact.unmarked.filter(sync_status=Status.SYNCED).count() == 41
    bodies = [body["contacts"] for body in sent(conversion)]
    sizes = {len(body): len(json.dumps(body)) for body in bodies}
    assert all(size < LARGEST + 1000 for rows, size in sizes.items() if rows > 1)
    assert sum(len(body) for body in bodies) == 41
    assert max(len(body) for body in bodies) > 1


@pytest.mark.skipif(VENDOR != "mysql", reason="max_allowed_packet")
def test_what_is_more_than_the_database_takes_at_once_is_made_smaller(conversion):
    for number in range(200):
        contact(f"c{number:03}@x.example", custom_variables={"text": "x" * 120_000})
    push()
    assert Contact.unmarked.filter(sync_status=Status.SYNCED).count() == 200


@only_sqlite
def test_a_row_that_the_database_does_not_stamp_fails_alone(conversion):
    bad, good = contact("bad@x.example"), contact("good@x.example")
    sql(
        "CREATE TRIGGER refuse BEFORE UPDATE OF claim ON conversion_sync_contact "
        "WHEN NEW.email = 'bad@x.example' AND NEW.claim IS NOT NULL "
        "BEGIN SELECT RAISE(ABORT, 'too deep'); END"
    )
    push()
    assert fresh(good).sync_status == Status.SYNCED
    found = fresh(bad)
    assert (found.sync_status, found.last_error_code) == (Status.FAILED, ErrorCode.UNSENDABLE)
    assert "too deep" in found.last_error_message


@only_sqlite
def test_a_row_of_which_nothing_can_be_kept_is_settled_alone(conversion):
    bad, good = contact("bad@x.example"), contact("good@x.example")
    sql(
        "CREATE TRIGGER refuse BEFORE UPDATE OF remote_id ON conversion_sync_contact "
        "WHEN NEW.email = 'bad@x.example' AND NEW.remote_id != '' "
        "BEGIN SELECT RAISE(ABORT, 'no room'); END"
    )
    push()
    assert fresh(good).sync_status == Status.SYNCED
    found = fresh(bad)
    assert (found.sync_status, found.last_error_code) == (Status.FAILED, ErrorCode.UNSENDABLE)
    assert "no room" in found.last_error_message
    assert found.claim is None


@only_sqlite
def test_an_engagement_of_which_nothing_can_be_kept_is_in_doubt(conversion):
    row = engagement(synced_contact())
    sql(
        "CREATE TRIGGER refuse BEFORE UPDATE OF last_synced_at ON conversion_sync_engagement "
        "WHEN NEW.last_synced_at IS NOT NULL BEGIN SELECT RAISE(ABORT, 'no room'); END"
    )
    push()
    found = fresh(row)
    assert (found.sync_status, found.last_error_code) == (Status.UNCONFIRMED, ErrorCode.UNSENDABLE)
    assert len(conversion.engagements) == 1


@pytest.mark.parametrize("kind", ["contact", "engagement"])
def test_a_row_that_is_spoiled_in_flight_is_settled_all_the_same(conversion, in_flight, kind):
    row = contact() if kind == "contact" else engagement(synced_contact())
    method = "upsert_contacts" if kind == "contact" else "track_engagement"
    in_flight(lambda: spoil(row), method=method)
    push()
    assert type(row).unmarked.filter(pk=row.pk, sync_status=Status.SYNCED, claim=None).exists()


def test_a_contact_that_cannot_be_loaded_keeps_no_deletion_or_change_of_its_own(conversion):
    """The rows that only refer to it are sent."""
    row = synced_contact("old@x.example")
    row.email = "new@x.example"
    row.save()
    other = synced_contact("other@x.example")
    other.subscription_status = "UNSUBSCRIBED"
    other.save()
    logged = engagement(other)
    spoil(row)
    spoil(other)
    push()
    assert Deletion.objects.get().sync_status == Status.SYNCED
    assert SubscriptionChange.objects.get().sync_status == Status.SYNCED
    assert fresh(logged).sync_status == Status.SYNCED


def test_a_contact_that_cannot_be_loaded_and_whose_worker_died_fails_alone(conversion):
    bad, good = contact("bad@x.example"), contact("good@x.example")
    opted_out(bad)
    claimed(bad, seconds=-1)
    spoil(bad)
    push()
    assert Contact.unmarked.get(email="good@x.example").pk == good.pk
    assert fresh(good).sync_status == Status.SYNCED
    [code] = Contact.unmarked.filter(pk=bad.pk).values_list("last_error_code", flat=True)
    assert code == ErrorCode.UNSENDABLE


def opted_out(row: Contact) -> None:
    row.subscription_status = "UNSUBSCRIBED"
    row.save()
    SubscriptionChange.unmarked.update(sync_status="SYNCED", due_at=None)


def test_what_is_recorded_holds_no_key(conversion, monkeypatch):
    def fail(self, row):
        raise RuntimeError("with test-key\0 in it")

    monkeypatch.setattr(Contacts, "payload", fail)
    row = contact()
    push()
    found = fresh(row)
    assert (found.sync_status, found.last_error_code) == (Status.FAILED, ErrorCode.UNSENDABLE)
    assert "test-key" not in found.last_error_message
    assert "with ***" in found.last_error_message


# A channel that raises


def broken(self: Any, run: Any, at_once: int, priorities: Any) -> int:
    raise RuntimeError("broken with test-key in it")


@pytest.mark.parametrize("channel", [type(channel) for channel in kinds.KINDS])
def test_a_channel_that_raises_leaves_the_others_their_turn(conversion, monkeypatch, channel):
    rows = one_of_each("one")
    with monkeypatch.context() as patch:
        patch.setattr(channel, "deliver", broken)
        push()
        waiting = rows.pop(channel.name)
        if channel is Contacts:
            # Its contact was saved with it, and goes first.
            assert fresh(rows.pop("subscription")).sync_status == Status.PENDING
        assert {str(fresh(row).sync_status) for row in rows.values()} == {Status.SYNCED}
        [trouble] = overview().troubles
        assert trouble.name == channel.name
        assert "broken" in trouble.error
        assert "test-key" not in trouble.error
        assert fresh(waiting).sync_status == Status.PENDING
    push()
    assert overview().troubles == []
    assert fresh(waiting).sync_status == Status.SYNCED


def test_bulk_jobs_that_raise_leave_the_channels_their_turn(conversion, monkeypatch):
    def fail(run, at_once):
        raise RuntimeError("broken")

    monkeypatch.setattr(jobs, "deliver", fail)
    row = contact()
    jobs.start(BulkJob.Action.SYNC_NOW, Contact)
    drain()
    assert fresh(row).sync_status == Status.SYNCED
    assert [trouble.name for trouble in overview().troubles] == ["job"]


def test_a_channel_that_raises_is_said_by_the_command(conversion, monkeypatch, capsys):
    contact()
    monkeypatch.setattr(Contacts, "deliver", broken)
    drain()
    call_command("conversion_status")
    said = capsys.readouterr().out
    assert "Nothing is sent of the contacts: RuntimeError: broken" in said
    assert "test-key" not in said


def test_a_channel_that_raises_is_said_on_the_dashboard(conversion, monkeypatch, admin_client):
    contact()
    monkeypatch.setattr(Contacts, "deliver", broken)
    drain()
    page = admin_client.get("/admin/conversion_sync/apigate/").content.decode()
    assert "Nothing is sent of the contacts" in page
    assert "RuntimeError: broken" in page
    assert "no row has failed" not in page


def test_a_drain_that_cannot_tell_what_is_ready_of_one_channel_ends(conversion, monkeypatch):
    def fail(self, *args):
        raise RuntimeError("broken")

    row = contact()
    monkeypatch.setattr(Companies, "_look", fail)
    drain()
    assert fresh(row).sync_status == Status.SYNCED
    assert not anything_ready()


def test_a_row_of_a_database_that_fails_by_itself_is_not_blamed_for_good(conversion, monkeypatch):
    """Where a row can't be taken alone, and the database may be why, it comes again later."""
    row = contact()
    write(row, attempts=2)
    sizes = []

    def fail(claim, rows, pks, payload):
        sizes.append(len(pks))
        raise OperationalError(1153, "Got a packet bigger than 'max_allowed_packet' bytes")

    monkeypatch.setattr("conversion_sync.sync.claim.claiming._claim", fail)
    drain()
    found = fresh(row)
    assert sizes == [1]
    assert (found.sync_status, found.last_error_code) == (Status.PENDING, ErrorCode.UNSENDABLE)
    assert found.attempts == 3
    assert found.failing_since is not None
