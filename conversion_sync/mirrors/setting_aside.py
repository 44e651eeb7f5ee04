"""Sources that wait for their turn, as others have taken their rows."""

from __future__ import annotations

from typing import Any

from conversion_sync.mirrors.holdings import Holdings
from conversion_sync.mirrors.marks import write
from conversion_sync.mirrors.owners import is_marked, mark_of
from conversion_sync.mirrors.plan import Plan
from conversion_sync.models import MirrorLink

__all__ = ["defer", "set_aside"]

State = MirrorLink.State


def set_aside(them: Holdings, taker: Plan, owner: MirrorLink, key: str) -> None:
    """Have the source whose row was taken wait for its turn.

    Meanwhile it has the row that is left where the chain of those that take each other's
    begins: in a ring, which may be longer than what is rendered at once, it is the one that
    the last of them wants.
    """
    links: Any = MirrorLink.objects.using(them.using)
    first = them.first(taker)
    this = links.filter(pk=owner.pk)
    this.update(row=None)
    if owner.state == State.CONFLICT and owner.key == key and not is_marked(them.using, owner):
        # It waits for that key still, and the row that it had kept is another's now.
        return
    if first.had in them.by_pk:
        first.is_handed_on = True
        links.filter(pk=first.link.pk).update(row=None)
    row = first.had if first.is_handed_on else None
    said = {"state": State.WAITING, "trouble": MirrorLink.Trouble.WAITING, "reason": ""}
    this.update(row=row, key=key or owner.key, **said)
    if owner.state != State.WAITING:
        write(them.using, [mark_of(owner)], bulk=True)


def defer(them: Holdings, plan: Plan) -> None:
    """As who is set aside, one whose row was taken, and that is looked at again."""
    if plan.had not in them.taken:
        return
    first = them.first(them.taken[plan.had])
    if first.had in them.by_pk and not first.is_handed_on:
        first.is_handed_on = True
        first.left.discard(first.had or 0)
        plan.link.row, plan.link.state, plan.link.reason = first.had, State.WAITING, ""
