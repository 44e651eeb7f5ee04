"""What is kept of mirrors by time, after the clock of the database was set back.

By these times mirrors count who has left within a day and since a person's decision, and tell what
happened before they began. What lies ahead would be counted for as long as it does, and a decision
that lies ahead would have nobody counted that leaves from now on.
"""

from __future__ import annotations

import datetime

from conversion_sync.models import MirrorLink, MirrorState
from conversion_sync.models.clock import db_now
from conversion_sync.models.locking import locking
from conversion_sync.sync.retry import retried
from conversion_sync.sync.transactions import short_transaction

__all__ = ["bring_back_mirrors"]

ROWS_AT_ONCE = 1000

#: Who has left after a decision is still later than that, when both are brought back.
BEFORE = datetime.timedelta(milliseconds=1)


def bring_back_mirrors(using: str) -> None:
    """Have nothing that has happened to a mirror, or to a source of it, lie ahead."""
    for state in MirrorState.objects.using(using).order_by("pk"):
        _bring_back(using, state, db_now(using))


def _bring_back(using: str, state: MirrorState, now: datetime.datetime) -> None:
    ahead = MirrorLink.objects.using(using).filter(mirror=state.mirror, left_at__gt=now)
    last, following = 0, ahead.order_by("pk").values_list("pk", flat=True)
    while pks := list(following.filter(pk__gt=last)[:ROWS_AT_ONCE]):
        _write(using, pks, now, state.released_at)
        last = pks[-1]
    # The sources first: by the decision as it was it is told which of them it was about.
    states = MirrorState.objects.using(using).filter(pk=state.pk)
    retried(states.filter(released_at__gt=now).update)(released_at=now - BEFORE)
    retried(states.filter(began_at__gt=now).update)(began_at=now)


@retried
def _write(
    using: str, pks: list[int], now: datetime.datetime, released_at: datetime.datetime | None
) -> None:
    """Have these sources have left now; those that a person has decided of are counted no more."""
    with short_transaction(using):
        some = MirrorLink.objects.using(using).filter(pk__in=pks, left_at__gt=now)
        locked = list(locking(some.order_by("pk")).values_list("pk", flat=True))
        links = MirrorLink.objects.using(using).filter(pk__in=locked)
        if released_at is not None:
            links.filter(left_at__lte=released_at).update(left_at=None)
        links.filter(left_at__gt=now).update(left_at=now)
