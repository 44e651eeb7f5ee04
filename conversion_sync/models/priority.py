"""The priority of what a person waits for."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Exists, OuterRef, Q, QuerySet

from conversion_sync.models.contact_table import contacts
from conversion_sync.models.deletion import Deletion
from conversion_sync.models.state import BULK, PERSON

__all__ = [
    "has_none_to_prioritize",
    "in_background",
    "prioritize_contacts",
    "prioritize_deletions",
]


def prioritize_contacts(using: str, pks: Collection[int]) -> None:
    """Send contacts that are due, and the deletions that they wait for, as for a person.

    Args:
        pks: the primary keys of contacts that something urgent waits for.
    """
    rows = contacts(using).filter(pk__in=pks, due_at__isnull=False, priority=BULK)
    keys = list(rows.values_list("key", flat=True))
    if keys:
        rows.update(priority=PERSON)
        prioritize_deletions(using, Deletion.Kind.CONTACT, keys)


def prioritize_deletions(using: str, kind: Deletion.Kind, keys: Collection[str]) -> None:
    """Give these deletions the priority of a person who waits for what they hold up."""
    in_background(using, kind, keys).update(priority=PERSON)


def in_background(using: str, kind: Deletion.Kind, keys: Collection[str]) -> QuerySet[Deletion]:
    """The deletions of these keys that nobody waits for yet."""
    rows: QuerySet[Deletion] = Deletion.unmarked.using(using)
    return rows.filter(kind=kind, key__in=keys, due_at__isnull=False, priority=BULK)


def has_none_to_prioritize(using: str, kind: Deletion.Kind, priority: int) -> Q:
    """The condition of a record without a deletion that ``prioritize_deletions`` changes.

    Args:
        priority: that of the record.
    """
    if priority != PERSON:
        return Q()
    waiting = Deletion.unmarked.using(using).filter(
        kind=kind, key=OuterRef("key"), due_at__isnull=False, priority=BULK
    )
    return Q(~Exists(waiting))
