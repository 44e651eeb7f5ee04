"""A row beside what Conversion has of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.core.exceptions import ValidationError

from conversion_sync.api import ConversionError, RemoteCompany, RemoteContact
from conversion_sync.api.canonical import same
from conversion_sync.models import Contact, Subscription
from conversion_sync.models.record import Record
from conversion_sync.records.change import Change
from conversion_sync.records.last_sent import last_sent
from conversion_sync.records.mappers import mapper_of, push_of
from conversion_sync.records.snapshot import Snapshot, difference

__all__ = ["Comparison", "Field", "Remote", "State", "compare", "next_push", "push_of_row"]

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
    push = push_of_row(row)
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
    return difference(last_sent(row), push_of_row(row))


def push_of_row(row: Record) -> Snapshot | None:
    """What a push of the row carries; None: it can't be pushed."""
    try:
        return push_of(row)
    except ValidationError:
        return None
