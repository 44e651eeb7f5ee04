"""Erasing a person: the contact, what the log and the history say, and the record in Conversion.

What has still to arrive needs its address, and what hangs on the contact has it tell whose it is.
So the contact is deleted when nothing waits at its former addresses any more, and an address is
forgotten when nothing waits at it. Of an opt-out that stands its trace stays, and so does that of a
deletion that has arrived: for somebody who comes back, the rules of consent go by them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Q

from conversion_sync.models import (
    Contact,
    Deletion,
    MirrorLink,
    Status,
    SubscriptionChange,
    attributed,
)
from conversion_sync.models.erased import trace
from conversion_sync.models.locking import locking
from conversion_sync.sync.history import Subject, forget
from conversion_sync.sync.person import Person
from conversion_sync.sync.retry import retried
from conversion_sync.sync.transactions import short_transaction

__all__ = ["Erasure", "KeyClash", "erase", "refuse_clashes"]

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


def erase(using: str, address: str, *, requested_by: str = "", dry_run: bool = False) -> Erasure:
    """Erase the person at an address, as far as nothing has still to be sent.

    The contact and its engagements are deleted, and a deletion of the record in Conversion is left,
    as by any deletion. Where something waits, erase again when it has arrived.

    Args:
        address: in any spelling.
        requested_by: for the deletion, until that has arrived.
        dry_run: only say what would be erased.

    Raises:
        KeyClash: another row has the same address in another spelling.
    """
    key = str(Contact.normal_key(address))
    refuse_clashes(using, key)
    person = Person.at(using, key)
    subject, removed = person.subject(using, address), Counter[str]()
    if not person.held_by(using, subject):
        # Before the contact goes, by which it is found: what failed here is found again.
        removed = forget(using, subject, dry_run=dry_run)
    with attributed(requested_by=requested_by, source="erasure"):
        done = _erase(using, key, subject, dry_run)
    done.removed += removed
    return done


def refuse_clashes(using: str, key: str) -> None:
    """See that no other row is the same mailbox.

    Raises:
        KeyClash: one is.
    """
    others = Contact.unmarked.using(using).filter(key=None).only("pk", "email", "key")
    if any(other.wanted_key == key for other in others):
        raise KeyClash(key)


@retried
def _erase(using: str, key: str, subject: Subject, dry_run: bool) -> Erasure:
    done = Erasure()
    with short_transaction(using):
        # Rendering locks links before their rows.
        links = MirrorLink.objects.using(using).filter(kind=MirrorLink.Kind.CONTACT)
        of_person = links.filter(Q(row=subject.contact, row__isnull=False) | Q(row=None, key=key))
        locked = list(locking(of_person.order_by("pk")))
        person = Person.at(using, key, locks=True)
        refuse_clashes(using, key)
        if subject.contact != (None if person.row is None else person.row.pk):
            done.waiting.append(f"contact {key}: changed meanwhile")
        else:
            done.waiting += person.held_by(using, subject)
        if not done.waiting:
            _erase_person(using, person, done)
            _let_go(using, locked)
        if dry_run:
            transaction.set_rollback(True, using=using)
    return done


def _erase_person(using: str, person: Person, done: Erasure) -> None:
    if person.row is not None:
        people = [(person.row.pk, person.key)]
        [standing] = SubscriptionChange.standing_opt_outs(using, people)
        for address in sorted(person.former | person.shared):
            _forget_address(using, person, address, done)
        _delete(using, person.row, done)
        by_address = SubscriptionChange.standing_opt_outs(using, [(None, person.key)])
        if standing is not None and by_address == [None]:
            # It stood by the contact alone, which had said so at another address.
            SubscriptionChange.enter(using, [standing.again(address=person.key)])
    left = Person(person.key, None, locks=True)
    done.waiting += left.waiting_at(using, person.key)
    if not done.waiting:
        _forget_address(using, left, person.key, done)


def _delete(using: str, row: Contact, done: Erasure) -> None:
    done.removed["engagements"] += row.engagements.using(using).count()
    done.removed["contact"] += 1
    Contact.objects.using(using).filter(pk=row.pk).delete()
    if row.sent_key and row.sent_key != row.key:
        # An earlier release has spelled it otherwise.
        left = Deletion.unmarked.using(using).filter(kind=Deletion.Kind.CONTACT, spelling="")
        left.filter(key=row.sent_key, successor=None).exclude(sync_status=Status.SYNCED).update(
            key=row.key, spelling=row.sent_key
        )


def _let_go(using: str, links: list[MirrorLink]) -> None:
    """Have the links of a person's sources say neither row nor address.

    They are of sources that are excluded, or gone: else the person would come back.
    """
    table = MirrorLink.objects.using(using).filter(pk__in=[each.pk for each in links])
    table.update(row=None, key="", fault="", trouble=None)
    # So many that are gone are counted for a day.
    gone = MirrorLink.State.GONE
    table.exclude(state=gone).update(state=MirrorLink.State.EXCLUDED, reason="")


def _forget_address(using: str, person: Person, address: str, done: Erasure) -> None:
    """Take the lines of a person at an address away, of which nothing waits.

    Of an opt-out that stands, and of deletions, their traces stay.
    """
    rows = person.lines(using, address)
    [standing] = SubscriptionChange.standing_opt_outs(using, [(None, address)])
    kept = [row.pk for row in rows if standing is not None and row.pk == standing.pk]
    table = SubscriptionChange.unmarked.using(using)
    table.filter(pk__in=kept).update(
        **BLANK,
        address=trace(address),
        previous_status="",
        source="erasure",
        reason="",
        sync_status=Status.SYNCED,
        due_at=None,
    )
    gone = [row.pk for row in rows if row.pk not in kept]
    table.filter(pk__in=gone).delete()
    done.removed["lines of the consent log"] += len(gone)
    done.keeps_opt_out |= bool(kept) or (address == person.key and standing is not None)
    _forget_deletions(using, person.deletions(using, address), done)


def _forget_deletions(using: str, rows: list[Deletion], done: Erasure) -> None:
    table = Deletion.unmarked.using(using)
    for row in rows:
        if row.only_asks:
            table.filter(pk=row.pk).delete()
        else:
            table.filter(pk=row.pk).update(**BLANK, key=trace(row.key), spelling="", forgotten=None)
            done.removed["deletions"] += 1
