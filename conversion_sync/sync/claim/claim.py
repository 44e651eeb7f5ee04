"""Rows that one delivery holds, for as long as its lease lasts."""

from __future__ import annotations

import datetime
import logging
import uuid
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import InterfaceError, OperationalError
from django.db.models import Case, QuerySet, When

from conversion_sync.conf import conf
from conversion_sync.models import Record, SyncedModel
from conversion_sync.models.among import among
from conversion_sync.models.by_row import update_by_row
from conversion_sync.models.clock import db_now
from conversion_sync.models.locking import locking
from conversion_sync.models.state import DOUBT
from conversion_sync.sync.leases import Lease
from conversion_sync.sync.outcomes import Decision, Outcome
from conversion_sync.sync.payloads import Payload
from conversion_sync.sync.retry import retried
from conversion_sync.sync.states import in_seconds
from conversion_sync.sync.transactions import short_transaction

__all__ = ["Claim", "renew", "write"]

logger = logging.getLogger(__name__)


@dataclass
class Claim:
    """Rows held by one delivery, with what is to be sent of each.

    Attributes:
        refused: rows that can't be sent as they are, and why.
        lease: how long it lasts, by the clocks of this process.
        put_off: rows that could not be claimed this time, and come again later.
        unchanged: rows of which the API has already what would be sent.
        doubtful: rows that an earlier call, of which nothing is known, may have carried: it may
            have brought a record into being.
        unsettled: what came of rows that somebody else had locked; they are tried again.
        settled: how many rows came to what; one that was edited meanwhile came to nothing yet.
    """

    model: type[SyncedModel]
    using: str
    token: uuid.UUID = field(default_factory=uuid.uuid4)
    lease: Lease = field(default_factory=Lease)
    rows: list[Any] = field(default_factory=list)
    payloads: dict[int, Payload] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    put_off: list[int] = field(default_factory=list)
    unchanged: list[int] = field(default_factory=list)
    doubtful: set[int] = field(default_factory=set)
    unsettled: dict[int, Outcome] = field(default_factory=dict)
    settled: Counter[Decision] = field(default_factory=Counter)

    @property
    def pks(self) -> list[int]:
        """The primary keys of the rows that are to be sent."""
        return [row.pk for row in self.rows]

    def table(self) -> Any:
        """All rows of the model, unmarked."""
        return self.model.unmarked.using(self.using)

    def clock(self) -> datetime.datetime:
        """What time it is for the database."""
        return db_now(self.using)

    @property
    def taken(self) -> int:
        """How many rows this claim has dealt with or will."""
        return len(self.rows) + len(self.refused) + len(self.unchanged) + len(self.put_off)

    def out_of_time(self, pks: Collection[int]) -> set[int]:
        """Those of the rows that a call that begins now must not carry: this worker slept.

        Their lease may end before the call does, or another delivery has them by now, says the
        database. A row that is gone is none of them: its deletion is due when the lease is over.
        """
        if self.lease.left() < conf.call_deadline:
            return set(pks)
        ends = in_seconds(conf.call_deadline)
        ours = Case(When(claim=self.token, due_at__gte=ends, then=True), default=False)
        try:
            rows = self.table().filter(among(pks)).annotate(is_ours=ours)
            return {pk for pk, is_ours in rows.values_list("pk", "is_ours") if not is_ours}
        except (OperationalError, InterfaceError):
            logger.warning("Nobody can tell whether the lease still runs.", exc_info=True)
            return set(pks)

    def forget(self) -> None:
        """Hold nothing: the transaction that claims is run, or run anew."""
        self.lease = Lease()
        self.rows, self.payloads, self.refused, self.unchanged = [], {}, {}, []
        self.doubtful = set()


def held(claim: Claim, pks: Collection[int]) -> QuerySet[Any]:
    """Those of the rows that this claim still holds, as they were stamped."""
    rows: QuerySet[Any] = claim.table().filter(among(pks), claim=claim.token)
    if issubclass(claim.model, Record):
        rows = rows.filter(sent_key__isnull=False, sent_revision__gt=DOUBT)
    return rows


@retried
def renew(claim: Claim, pks: Collection[int]) -> set[int]:
    """Begin a new lease for what the claim still holds. Returns the primary keys of that.

    A row whose key was changed meanwhile is not among them: its deletion is due when the old
    lease is over, so nothing may be sent of it later than that.
    """
    lease = Lease()
    with short_transaction(claim.using):
        rows = locking(held(claim, pks).order_by("pk"), skip_locked=True)
        locked = set(rows.values_list("pk", flat=True))
        claim.table().filter(pk__in=locked).update(due_at=in_seconds(conf.lease))
    claim.lease = lease
    return locked


def write(
    claim: Claim,
    pks: Collection[int],
    columns: dict[str, Any],
    own: Mapping[str, Mapping[int, Any]],
) -> None:
    """Write columns of rows of a claim in one UPDATE; see `update_by_row`.

    No transaction writes a row of a claim twice. PostgreSQL would look at its references once
    more when the transaction ends, and would wait there, with the rows locked, for a host that
    holds the contact or the company: a deadlock, as soon as the host wants one of these rows.
    """
    update_by_row(claim.table(), pks, columns, own)
