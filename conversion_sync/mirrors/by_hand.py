"""By hand: an engagement, a subscription, and saves that are not mirrored."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from django.db import IntegrityError, models, transaction

from conversion_sync.mirrors.explain import explain, row_of
from conversion_sync.mirrors.heirs import key_in_database
from conversion_sync.mirrors.marks import mirroring
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.render import render
from conversion_sync.models import (
    Contact,
    Engagement,
    MirrorLink,
    Subscription,
    SubscriptionChange,
    attributed,
)
from conversion_sync.models.announcement import quiet
from conversion_sync.models.attribution import attribution
from conversion_sync.models.database import database
from conversion_sync.models.locking import locking
from conversion_sync.models.validators import validate_address

__all__ = ["NotMirrored", "set_subscription", "suspended", "track"]


class NotMirrored(LookupError):
    """No contact stands for the instance; the message says why."""


def track(
    who: str | models.Model,
    name: str,
    description: str,
    *,
    data: Mapping[str, Any] | None = None,
    source_key: str | None = None,
    occurred_at: datetime.datetime | None = None,
) -> Engagement:
    """Enter an engagement: something that happened with a person, once.

    Args:
        who: an email (a contact is created, if there is none), a ``Contact``, or an instance of a
            model that is mirrored as a contact.
        name: such as “Webinar attended”.
        description: what happened, in a sentence.
        data: whatever JSON has a word for.
        source_key: what the event is known by where it came from: it is entered once.
        occurred_at: default: now.

    Returns:
        The engagement; of a ``source_key`` that was entered before, the one of then.

    Raises:
        NotMirrored: no contact stands for the instance.
        ValidationError: the email, one of the texts, or the data can't be used.
        TypeError: ``who`` is none of these.
        ValueError: the instance has no primary key yet.
    """
    using = database()
    try:
        with transaction.atomic(using=using):
            if (known := _known(using, source_key)) is not None:
                return known
            row = Engagement(
                contact=_contact(using, who),
                name=name,
                description=description,
                data=dict(data) if isinstance(data, Mapping) else data or {},
                source_key=source_key,
            )
            if occurred_at is not None:
                row.occurred_at = occurred_at
            row.clean_fields(exclude={"contact", *Engagement.STATE})
            row.save(using=using)
    except IntegrityError:
        # Another one has entered it meanwhile.
        if (known := _known(using, source_key, locked=True)) is None:
            raise
        return known
    return row


def _known(using: str, source_key: str | None, *, locked: bool = False) -> Engagement | None:
    """The engagement of a source key.

    Args:
        locked: what others have committed since this transaction began is seen as well.
    """
    if source_key is None:
        return None
    rows = Engagement.objects.using(using).filter(source_key=source_key)
    with transaction.atomic(using=using):
        found: Engagement | None = (locking(rows) if locked else rows).first()
    return found


def set_subscription(
    who: str | models.Model, status: str, *, reason: str, requested_by: str = "", source: str = ""
) -> None:
    """Say that a person subscribes or unsubscribes, by the rules of consent.

    An opt-out of an email without a contact is entered by the address. No opt-out is lifted: a
    wish to subscribe is entered, and held, while one stands.

    Args:
        who: an email, a ``Contact``, or an instance of a model that is mirrored as a contact.
        status: one of ``Subscription``.
        reason: why, for the consent log.
        requested_by: by whom (default: as ``attributed`` has it).
        source: where, such as a view's name (default: as ``attributed`` has it).

    Raises:
        NotMirrored: no contact stands for the instance.
        ValidationError: the email can't be used.
        TypeError: ``who`` is none of these.
        ValueError: there is no such status, no reason, or the instance has no primary key yet.
    """
    if status not in Subscription.values:
        raise ValueError(f"{status!r} is no subscription status: {', '.join(Subscription.values)}.")
    if not reason.strip():
        raise ValueError("A reason is needed, for the consent log.")
    using, around = database(), attribution()
    said = attributed(
        requested_by=requested_by or around.requested_by,
        source=source or around.source,
        reason=reason,
        bulk=around.bulk,
        override=around.override,
    )
    with transaction.atomic(using=using), said:
        if status == Subscription.UNSUBSCRIBED and isinstance(who, str):
            validate_address(who)
            if not Contact.objects.using(using).filter(email=who).exists():
                SubscriptionChange.opt_out(using, [str(Contact.normal_key(who))])
                return
        row = _contact(using, who)
        row.subscription_status = status
        row.save(using=using, update_fields=["subscription_status"])


def _contact(using: str, who: str | models.Model) -> Contact:
    if not isinstance(who, str | models.Model):
        raise TypeError(f"{who!r} is no email, no contact, and no instance that is mirrored.")
    if isinstance(who, models.Model) and who.pk is None:
        raise ValueError(f"This {who._meta.label} was never saved.")
    if isinstance(who, Contact):
        return who
    if isinstance(who, str):
        validate_address(who)
        found: Contact = Contact.objects.using(using).get_or_create(email=who)[0]
        return found
    row = row_of(who, MirrorLink.Kind.CONTACT, using=using)
    if row is None:
        # It may have been saved in this very transaction.
        for declared in registry.of(type(who), MirrorLink.Kind.CONTACT):
            render(using, declared, [key_in_database(who, declared.model)], bulk=False)
        row = row_of(who, MirrorLink.Kind.CONTACT, using=using)
    if row is None:
        raise NotMirrored(_why(who))
    contact: Contact = row
    return contact


def _why(instance: models.Model) -> str:
    found = [each for each in explain(instance) if each.kind == MirrorLink.Kind.CONTACT]
    if not found:
        return f"No mirror makes contacts of {instance._meta.label}."
    reasons = " ".join(each.fault or each.reason for each in found)
    return f"No contact stands for {instance._meta.label} {instance.pk}: {reasons}"


@contextlib.contextmanager
def suspended(*, mirror: bool = True) -> Iterator[None]:
    """Have the saves of this block ask for no drain: the sweep sends what they brought.

    A context manager, and a decorator. It goes by context variables: other threads and tasks are
    not concerned.

    Args:
        mirror: False: what is saved is not mirrored either; ``conversion_mirror`` finds it.
    """
    token, mirrored = quiet.set(True), mirroring.set(mirror and mirroring.get())
    try:
        yield
    finally:
        mirroring.reset(mirrored)
        quiet.reset(token)
