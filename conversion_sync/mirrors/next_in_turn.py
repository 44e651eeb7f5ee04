"""Who comes next where a source that was to have a row can't be used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from conversion_sync.mirrors.marks import Mark, write
from conversion_sync.mirrors.owners import mark_of
from conversion_sync.mirrors.plan import Plan
from conversion_sync.mirrors.registry import registry
from conversion_sync.models import MirrorLink

__all__ = ["look_at_who_is_next"]

State = MirrorLink.State


def look_at_who_is_next(using: str, kind: str, plans: Iterable[Plan]) -> None:
    """Have the oldest of those that wait for what these can't take looked at.

    The links of these are written by now. Who is stuck does not wait: so this comes to an end.
    """
    passed_over = {key for plan in plans if plan.is_stuck for key in _not_taken(plan)}
    if not passed_over:
        return
    wait = (State.CONFLICT, State.WAITING)
    links = MirrorLink.objects.using(using).filter(
        kind=kind, state__in=wait, key__in=passed_over, fault=""
    )
    marks = dict[str, Mark]()
    for link in links.order_by("pk"):
        if registry.get(link.mirror) is not None:
            marks.setdefault(link.key, mark_of(link))
    write(using, marks.values())


def _not_taken(plan: Plan) -> Iterator[str]:
    """The keys that a plan was to have, but for that of the row that it keeps."""
    kept = plan.had_key if plan.link.row is not None else ""
    yield from {plan.key, plan.waited_for} - {"", kept}
