"""Deletions that records leave at the keys that they had, and take back where they return."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from conversion_sync.conf import conf
from conversion_sync.models.attribution import attribution
from conversion_sync.models.deletion import Deletion
from conversion_sync.models.locking import locking
from conversion_sync.models.priority import prioritize_deletions
from conversion_sync.models.state import Status

__all__ = ["leave_for_changed_key", "leave_for_deleted", "withdraw"]


def leave_for_deleted(using: str, kind: Deletion.Kind, rows: Iterable[dict[str, Any]]) -> None:
    """Leave a deletion of each locked row that may be in Conversion, and is deleted here."""
    if conf.delete_remote:
        # What was sent for a row without a key may be the record of the row that holds it.
        held = [row for row in rows if row["key"] is not None]
        _leave(using, kind, [row for row in held if row["sent_key"]])


def leave_for_changed_key(
    using: str, kind: Deletion.Kind, row: Mapping[str, Any], known: Mapping[str, Any]
) -> None:
    """Leave a deletion of the old key of a locked row that may be in Conversion.

    With ``DELETE_CHANGED_KEYS`` off, that of a contact only asks for the opt-out there.

    Args:
        known: what the row forgets of it, by column, and its ``pk``.
    """
    is_contact = kind == Deletion.Kind.CONTACT
    if not row["sent_key"] or row["key"] is None:
        return
    if conf.delete_changed_keys or is_contact:
        _leave(
            using,
            kind,
            [row],
            successor_id=row["pk"] if is_contact else None,
            only_asks=not conf.delete_changed_keys,
            forgotten=known,
        )


def withdraw(
    using: str, kind: Deletion.Kind, keys: Mapping[int, str]
) -> dict[int, Mapping[str, Any]]:
    """Take back the deletions that these rows left, and that nobody has claimed yet.

    A deletion that another row left stays: what is there under the key is that row's.

    Args:
        keys: what they return to, by their primary keys.

    Returns:
        What was known of it, by primary key.
    """
    rows = Deletion.unmarked.using(using).filter(kind=kind, key__in={*keys.values()})
    waiting = rows.filter(
        claim=None, forgotten__isnull=False, sync_status__in=(Status.PENDING, Status.FAILED)
    )
    known, withdrawn = dict[int, Mapping[str, Any]](), list[dict[str, Any]]()
    for deletion in locking(waiting.order_by("pk")).values(*Deletion.LOCKED, "pk", "forgotten"):
        pk = deletion["forgotten"]["pk"]
        if keys.get(pk) == deletion["key"]:
            known[pk] = deletion["forgotten"]
            withdrawn.append(deletion)
    if withdrawn:
        Deletion.unmarked.using(using).filter(pk__in=[each["pk"] for each in withdrawn]).delete()
        Deletion._deleting(using, withdrawn)
    return known


def _leave(
    using: str, kind: Deletion.Kind, rows: Sequence[Mapping[str, Any]], **columns: Any
) -> None:
    by = attribution().requested_by
    left = Deletion.objects.using(using).bulk_create(
        Deletion(kind=kind, key=row["sent_key"], requested_by=by, **columns) for row in rows
    )
    for deletion, row in zip(left, rows, strict=True):
        if row["claim"] is not None:
            # The call in flight may write the key again until its lease is over.
            Deletion.unmarked.using(using).filter(pk=deletion.pk).update(due_at=row["due_at"])
    if not attribution().bulk:
        prioritize_deletions(using, kind, [row["sent_key"] for row in rows])
