"""What the rows on a page wait for, found out for all of them together."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import router
from django.utils.translation import gettext as _

from conversion_sync.admin.badges import waits_for_contact
from conversion_sync.models import (
    Company,
    Contact,
    Deletion,
    Status,
    SubscriptionChange,
    SyncedModel,
)

__all__ = ["note_contacts", "note_deletions", "note_opt_outs"]


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


def note_opt_outs(contacts: Sequence[Contact]) -> None:
    """Note which contacts have an opt-out that has not arrived: one query for all."""
    if not contacts:
        return
    using = router.db_for_read(SubscriptionChange)
    people = [(contact.pk, contact.key) for contact in contacts]
    standing = SubscriptionChange.standing_opt_outs(using, people)
    for contact, change in zip(contacts, standing, strict=True):
        if change is not None and change.sync_status != Status.SYNCED:
            contact.opt_out = change  # type: ignore[attr-defined]  # for the badge
