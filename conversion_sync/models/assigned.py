"""Subscriptions that are assigned to contacts, which the log may not know yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from conversion_sync.models.attribution import attribution
from conversion_sync.models.subscription import OUT
from conversion_sync.models.subscription_change import LIVE, SubscriptionChange
from conversion_sync.models.subscription_column import write_subscriptions

__all__ = ["Assignment", "enter_assigned"]


@dataclass(frozen=True, slots=True)
class Assignment:
    """A subscription that was assigned to a contact, whose lock is held.

    ``key``: its address; ``before``: what the column said until then.
    """

    contact: int
    key: str
    status: str
    before: str


def enter_assigned(using: str, assignments: Sequence[Assignment]) -> None:
    """Enter what the log does not say already, and have the columns say what stands.

    An opt-out of which only the column knows is entered first: it stands like any other.
    """
    people = [(assignment.contact, assignment.key) for assignment in assignments]
    standing = SubscriptionChange.standing_opt_outs(using, people)
    newest = _newest(using, [assignment.contact for assignment in assignments])
    entered, columns = list[SubscriptionChange](), defaultdict[str, set[int]](set)
    for assignment, opt_out in zip(assignments, standing, strict=True):
        is_lost = opt_out is None and assignment.before == OUT
        if is_lost and assignment.status != OUT:
            entered.append(_change(assignment, OUT))
        if not assignment.status:
            columns[OUT if opt_out or is_lost else ""].add(assignment.contact)
        elif not _is_said(assignment, newest.get(assignment.contact), opt_out):
            entered.append(_change(assignment, assignment.status))
        else:
            columns[assignment.status if opt_out is None else OUT].add(assignment.contact)
    SubscriptionChange.enter(using, entered)
    write_subscriptions(using, columns)


def _change(assignment: Assignment, status: str) -> SubscriptionChange:
    return SubscriptionChange(
        contact_id=assignment.contact,
        address=assignment.key,
        status=status,
        previous_status=assignment.before,
    )


def _is_said(
    assignment: Assignment, newest: SubscriptionChange | None, opt_out: SubscriptionChange | None
) -> bool:
    """Whether the newest change of the contact says the same, knowing of the opt-out."""
    if newest is None or newest.status != assignment.status:
        return False
    if opt_out is None:
        return assignment.before == assignment.status
    return assignment.status == OUT or (newest.pk > opt_out.pk and not attribution().override)


def _newest(using: str, contacts: Collection[int]) -> dict[int, SubscriptionChange]:
    """The newest change of each contact, but for those that others superseded."""
    log = SubscriptionChange.objects.using(using).filter(contact__in=contacts, sync_status__in=LIVE)
    return {change.contact_id: change for change in log.order_by("pk") if change.contact_id}
