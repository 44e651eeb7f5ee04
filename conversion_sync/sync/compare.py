"""A local row against the remote record: what differs, what the next push changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import islice
from typing import Any

from django.core.exceptions import ValidationError

from conversion_sync.api import (
    Client,
    ConversionError,
    NotFound,
    RemoteCompany,
    RemoteContact,
)
from conversion_sync.conf import conf
from conversion_sync.models import Company, Contact, Subscription
from conversion_sync.models.base import PERSON, Record
from conversion_sync.models.fields import DbNow
from conversion_sync.sync.channels import CHANNELS
from conversion_sync.sync.payloads import company_payload, contact_payload
from conversion_sync.sync.remote import Answer
from conversion_sync.sync.run import Run, Shut

__all__ = [
    "Change",
    "Comparison",
    "Field",
    "State",
    "compare",
    "compare_many",
    "next_push",
    "take_theirs",
]

Remote = RemoteContact | RemoteCompany

#: How the wire's names of what is not a variable are shown.
BASE_DOMAIN, REFERENCE = "base_domain", "external_contact"


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
        if self.ours == self.theirs:
            return State.SAME
        if self.theirs is None:
            return State.ONLY_HERE
        return State.ONLY_THERE if self.ours is None else State.DIFFERS


@dataclass(frozen=True)
class Change:
    """What the next push does to one field, as far as we know what is there."""

    name: str
    known: Any
    becomes: Any


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
    ours, theirs = _fields(_payload(row) or {}), _remote_fields(remote)
    names = sorted({*ours, *theirs})
    fields = [Field(name, ours.get(name), theirs.get(name)) for name in names]
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
    known, becomes = _fields(row.sent_payload or {}), _fields(_payload(row) or {})
    return [
        Change(name, known.get(name), becomes.get(name))
        for name in sorted({*known, *becomes})
        if known.get(name) != becomes.get(name)
    ]


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
        yield from _ask(run, few)


def take_theirs(row: Record, remote: Remote, names: Sequence[str]) -> list[str]:
    """Write these fields of the remote record into the row, and save it.

    The name of a contact's company is no field of the contact, and is left alone.

    Returns:
        The names that were taken.

    Raises:
        ValidationError: a remote value is none that the row can have.
    """
    theirs = _remote_fields(remote)
    taken = [name for name in names if _takes(row, name)]
    for name in taken:
        _assign(row, name, theirs.get(name))
    row.full_clean(exclude=["subscription_status"])
    row.save()
    return taken


def _payload(row: Record) -> Mapping[str, Any] | None:
    try:
        if isinstance(row, Contact):
            return contact_payload(row)
        return company_payload(row) if isinstance(row, Company) else None
    except ValidationError:
        return None


def _fields(payload: Mapping[str, Any]) -> dict[str, Any]:
    fields = dict(payload.get("variables") or {})
    if payload.get("baseDomain"):
        fields[BASE_DOMAIN] = payload["baseDomain"]
    if payload.get("externalContact"):
        fields[REFERENCE] = payload["externalContact"]
    return {name: value for name, value in fields.items() if value is not None}


def _remote_fields(remote: Remote) -> dict[str, Any]:
    fields = {n: v for n, v in remote.variables.items() if v not in (None, "")}
    if isinstance(remote, RemoteCompany) and remote.base_domain:
        fields[BASE_DOMAIN] = remote.base_domain
    if isinstance(remote, RemoteContact) and remote.external_contact:
        fields[REFERENCE] = remote.external_contact
    return fields


def _takes(row: Record, name: str) -> bool:
    return not (isinstance(row, Contact) and name == "company_name")


def _assign(row: Any, name: str, value: Any) -> None:
    if name in (BASE_DOMAIN, REFERENCE) or name in row.COMMON:
        field = row._meta.get_field(name)
        setattr(row, name, field.get_default() if value is None else field.to_python(value))
        return
    variables = dict(row.custom_variables)
    variables.pop(name, None)
    if value is not None:
        variables[name] = value
    row.custom_variables = variables


def _ask(run: Run, rows: Sequence[Record]) -> Iterator[Comparison]:
    gets: list[Callable[[Client], Any]] = [
        partial(Client.get_contact, email=row.key)
        if isinstance(row, Contact)
        else partial(Client.get_company, id=row.key)
        for row in rows
    ]
    for row, answer in zip(rows, _patiently(run, gets), strict=True):
        if isinstance(answer.error, NotFound):
            yield Comparison(row, is_missing=True)
        elif answer.error is not None:
            yield Comparison(row, answer.error)
        elif answer.value is not None:
            yield compare(row, answer.value)


def _patiently(run: Run, gets: Sequence[Callable[[Client], Any]]) -> list[Answer[Any]]:
    while True:
        try:
            return run.calls(gets)
        except Shut as shut:
            if shut.wait is None or shut.wait > run.time_left():
                raise
            time.sleep(shut.wait)


def _somebody_waits(using: str) -> bool:
    return any(
        rows.filter(priority=PERSON, due_at__lte=DbNow()).exists()
        for channel in CHANNELS
        for rows, _ in channel.queues(using)
    )
