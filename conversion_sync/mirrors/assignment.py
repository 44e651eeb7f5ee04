"""Which contact or company each source has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q

from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.marks import Mark, write
from conversion_sync.mirrors.plan import Plan
from conversion_sync.mirrors.reading import Reader
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.snapshots import MODELS, read_key
from conversion_sync.mirrors.table import label_of
from conversion_sync.models import MirrorLink
from conversion_sync.models.locking import locking
from conversion_sync.models.messages import Message, stored

__all__ = ["assign", "mark_of"]

State = MirrorLink.State


def assign(using: str, declared: Declared, plans: Sequence[Plan]) -> None:
    """Say of each plan which row it gets: that of its key, else its own under another key."""
    _Assignment(using, declared, plans).make()


class _Assignment:
    def __init__(self, using: str, declared: Declared, plans: Sequence[Plan]) -> None:
        self.using, self.declared = using, declared
        self.plans = plans
        self.wanting = [plan for plan in plans if plan.wants]
        self.by_link = {plan.link.pk: plan for plan in plans if plan.link.pk}
        self.by_pk, self.by_key = self._locked()
        self.owners = self._owners()
        self.taken = set[int]()
        self.keys = dict[str, Plan]()

    def _locked(self) -> tuple[dict[int, Any], dict[str, Any]]:
        """The rows that they have, and those of the keys that they want, locked."""
        model: Any = MODELS[self.declared.kind]
        pks = [plan.had for plan in self.plans if plan.had is not None]
        keys = [plan.key for plan in self.wanting]
        keys += [plan.had_key for plan in self.plans if plan.was_in_conflict]
        table = model._default_manager.using(self.using).filter(Q(pk__in=pks) | Q(key__in=keys))
        rows = list(locking(table.order_by("pk")))
        return {row.pk: row for row in rows}, {row.key: row for row in rows if row.key}

    def _owners(self) -> dict[int, MirrorLink]:
        """Whose the rows are. Read after they were locked: nobody gets one of them meanwhile."""
        links = MirrorLink.objects.using(self.using).filter(
            kind=self.declared.kind, row__in=[*self.by_pk]
        )
        return {link.row: link for link in links if link.row is not None}

    def make(self) -> None:
        # Who has the row of its key keeps it, whatever comes first.
        for plan in sorted(
            self.wanting, key=lambda each: (not self._has_its_key(each), each.place)
        ):
            self._of_key(plan)
        for plan in self.wanting:
            if plan.wants and plan.row is None:
                own = self.by_pk.get(plan.had or 0)
                plan.row = own if own is not None and own.pk not in self.taken else None
                if plan.row is not None:
                    self.taken.add(plan.row.pk)
        for plan in self.plans:
            self._see_what_is_left(plan)
        self._end_unknown_owners()

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
        owner = None if row is None else self._kept_by(row, plan)
        if other is None and owner is None:
            self.keys[plan.key] = plan
            if row is not None:
                plan.row = row
                self.taken.add(row.pk)
            return
        plan.wants = False
        holder = other.link if other is not None else owner
        assert holder is not None  # noqa: S101  # one of the two
        is_elsewhere = other is None and holder.pk not in self.by_link
        if plan.had is not None and is_elsewhere and not _still_wants(holder, plan.key):
            # Its change is on its way, and that of the key comes after it.
            plan.is_deferred = True
            write(self.using, [mark_of(holder)], bulk=True)
            return
        plan.link.state, plan.link.key = State.CONFLICT, plan.key
        plan.link.reason = stored(Message.TAKEN, mirror=holder.mirror, source=holder.source)

    def _kept_by(self, row: Any, plan: Plan) -> MirrorLink | None:
        """The link of another source that keeps the row; None: it is free, or this one's."""
        owner = self.owners.get(row.pk)
        if owner is None or owner.pk == plan.link.pk or registry.get(owner.mirror) is None:
            return None
        here = self.by_link.get(owner.pk)
        if here is None:
            return owner
        gives = here.leaves and not here.is_held
        return None if gives or (here.wants and here.key != plan.key) else owner

    def _see_what_is_left(self, plan: Plan) -> None:
        if plan.is_stuck or plan.is_deferred or plan.is_held:
            return
        got = None if plan.row is None else plan.row.pk
        if plan.was_in_conflict and plan.leaves:
            # What it was to take over, it leaves.
            row = self.by_key.get(plan.had_key)
            if row is not None and row.pk not in self.taken and row.pk not in self.owners:
                plan.left = row.pk
        if plan.had is not None and plan.had != got and plan.had in self.by_pk:
            plan.left = None if plan.had in self.taken else plan.had
        plan.link.row = got


def _still_wants(link: MirrorLink, key: str) -> bool:
    """Whether the source of a link, as it is now, is to have the row of this key."""
    declared = registry.get(link.mirror)
    if declared is None:
        return False
    if link.state != State.MIRRORED or link.fault:
        # It was looked at since, and has kept the row.
        return True
    primary_key: Any = declared.model._meta.pk
    pk = primary_key.to_python(link.source)
    reading = Reader(declared).read([pk]).get(pk)
    if reading is None or reading.unmet:
        return False
    plan = Plan(MirrorLink(), reading)
    if reading.fault:
        return True
    read_key(plan, declared.kind)
    return plan.is_stuck or plan.key == key


def mark_of(link: MirrorLink) -> Mark:
    declared = registry.get(link.mirror)
    return Mark(label_of(declared.model) if declared else "", link.source)
