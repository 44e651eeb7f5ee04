"""Forgetting the remote: after a switch of accounts or a restore, push as if for the first time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conversion_sync.models import Contact, SubscriptionChange
from conversion_sync.models.attribution import in_bulk
from conversion_sync.models.erased import PREFIX
from conversion_sync.sync.kinds import RECORDS
from conversion_sync.sync.transactions import short_transaction

__all__ = ["forget", "orphan_opt_outs", "rows_to_forget"]

ROWS_AT_ONCE = 5000


def rows_to_forget(kind: str, using: str = "default") -> int:
    """How many rows ``forget`` would push again."""
    return RECORDS[kind].unmarked.using(using).count()


def forget(
    kind: str, using: str = "default", on_progress: Callable[[int], object] = lambda rows: None
) -> int:
    """Forget what is known of the remote, and make the rows due in bulk priority.

    Engagements and subscriptions are not sent again. Each standing opt-out is: with the
    contact's first confirmation, and for an address without a contact here.

    Returns:
        The number of rows.
    """
    model: Any = RECORDS[kind]
    done = last = 0
    rows = model.objects.using(using).order_by("pk")
    while pks := list(rows.filter(pk__gt=last).values_list("pk", flat=True)[:ROWS_AT_ONCE]):
        last = pks[-1]
        count = rows.order_by().filter(pk__gte=pks[0], pk__lte=last).forget()
        done += count
        on_progress(count)
    if model is Contact:
        _opt_out_orphans(using)
    return done


def orphan_opt_outs(using: str = "default") -> list[SubscriptionChange]:
    """The standing opt-outs of addresses that have no contact here."""
    known = SubscriptionChange.objects.using(using).opt_outs().exclude(address__startswith=PREFIX)
    addresses = known.values_list("address", flat=True)
    orphans = sorted(
        set(addresses) - set(Contact.unmarked.using(using).values_list("key", flat=True))
    )
    standing: list[SubscriptionChange | None] = []
    for start in range(0, len(orphans), 500):
        people = [(None, address) for address in orphans[start : start + 500]]
        standing += SubscriptionChange.standing_opt_outs(using, people)
    return [change for change in standing if change is not None]


def _opt_out_orphans(using: str) -> None:
    with short_transaction(using), in_bulk():
        SubscriptionChange.enter(
            using,
            [change.again(address=change.address) for change in orphan_opt_outs(using)],
        )
