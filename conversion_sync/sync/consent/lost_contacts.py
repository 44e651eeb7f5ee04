"""Contacts that Conversion does not know, though something was sent of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from conversion_sync.api.errors import ErrorCode
from conversion_sync.models import Contact, SubscriptionChange
from conversion_sync.models.locking import locking
from conversion_sync.models.messages import Message, stored
from conversion_sync.models.state import DOUBT
from conversion_sync.sync.outcomes import Decision, Outcome
from conversion_sync.sync.retry import retried_for_a_lease
from conversion_sync.sync.transactions import short_transaction

__all__ = ["held_up", "not_found", "push_again"]


def not_found(row: SubscriptionChange, made: Outcome) -> Outcome:
    """The API does not know the address of a change."""
    contact = row.contact
    is_known = contact is not None and contact.key is not None and bool(contact.synced_revision)
    if row.is_opt_out and not is_known:
        return _nothing_to_unsubscribe(row, made)
    if contact is None:
        return replace(made, decision=Decision.FAILED)
    return made if push_again(contact, row.address) else held_up(made)


@retried_for_a_lease
def _nothing_to_unsubscribe(row: SubscriptionChange, made: Outcome) -> Outcome:
    """An opt-out went by its address, where nobody is: it goes again when somebody is there.

    If that has happened meanwhile, the newer opt-out speaks for this one, too.
    """
    log = SubscriptionChange.objects.using(row._state.db).opt_outs().filter(pk__gt=row.pk)
    again = log.of({row.contact_id} if row.contact_id else (), {row.address}).exists()
    return replace(
        made,
        decision=Decision.SUPERSEDED if again else Decision.FAILED,
        code=ErrorCode.NOTHING_TO_UNSUBSCRIBE,
        message=stored(Message.NOBODY_THERE),
    )


@retried_for_a_lease
def push_again(contact: Contact, key: str) -> bool:
    """The remote has lost the contact: forget what we know of it there, and push it again.

    One that is in flight may be there again: what is deleted here has to be deleted there, too.

    Returns:
        False where somebody else has it locked: nobody waits for that.
    """
    rows: Any = Contact.objects.using(contact._state.db).filter(pk=contact.pk, key=key)
    with short_transaction(rows.db):
        held = list(locking(rows.order_by("pk"), skip_locked=True).values_list("claim", flat=True))
        if held:
            rows.mark(**({"sent_revision": DOUBT} if any(held) else Contact.FORGOTTEN))
    return bool(held) or not rows.exists()


def held_up(made: Outcome) -> Outcome:
    """What becomes of a row that needs a contact which somebody else has locked: it comes again."""
    return replace(made, decision=Decision.RETRY, code="", message="", counts=False)
