"""Who has opted out, as a condition on contacts: for any number of them, in the database."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q

from conversion_sync.models import Status, Subscription, SubscriptionChange

__all__ = [
    "by_subscription",
    "newest_change",
    "opted_out",
    "opted_out_by_subscription",
    "opted_out_since",
    "stands",
]

_UNSUBSCRIBED = Q(subscription_status=Subscription.UNSUBSCRIBED)


def opted_out(using: str) -> Q:
    """Contacts that are unsubscribed, or of whom an opt-out stands in the log.

    It says of many what ``SubscriptionChange.standing_opt_outs`` says of a few.
    """
    own, of_address = stands(using)
    return _UNSUBSCRIBED | own | of_address


def opted_out_since(using: str, seen: int) -> Q:
    """Contacts of whom an opt-out stands in the log that is newer than this primary key."""
    own, of_address = stands(using, Q(pk__gt=seen))
    return own | of_address


def newest_change(using: str) -> int:
    """The primary key of the newest change in the log; 0 where there is none."""
    newest = SubscriptionChange.unmarked.using(using).order_by("-pk")
    return newest.values_list("pk", flat=True).first() or 0


def by_subscription(contacts: Any) -> Counter[str]:
    """How many of the contacts have which subscription."""
    rows = contacts.order_by().values_list("subscription_status")
    return Counter(dict(rows.annotate(Count("pk"))))


def opted_out_by_subscription(contacts: Any) -> Counter[str]:
    """How many of the contacts have opted out, by the subscription that they have.

    One condition at a time: a database then begins at the opt-outs, not at the contacts.
    """
    own, of_address = stands(contacts.db)
    others = contacts.exclude(_UNSUBSCRIBED)
    return (
        by_subscription(contacts.filter(_UNSUBSCRIBED))
        + by_subscription(others.filter(own))
        + by_subscription(others.filter(of_address).exclude(own))
    )


def stands(using: str, which: Q | None = None) -> tuple[Q, Q]:
    """Contacts of whom an opt-out of their own stands, and of whose address another's does.

    Args:
        which: only opt-outs of which this is so.
    """
    log = SubscriptionChange.unmarked.using(using)
    lifts = log.exclude(status=Subscription.UNSUBSCRIBED).filter(
        Q(sync_status=Status.SYNCED)
        | Q(override=True, sync_status__in=(Status.PENDING, Status.SENDING)),
        pk__gt=OuterRef("pk"),
    )
    opt_outs = log.filter(which or Q(), status=Subscription.UNSUBSCRIBED)
    own = opt_outs.filter(
        ~Exists(lifts.filter(contact=OuterRef("contact"))), contact=OuterRef("pk")
    )
    # What the person says elsewhere lifts none of these. That they are not the contact's own is
    # said without a look at the outer contact, so that a database may read the log once for all.
    of_address = opt_outs.filter(
        ~Exists(lifts.filter(address=OuterRef("address"))), address=OuterRef("key")
    ).exclude(contact__key=F("address"))
    return Q(Exists(own)), Q(Exists(of_address))
