"""What the rows on a page wait for: found out for all of them in a few queries."""

from __future__ import annotations

import datetime
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
from conversion_sync.status.next_try import comes_soon, planned_drain
from conversion_sync.status.waits import reasons
from conversion_sync.sync.readiness import Reason

__all__ = [
    "follows",
    "note_reasons",
    "note_renamed_companies",
    "planned",
    "why",
]

#: Where a row keeps them, beside its columns: no attribute of its class is taken for them.
WHY, FOLLOWS, PLANNED = "_conversion_why", "_conversion_follows", "_conversion_planned"


def why(row: SyncedModel) -> Reason | None:
    """Why the row has not arrived; None if it has. Asked for, where it was not noted."""
    if WHY not in vars(row):
        note_reasons([row])
    found: Reason | None = vars(row)[WHY]
    return found


def follows(row: SyncedModel) -> str:
    """What was noted of a row that has arrived: what is still to follow; blank: nothing."""
    return str(vars(row).get(FOLLOWS, ""))


def planned(row: SyncedModel) -> datetime.datetime | None:
    """What was noted of the row: when the next drain is planned, where that matters to it."""
    found: datetime.datetime | None = vars(row).get(PLANNED)
    return found


def note_reasons(rows: Sequence[SyncedModel]) -> None:
    """Note why these rows of one model have not arrived: one query for all.

    Another one finds out whether a drain is planned, where one of them is due soon.
    """
    if not rows:
        return
    using, now = router.db_for_read(type(rows[0])), times.now()
    found = reasons(rows, using)
    planned = planned_drain(using, now) if comes_soon(rows, now) else None
    for row in rows:
        vars(row)[WHY], vars(row)[PLANNED] = found.get(row.pk), planned


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
