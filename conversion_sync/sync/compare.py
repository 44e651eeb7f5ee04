"""A local row against the remote record: what differs, what the next push changes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import F

from conversion_sync.api import ConversionError, NotFound, RemoteCompany, RemoteContact, Withheld
from conversion_sync.api.canonical import same
from conversion_sync.api.generation import IN_USE as api
from conversion_sync.api.request import Request
from conversion_sync.conf import conf
from conversion_sync.models import Contact, Status, Subscription
from conversion_sync.models.locking import locking
from conversion_sync.models.record import Record
from conversion_sync.models.state import PERSON
from conversion_sync.records.change import Change
from conversion_sync.records.edit import Edit
from conversion_sync.records.last_sent import changed, last_sent
from conversion_sync.records.mappers import mapper_of, push_of
from conversion_sync.records.snapshot import Snapshot, difference
from conversion_sync.sync.deliveries import Calls, Delivery, Shut
from conversion_sync.sync.kinds import KINDS
from conversion_sync.sync.loop import perform
from conversion_sync.sync.run import Run
from conversion_sync.sync.states import arrived
from conversion_sync.sync.transactions import short_transaction

__all__ = [
    "Comparison",
    "Field",
    "State",
    "compare",
    "compare_many",
    "comparisons",
    "next_push",
    "take_theirs",
]

Remote = RemoteContact | RemoteCompany


class State(Enum):
    """How a field of the two sides compares."""

    SAME = "same"
    DIFFERS = "differs"
    ONLY_HERE = "only here"
    ONLY_THERE = "only there"


@dataclass(frozen=True)
class Field:
    """One field of both sides; a blank is None."""

    name: str
    ours: Any
    theirs: Any

    @property
    def state(self) -> State:
        """How the two compare."""
        if same(self.ours, self.theirs):
            return State.SAME
        if self.theirs is None:
            return State.ONLY_HERE
        return State.ONLY_THERE if self.ours is None else State.DIFFERS


@dataclass(frozen=True)
class Comparison:
    """A row and what Conversion has of it.

    Attributes:
        error: why it could not be asked for; then nothing else is known.
        is_missing: Conversion has no such record.
        fields: by name, the differing ones first.
        remote_opt_out: the person unsubscribed there, and our log does not know of it.
        remote: the record there, as it was answered.
    """

    row: Record
    error: ConversionError | None = None
    is_missing: bool = False
    fields: tuple[Field, ...] = ()
    remote_opt_out: bool = False
    remote_status: str = ""
    remote: Remote | None = None

    @property
    def differs(self) -> bool:
        """Whether a push of ours, or taking theirs, would change anything."""
        return (
            self.is_missing
            or self.remote_opt_out
            or any(f.state in (State.DIFFERS, State.ONLY_HERE) for f in self.fields)
        )


def compare(row: Record, remote: Remote) -> Comparison:
    """Compare a contact or a company with its remote record."""
    push = _push_of(row)
    ours = push.fields if push else {}
    theirs = mapper_of(type(row)).of_remote(remote).fields
    fields = [Field(name, ours.get(name), theirs.get(name)) for name in sorted({*ours, *theirs})]
    fields.sort(key=lambda field: field.state is State.SAME)
    status = getattr(remote, "subscription_status", None) or ""
    opted_out = (
        isinstance(row, Contact)
        and status == Subscription.UNSUBSCRIBED
        and row.subscription_status != Subscription.UNSUBSCRIBED
    )
    return Comparison(row, None, False, tuple(fields), opted_out, status, remote)


def next_push(row: Record) -> list[Change]:
    """What the next push of a record changes, as far as we know what is there."""
    return difference(last_sent(row), _push_of(row))


def comparisons(rows: Sequence[Record]) -> Delivery[list[Comparison]]:
    """Ask for the remote records of these rows, at once, and compare.

    Returns:
        What was found, in the order of the rows. Those that are lacking at its end were not asked
        about, for an answer said that no further call may be made.
    """
    if not rows:
        return []
    found = []
    answers = yield Calls([_get(row) for row in rows])
    for row, answer in zip(rows, answers, strict=True):
        if isinstance(answer.error, Withheld):
            break
        if isinstance(answer.error, NotFound):
            found.append(Comparison(row, is_missing=True))
        elif answer.error is not None:
            found.append(Comparison(row, answer.error))
        elif answer.result is not None:
            found.append(compare(row, answer.result))
    return found


def compare_many(
    rows: Iterable[Record], run: Run, *, give_way: bool = True
) -> Iterator[Comparison]:
    """Ask for the remote records of these rows, a few at once, and compare.

    Args:
        run: its time and its slots are used.
        give_way: ask nothing while a row that a person waits for is ready.

    Raises:
        Shut: the gate stays shut for longer than the run has time.
    """
    left = iter(rows)
    while not run.is_over() and (few := list(islice(left, max(1, conf.concurrency)))):
        while give_way and not run.is_over() and _somebody_waits(run.using):
            time.sleep(0.1)
        yield from _when_open(run, few)


def take_theirs(row: Record, remote: Remote, names: Sequence[str]) -> list[str]:
    """Write these fields of the remote record into the row, read anew under its lock.

    Conversion has them already. Of a row that was in sync nothing is sent, for a push carries all
    fields, and would change others there; one that waits for a push is pushed as before. The name
    of a contact's company is no field of the contact, and is left alone.

    Returns:
        The names that were taken.

    Raises:
        ValidationError: a remote value is none that the row can have.
        ObjectDoesNotExist: the row was deleted meanwhile.
    """
    using, mapper = str(row._state.db), mapper_of(type(row))
    taken = [name for name in names if name not in mapper.not_its_own]
    with short_transaction(using):
        locking(type(row).unmarked.using(using).filter(pk=row.pk)).get()
        row.refresh_from_db(using=using)
        was_idle = row.claim is None and row.remote_is_known
        was_in_sync = was_idle and row.sync_status == Status.SYNCED
        edit = Edit(row=row, is_new=False, key=row.wanted_key)
        theirs = mapper.of_remote(remote)
        mapper.fill(edit, theirs.only(taken, instead_of=mapper.of_row(row)))
        row.full_clean(exclude=["subscription_status"])
        if edit.changed:
            row.save(using=using, update_fields=edit.changed)
        if was_idle:
            _note_taken(row, taken, was_in_sync)
    return taken


def _note_taken(row: Record, names: Sequence[str], in_sync: bool) -> None:
    """Have a saved row, which nobody holds, know that Conversion has these fields as it has.

    Args:
        in_sync: it owed Conversion nothing before, and owes it nothing now.
    """
    ours, sent = _push_of(row), row.sent_payload
    if ours is None or sent is None:
        return
    change = ours.only(names, instead_of=Snapshot(ours.key))
    columns: dict[str, Any] = {"sent_payload": changed(sent, change)}
    if in_sync:
        columns |= arrived() | {"sent_revision": F("revision"), "synced_revision": F("revision")}
    type(row).unmarked.using(row._state.db).filter(pk=row.pk).update(**columns)
    row._reload_state()


def _push_of(row: Record) -> Snapshot | None:
    """What a push of the row carries; None: it can't be pushed."""
    try:
        return push_of(row)
    except ValidationError:
        return None


def _get(row: Record) -> Request[Any]:
    if isinstance(row, Contact):
        return api.get_contact(row.wanted_key)
    return api.get_company(row.wanted_key)


def _when_open(run: Run, rows: Sequence[Record]) -> list[Comparison]:
    found = list[Comparison]()
    while len(found) < len(rows):
        try:
            found += perform(run, comparisons(rows[len(found) :]))
        except Shut as shut:
            if shut.wait is None or shut.wait > run.time_left():
                raise
            time.sleep(shut.wait)
    return found


def _somebody_waits(using: str) -> bool:
    return any(kind.is_ready(using, [PERSON]) for kind in KINDS)
