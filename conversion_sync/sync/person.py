"""A person as a contact and the addresses that it had, and what has still to arrive of those."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from conversion_sync.api.errors import ErrorCode
from conversion_sync.models import Contact, Deletion, Status, SubscriptionChange, SyncedModel
from conversion_sync.models.locking import locking
from conversion_sync.sync.history import Subject, unfinished_jobs
from conversion_sync.sync.types import Rows

__all__ = ["Person"]


@dataclass(frozen=True)
class Person:
    """A contact, if there is one, and what is the person's by its addresses.

    Attributes:
        former: the addresses that it had before, and that nobody has now.
        shared: those that another contact has now: only what is the contact's own is the person's.
        locks: whether what is read is locked.
    """

    key: str
    row: Contact | None
    former: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    locks: bool = False

    @classmethod
    def at(cls, using: str, key: str, *, locks: bool = False) -> Person:
        rows = Contact.unmarked.using(using).filter(key=key)
        row = (locking(rows) if locks else rows).first()
        if row is None:
            return cls(key, None, locks=locks)
        log = SubscriptionChange.unmarked.using(using).filter(contact=row.pk)
        left = Deletion.unmarked.using(using).filter(successor=row.pk)
        had = {*log.values_list("address", flat=True), *left.values_list("key", flat=True)} - {key}
        others = Contact.unmarked.using(using).filter(key__in=had)
        shared = frozenset(others.values_list("key", flat=True))
        return cls(key, row, frozenset(had) - shared, shared, locks)

    def subject(self, using: str, address: str) -> Subject:
        """Whom the history is searched for."""
        names = {self.key, address.strip(), *self.former}
        if self.row is None:
            return Subject(frozenset(names))
        engagements = self.row.engagements.using(using).values_list("pk", flat=True)
        return Subject(frozenset({*names, self.row.email}), self.row.pk, frozenset(engagements))

    def lines(self, using: str, address: str) -> list[SubscriptionChange]:
        """The changes of the log at an address that are the person's."""
        table = SubscriptionChange.unmarked.using(using).filter(address=address)
        return self._read(table.filter(self._own("contact", address)))

    def deletions(self, using: str, address: str) -> list[Deletion]:
        """The deletions of an address that are the person's: all of the address of now."""
        table = Deletion.unmarked.using(using).filter(kind=Deletion.Kind.CONTACT)
        own = Q() if address == self.key else self._own("successor", address)
        return self._read(table.filter(own, Q(key=address) | Q(spelling=address)))

    def _own(self, column: str, address: str) -> Q:
        nobodys = Q(**{f"{column}__isnull": True})
        if self.row is None:
            return nobodys
        own = Q(**{column: self.row.pk})
        return own if address in self.shared else own | nobodys

    def _read(self, rows: Rows) -> list[Any]:
        return list((locking(rows) if self.locks else rows).order_by("pk"))

    def held_by(self, using: str, subject: Subject) -> list[str]:
        """What has to arrive before the contact, or what is at its address, is deleted."""
        waiting = [f"bulk job {job.pk}: not finished" for job in unfinished_jobs(using, subject)]
        for address in sorted(self.former | self.shared):
            waiting += self.waiting_at(using, address)
        if self.row is not None:
            spellings = Deletion.unmarked.using(using).filter(successor=self.row.pk, key=self.key)
            waiting += _unarrived(self._read(spellings))
        return waiting

    def waiting_at(self, using: str, address: str) -> list[str]:
        """What has still to arrive of an address."""
        changes = _unsettled(self.lines(using, address))
        return [
            *(f"subscription change of {address}: {_state(each)}" for each in changes),
            *_unarrived(self.deletions(using, address)),
        ]


def _unsettled(rows: list[SubscriptionChange]) -> list[SubscriptionChange]:
    """Of the changes of one address those that go on by themselves, or need a person.

    An opt-out that failed has to be told still, unless there was nobody to unsubscribe, or what
    was said later has arrived.
    """
    told = max((row.pk for row in rows if row.sync_status == Status.SYNCED), default=0)
    return [
        row
        for row in rows
        if row.sync_status in (Status.PENDING, Status.SENDING)
        or (
            row.sync_status == Status.FAILED
            and row.is_opt_out
            and row.last_error_code != ErrorCode.NOTHING_TO_UNSUBSCRIBE
            and row.pk > told
        )
    ]


def _unarrived(deletions: list[Deletion]) -> list[str]:
    rows = [row for row in deletions if row.sync_status != Status.SYNCED]
    return [f"deletion of {row.remote_key}: {_state(row)}" for row in rows]


def _state(row: SyncedModel) -> str:
    """Where a row stands, in the words that staff read."""
    return Status(row.sync_status).words.lower()
