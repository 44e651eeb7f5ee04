"""Claiming due rows for one delivery: who holds which rows, and what will be sent of them.

A claim is a short transaction. It locks with SKIP LOCKED and looks again, under the lock, at what
has to go first. What is stamped before the call says, after a crash, what may have arrived.
"""

from __future__ import annotations

import datetime
import logging
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError, connections
from django.db.models import Case, F, Q, QuerySet, When

from conversion_sync import signals
from conversion_sync.api.errors import ErrorCode
from conversion_sync.conf import conf
from conversion_sync.models import Record, Status, SubscriptionChange, SyncedModel
from conversion_sync.models.by_row import update_by_row
from conversion_sync.models.clock import DbNow, db_now
from conversion_sync.models.locking import locking
from conversion_sync.models.state import DOUBT
from conversion_sync.models.storable import (
    Unstorable,
    replaced_fields,
    what_was_replaced,
)
from conversion_sync.models.unindexed import unindexed
from conversion_sync.records.last_sent import is_as_sent, payload_of
from conversion_sync.records.snapshot import Snapshot
from conversion_sync.sync.error_text import in_words, is_of_the_database
from conversion_sync.sync.leases import Lease
from conversion_sync.sync.outcomes import Decision, Outcome, backoff
from conversion_sync.sync.payloads import Payload, size_of
from conversion_sync.sync.readiness import waits_for
from conversion_sync.sync.retry import retried
from conversion_sync.sync.states import (
    GONE,
    arrived,
    failed,
    has_had_enough,
    in_seconds,
    since,
    storable,
    tried_in_vain,
)
from conversion_sync.sync.transactions import close_broken, short_transaction
from conversion_sync.sync.waiting import release_behind

__all__ = ["LARGEST", "Claim", "claim_rows", "renew", "write"]

logger = logging.getLogger(__name__)

#: Bytes of JSON that one claim sends together; what would make it more is left for the next.
LARGEST = 1_000_000


@dataclass
class Claim:
    """Rows held by one delivery, with what is to be sent of each.

    Attributes:
        refused: rows that can't be sent as they are, and why.
        lease: how long it lasts, by the clocks of this process.
        put_off: rows that could not be claimed this time, and come again later.
        unchanged: rows of which the API has already what would be sent.
        doubtful: records that an earlier call, of which nothing is known, may have brought into
            being.
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
            rows = self.table().filter(pk__in=pks).annotate(is_ours=ours)
            return {pk for pk, is_ours in rows.values_list("pk", "is_ours") if not is_ours}
        except (OperationalError, InterfaceError):
            logger.warning("Nobody can tell whether the lease still runs.", exc_info=True)
            return set(pks)

    def forget(self) -> None:
        """Hold nothing: the transaction that claims is run, or run anew."""
        self.lease = Lease()
        self.rows, self.payloads, self.refused, self.unchanged = [], {}, {}, []
        self.doubtful = set()


def claim_rows(
    rows: QuerySet[Any], pks: Collection[int], payload: Callable[[Any], Payload]
) -> Claim:
    """Take those of the rows that are still due and ready, and stamp what will be sent.

    Rows that can't be taken together are taken in part, down to one; one that can't be taken
    alone records why. The others stay due.

    Args:
        rows: rows of ``unmarked`` that may be claimed, as they are to be loaded.
        pks: the primary keys of those that are wanted, the first ones before others.
        payload: what is sent of a row; raises ValidationError for one that can't be.

    Raises:
        DatabaseError: the database failed, whatever the rows.
    """
    claim = _claim_what_can_be(rows, list(pks), payload)
    if claim.refused:
        signals.row_failed.send_robust(sender=claim.model, pks=list(claim.refused))
    release_behind(claim.model, claim.using, [*claim.unchanged, *claim.refused])
    return claim


def _claim_what_can_be(
    rows: QuerySet[Any], pks: list[int], payload: Callable[[Any], Payload]
) -> Claim:
    while True:
        claim = Claim(rows.model, rows.db)
        try:
            _claim(claim, rows, pks, payload)
        except Exception as error:  # whatever a row does is that row's fault
            # Where it came as far as the stamping, only what was stamped can be at fault.
            pks = claim.pks or pks
            if len(pks) > 1:
                if is_of_the_database(error):
                    _see_that_it_works(claim.using)
                pks = pks[: len(pks) // 2]
                continue
            logger.warning("A row can't be sent.", exc_info=error)
            return _blame(Claim(rows.model, rows.db), pks, error)
        return claim


def _see_that_it_works(using: str) -> None:
    """Raise what the database raises where it is gone."""
    if not connections[using].in_atomic_block:
        close_broken()
    db_now(using)


@retried
def _blame(claim: Claim, pks: Collection[int], error: Exception) -> Claim:
    """Record on a row that it can't be loaded, built or stamped; it is not loaded for that."""
    words = in_words(error)
    with short_transaction(claim.using):
        due = claim.table().filter(unindexed(Q(due_at__lte=DbNow())), pk__in=pks).order_by("pk")
        columns = due.only("pk", "attempts", "failing_since")
        for row in locking(columns, skip_locked=True):
            this = claim.table().filter(pk=row.pk)
            if is_of_the_database(error) and not has_had_enough(row, claim.clock):
                # Perhaps only now: it comes again, apart from others.
                wait = backoff(row.attempts, conf.backoff, conf.backoff_max)
                this.update(**tried_in_vain(ErrorCode.UNSENDABLE, words, wait))
                claim.put_off.append(row.pk)
            else:
                this.update(**failed(ErrorCode.UNSENDABLE, words))
                claim.refused[row.pk] = words
    return claim


