"""Subscription changes that a newer one has overtaken are taken away."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q

from conversion_sync.models import Status, SubscriptionChange
from conversion_sync.models.clock import DbNow
from conversion_sync.models.contact_table import lock_free
from conversion_sync.models.locking import locking
from conversion_sync.models.subscription_column import reflect
from conversion_sync.models.unindexed import unindexed
from conversion_sync.sync.claim import Claim
from conversion_sync.sync.readiness import is_overtaken
from conversion_sync.sync.retry import retried
from conversion_sync.sync.transactions import short_transaction
from conversion_sync.sync.types import Rows
from conversion_sync.sync.waiting import release_behind

__all__ = ["supersede", "supersede_older"]


def supersede(using: str, pks: Collection[int]) -> None:
    """Take these changes away, as far as a newer one, or that no contact is left, overtook them."""
    if taken := _take_away(SubscriptionChange.unmarked.using(using).filter(pk__in=pks)):
        release_behind(SubscriptionChange, using, taken)


def supersede_older(claim: Claim) -> None:
    """Take away what the changes of this claim have overtaken."""
    people = SubscriptionChange.objects.using(claim.using).of(
        {row.contact_id for row in claim.rows if row.contact_id},
        {row.address for row in claim.rows},
    )
    older = people.filter(unindexed(Q(sync_status=Status.PENDING, claim=None)))
    supersede(claim.using, list(older.exclude(pk__in=claim.pks).values_list("pk", flat=True)))


@retried
def _take_away(rows: Rows) -> list[int]:
    with short_transaction(rows.db):
        locked = list(locking(rows.order_by("pk"), skip_locked=True).values_list("pk", flat=True))
        table = SubscriptionChange.unmarked.using(rows.db)
        due = table.filter(Q(claim=None) | Q(due_at__lte=DbNow()), is_overtaken(rows.db))
        pks = list(due.filter(pk__in=locked).values_list("pk", flat=True))
        # An override that is taken away lifts nothing any more. Who holds its contact is not
        # waited for.
        overrides = dict(
            table.filter(pk__in=pks, override=True, contact__isnull=False).values_list(
                "pk", "contact_id"
            )
        )
        free = lock_free(rows.db, {*overrides.values()})
        pks = [pk for pk in pks if overrides.get(pk) in {None, *free}]
        table.filter(pk__in=pks).update(sync_status=Status.SUPERSEDED, claim=None, due_at=None)
        if free:
            reflect(rows.db, free)
    return pks
