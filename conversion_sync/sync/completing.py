"""The subscription of each contact and the consent log compared, and mended: an opt-out wins.

Raw SQL, a fixture, a restore or the plain managers of a data migration write the one without the
other. Nothing here lifts an opt-out.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import DatabaseError, connections, router
from django.db.migrations.loader import MigrationLoader
from django.db.models import Exists, OuterRef

from conversion_sync.models import Contact, Status, SubscriptionChange, attributed
from conversion_sync.models.announcement import announce
from conversion_sync.models.assigned import Assignment, enter_assigned
from conversion_sync.models.locking import locking
from conversion_sync.models.subscription import OUT
from conversion_sync.models.subscription_column import reflect
from conversion_sync.sync.consent.opted_out import stands
from conversion_sync.sync.retry import retried
from conversion_sync.sync.transactions import short_transaction
from conversion_sync.sync.types import Rows

__all__ = ["Disagreement", "Fault", "after_migrate", "complete", "disagreements", "mend"]

logger = logging.getLogger(__name__)

#: So many rows are looked through by one query, and so many contacts are mended at once.
ROWS_AT_ONCE, MENDED = 20_000, 500


class Fault(enum.StrEnum):
    """What is wrong with a contact."""

    LOST = "unsubscribed here, and no opt-out stands in the log"
    STALE = "an opt-out stands in the log, and the contact does not say so"
    UNSAID = "the log does not know of the subscription"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A contact of which column and log do not say the same."""

    pk: int
    key: str
    status: str
    fault: Fault


def disagreements(using: str) -> Iterator[Disagreement]:
    """Look through all contacts and all opt-outs; what is in order is not read."""
    contacts, seen = Contact.unmarked.using(using), set[int]()
    for fault, rows in _suspects(using, contacts):
        for each in _found(rows, fault):
            if each.pk not in seen:
                seen.add(each.pk)
                yield each


def _suspects(using: str, contacts: Rows) -> Iterator[tuple[Fault, Rows]]:
    log = SubscriptionChange.unmarked.using(using)
    own, of_address = stands(using)
    # From the opt-outs to their contacts: they are fewer.
    others = contacts.exclude(subscription_status=OUT)
    for step in _in_steps(log.filter(status=OUT)):
        theirs = step.filter(contact__isnull=False).values("contact")
        yield Fault.STALE, others.filter(pk__in=theirs).filter(own)
        yield Fault.STALE, others.filter(key__in=step.values("address")).filter(of_address)
    said = log.filter(contact=OuterRef("pk"), status=OuterRef("subscription_status"))
    unsaid = ~Exists(said.exclude(sync_status=Status.SUPERSEDED))
    for step in _in_steps(contacts):
        yield Fault.LOST, step.filter(~own, ~of_address, subscription_status=OUT)
        yield Fault.UNSAID, step.exclude(subscription_status__in=("", OUT)).filter(unsaid)


def _in_steps(rows: Rows) -> Iterator[Rows]:
    """The rows in the order of their primary keys, so many at a time."""
    left = rows
    while True:
        ends = left.order_by("pk").values_list("pk", flat=True)[ROWS_AT_ONCE - 1 : ROWS_AT_ONCE]
        end = next(iter(ends), None)
        if end is None:
            yield left
            return
        yield left.filter(pk__lte=end)
        left = rows.filter(pk__gt=end)


def _found(rows: Rows, fault: Fault) -> list[Disagreement]:
    return [
        Disagreement(row.pk, row.wanted_key, row.subscription_status, fault)
        for row in rows.only("key", "email", "subscription_status")
    ]


@retried
def mend(using: str, contacts: Collection[int]) -> None:
    """Enter in the log what these contacts say and it does not; have them say what stands."""
    with short_transaction(using), attributed(bulk=True, source="completed"):
        rows = list(locking(Contact.unmarked.using(using).filter(pk__in=contacts).order_by("pk")))
        people = [(row.pk, row.wanted_key) for row in rows]
        standing = SubscriptionChange.standing_opt_outs(using, people)
        both = list(zip(rows, standing, strict=True))
        reflect(using, [row.pk for row, out in both if out is not None])
        enter_assigned(
            using,
            [
                Assignment(row.pk, row.wanted_key, row.subscription_status, row.subscription_status)
                for row, out in both
                if out is None and row.subscription_status
            ],
        )
        announce(using)


def complete(using: str) -> int:
    """Mend all disagreements. Returns their number."""
    count, found = 0, disagreements(using)
    while some := list(islice(found, MENDED)):
        mend(using, [each.pk for each in some])
        count += len(some)
    return count


def after_migrate(using: str, plan: Any = (), **kwargs: Any) -> None:
    """Complete what a data migration wrote: its models know nothing of the log.

    No deployment fails because of it: what could not be mended, ``conversion_verify`` mends.
    """
    if not plan or not router.allow_migrate_model(using, Contact) or not _is_migrated(using):
        return
    try:
        count = complete(using)
    except DatabaseError:
        logger.exception("The consent log was not compared; run manage.py conversion_verify.")
    else:
        if count:
            logger.warning("%d contacts and the consent log did not agree, and were mended.", count)


def _is_migrated(using: str) -> bool:
    """Whether the tables are those of this release: migrations may stop before them."""
    loader = MigrationLoader(connections[using])
    leaves = loader.graph.leaf_nodes("conversion_sync")
    return all(leaf in loader.applied_migrations for leaf in leaves)
