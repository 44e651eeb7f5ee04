"""Which contact or company each source has."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from django.db.models import Q

from conversion_sync.mirrors.brakes import hold, hold_back, would_be_too_many
from conversion_sync.mirrors.declaration import KEEP, Declared
from conversion_sync.mirrors.marks import Mark, write
from conversion_sync.mirrors.plan import Plan
from conversion_sync.mirrors.reading import Reader
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.snapshots import MODELS, read_key
from conversion_sync.mirrors.table import label_of
from conversion_sync.models import MirrorLink, MirrorMark
from conversion_sync.models.locking import locking
from conversion_sync.models.messages import Message, stored

__all__ = ["assign", "mark_of"]

State = MirrorLink.State


def assign(using: str, declared: Declared, plans: Sequence[Plan]) -> None:
    """Say of each plan which row it gets: that of its key, else its own under another key.

    Those that would leave their rows, and are too many, are held.
    """
    _Assignment(using, declared, plans).make()


class _Assignment:
    def __init__(self, using: str, declared: Declared, plans: Sequence[Plan]) -> None:
        self.using, self.declared = using, declared
        self.plans = plans
        self.wanting = [plan for plan in plans if plan.wants]
        self.by_link = {plan.link.pk: plan for plan in plans if plan.link.pk}
        self.by_pk, self.by_key = self._locked()
        self.owners = self._owners()
        for plan in plans:
            plan.orphans = self._orphans(plan)
        self.taken = dict[int | None, Plan]()
        self.deferred = list[Plan]()
        self.aside = dict[int, tuple[MirrorLink, str]]()
        self.keys = dict[str, Plan]()

    def _locked(self) -> tuple[dict[int, Any], dict[str, Any]]:
        """The rows that they have, and those of the keys that they want, locked."""
        model: Any = MODELS[self.declared.kind]
        pks = [plan.had for plan in self.plans if plan.had is not None]
        pks += [pk for plan in self.plans for pk in plan.link.orphans or ()]
        keys = [plan.key for plan in self.wanting]
        keys += [plan.waited_for for plan in self.plans if plan.waited_for]
        table = model._default_manager.using(self.using).filter(Q(pk__in=pks) | Q(key__in=keys))
        rows = list(locking(table.order_by("pk")))
        for plan in self.plans:
            plan.had_key = next((row.key for row in rows if row.pk == plan.had), None) or ""
        return {row.pk: row for row in rows}, {row.key: row for row in rows if row.key}

    def _owners(self) -> dict[int, MirrorLink]:
        """Whose the rows are. Read after they were locked: nobody gets one of them meanwhile."""
        links = MirrorLink.objects.using(self.using).filter(
            kind=self.declared.kind, row__in=[*self.by_pk]
        )
        return {link.row: link for link in links if link.row is not None}

    def _orphans(self, plan: Plan) -> set[int]:
        """The rows that a plan was to take over, or has left, and that no source has still."""
        found = {pk for pk in plan.link.orphans or () if pk in self.by_pk}
        if (row := self.by_key.get(plan.waited_for)) is not None:
            found.add(row.pk)
        return found - {*self.owners}

    def make(self) -> None:
        hold_back(self.using, self.declared, self.plans)
        # Who has the row of its key keeps it, whatever comes first.
        for plan in sorted(
            self.wanting, key=lambda each: (not self._has_its_key(each), each.place)
        ):
            self._of_key(plan)
        for plan in self.wanting:
            if plan.wants and plan.row is None and not plan.was_set_aside:
                own = self.by_pk.get(plan.had or 0)
                if own is not None and own.pk not in self.taken:
                    plan.row, self.taken[own.pk] = own, plan
        self._hold_back()
        for pk, (owner, key) in self.aside.items():
            self._set_aside(self.taken[pk], owner, key)
        for plan in self.plans:
            self._see_what_is_left(plan)
        for plan in self.deferred:
            self._defer(plan)
        self._end_unknown_owners()

    def _hold_back(self) -> None:
        """Have those stay where they are that would leave their rows for others, if too many.

        Who was to have a row that one of them keeps stays, too.
        """
        if self.declared.on_exit is KEEP:
            return
        passed = self._passed_on()
        moving = self._leaving_theirs(passed)
        if not moving:
            return
        counts = {plan: count for plan in self.plans if (count := self._would_leave(plan, passed))}
        if not would_be_too_many(self.using, self.declared, self.plans, counts):
            return
        while moving:
            for plan in moving:
                del self.taken[plan.row.pk]
                self.aside.pop(plan.row.pk, None)
                plan.row, plan.wants, plan.link.key = None, False, plan.key
                hold(plan, stored(Message.HAS_ANOTHER_KEY))
            self._look_again_at_who_wants([plan.key for plan in moving])
            moving = self._leaving_theirs(passed)

    def _leaving_theirs(self, passed: Collection[int]) -> list[Plan]:
        """Those that get other rows than their own, which nobody else is to have.

        Who takes over what it waited for, or what is its own, gets it: what it leaves can wait
        without it.
        """
        return [
            plan
            for plan in self.plans
            if self._leaves_its_own(plan, passed)
            and not (plan.was_set_aside or plan.is_released or plan.key == plan.waited_for)
        ]

    def _leaves_its_own(self, plan: Plan, passed: Collection[int]) -> bool:
        is_left = plan.had in self.by_pk and plan.had not in self.taken and plan.had not in passed
        return is_left and plan.row is not None

    def _would_leave(self, plan: Plan, passed: Collection[int]) -> int:
        """How many rows a plan that stays would leave to nobody."""
        if plan.leaves or plan.is_released or plan.is_stuck:
            return 0
        orphans = plan.orphans - self.taken.keys()
        given_up = [pk for pk in orphans if self._is_given_up(plan, pk)]
        return self._leaves_its_own(plan, passed) + len(given_up)

    def _is_given_up(self, plan: Plan, orphan: int) -> bool:
        """Whether a plan is not to have a row that it was to take over, or had."""
        return bool(plan.leaves) or self.by_pk[orphan].key != plan.key

    def _passed_on(self) -> set[int]:
        """The rows that go from these to others that wait for them."""
        links = MirrorLink.objects.using(self.using).exclude(pk__in=[*self.by_link])
        keys = {row.key: pk for pk, row in self.by_pk.items() if row.key and pk not in self.taken}
        wanted = links.filter(
            kind=self.declared.kind, state__in=(State.CONFLICT, State.WAITING), key__in=[*keys]
        )
        found = {keys[key] for key in wanted.values_list("key", flat=True)}
        takers = [self.taken[pk] for pk in self.aside]
        takers += [self.taken[plan.had] for plan in self.deferred if plan.had in self.taken]
        return found | {had for each in takers if (had := self._first(each).had) is not None}

    def _look_again_at_who_wants(self, keys: Collection[str]) -> None:
        """Have those looked at again that gave way to who does not get the row now."""
        plans = [plan for plan in self.plans if plan.is_in_conflict and plan.key in keys]
        write(self.using, [mark_of(plan.link) for plan in plans if not plan.is_held], bulk=True)

    def _end_unknown_owners(self) -> None:
        """A row of a mirror that is declared no more is anybody's."""
        unknown = [
            owner.pk
            for pk, owner in self.owners.items()
            if pk in self.taken and registry.get(owner.mirror) is None
        ]
        if unknown:
            MirrorLink.objects.using(self.using).filter(pk__in=unknown).update(row=None)

    def _has_its_key(self, plan: Plan) -> bool:
        row = self.by_key.get(plan.key)
        return row is not None and row.pk == plan.had

    def _of_key(self, plan: Plan) -> None:
        """Give a plan the row of its key, if there is one, and nobody else is to have it."""
        other, row = self.keys.get(plan.key), self.by_key.get(plan.key)
        owner = None if row is None or other is not None else self._kept_by(row, plan)
        if other is None and owner is None:
            self.keys[plan.key] = plan
            if row is not None:
                plan.row, self.taken[row.pk] = row, plan
            return
        plan.wants = False
        holder = other.link if other is not None else owner
        assert holder is not None  # noqa: S101  # one of the two
        plan.link.state, plan.link.key = State.CONFLICT, plan.key
        plan.link.reason = stored(Message.TAKEN, mirror=holder.mirror, source=holder.source)

    def _kept_by(self, row: Any, plan: Plan) -> MirrorLink | None:
        """The link of another source that keeps the row; None: it is free, or this one's."""
        owner = self.owners.get(row.pk)
        if owner is None or owner.pk == plan.link.pk or registry.get(owner.mirror) is None:
            return None
        here = self.by_link.get(owner.pk)
        if here is None:
            return None if self._gives_way(owner, row, plan) else owner
        gives = not here.is_held and not here.is_stuck
        return None if gives and (here.leaves or here.key != plan.key) else owner

    def _gives_way(self, owner: MirrorLink, row: Any, plan: Plan) -> bool:
        """Whether the source that has a row, and is rendered elsewhere, says another key now."""
        is_aside = owner.state == State.WAITING
        if not is_aside and (owner.state not in (State.MIRRORED, State.CONFLICT) or owner.fault):
            # It was looked at since, and has kept the row.
            return False
        links = MirrorLink.objects.using(self.using).filter(pk=owner.pk)
        if not locking(links, skip_locked=True):
            # It is rendered just now: this one is looked at again after it.
            write(self.using, [mark_of(plan.link)], bulk=True)
            self.deferred.append(plan)
            return False
        now = _as_it_is_now(owner)
        if now.leaves:
            # What becomes of its row is for its own mark to say: from it, it is taken over.
            write(self.using, [mark_of(owner)], bulk=True)
            return False
        if now.key == row.key or (now.is_stuck and not is_aside):
            return False
        self.aside[row.pk] = owner, now.key
        return True

    def _set_aside(self, taker: Plan, owner: MirrorLink, key: str) -> None:
        """Have the source whose row was taken wait for its turn.

        Meanwhile it has the row that is left where the chain of those that take each other's
        begins: in a ring, which may be longer than what is rendered at once, it is the one that
        the last of them wants.
        """
        links: Any = MirrorLink.objects.using(self.using)
        first = self._first(taker)
        this = links.filter(pk=owner.pk)
        this.update(row=None)
        if owner.state == State.CONFLICT and owner.key == key and not self._is_marked(owner):
            # It waits for that key still, and the row that it had kept is another's now.
            return
        if first.had in self.by_pk:
            first.is_handed_on = True
            links.filter(pk=first.link.pk).update(row=None)
        row = first.had if first.is_handed_on else None
        said = {"state": State.WAITING, "trouble": MirrorLink.Trouble.WAITING, "reason": ""}
        this.update(row=row, key=key or owner.key, **said)
        if owner.state != State.WAITING:
            write(self.using, [mark_of(owner)], bulk=True)

    def _first(self, taker: Plan) -> Plan:
        """Who gave up a row that nobody took, in the chain of those that took each other's."""
        while taker.had in self.taken and self.taken[taker.had] is not taker:
            taker = self.taken[taker.had]
        return taker

    def _defer(self, plan: Plan) -> None:
        """As who is set aside, one whose row was taken, and that is looked at again."""
        if plan.had not in self.taken:
            return
        first = self._first(self.taken[plan.had])
        if first.had in self.by_pk and not first.is_handed_on:
            first.is_handed_on = True
            first.left.discard(first.had or 0)
            plan.link.row, plan.link.state, plan.link.reason = first.had, State.WAITING, ""

    def _is_marked(self, link: MirrorLink) -> bool:
        mark = mark_of(link)
        marks = MirrorMark.objects.using(self.using)
        return marks.filter(model=mark.model, source=mark.source).exists()

    def _see_what_is_left(self, plan: Plan) -> None:
        plan.orphans = {pk for pk in plan.orphans if self.taken.get(pk, plan) is plan}
        if plan.is_held or (plan.is_stuck and not plan.gives_up):
            plan.link.orphans = sorted(plan.orphans) or None
            return
        plan.link.orphans = None
        # What it was to take over, it leaves.
        plan.left |= {pk for pk in plan.orphans if self._is_given_up(plan, pk)}
        has_own = plan.had in self.by_pk and plan.had not in self.taken and not plan.is_handed_on
        got = None if plan.row is None else plan.row.pk
        if plan.was_set_aside and plan in self.deferred and has_own:
            # It is another's in the end, and is passed on when this one is looked at again.
            got, plan.link.state, plan.link.reason = plan.had, State.WAITING, ""
        elif plan.is_in_conflict and has_own and not plan.was_set_aside:
            # Until that is decided, all stays as it is.
            got = plan.had
        if plan.had is not None and plan.had != got and has_own:
            plan.left.add(plan.had)
        plan.link.row = got


def _as_it_is_now(link: MirrorLink) -> Plan:
    """What the source of a link says now."""
    declared = registry.get(link.mirror)
    assert declared is not None  # noqa: S101  # others own nothing
    primary_key: Any = declared.model._meta.pk
    pk = primary_key.to_python(link.source)
    reading = Reader(declared).read([pk]).get(pk)
    plan = Plan(MirrorLink(), reading)
    if reading is None or reading.unmet:
        plan.leave(Message.SOURCE_GONE)
    elif reading.fault:
        plan.is_stuck = True
    else:
        read_key(plan, declared.kind)
    return plan


def mark_of(link: MirrorLink) -> Mark:
    declared = registry.get(link.mirror)
    return Mark(label_of(declared.model) if declared else "", link.source)
