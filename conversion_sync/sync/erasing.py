"""Erasing a person: the contact, what the log and the history say, and the record in Conversion.

Of an opt-out that stands its trace stays, and so does that of a deletion that has arrived: for
somebody who comes back to the address, the rules of consent go by them. What has still to arrive
keeps the address until it has.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q

from conversion_sync.models import (
    ApiCall,
    BulkJob,
    Contact,
    Deletion,
    MirrorLink,
    Status,
    SubscriptionChange,
    attributed,
)
from conversion_sync.models.erased import trace
from conversion_sync.models.locking import locking
from conversion_sync.models.subscription import OUT
from conversion_sync.sync.transactions import short_transaction
from conversion_sync.sync.types import Rows

__all__ = ["Erasure", "KeyClash", "erase"]

#: A row in one of these goes on by itself, or waits for a person: it needs its address.
UNSETTLED = (Status.PENDING, Status.SENDING)

#: What is forgotten of a row that stays as a trace.
BLANK: dict[str, Any] = {
    "requested_by": "",
    "last_error_code": "",
    "last_error_message": "",
    "last_call": None,
    "remote_id": "",
}


class KeyClash(Exception):
    """Another row is the same mailbox in another spelling: they have to be merged first."""


@dataclass
class Erasure:
    """What was erased, and what could not be yet.

    Attributes:
        removed: how many of what, in words.
        keeps_opt_out: whether the trace of an opt-out stays.
        waiting: what has still to arrive, and keeps its address until then.
    """

    removed: Counter[str] = field(default_factory=Counter)
    keeps_opt_out: bool = False
    waiting: list[str] = field(default_factory=list)


def erase(using: str, address: str, *, requested_by: str = "") -> Erasure:
    """Erase the person at an address, as far as nothing has still to be sent.

    The contact and its engagements are deleted, and a deletion of the record in Conversion is left,
    as by any deletion. Where something waits, erase again when it has arrived.

    Args:
        address: in any spelling.
        requested_by: for the deletion, until that has arrived.

    Raises:
        KeyClash: another row has the same address in another spelling.
    """
    key, done = str(Contact.normal_key(address)), Erasure()
    with attributed(requested_by=requested_by, source="erasure"), short_transaction(using):
        row = locking(Contact.unmarked.using(using).filter(key=key)).first()
        _refuse_clashes(using, key)
        own = _Own.of(using, row)
        is_out = _has_opted_out(using, row, key)
        if row is not None:
            _delete(using, row, done)
        for each in sorted({key, *own.addresses}):
            _erase_log(using, each, own.changes, done, is_person=each == key, is_out=is_out)
            _erase_deletions(using, each, own.deletions, done, is_person=each == key)
        _erase_history(using, key, None if row is None else row.pk, done)
    return done


@dataclass(frozen=True)
class _Own:
    """The lines of a contact at addresses that it had before, too."""

    addresses: frozenset[str]
    changes: frozenset[int]
    deletions: frozenset[int]

    @classmethod
    def of(cls, using: str, row: Contact | None) -> _Own:
        if row is None:
            return cls(frozenset(), frozenset(), frozenset())
        log = dict(
            SubscriptionChange.unmarked.using(using)
            .filter(contact=row.pk)
            .values_list("pk", "address")
        )
        left = dict(
            Deletion.unmarked.using(using).filter(successor=row.pk).values_list("pk", "key")
        )
        return cls(frozenset({*log.values(), *left.values()}), frozenset(log), frozenset(left))


def _refuse_clashes(using: str, key: str) -> None:
    others = Contact.unmarked.using(using).filter(key=None).only("pk", "email", "key")
    if any(other.wanted_key == key for other in others):
        raise KeyClash(key)


def _has_opted_out(using: str, row: Contact | None, key: str) -> bool:
    if row is not None and row.subscription_status == OUT:
        return True
    people = [(None if row is None else row.pk, key)]
    return SubscriptionChange.standing_opt_outs(using, people) != [None]


def _delete(using: str, row: Contact, done: Erasure) -> None:
    links = MirrorLink.objects.using(using).filter(kind=MirrorLink.Kind.CONTACT, row=row.pk)
    links.update(row=None, key="", reason="", fault="")
    done.removed["engagements"] += row.engagements.using(using).count()
    done.removed["contact"] += 1
    Contact.objects.using(using).filter(pk=row.pk).delete()


def _erase_log(
    using: str,
    address: str,
    own: Collection[int],
    done: Erasure,
    *,
    is_person: bool,
    is_out: bool,
) -> None:
    """Take the lines of a person at an address away; of an opt-out that stands its trace stays.

    Args:
        own: at an address of former times, the lines that are the person's.
        is_person: it is the address of now: all its lines are the person's that are no other's.
        is_out: whether an opt-out of the person stands.
    """
    lines = SubscriptionChange.unmarked.using(using).filter(address=address, contact=None)
    if not is_person:
        lines = lines.filter(pk__in=own)
    rows = list(locking(lines.order_by("pk")))
    if unsettled := [row for row in rows if row.sync_status in UNSETTLED]:
        done.waiting += [
            f"subscription change of {address}: {row.sync_status}" for row in unsettled
        ]
        return
    [standing] = SubscriptionChange.standing_opt_outs(using, [(None, address)])
    kept = next((row for row in rows if standing is not None and row.pk == standing.pk), None)
    if kept is None and is_person and is_out and standing is None:
        # The person's by another address, or by the column alone.
        kept = SubscriptionChange(status=OUT, address=address)
        SubscriptionChange.unmarked.using(using).bulk_create([kept])
        rows.append(kept)
    table = SubscriptionChange.unmarked.using(using)
    if kept is not None:
        table.filter(pk=kept.pk).update(
            **BLANK,
            address=trace(address),
            previous_status="",
            source="erasure",
            reason="",
            sync_status=Status.SYNCED,
            due_at=None,
        )
    done.keeps_opt_out |= kept is not None or (is_person and standing is not None)
    gone = [row.pk for row in rows if kept is None or row.pk != kept.pk]
    table.filter(pk__in=gone).delete()
    done.removed["lines of the consent log"] += len(rows)


def _erase_deletions(
    using: str, address: str, own: Collection[int], done: Erasure, *, is_person: bool
) -> None:
    """Have the deletions of an address that have arrived say its trace."""
    deletions = Deletion.unmarked.using(using).filter(kind=Deletion.Kind.CONTACT)
    found = deletions.filter(Q(key=address) | Q(spelling=address))
    if not is_person:
        found = found.filter(pk__in=own)
    for row in locking(found.order_by("pk")):
        if row.sync_status != Status.SYNCED:
            done.waiting.append(f"deletion of {row.remote_key}: {row.sync_status}")
        elif row.only_asks:
            deletions.filter(pk=row.pk).delete()
        else:
            deletions.filter(pk=row.pk).update(
                **BLANK, key=trace(row.key), spelling="", forgotten=None
            )
            done.removed["deletions"] += 1


def _erase_history(using: str, address: str, pk: int | None, done: Erasure) -> None:
    """Take the address out of the call log, of jobs that have ended, and of the admin's history."""
    calls = ApiCall.objects.using(using).filter(error_message__icontains=address)
    done.removed["lines of the call log"] += calls.update(error_message="")
    jobs = BulkJob.objects.using(using).filter(finished_at__isnull=False)
    for job in jobs.iterator():
        _erase_findings(job, address, pk, done)
    if apps.is_installed("django.contrib.admin"):
        done.removed["lines of the admin's history"] += _admin_log(using, address, pk).update(
            object_repr="erased", change_message=""
        )
    links = MirrorLink.objects.using(using).filter(kind=MirrorLink.Kind.CONTACT, key=address)
    links.filter(row=None, state=MirrorLink.State.GONE).delete()