@retried
def _claim(
    claim: Claim,
    rows: QuerySet[Any],
    pks: Collection[int],
    payload: Callable[[Any], Payload],
) -> None:
    claim.forget()
    with short_transaction(claim.using):
        wanted = claim.table().filter(unindexed(Q(due_at__lte=DbNow())), pk__in=pks).order_by("pk")
        locked = list(locking(wanted, skip_locked=True).values_list("pk", flat=True))
        # The lock may have waited for, or skipped over, what made a row ready: look again.
        due = rows.alias(waits_for=waits_for(claim.model, claim.using))
        ready = due.filter(unindexed(Q(due_at__lte=DbNow())), waits_for="").order_by(
            "priority", "due_at", "pk"
        )
        alive = _without_killers(claim, list(ready.filter(pk__in=locked)))
        _build(claim, alive, payload)
        _stamp(claim)


def _without_killers(claim: Claim, rows: Sequence[Any]) -> list[Any]:
    """The rows but those whose workers stopped again and again: these fail."""
    taken_over = [row for row in rows if row.claim is not None]
    killers = [row.pk for row in taken_over if has_had_enough(row, claim.clock)]
    if killers:
        claim.table().filter(pk__in=killers).update(**failed(ErrorCode.NO_ANSWER, GONE))
        claim.refused |= dict.fromkeys(killers, GONE)
    return [row for row in rows if row.pk not in killers]


def _build(claim: Claim, rows: Sequence[Any], payload: Callable[[Any], Payload]) -> None:
    """Build what is sent of the rows, as far as one call takes it.

    What the API has already is done.
    """
    unchanged, refused, total = list[int](), dict[int, Exception](), 0
    for row in rows:
        try:
            _see_that_all_is_there(row)
            built = payload(row)
            size = size_of(built)
            if _is_there(row, built):
                unchanged.append(row.pk)
                continue
        except Exception as error:  # one bad row never stops another: the row records it
            refused[row.pk] = error
            continue
        if claim.rows and total + size > LARGEST:
            break
        total += size
        claim.rows.append(row)
        claim.payloads[row.pk] = built
    claim.unchanged = unchanged
    if unchanged:
        claim.table().filter(pk__in=unchanged).update(
            sent_revision=F("revision"), synced_revision=F("revision"), **arrived()
        )
    _refuse(claim, refused)


def _is_there(row: Any, payload: Payload) -> bool:
    """Whether Conversion has all of it already, as far as is known."""
    return isinstance(payload, Snapshot) and row.remote_is_known and is_as_sent(row, payload)


def _see_that_all_is_there(row: Any) -> None:
    """Refuse a row that has still something else than it was given."""
    if row.last_error_code == ErrorCode.UNSTORABLE and (names := replaced_fields(row)):
        raise Unstorable(what_was_replaced(type(row), names))


def _refuse(claim: Claim, errors: Mapping[int, Exception]) -> None:
    """Fail rows that can't be sent as they are; each says why."""
    codes = {pk: _code(error) for pk, error in errors.items()}
    texts = {
        pk: storable(str(error)) if isinstance(error, Unstorable) else in_words(error)
        for pk, error in errors.items()
    }
    own: dict[str, Mapping[int, Any]] = {"last_error_code": codes, "last_error_message": texts}
    write(claim, [*errors], failed("", ""), own)
    claim.refused |= texts


def _code(error: Exception) -> ErrorCode:
    match error:
        case ValidationError():
            return ErrorCode.VALIDATION_ERROR
        case Unstorable():
            return ErrorCode.UNSTORABLE
    return ErrorCode.UNSENDABLE


def _stamp(claim: Claim) -> None:
    stamps: dict[str, Any] = {
        "claim": claim.token,
        "sync_status": Status.SENDING,
        "due_at": in_seconds(conf.lease),
        "last_attempt_at": DbNow(),
    }
    own: dict[str, dict[int, Any]] = {}
    if issubclass(claim.model, Record):
        stamps |= {"sent_revision": F("revision"), "sent_key": F("key")}
        own["sent_payload"] = {pk: payload_of(claim.payloads[pk]) for pk in claim.pks}
        for row in claim.rows:
            if row.is_in_doubt:
                claim.doubtful.add(row.pk)
            row.sent_revision, row.sent_key = row.revision, row.key
    if issubclass(claim.model, SubscriptionChange):
        own["address"] = _addresses(claim)
    # A lease that ran out is a try like any other: what kills its workers ends up alone.
    again = {"attempts": F("attempts") + 1, "failing_since": since()}
    taken_over = {row.pk for row in claim.rows if row.claim is not None}
    write(claim, set(claim.pks) - taken_over, stamps, own)
    write(claim, taken_over, stamps | again, own)


def _addresses(claim: Claim) -> dict[int, str]:
    """A change goes to the key that its contact has now, or would have."""
    moved = {}
    for row in claim.rows:
        if row.contact is not None and row.address != row.contact.wanted_key:
            moved[row.pk] = row.address = row.contact.wanted_key
            claim.payloads[row.pk] = replace(claim.payloads[row.pk], email=row.address)
    return moved


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


def held(claim: Claim, pks: Collection[int]) -> QuerySet[Any]:
    """Those of the rows that this claim still holds, as they were stamped."""
    rows: QuerySet[Any] = claim.table().filter(claim=claim.token, pk__in=pks)
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
