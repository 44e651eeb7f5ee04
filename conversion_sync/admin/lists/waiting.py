"""What the rows on a page wait for: found out for all of them in a few queries."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import router
from django.utils.translation import gettext as _

from conversion_sync.models import (
    Company,
    Contact,
    Status,
    SyncedModel,
)
from conversion_sync.status import times
from conversion_sync.status.next_try import Outlook, outlook
from conversion_sync.status.waits import reasons
from conversion_sync.sync.readiness import Reason

__all__ = [
    "follows",
    "note_reasons",
    "note_renamed_companies",
    "outlook_of",
    "why",
]

#: Where a row keeps them, beside its columns: no attribute of its class is taken for them.
WHY, FOLLOWS, OUTLOOK = "_conversion_why", "_conversion_follows", "_conversion_outlook"


def why(row: SyncedModel) -> Reason | None:
    """Why the row has not arrived; None if it has. Asked for, where it was not noted."""
    if WHY not in vars(row):
        note_reasons([row])
    found: Reason | None = vars(row)[WHY]
    return found


def follows(row: SyncedModel) -> str:
    """What was noted of a row that has arrived: what is still to follow; blank: nothing."""
    return str(vars(row).get(FOLLOWS, ""))


def outlook_of(row: SyncedModel) -> Outlook:
    """What was noted of the drains to come, where they matter to the row."""
    found: Outlook = vars(row).get(OUTLOOK, Outlook())
    return found


def note_reasons(rows: Sequence[SyncedModel]) -> None:
    """Note why these rows of one model have not arrived: one query for all.

    Another one finds out whether anything is sent, where one of them waits for that, and one more
    whether a drain is planned, where one is due soon.
    """
    if not rows:
        return
    using, now = router.db_for_read(type(rows[0])), times.now()
    found = reasons(rows, using)
    known = outlook(using, now, rows)
    for row in rows:
        vars(row)[WHY], vars(row)[OUTLOOK] = found.get(row.pk), known


def note_renamed_companies(contacts: Sequence[Contact]) -> None:
    """Note which contacts are to be sent with a new name of their company: one query for all."""
    synced = [row for row in contacts if row.sync_status == Status.SYNCED and row.company_id]
    if not synced:
        return
    companies = Company.objects.filter(pk__in={row.company_id for row in synced})
    renamed = set(companies.exclude(renamed_revision=None).values_list("pk", flat=True))
    for row in synced:
        if row.company_id in renamed:
            vars(row)[FOLLOWS] = _("To be sent with the new name of its company")
