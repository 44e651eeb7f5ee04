"""The rows that sources have or want, and which source gets which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q

from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.plan import Plan
from conversion_sync.mirrors.snapshots import MODELS
from conversion_sync.models import MirrorLink
from conversion_sync.models.locking import locking

__all__ = ["Holdings"]


class Holdings:
    """The rows of sources that are rendered together, locked, and who gets them.

    Attributes:
        wanting: the plans that want a row.
        by_link: the plans, by the primary keys of their links.
        by_pk, by_key: the rows.
        owners: the links of the sources that have the rows until now.
        taken: the plans that get rows, by the primary keys of these.
        deferred: plans that are looked at again, as another source is rendered just now.
        aside: the links of sources rendered elsewhere whose rows are taken, and the keys that they
            want now, by the primary keys of the rows.
        keys: the plans that get the rows of their keys, or new ones.
    """

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

    def has_its_key(self, plan: Plan) -> bool:
        """Whether a plan has the row of its key already."""
        row = self.by_key.get(plan.key)
        return row is not None and row.pk == plan.had

    def first(self, taker: Plan) -> Plan:
        """Who gave up a row that nobody took, in the chain of those that took each other's."""
        while taker.had in self.taken and self.taken[taker.had] is not taker:
            taker = self.taken[taker.had]
        return taker

    def is_given_up(self, plan: Plan, orphan: int) -> bool:
        """Whether a plan is not to have a row that it was to take over, or had."""
        return bool(plan.leaves) or self.by_pk[orphan].key != plan.key
