"""Opt-outs of which Conversion knows, and we did not: they are entered in the log."""

from __future__ import annotations

from conversion_sync.api import RemoteContact
from conversion_sync.models import Contact, Deletion, Status, Subscription, SubscriptionChange
from conversion_sync.models.clock import DbNow
from conversion_sync.models.locking import locking
from conversion_sync.sync.retry import retried
from conversion_sync.sync.transactions import short_transaction
from conversion_sync.sync.types import Rows

__all__ = ["UNDERSTOOD", "keep_opt_out", "take_remote_opt_out"]

#: What Conversion may say of somebody who may be subscribed; None: nothing.
UNDERSTOOD = (None, Subscription.SUBSCRIBED, Subscription.PENDING)

WAITING = (Status.PENDING, Status.SENDING)


@retried
def take_remote_opt_out(using: str, contact: int, address: str) -> None:
    """Enter an opt-out of which Conversion knows, and we did not, in the log.

    It is entered as arrived: there is nobody to tell.
    """
    with short_transaction(using):
        row = locking(_of_consent(using).filter(pk=contact)).first()
        if row is not None:
            _enter(using, row, address, Status.SYNCED)


@retried
def keep_opt_out(using: str, deletion: Deletion, remote: RemoteContact) -> None:
    """Enter the opt-out of a record that is deleted or left in the log.

    It stands for its address, whoever has it next, and for the contact that goes on under another.
    So does a word that nobody here knows, for the record that says it is about to go: the guard
    would ask in vain.
    """
    word = remote.subscription_status
    if word in UNDERSTOOD:
        return
    reason = "" if word == Subscription.UNSUBSCRIBED else str(word)[:64]
    with short_transaction(using):
        rows = _of_consent(using).filter(pk__in=[deletion.successor_id])
        if (row := locking(rows).first()) is not None:
            # Not by the old address: after a swap somebody else's opt-out may stand there.
            [standing] = SubscriptionChange.standing_opt_outs(using, [(row.pk, row.wanted_key)])
            if standing is None and not _is_overridden(using, row.pk, deletion.key):
                _enter(using, row, row.wanted_key, Status.PENDING, reason)
        # After the successor's, which has to be told where it goes on under another spelling.
        [known] = SubscriptionChange.standing_opt_outs(using, [(None, deletion.key)])
        if known is None and not _is_overridden(using, None, deletion.key):
            _enter(using, None, deletion.key, Status.SYNCED, reason)


def _of_consent(using: str) -> Rows:
    """Contacts with no more than consent is about: what else they say may be bad."""
    return Contact.unmarked.using(using).only("pk", "email", "key", "subscription_status")


def _is_overridden(using: str, contact: int | None, address: str) -> bool:
    """Whether an override that waits covers an opt-out of which our log knows.

    Not one that may have arrived: the person may have opted out since.
    """
    changes = SubscriptionChange.objects.using(using).of([contact] if contact else [], [address])
    newest = changes.filter(override=True, sync_status__in=WAITING).order_by("-pk").first()
    if newest is None or newest.may_have_arrived_at is not None:
        return False
    people: list[tuple[int | None, str]] = [(contact, address)]
    [known] = SubscriptionChange.standing_opt_outs(using, people, older_than=[newest.pk])
    return known is not None


def _enter(
    using: str, contact: Contact | None, address: str, status: Status, reason: str = ""
) -> None:
    change = SubscriptionChange(
        contact_id=contact.pk if contact else None,
        address=address,
        status=Subscription.UNSUBSCRIBED,
        previous_status=contact.subscription_status if contact else "",
        source="Conversion",
        reason=reason,
    )
    SubscriptionChange.enter(using, [change])
    if status == Status.SYNCED:
        SubscriptionChange.unmarked.using(using).filter(pk=change.pk).update(
            sync_status=Status.SYNCED, due_at=None, last_synced_at=DbNow()
        )
