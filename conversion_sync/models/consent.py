"""What the log says of people: of a few, or as a condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q

from conversion_sync.api.errors import ErrorCode
from conversion_sync.models.chunks import in_chunks
from conversion_sync.models.erased import tokens
from conversion_sync.models.opt_outs import by_person, standing_opt_out
from conversion_sync.models.state import Status
from conversion_sync.models.subscription import OUT
from conversion_sync.models.subscription_change import LIVE, SubscriptionChange

__all__ = ["Consent", "consents", "has_held_wish"]


@dataclass(frozen=True, slots=True)
class Consent:
    """What the log says of a person: the opt-out that stands, and a later wish that is held.

    A wish is held, too, where Conversion said something that holds it.
    """

    opt_out: SubscriptionChange | None = None
    wish: SubscriptionChange | None = None


def consents(using: str, people: Sequence[tuple[int | None, str]]) -> list[Consent]:
    """Read the log for each of these people, with one query for a thousand of them.

    Args:
        people: pairs of a contact's primary key (or None) and an address.
    """
    found = list[Consent]()
    for chunk in in_chunks(people):
        addresses = {address for _, address in chunk}
        log = SubscriptionChange.objects.using(using).of(
            {contact for contact, _ in chunk if contact}, addresses | tokens(addresses).keys()
        )
        of_people = by_person(log)
        found += [_consent(of_people(*person), *person) for person in chunk]
    return found


def _consent(
    newest_first: Sequence[SubscriptionChange], contact: int | None, address: str
) -> Consent:
    opt_out = standing_opt_out(newest_first, contact, address)
    own = (c for c in newest_first if c.contact_id == contact and c.sync_status in LIVE)
    newest = next(own, None) if contact is not None else None
    is_held = (
        newest is not None
        and not newest.is_opt_out
        and not newest.takes_effect
        and _holds(newest, opt_out)
    )
    return Consent(opt_out, newest if is_held else None)


def _holds(wish: SubscriptionChange, opt_out: SubscriptionChange | None) -> bool:
    if opt_out is None:
        return (
            wish.sync_status == Status.FAILED and wish.last_error_code == ErrorCode.CONSENT_BLOCKED
        )
    return wish.pk > opt_out.pk


def has_held_wish(using: str) -> Q:
    """Contacts that stand unsubscribed, with a later wish: a condition for any number of them."""
    log = SubscriptionChange.unmarked.using(using)
    moving = (Status.PENDING, Status.SENDING)
    wishes = log.filter(contact=OuterRef("pk"), sync_status__in=(*moving, Status.FAILED))
    wishes = wishes.exclude(status=OUT).exclude(override=True, sync_status__in=moving)
    later = log.filter(contact=OuterRef("contact"), status=OUT, pk__gt=OuterRef("pk"))
    return Q(Exists(wishes.filter(~Exists(later))), subscription_status=OUT)
