"""The contacts and companies that sources have, written as these say."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from conversion_sync.api import UNSAID
from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.expressions import target
from conversion_sync.mirrors.links import rows_of
from conversion_sync.mirrors.plan import Plan
from conversion_sync.mirrors.snapshots import MODELS, wanted
from conversion_sync.models import Company, MirrorLink
from conversion_sync.models.attribution import attribution
from conversion_sync.models.state import PERSON
from conversion_sync.records.upsert import upsert

__all__ = ["State", "write_rows"]

Kind, State = MirrorLink.Kind, MirrorLink.State


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
        link.state, link.reason = State.MIRRORED, ""
        if plan.had is None:
            # It is back; who has moved from one row to another is counted still.
            link.left_at = None
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
    has_own = plan.had not in taken and not plan.is_handed_on
    plan.link.orphans = sorted(plan.orphans) or None
    if plan.gives_up:
        plan.link.row = None
        plan.left |= {plan.had} if has_own and plan.had is not None else set()
        return
    plan.link.row = plan.had if has_own else None
    plan.left.clear()


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
