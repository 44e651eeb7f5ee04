"""Where so many rows would leave that something is wrong, they wait for a person."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence

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
    leaving = _leaving(plans)
    if not leaving or declared.on_exit is KEEP:
        return
    if not are_too_many(using, declared, _rows_of(leaving), [plan.link.pk for plan in leaving]):
        return
    for plan in leaving:
        hold(plan, plan.leaves)


def _leaving(plans: Iterable[Plan]) -> list[Plan]:
    """Those that leave rows, and that no person has let."""
    return [plan for plan in plans if plan.leaves and not plan.is_released and _rows_of([plan])]


def _rows_of(plans: Iterable[Plan]) -> int:
    """How many rows they have, and are to say of what becomes of them."""
    return sum((plan.had is not None) + len(plan.orphans) for plan in plans)


def hold(plan: Plan, why: str) -> None:
    """Have a plan wait for a person: its source keeps the row that it has, as that is.

    Args:
        why: the message that would have it leave.
    """
    plan.is_held, plan.link.state = True, State.HELD
    plan.link.reason = stored(Message.HELD_BACK, why=why)


def would_be_too_many(
    using: str, declared: Declared, plans: Iterable[Plan], moving: Mapping[Plan, int]
) -> bool:
    """Whether so many rows that sources leave for others are too many.

    Args:
        plans: all that are rendered now: those that leave are counted with them.
        moving: how many rows each of those leaves that stay.
    """
    leaving = _leaving(plans)
    count, some = sum(moving.values()) + _rows_of(leaving), [*moving, *leaving]
    return are_too_many(using, declared, count, [plan.link.pk for plan in some])


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
