"""Which contact or company each source has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from conversion_sync.mirrors.brakes import hold_back
from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.holdings import Holdings
from conversion_sync.mirrors.marks import write
from conversion_sync.mirrors.moves import hold_moves
from conversion_sync.mirrors.owners import as_it_is_now, mark_of
from conversion_sync.mirrors.plan import Plan
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.setting_aside import defer, set_aside
from conversion_sync.models import MirrorLink
from conversion_sync.models.locking import locking
from conversion_sync.models.messages import Message, stored

__all__ = ["assign"]

State = MirrorLink.State


def assign(using: str, declared: Declared, plans: Sequence[Plan]) -> None:
    """Say of each plan which row it gets: that of its key, else its own under another key.

    Those that would leave their rows, and are too many, are held.
    """
    them = Holdings(using, declared, plans)
    hold_back(them.using, them.declared, them.plans)
    # Who has the row of its key keeps it, whatever comes first.
    for plan in sorted(them.wanting, key=lambda each: (not them.has_its_key(each), each.place)):
        _of_key(them, plan)
    for plan in them.wanting:
        if plan.wants and plan.row is None and not plan.was_set_aside:
            own = them.by_pk.get(plan.had or 0)
            if own is not None and own.pk not in them.taken:
                plan.row, them.taken[own.pk] = own, plan
    hold_moves(them)
    for pk, (owner, key) in them.aside.items():
        set_aside(them, them.taken[pk], owner, key)
    for plan in them.plans:
        _see_what_is_left(them, plan)
    for plan in them.deferred:
        defer(them, plan)
    _end_unknown_owners(them)


def _end_unknown_owners(them: Holdings) -> None:
    """A row of a mirror that is declared no more is anybody's."""
    unknown = [
        owner.pk
        for pk, owner in them.owners.items()
        if pk in them.taken and registry.get(owner.mirror) is None
    ]
    if unknown:
        MirrorLink.objects.using(them.using).filter(pk__in=unknown).update(row=None)


def _of_key(them: Holdings, plan: Plan) -> None:
    """Give a plan the row of its key, if there is one, and nobody else is to have it."""
    other, row = them.keys.get(plan.key), them.by_key.get(plan.key)
    owner = None if row is None or other is not None else _kept_by(them, row, plan)
    if other is None and owner is None:
        them.keys[plan.key] = plan
        if row is not None:
            plan.row, them.taken[row.pk] = row, plan
        return
    plan.wants = False
    holder = other.link if other is not None else owner
    assert holder is not None  # noqa: S101  # one of the two
    plan.link.state, plan.link.key = State.CONFLICT, plan.key
    plan.link.reason = stored(Message.TAKEN, mirror=holder.mirror, source=holder.source)


def _kept_by(them: Holdings, row: Any, plan: Plan) -> MirrorLink | None:
    """The link of another source that keeps the row; None: it is free, or this one's."""
    owner = them.owners.get(row.pk)
    if owner is None or owner.pk == plan.link.pk or registry.get(owner.mirror) is None:
        return None
    here = them.by_link.get(owner.pk)
    if here is None:
        return None if _gives_way(them, owner, row, plan) else owner
    gives = not here.is_held and not here.is_stuck
    return None if gives and (here.leaves or here.key != plan.key) else owner


def _gives_way(them: Holdings, owner: MirrorLink, row: Any, plan: Plan) -> bool:
    """Whether the source that has a row, and is rendered elsewhere, says another key now."""
    is_aside = owner.state == State.WAITING
    if not is_aside and (owner.state not in (State.MIRRORED, State.CONFLICT) or owner.fault):
        # It was looked at since, and has kept the row.
        return False
    links = MirrorLink.objects.using(them.using).filter(pk=owner.pk)
    if not locking(links, skip_locked=True):
        # It is rendered just now: this one is looked at again after it.
        write(them.using, [mark_of(plan.link)], bulk=True)
        them.deferred.append(plan)
        return False
    now = as_it_is_now(owner)
    if now.leaves:
        # What becomes of its row is for its own mark to say: from it, it is taken over.
        write(them.using, [mark_of(owner)], bulk=True)
        return False
    if now.key == row.key or (now.is_stuck and not is_aside):
        return False
    them.aside[row.pk] = owner, now.key
    return True


def _see_what_is_left(them: Holdings, plan: Plan) -> None:
    plan.orphans = {pk for pk in plan.orphans if them.taken.get(pk, plan) is plan}
    if plan.is_held or (plan.is_stuck and not plan.gives_up):
        plan.link.orphans = sorted(plan.orphans) or None
        return
    plan.link.orphans = None
    # What it was to take over, it leaves.
    plan.left |= {pk for pk in plan.orphans if them.is_given_up(plan, pk)}
    has_own = plan.had in them.by_pk and plan.had not in them.taken and not plan.is_handed_on
    got = None if plan.row is None else plan.row.pk
    if plan.was_set_aside and plan in them.deferred and has_own:
        # It is another's in the end, and is passed on when this one is looked at again.
        got, plan.link.state, plan.link.reason = plan.had, State.WAITING, ""
    elif plan.is_in_conflict and has_own and not plan.was_set_aside:
        # Until that is decided, all stays as it is.
        got = plan.had
    if plan.had is not None and plan.had != got and has_own:
        plan.left.add(plan.had)
    plan.link.row = got