def _erase_findings(job: BulkJob, address: str, pk: int | None, done: Erasure) -> None:
    """Take the findings on a person out of a job; one that was of that person alone goes."""
    if _names([job.filter, job.arguments, job.error], address):
        job.delete()
        done.removed["bulk jobs"] += 1
        return
    of_contacts = pk is not None and job.model == Contact._meta.label
    kept = [
        found
        for found in job.findings
        if not _names(found, address) and not (of_contacts and found.get("pk") == pk)
    ]
    if kept != job.findings:
        done.removed["findings"] += len(job.findings) - len(kept)
        job.findings = kept
        job.save(update_fields=["findings"])


def _names(told: Any, address: str) -> bool:
    return address in json.dumps(told, ensure_ascii=False).casefold()


def _admin_log(using: str, address: str, pk: int | None) -> Rows:
    entries: Any = apps.get_model("admin", "LogEntry").objects.using(using)
    ours = ContentType.objects.db_manager(using).get_for_models(
        Contact, SubscriptionChange, Deletion
    )
    rows: Rows = entries.filter(content_type__in=[each.pk for each in ours.values()])
    told = Q(object_repr__icontains=address)
    if pk is not None:
        told |= Q(content_type=ours[Contact].pk, object_id=str(pk))
    return rows.filter(told).exclude(object_repr="erased", change_message="")
