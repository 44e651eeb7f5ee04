"""What becomes of the rows that no source has any more."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from conversion_sync.mirrors.brakes import are_too_many, hold
from conversion_sync.mirrors.declaration import DELETE, KEEP, Declared
from conversion_sync.mirrors.marks import write
from conversion_sync.mirrors.owners import mark_of
from conversion_sync.mirrors.plan import Plan
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.snapshots import MODELS
from conversion_sync.models import MirrorLink, MirrorState, SubscriptionChange
from conversion_sync.models.attribution import on_behalf_of
from conversion_sync.models.clock import db_now
from conversion_sync.models.messages import Message, stored

__all__ = ["leave"]

State = MirrorLink.State


def leave(using: str, declared: Declared, plans: Sequence[Plan]) -> None:
    """Do with the rows that nobody has any more as their mirror says; say so in the links."""
    for plan in plans:
        if plan.leaves and not plan.is_held:
            _say_why(using, plan)
    model: Any = MODELS[declared.kind]
    left = {pk for plan in plans for pk in plan.left}
    rows = dict(model.unmarked.using(using).filter(pk__in=left).values_list("pk", "key"))
    passed = _passed_on(using, declared, plans, rows)
    rows = {pk: key for pk, key in rows.items() if key not in passed}
    if declared.on_exit is KEEP or not rows:
        return
    for pk in _held(using, declared, plans, rows):
        del rows[pk]
    released = {pk for plan in plans if plan.is_released for pk in plan.left}
    by_itself = {pk: key for pk, key in rows.items() if pk not in released}
    by_person = {pk: key for pk, key in rows.items() if pk in released}
    _take_away(using, declared, by_itself)
    if by_person:
        states = MirrorState.objects.using(using).filter(mirror=declared.label)
        who = states.values_list("released_by", flat=True).first() or ""
        with on_behalf_of(who):
            _take_away(using, declared, by_person)


def _held(
    using: str, declared: Declared, plans: Sequence[Plan], rows: Mapping[int, str | None]
) -> set[int]:
    """The rows whose sources have others now, where they are so many that a person decides.

    What is done with a row that is left can't be undone, and a mistake in addresses moves many.
    Their sources say that these wait, and keep the rows that they have now.
    """
    left = {
        plan: plan.left & rows.keys()
        for plan in plans
        if plan.left & rows.keys() and not (plan.leaves or plan.is_released)
    }
    if not left:
        return set()
    count = sum(map(len, left.values()))
    if are_too_many(using, declared, count, [plan.link.pk for plan in left]):
        for plan, pks in left.items():
            _hold(plan, pks)
        return {pk for pks in left.values() for pk in pks}
    for plan in left:
        # Counted from now on, as if it had left.
        plan.link.left_at = db_now(using)
    return set()


def _hold(plan: Plan, orphans: Collection[int]) -> None:
    plan.link.orphans = sorted(orphans)
    if plan.link.state in (State.MIRRORED, State.CONFLICT):
        hold(plan, stored(Message.LEFT_A_ROW))


def _take_away(using: str, declared: Declared, rows: Mapping[int, str | None]) -> None:
    if declared.on_exit is DELETE:
        model: Any = MODELS[declared.kind]
        model._default_manager.using(using).filter(pk__in=[*rows]).delete()
    else:
        SubscriptionChange.opt_out(using, [key for key in rows.values() if key])


def _say_why(using: str, plan: Plan) -> None:
    link = plan.link
    link.state = State.EXCLUDED if plan.reading else State.GONE
    link.reason, link.key, link.names = plan.leaves, "", []
    has_left = plan.had is not None or bool(plan.left)
    if has_left or link.left_at is None:
        # What a person let leave is not counted: the decision was made of all of them.
        is_counted = has_left and not plan.is_released
        link.left_at = db_now(using) if is_counted else None


def _passed_on(
    using: str, declared: Declared, plans: Sequence[Plan], rows: Mapping[int, str | None]
) -> set[str]:
    """The keys that these gave up and other sources want: those are looked at again."""
    freed = {key for plan in plans if not plan.is_held for key in _given_up(plan, rows)}
    if not freed:
        return set()
    links: dict[str, MirrorLink] = {}
    for link in _waiting(using, declared, [plan.link for plan in plans], freed):
        if registry.get(link.mirror) is not None:
            links.setdefault(link.key, link)
    write(using, [mark_of(link) for link in links.values()])
    return {*links}


def _waiting(
    using: str, declared: Declared, here: Sequence[MirrorLink], keys: Collection[str]
) -> Iterator[MirrorLink]:
    """The links that wait for one of these keys, the oldest first.

    Args:
        here: those that are rendered now: in the database they are as they were before.
    """
    wait = (State.CONFLICT, State.WAITING)
    others = MirrorLink.objects.using(using).filter(
        kind=declared.kind, state__in=wait, key__in=keys
    )
    yield from others.exclude(pk__in=[each.pk for each in here if each.pk]).order_by("pk")
    yield from (each for each in here if each.state in wait and each.key in keys)


def _given_up(plan: Plan, rows: Mapping[int, str | None]) -> Iterator[str]:
    """The keys of which others may have the rows; who only waits for one gives nothing up."""
    if plan.had_key and (plan.link.row is None or plan.link.key != plan.had_key):
        yield plan.had_key
    for pk in plan.left & plan.orphans:
        yield rows.get(pk) or ""
