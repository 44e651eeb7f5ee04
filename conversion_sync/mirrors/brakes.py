"""Where so many rows would leave that something is wrong, they wait for a person."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Sequence

from django.db.models import Q

from conversion_sync.mirrors.declaration import KEEP, Declared
from conversion_sync.mirrors.plan import Plan
from conversion_sync.models import MirrorLink, MirrorState
from conversion_sync.models.clock import DbNow
from conversion_sync.models.messages import Message, stored

__all__ = ["AT_LEAST", "SHARE", "are_too_many", "hold", "hold_back", "would_be_too_many"]

State = MirrorLink.State

#: So many rows of a mirror may leave within a day; or this share of them, if that is more.
AT_LEAST, SHARE = 20, 0.05

DAY = datetime.timedelta(days=1)


def hold_back(using: str, declared: Declared, plans: Sequence[Plan]) -> None:
    """Have those plans wait whose rows would leave, where they are too many."""
    leaving = [
        plan for plan in plans if plan.leaves and plan.had is not None and not plan.is_released
    ]
    if not leaving or declared.on_exit is KEEP:
        return
    if not are_too_many(using, declared, len(leaving), [plan.link.pk for plan in leaving]):
        return
    for plan in leaving:
        hold(plan, plan.leaves)


def hold(plan: Plan, why: str) -> None:
    """Have a plan wait for a person: its source keeps the row that it has, as that is.

    Args:
        why: the message that would have it leave.
    """
    plan.is_held, plan.link.state = True, State.HELD
    plan.link.reason = stored(Message.HELD_BACK, why=why)


def would_be_too_many(
    using: str, declared: Declared, plans: Iterable[Plan], moving: Sequence[Plan]
) -> bool:
    """Whether so many sources that leave their rows for others are too many.

    Args:
        plans: all that are rendered now: those that leave are counted with them.
    """
    leaving = [plan for plan in plans if plan.leaves and plan.had and not plan.is_released]
    some = [*moving, *leaving]
    return are_too_many(using, declared, len(some), [plan.link.pk for plan in some])


def are_too_many(using: str, declared: Declared, count: int, among: Collection[int] = ()) -> bool:
    """Whether so many rows are too many to leave, with those that have left or are held.

    Args:
        count: how many would leave now.
        among: the primary keys of links that are counted in that, whatever they are now.
    """
    links = MirrorLink.objects.using(using).filter(mirror=declared.label)
    gone, held = _left(using, declared), links.filter(state=State.HELD).exclude(pk__in=among)
    count += gone + held.count()
    return count >= AT_LEAST and count > SHARE * (gone + links.filter(row__isnull=False).count())


def _left(using: str, declared: Declared) -> int:
    """How many have left within a day, since a person has last looked at it."""
    states = MirrorState.objects.using(using).filter(mirror=declared.label)
    released = states.values_list("released_at", flat=True).first()
    since = Q(left_at__gt=DbNow() - DAY)
    if released is not None:
        since &= Q(left_at__gt=released)
    return MirrorLink.objects.using(using).filter(since, mirror=declared.label).count()
