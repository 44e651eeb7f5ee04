"""What the rows on a page wait for, found out for all of them together."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from conversion_sync.admin.badges import waits_for_contact
from conversion_sync.models import Company, Contact, Deletion, Status, SyncedModel

__all__ = ["note_contacts", "note_deletions"]


def note_contacts(rows: Sequence[SyncedModel]) -> None:
    """Note which events wait for their contact; it was loaded with them."""
    for row in rows:
        if row.sync_status == Status.PENDING and waits_for_contact(row):
            contact: Contact = row.contact  # type: ignore[attr-defined]  # an event's
            row.held_up = (  # type: ignore[attr-defined]  # for the badge
                _("Waiting for its contact, which failed")
                if contact.sync_status == Status.FAILED
                else _("Waiting for its contact")
            )


def note_deletions(rows: Sequence[Company] | Sequence[Contact], kind: Deletion.Kind) -> None:
    """Note which records wait for a deletion of their key: one query for all."""
    pending = [row for row in rows if row.sync_status == Status.PENDING]
    if not pending:
        return
    deletions = Deletion.objects.filter(kind=kind, key__in=[row.key for row in pending]).open()
    failed: dict[str, bool] = {}
    for key, status in deletions.values_list("key", "sync_status"):
        failed[key] = failed.get(key, False) or status == Status.FAILED
    for row in pending:
        if row.key in failed:
            row.held_up = (  # type: ignore[union-attr]  # for the badge
                _("Waiting for a deletion that failed: retry or discard it")
                if failed[row.key]
                else _("Waiting for a deletion of its key")
            )
