"""Entering a standing opt-out again, for a record that is, or may be, new in Conversion.

What an upsert has brought into being knows nothing of the opt-out that stands here. Nobody can tell
beforehand whether it does, and its answer may be lost: so the opt-out is entered

- when a contact settles, where it may be new (``Settling`` asks ``opt_outs_again``);
- before a contact is claimed whose last worker never came back (``after_lost_workers``);
- when a contact leaves a record of which nothing is known (``models.leaving.stay_opted_out``).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any

from django.db.models import Q

from conversion_sync.api.errors import ErrorCode
from conversion_sync.models import Contact, Status, Subscription, SubscriptionChange
from conversion_sync.models.clock import DbNow
from conversion_sync.models.locking import locking
from conversion_sync.models.state import PERSON
from conversion_sync.sync.error_text import is_of_the_database
from conversion_sync.sync.retry import retried
from conversion_sync.sync.transactions import short_transaction

__all__ = ["after_lost_workers", "enter", "opt_outs_again"]

logger = logging.getLogger(__name__)

#: The columns of a contact that are read here.
NEEDED = (
    *("pk", "email", "key", "sent_key", "sent_revision", "synced_revision"),
    "subscription_status",
)


def opt_outs_again(using: str, contacts: Sequence[Any]) -> dict[int, SubscriptionChange]:
    """The opt-outs that stand of these locked contacts, to be entered again; not saved.

    Who has one that was not sent yet needs no other.

    Args:
        contacts: with the columns that are read here, instances or not.

    Returns:
        By the primary keys of the contacts.
    """
    people = [(contact.pk, Contact.wanted_key_of(contact)) for contact in contacts]
    standing = SubscriptionChange.standing_opt_outs(using, people)
    found = [
        (contact, opt_out)
        for contact, opt_out in zip(contacts, standing, strict=True)
        if opt_out is not None
    ]
    if not found:
        return {}
    own, of_addresses = _unsent(using, [contact for contact, _ in found])
    return {
        contact.pk: opt_out.again(
            contact_id=contact.pk,
            address=Contact.wanted_key_of(contact),
            previous_status=contact.subscription_status,
        )
        for contact, opt_out in found
        if contact.pk not in own and Contact.wanted_key_of(contact) not in of_addresses
    }


def _unsent(using: str, contacts: Sequence[Any]) -> tuple[set[int], set[str]]:
    """The contacts that have an opt-out which was not sent yet, and the addresses."""
    log = SubscriptionChange.objects.using(using).opt_outs()
    unsent = log.filter(sync_status=Status.PENDING, claim=None)
    own = unsent.filter(contact__in=[contact.pk for contact in contacts])
    keys = [Contact.wanted_key_of(contact) for contact in contacts]
    of_addresses = unsent.filter(contact=None, address__in=keys)
    return (
        {*own.values_list("contact", flat=True)},
        {*of_addresses.values_list("address", flat=True)},
    )


def enter(using: str, changes: Collection[SubscriptionChange]) -> None:
    """Enter what ``opt_outs_again`` gave; it speaks, too, for what found nobody before.

    The caller holds the lock of the contacts.
    """
    SubscriptionChange.enter(using, changes)
    contacts = {change.contact_id for change in changes if change.contact_id}
    people = SubscriptionChange.objects.using(using).of(
        contacts, {change.address for change in changes}
    )
    idle = people.opt_outs().filter(
        sync_status=Status.FAILED, last_error_code=ErrorCode.NOTHING_TO_UNSUBSCRIBE
    )
    SubscriptionChange.unmarked.using(using).filter(
        pk__in=list(idle.values_list("pk", flat=True)), sync_status=Status.FAILED
    ).update(sync_status=Status.SUPERSEDED)


def after_lost_workers(using: str, pks: Collection[int]) -> None:
    """Of these contacts, those whose lease ran out may have arrived: have their opt-outs follow."""
    rows = Contact.unmarked.using(using).filter(pk__in=pks, claim__isnull=False)
    lost = list(rows.filter(due_at__lte=DbNow()).values_list("pk", flat=True))
    try:
        if lost:
            _after_lost_workers(using, lost)
    except Exception as error:  # one bad row never stops another: it is asked again when it settles
        if is_of_the_database(error):
            raise
        logger.exception("An opt-out can't be entered again.")


@retried
def _after_lost_workers(using: str, pks: Collection[int]) -> None:
    with short_transaction(using):
        table = Contact.unmarked.using(using)
        lost = table.filter(Q(due_at__lte=DbNow()), pk__in=pks, claim__isnull=False).order_by("pk")
        # No more than is looked at: what else they say may be such that it can't be loaded.
        lost = lost.only(*NEEDED)
        locked = [row for row in locking(lost, skip_locked=True) if row.is_in_doubt]
        told = opt_outs_again(using, locked)
        # What ``enter`` writes of them, at once: see ``write`` in ``claim``.
        table.filter(pk__in=told).update(
            subscription_status=Subscription.UNSUBSCRIBED, priority=PERSON
        )
        if told:
            enter(using, told.values())
