"""Which contact or company each source has, and what becomes of those that nobody has any more."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Q

from conversion_sync.api import UNSAID
from conversion_sync.mirrors.declaration import DELETE, KEEP, Declared
from conversion_sync.mirrors.expressions import target
from conversion_sync.mirrors.follow import label_of
from conversion_sync.mirrors.links import rows_of
from conversion_sync.mirrors.marks import Mark, write
from conversion_sync.mirrors.plan import Plan
from conversion_sync.mirrors.reading import Reader
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.snapshots import MODELS, read_key, wanted
from conversion_sync.models import Company, MirrorLink, MirrorState, SubscriptionChange
from conversion_sync.models.attribution import attribution, on_behalf_of
from conversion_sync.models.clock import db_now
from conversion_sync.models.locking import locking
from conversion_sync.models.messages import Message, stored
from conversion_sync.models.state import PERSON
from conversion_sync.records.upsert import upsert

__all__ = ["assign", "leave", "write_rows"]

Kind, State = MirrorLink.Kind, MirrorLink.State


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
        for plan in sorted(self.wanting, key=lambda each: not self._has_its_key(each)):
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
            write(self.using, [_mark_of(holder)], bulk=True)
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


def _mark_of(link: MirrorLink) -> Mark:
    declared = registry.get(link.mirror)
    return Mark(label_of(declared.model) if declared else "", link.source)


def write_rows(using: str, declared: Declared, plans: Sequence[Plan]) -> dict[Plan, str]:
    """Write the rows of those plans that want one.

    Returns:
        Of each that was written, whether it was ``created`` or ``changed``.
    """
    companies = _companies(using, declared, plans)
    taken = {plan.row.pk: plan for plan in plans if plan.row is not None}
    made, ours = list[Any](), list[Plan]()
    for plan in plans:
        company = companies.get(plan, None) if "company" in dict(declared.words()) else UNSAID
        if plan.wants and (one := wanted(plan, declared.kind, company)) is not None:
            made.append(one)
            ours.append(plan)
        elif plan.is_stuck:
            _keep(plan, {pk for pk, other in taken.items() if other is not plan})
    model = MODELS[declared.kind]
    edits = upsert(model, using, made)
    said = dict[Plan, str]()
    for plan, edit in zip(ours, edits, strict=True):
        if edit.invalid:
            name, messages = next(iter(edit.invalid.items()))
            plan.refuse(name, " ".join(map(str, messages)))
            _keep(plan, {pk for pk, other in taken.items() if other is not plan})
            continue
        link, names = plan.link, plan.reading.values if plan.reading else {}
        link.state, link.reason, link.left_at = State.MIRRORED, "", None
        link.row, link.key = edit.row.pk, plan.key
        link.names = sorted(
            name.removeprefix("variables.") for name in names if name.startswith("variables.")
        )
        if edit.is_new or edit.changed:
            said[plan] = "created" if edit.is_new else "changed"
    written = [plan.link.row for plan in said]
    if written and not attribution().bulk:
        model.unmarked.using(using).filter(pk__in=written).update(priority=PERSON)
    return said


def _keep(plan: Plan, taken: Collection[int]) -> None:
    """What it had, it has still: what is wrong with its values is said, and nothing is written.

    Args:
        taken: the rows that others get: what it gave up stays given up.
    """
    plan.link.row, plan.left = (None if plan.had in taken else plan.had), None


def _companies(using: str, declared: Declared, plans: Iterable[Plan]) -> Mapping[Plan, str | None]:
    """The keys of the companies that contacts refer to; None: to none, or to none with a row."""
    word = dict(declared.words()).get("company")
    model = target(declared.model, word)
    if declared.kind is not Kind.CONTACT or model is None:
        return {}
    refers = {
        plan: plan.reading.values.get("company") for plan in plans if plan.wants and plan.reading
    }
    rows = rows_of(using, model, Kind.COMPANY, {pk for pk in refers.values() if pk is not None})
    keys = dict(Company.unmarked.using(using).filter(pk__in=rows.values()).values_list("pk", "key"))
    return {plan: keys.get(rows.get(str(pk), 0)) for plan, pk in refers.items()}


def leave(using: str, declared: Declared, plans: Sequence[Plan]) -> None:
    """Do with the rows that nobody has any more as their mirror says; say so in the links."""
    for plan in plans:
        if plan.leaves and not plan.is_held:
            _say_why(using, plan)
        elif plan.link.state == State.CONFLICT and plan.had is not None:
            plan.link.left_at = db_now(using)
    model: Any = MODELS[declared.kind]
    left = {plan.left for plan in plans if plan.left is not None}
    rows = dict(model.unmarked.using(using).filter(pk__in=left).values_list("pk", "key"))
    passed = _passed_on(using, declared, plans)
    rows = {pk: key for pk, key in rows.items() if key not in passed}
    if declared.on_exit is KEEP or not rows:
        return
    released = {plan.left for plan in plans if plan.is_released}
    by_itself = {pk: key for pk, key in rows.items() if pk not in released}
    by_person = {pk: key for pk, key in rows.items() if pk in released}
    _take_away(using, declared, by_itself)
    if by_person:
        states = MirrorState.objects.using(using).filter(mirror=declared.label)
        who = states.values_list("released_by", flat=True).first() or ""
        with on_behalf_of(who):
            _take_away(using, declared, by_person)


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
    if plan.had is not None or link.left_at is None:
        # What a person let leave is not counted: the decision was made of all of them.
        is_counted = plan.had is not None and not plan.is_released
        link.left_at = db_now(using) if is_counted else None


def _passed_on(using: str, declared: Declared, plans: Sequence[Plan]) -> set[str]:
    """The keys that these gave up and other sources want: those are looked at again."""
    freed = {
        plan.had_key
        for plan in plans
        if plan.had_key
        # Who only waits for a key gives nothing up.
        and (plan.had is not None or plan.left is not None)
        and not plan.is_deferred
        and (plan.link.row is None or plan.link.key != plan.had_key)
        and not plan.is_held
    }
    if not freed:
        return set()
    waiting = MirrorLink.objects.using(using).filter(
        kind=declared.kind, state=State.CONFLICT, key__in=freed
    )
    here = {plan.link.pk for plan in plans if plan.link.state != State.CONFLICT}
    links = {
        link.key: link
        for link in waiting.order_by("-pk")
        if registry.get(link.mirror) and link.pk not in here
    }
    write(using, [_mark_of(link) for link in links.values()])
    return {*links}
