"""The brake of sources that would leave their rows for others."""

from __future__ import annotations

from collections.abc import Collection

from conversion_sync.mirrors.brakes import hold, would_be_too_many
from conversion_sync.mirrors.declaration import KEEP
from conversion_sync.mirrors.holdings import Holdings
from conversion_sync.mirrors.marks import write
from conversion_sync.mirrors.owners import mark_of
from conversion_sync.mirrors.plan import Plan
from conversion_sync.models import MirrorLink
from conversion_sync.models.messages import Message, stored

__all__ = ["hold_moves"]

State = MirrorLink.State


def hold_moves(them: Holdings) -> None:
    """Have those stay where they are that would leave their rows for others, if too many.

    Who was to have a row that one of them keeps stays, too.
    """
    if them.declared.on_exit is KEEP:
        return
    passed = _passed_on(them)
    moving = _leaving_theirs(them, passed)
    if not moving:
        return
    counts = {plan: count for plan in them.plans if (count := _would_leave(them, plan, passed))}
    if not would_be_too_many(them.using, them.declared, them.plans, counts):
        return
    while moving:
        for plan in moving:
            del them.taken[plan.row.pk]
            them.aside.pop(plan.row.pk, None)
            plan.row, plan.wants, plan.link.key = None, False, plan.key
            hold(plan, stored(Message.HAS_ANOTHER_KEY))
        _look_again_at_who_wants(them, [plan.key for plan in moving])
        moving = _leaving_theirs(them, passed)


def _leaving_theirs(them: Holdings, passed: Collection[int]) -> list[Plan]:
    """Those that get other rows than their own, which nobody else is to have.

    Who takes over what it waited for, or what is its own, gets it: what it leaves can wait
    without it.
    """
    return [
        plan
        for plan in them.plans
        if _leaves_its_own(them, plan, passed)
        and not (plan.was_set_aside or plan.is_released or plan.key == plan.waited_for)
    ]


def _leaves_its_own(them: Holdings, plan: Plan, passed: Collection[int]) -> bool:
    is_left = plan.had in them.by_pk and plan.had not in them.taken and plan.had not in passed
    return is_left and plan.row is not None


def _would_leave(them: Holdings, plan: Plan, passed: Collection[int]) -> int:
    """How many rows a plan that stays would leave to nobody."""
    if plan.leaves or plan.is_released or plan.is_stuck:
        return 0
    orphans = plan.orphans - them.taken.keys()
    given_up = [pk for pk in orphans if them.is_given_up(plan, pk)]
    return _leaves_its_own(them, plan, passed) + len(given_up)


def _passed_on(them: Holdings) -> set[int]:
    """The rows that go from these to others that wait for them."""
    links = MirrorLink.objects.using(them.using).exclude(pk__in=[*them.by_link])
    keys = {row.key: pk for pk, row in them.by_pk.items() if row.key and pk not in them.taken}
    wanted = links.filter(
        kind=them.declared.kind, state__in=(State.CONFLICT, State.WAITING), key__in=[*keys]
    )
    found = {keys[key] for key in wanted.values_list("key", flat=True)}
    takers = [them.taken[pk] for pk in them.aside]
    takers += [them.taken[plan.had] for plan in them.deferred if plan.had in them.taken]
    return found | {had for each in takers if (had := them.first(each).had) is not None}


def _look_again_at_who_wants(them: Holdings, keys: Collection[str]) -> None:
    """Have those looked at again that gave way to who does not get the row now."""
    plans = [plan for plan in them.plans if plan.is_in_conflict and plan.key in keys]
    write(them.using, [mark_of(plan.link) for plan in plans if not plan.is_held], bulk=True)
