"""Two rows of one person become one: what was sent, said and asked for of both is of that one."""

from __future__ import annotations

from conversion_sync.models import (
    Contact,
    Deletion,
    Engagement,
    Subscription,
    SubscriptionChange,
)

__all__ = ["hand_over"]


def hand_over(using: str, holder: Contact, other: Contact) -> set[str]:
    """Have what belongs to a contact belong to the one that holds its key.

    An opt-out that stands is entered again for the record that stays.

    Returns:
        The columns of ``holder`` that were changed, and are still to be saved.
    """
    for model in (Engagement, SubscriptionChange):
        model.unmarked.using(using).filter(contact=other).update(contact=holder)
    Deletion.unmarked.using(using).filter(successor=other).update(successor=holder)
    return _consent(using, holder, other)


def _consent(using: str, holder: Contact, other: Contact) -> set[str]:
    """What the two said is of one person now."""
    [opt_out] = SubscriptionChange.standing_opt_outs(using, [(holder.pk, holder.key)])
    if opt_out is None and Subscription.UNSUBSCRIBED in (
        holder.subscription_status,
        other.subscription_status,
    ):
        # Only a column knows of it: it is entered by the save.
        holder.subscription_status = Subscription.UNSUBSCRIBED
        return {"subscription_status"}
    if opt_out is None:
        if holder.subscription_status or not other.subscription_status:
            return set()
        holder.subscription_status = other.subscription_status
        return {"subscription_status"}
    again = SubscriptionChange(
        contact_id=holder.pk,
        address=holder.key,
        status=Subscription.UNSUBSCRIBED,
        previous_status=holder.subscription_status,
        source="merge",
        reason=opt_out.reason,
    )
    SubscriptionChange.enter(using, [again])
    return set()
