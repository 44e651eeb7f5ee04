"""The priority of what a person waits for."""

from __future__ import annotations

from collections.abc import Collection

from conversion_sync.models.contact_table import contacts
from conversion_sync.models.deletion import Deletion
from conversion_sync.models.state import BULK, PERSON

__all__ = ["prioritize_contacts"]


def prioritize_contacts(using: str, pks: Collection[int]) -> None:
    """Send contacts that are due, and the deletions that they wait for, as for a person.

    Args:
        pks: the primary keys of contacts that something urgent waits for.
    """
    rows = contacts(using).filter(pk__in=pks, due_at__isnull=False, priority=BULK)
    keys = list(rows.values_list("key", flat=True))
    if keys:
        rows.update(priority=PERSON)
        Deletion.prioritize(using, Deletion.Kind.CONTACT, keys)
