"""What becomes of the consent of contacts that leave their keys, or are deleted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from conversion_sync.conf import conf
from conversion_sync.models.locking import locking
from conversion_sync.models.state import Status
from conversion_sync.models.subscription import OUT, Subscription
from conversion_sync.models.subscription_change import SubscriptionChange

__all__ = [
    "enter_opt_outs_of_column",
    "follow_key",
    "stay_opted_out",
    "supersede_repeated",
    "supersede_wishes",
]


def follow_key(using: str, before: dict[str, Any], key: str) -> None:
    """Have the consent of a contact whose key changes go on under its new key.

    Its unsent changes go to the new one, and what it had consented to is said again there.
    Where the record of the old key stays in Conversion, an unsent opt-out goes there too.

    Args:
        before: the contact, as it was read under its lock.
        key: the new one.
    """
    log = SubscriptionChange.objects.using(using)
    unsent = log.filter(contact=before["pk"], sync_status=Status.PENDING, claim__isnull=True)
    waiting = dict(locking(unsent.order_by("pk")).values_list("pk", "status"))
    opt_outs = log.opt_outs().filter(contact=before["pk"]).unfinished()
    SubscriptionChange.unmarked.using(using).filter(pk__in=waiting).update(address=key)
    enter_opt_outs_of_column(using, [before])
    [opt_out] = SubscriptionChange.standing_opt_outs(using, [(before["pk"], before["key"])])
    if opt_out is not None and opt_out.contact_id is None:
        # No other contact's: it was this person who had opted out at the old address.
        own = SubscriptionChange(contact_id=before["pk"], address=key, status=OUT)
        own.previous_status, own.source = before["subscription_status"], "new email"
        SubscriptionChange.enter(using, [own])
    if not before["sent_key"]:
        return
    if not conf.delete_changed_keys:
        # One in flight or failed goes to the new key, too, when it is tried again.
        stay_opted_out(using, [before], move=opt_outs.exists())
    status = before["subscription_status"]
    if status and not waiting and opt_out is None:
        again = SubscriptionChange(
            contact_id=before["pk"], address=key, status=status, previous_status=status
        )
        again.source = "new email"
        SubscriptionChange.enter(using, [again])


def stay_opted_out(using: str, rows: Sequence[Mapping[str, Any]], *, move: bool = False) -> None:
    """Have the records that contacts leave behind in Conversion told of the opt-outs that stand.

    Nothing deletes them there. A record that a call may have made anew, of which nothing is
    known, has to be told, by its address.

    Args:
        rows: the contacts, as they were read under their locks.
        move: their unsent opt-outs go elsewhere: each of the records has to be told.
    """
    left = [row for row in rows if row["sent_key"] and (move or _is_in_doubt(row))]
    standing = SubscriptionChange.standing_opt_outs(
        using, [(row["pk"], row["sent_key"]) for row in left]
    )
    for row, opt_out in zip(left, standing, strict=True):
        if opt_out is not None:
            told = opt_out.again(address=row["sent_key"])
            SubscriptionChange.enter(using, [told])
            if row["claim"] is not None:
                # The call in flight may make the record until its lease is over.
                SubscriptionChange.unmarked.using(using).filter(pk=told.pk).update(
                    due_at=row["due_at"]
                )


def enter_opt_outs_of_column(
    using: str, rows: Sequence[Mapping[str, Any]], *, deleting: bool = False
) -> None:
    """Enter the opt-outs of which only the columns of these contacts know.

    Raw SQL or a restore may have written them. They stand for the addresses that the contacts
    leave, whoever comes there.

    Args:
        rows: the contacts, as they were read under their locks.
        deleting: the contacts go: what they had said at other addresses is found by them no more.
    """
    out = [row for row in rows if row["subscription_status"] == OUT]
    people = [(None if deleting else row["pk"], row["key"]) for row in out]
    standing = SubscriptionChange.standing_opt_outs(using, people)
    SubscriptionChange.enter(
        using,
        [
            SubscriptionChange(address=row["key"], status=OUT, previous_status=OUT)
            for row, opt_out in zip(out, standing, strict=True)
            if opt_out is None
        ],
    )


def supersede_repeated(using: str, contacts: Collection[int]) -> None:
    """Have what was to be said again of contacts not be sent: they are back at their old keys.

    Args:
        contacts: their primary keys.
    """
    if contacts:
        SubscriptionChange.unmarked.using(using).filter(
            contact__in=contacts, source="new email", sync_status=Status.PENDING, claim=None
        ).exclude(status=Subscription.UNSUBSCRIBED).update(
            sync_status=Status.SUPERSEDED, due_at=None
        )


def supersede_wishes(using: str, contacts: Collection[int]) -> None:
    """Have the unsent changes of contacts that are being deleted not be sent, but for opt-outs.

    Args:
        contacts: their primary keys.
    """
    SubscriptionChange.objects.using(using).filter(contact__in=contacts).look_again()
    SubscriptionChange.unmarked.using(using).filter(
        contact__in=contacts, sync_status__in=(Status.PENDING, Status.FAILED), claim=None
    ).exclude(status=Subscription.UNSUBSCRIBED).update(sync_status=Status.SUPERSEDED, due_at=None)


def _is_in_doubt(row: Mapping[str, Any]) -> bool:
    is_known = row["synced_revision"] and row["sent_revision"] == row["synced_revision"]
    return row["claim"] is not None or not is_known
