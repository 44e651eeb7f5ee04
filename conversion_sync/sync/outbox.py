"""Claiming due rows for one delivery, and settling what came of them.

Both are short transactions. A claim locks with SKIP LOCKED and looks again, under the lock, at
what has to go first. A settling writes only where the claim still stands and, for records, where
the revision that was stamped before the call still does.
"""

from __future__ import annotations

import datetime
import functools
import logging
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ParamSpec, TypeVar

from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    connections,
    models,
    transaction,
)
from django.db.models import Case, F, QuerySet, Value, When
from django.db.models.functions import Cast, Coalesce

from conversion_sync import signals
from conversion_sync.api import CallRecord
from conversion_sync.conf import conf
from conversion_sync.models import (
    ApiCall,
    Contact,
    Engagement,
    Record,
    Status,
    Subscription,
    SubscriptionChange,
    SyncedModel,
)
from conversion_sync.models.base import BULK, DOUBT, PERSON, locking
from conversion_sync.models.fields import DbNow, db_now
from conversion_sync.sync.outcomes import Decision, Outcome, backoff
from conversion_sync.sync.payloads import Payload, confirmed

__all__ = [
    "Claim",
    "briefly",
    "claim_rows",
    "expire_engagements",
    "log_calls",
    "persistently",
    "renew",
    "settle",
]

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: A row is FAILED for its faults only after so long.
PATIENCE = datetime.timedelta(days=1)

#: From so many counted tries on, a row shares its call with fewer others, in the end with none.
SUSPECT = 4

#: Why a row that outlived all its leases has failed.
GONE = "Every worker that sent it stopped before an answer came."


@dataclass
class Claim:
    """Rows held by one delivery, with what is to be sent of each.

    Attributes:
        refused: rows that can't be sent as they are, and why.
        settled: how many rows came to what; one that was edited meanwhile came to nothing yet.
    """

    model: type[SyncedModel]
    using: str
    token: uuid.UUID = field(default_factory=uuid.uuid4)
    rows: list[Any] = field(default_factory=list)
    payloads: dict[int, Payload] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    skipped: int = 0
    settled: Counter[Decision] = field(default_factory=Counter)

    @property
    def pks(self) -> list[int]:
        """The primary keys of the rows that are to be sent."""
        return [row.pk for row in self.rows]

    def table(self) -> Any:
        """All rows of the model, unmarked."""
        return self.model.unmarked.using(self.using)

    @property
    def taken(self) -> int:
        """How many rows this claim has dealt with or will."""
        return len(self.rows) + len(self.refused) + self.skipped


def persistently(function: Callable[P, T]) -> Callable[P, T]:
    """Run a transaction again when the database fails, for as long as a lease.

    An answer that came is never asked for twice.
    """
    return _again(function, lambda: conf.lease)


def briefly(function: Callable[P, T]) -> Callable[P, T]:
    """Run a transaction again when the database fails; what it does can be done later."""
    return _again(function, lambda: 5.0)


def _again(function: Callable[P, T], seconds: Callable[[], float]) -> Callable[P, T]:
    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        end, pause = time.monotonic() + seconds(), 0.05
        while True:
            try:
                return function(*args, **kwargs)
            except (OperationalError, InterfaceError):
                if time.monotonic() + pause > end:
                    raise
                logger.warning("The database failed; trying again.", exc_info=True)
                _reconnect()
                time.sleep(pause)
                pause = min(2.0, pause * 2)

    return wrapper


def _reconnect() -> None:
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


@briefly
def claim_rows(
    ready: QuerySet[Any],
    limit: int,
    payload: Callable[[Any], Payload],
) -> Claim:
    """Take up to ``limit`` ready rows, the urgent ones first, and stamp what will be sent.

    Args:
        ready: the rows that may be claimed, of ``unmarked``.
        payload: what is sent of a row; raises ValidationError for one that can't be.
    """
    claim = Claim(ready.model, ready.db)
    with transaction.atomic(using=claim.using):
        now = db_now(claim.using)
        pks = _lock(ready.filter(due_at__lte=now), limit)
        # The lock may have waited for, or skipped over, what made a row ready: look again.
        rows = list(ready.filter(pk__in=pks, due_at__lte=now).order_by("priority", "due_at", "pk"))
        _build(claim, rows, payload, now)
        _stamp(claim, now)
    if claim.refused:
        signals.row_failed.send_robust(sender=claim.model, pks=list(claim.refused))
    return claim


def _lock(ready: QuerySet[Any], limit: int) -> list[int]:
    pks: list[int] = []
    for priority in range(BULK + 1):
        rows = ready.filter(priority=priority).order_by("due_at", "pk")
        head = rows.values_list("attempts", flat=True).first()
        if head is None:
            continue
        # Rows that were tried before keep to themselves; suspects in ever smaller batches.
        most = limit if head < SUSPECT else max(1, limit // 8 ** (head - SUSPECT + 1))
        if pks and head:
            break
        locked = locking(rows.filter(attempts=head), skip_locked=True)
        pks += locked.values_list("pk", flat=True)[: min(most, limit - len(pks))]
        if head or len(pks) >= limit:
            break
    return pks


def _build(
    claim: Claim,
    rows: Sequence[Any],
    payload: Callable[[Any], Payload],
    now: datetime.datetime,
) -> None:
    unchanged, killers = [], []
    for row in rows:
        if row.claim is not None and _has_had_enough(row, now):
            killers.append(row.pk)
            continue
        try:
            built = payload(row)
        except Exception as error:  # one bad row never stops another: the row records it
            claim.refused[row.pk] = " ".join(getattr(error, "messages", None) or [repr(error)])
            continue
        if isinstance(row, Record) and row.remote_is_known and built == row.sent_payload:
            unchanged.append(row.pk)
            continue
        claim.rows.append(row)
        claim.payloads[row.pk] = built
    claim.skipped = len(unchanged)
    all_rows = claim.table()
    if unchanged:
        all_rows.filter(pk__in=unchanged).update(
            sent_revision=F("revision"), synced_revision=F("revision"), **_arrived()
        )
    for pk, message in claim.refused.items():
        all_rows.filter(pk=pk).update(**_failed("VALIDATION_ERROR", message))
    all_rows.filter(pk__in=killers).update(**_failed("NO_ANSWER", GONE))
    claim.refused |= dict.fromkeys(killers, GONE)


def _stamp(claim: Claim, now: datetime.datetime) -> None:
    stamps: dict[str, Any] = {
        "claim": claim.token,
        "sync_status": Status.SENDING,
        "due_at": now + datetime.timedelta(seconds=conf.lease),
        "last_attempt_at": now,
    }
    own: dict[str, dict[int, Any]] = {}
    if issubclass(claim.model, Record):
        stamps |= {"sent_revision": F("revision"), "sent_key": F("key")}
        own["sent_payload"] = claim.payloads
        for row in claim.rows:
            row.sent_revision, row.sent_key = row.revision, row.key
    if issubclass(claim.model, SubscriptionChange):
        own["address"] = _addresses(claim)
    # A lease that ran out is a try like any other: what kills its workers ends up alone.
    again = {"attempts": F("attempts") + 1, "failing_since": _since(now)}
    taken_over = {row.pk for row in claim.rows if row.claim is not None}
    _write(claim, set(claim.pks) - taken_over, stamps, own)
    _write(claim, taken_over, stamps | again, own)


def _addresses(claim: Claim) -> dict[int, str]:
    """A change goes to the key that its contact has now."""
    moved = {}
    for row in claim.rows:
        if row.contact is not None and row.address != row.contact.key:
            moved[row.pk] = row.address = row.contact.key
            claim.payloads[row.pk]["email"] = row.address
    return moved


def _write(
    claim: Claim,
    pks: Collection[int],
    columns: dict[str, Any],
    own: dict[str, dict[int, Any]],
) -> None:
    """Write columns of rows: the same for all, and ``own``, by name and primary key, for each.

    No transaction writes a row of a claim twice. PostgreSQL would look at its references once
    more when the transaction ends, and would wait there, with the rows locked, for a host that
    holds the contact or the company: a deadlock, as soon as the host wants one of these rows.
    """
    if not pks:
        return
    for name, values in own.items():
        if here := {pk: value for pk, value in values.items() if pk in pks}:
            columns = columns | {name: _each(claim, name, here)}
    claim.table().filter(pk__in=pks).update(**columns)


def _each(claim: Claim, name: str, values: dict[int, Any]) -> Any:
    """The assignment of a column that differs from row to row."""
    column: Any = claim.model._meta.get_field(name)
    cases = [When(pk=pk, then=Value(value, column)) for pk, value in values.items()]
    chosen = Case(*cases, default=F(name), output_field=column)
    casted = connections[claim.using].features.requires_casted_case_in_updates
    return Cast(chosen, column) if casted else chosen


def _held(claim: Claim, pks: Collection[int]) -> QuerySet[Any]:
    """Those of the rows that this claim still holds, as they were stamped."""
    rows: QuerySet[Any] = claim.table().filter(claim=claim.token, pk__in=pks)
    if issubclass(claim.model, Record):
        rows = rows.filter(sent_key__isnull=False, sent_revision__gt=DOUBT)
    return rows


@briefly
def renew(claim: Claim, pks: Collection[int]) -> set[int]:
    """Begin a new lease for what the claim still holds. Returns the primary keys of that.

    A row whose key was changed meanwhile is not among them: its deletion is due when the old
    lease is over, so nothing may be sent of it later than that.
    """
    with transaction.atomic(using=claim.using):
        now = db_now(claim.using)
        rows = locking(_held(claim, pks).order_by("pk"), skip_locked=True)
        locked = set(rows.values_list("pk", flat=True))
        claim.table().filter(pk__in=locked).update(
            due_at=now + datetime.timedelta(seconds=conf.lease)
        )
    return locked


def log_calls(using: str, records: Sequence[CallRecord | None]) -> list[int | None]:
    """Write lines of the call log. A log that fails costs nothing but its lines."""
    lines = [
        ApiCall(
            endpoint=record.endpoint,
            rows=record.rows,
            started_at=datetime.datetime.fromtimestamp(record.started_at, datetime.UTC),
            duration_ms=round(record.duration * 1000),
            http_status=record.status,
            error_code=_storable(record.error_code),
            error_message=_storable(record.error_message),
        )
        for record in records
        if record is not None
    ]
    try:
        with transaction.atomic(using=using):
            written = iter(ApiCall.objects.using(using).bulk_create(lines))
    except (DatabaseError, InterfaceError):
        logger.warning("The call log could not be written.", exc_info=True)
        return [None] * len(records)
    return [None if record is None else next(written).pk for record in records]


def settle(claim: Claim, outcomes: dict[int, Outcome]) -> int:
    """Write what came of rows of this claim.

    Rows locked by somebody else are tried again, so that a host's transaction is never the
    victim of a deadlock. Rows that the claim no longer holds are left alone.

    Args:
        outcomes: by primary key.

    Returns:
        The number of rows written.
    """
    rest, written, end, pause = set(outcomes), 0, time.monotonic() + conf.lease, 0.01
    while rest:
        done = _settle_unlocked(claim, {pk: outcomes[pk] for pk in rest})
        written += len(done)
        rest -= done
        if not rest or time.monotonic() > end:
            break
        rest = _still_claimed(claim, rest)
        if rest:
            time.sleep(pause)
            pause = min(0.5, pause * 2)
    return written


@persistently
def _still_claimed(claim: Claim, pks: Collection[int]) -> set[int]:
    rows = claim.table().filter(claim=claim.token, pk__in=pks)
    return set(rows.values_list("pk", flat=True))


@persistently
def _settle_unlocked(claim: Claim, outcomes: dict[int, Outcome]) -> set[int]:
    settled = defaultdict[Decision, list[int]](list)
    with transaction.atomic(using=claim.using):
        rows = claim.table().filter(claim=claim.token, pk__in=list(outcomes))
        locked = list(locking(rows.order_by("pk"), skip_locked=True))
        now = db_now(claim.using)
        _Settling(claim, now).write([(row, outcomes[row.pk]) for row in locked], settled)
    claim.settled.update({decision: len(pks) for decision, pks in settled.items()})
    for decision, signal in (
        (Decision.SYNCED, signals.row_synced),
        (Decision.FAILED, signals.row_failed),
    ):
        if settled[decision]:
            signal.send_robust(sender=claim.model, pks=settled[decision])
    return {row.pk for row in locked}


def _storable(text: str) -> str:
    """A text of the vendor's as any database can hold it."""
    return text.encode(errors="replace").decode().replace("\0", "")


def _arrived() -> dict[str, Any]:
    return _free() | {
        "sync_status": Status.SYNCED,
        "due_at": None,
        "last_error_code": "",
        "last_error_message": "",
    }


def _free() -> dict[str, Any]:
    """No claim, no failures, nobody waiting."""
    return {"claim": None, "attempts": 0, "failing_since": None, "priority": BULK}


def _failed(code: str, message: str) -> dict[str, Any]:
    return _free() | {
        "sync_status": Status.FAILED,
        "due_at": None,
        "last_error_code": _storable(code)[:64],
        "last_error_message": _storable(message),
    }


def _has_had_enough(row: Any, now: datetime.datetime) -> bool:
    """Whether one more counted try is the last: after many of them, and a day."""
    return (
        row.attempts + 1 >= conf.max_attempts
        and row.failing_since is not None
        and now - row.failing_since >= PATIENCE
    )


def _since(now: datetime.datetime) -> Coalesce:
    return Coalesce(F("failing_since"), Value(now, output_field=models.DateTimeField()))


class _Settling:
    """The writing of one settling, inside its transaction, on locked rows."""

    def __init__(self, claim: Claim, now: datetime.datetime) -> None:
        self.claim, self.now = claim, now
        self.is_record = issubclass(claim.model, Record)
        self.stamps = {row.pk: row for row in claim.rows}

    def write(
        self, rows: Sequence[tuple[Any, Outcome]], settled: dict[Decision, list[int]]
    ) -> None:
        """Group the rows by what is written of them, and write each group at once."""
        decided = [(row, replace(o, decision=self._decide(row, o))) for row, o in rows]
        opt_outs = self._standing_opt_outs(decided)
        groups = defaultdict[tuple[Outcome, int, bool, bool], list[Any]](list)
        for row, outcome in decided:
            changed = self.is_record and self._is_changed(row)
            shared = replace(outcome, remote_id="")
            groups[shared, row.attempts, changed, row.pk in opt_outs].append(row)
            if not changed:
                settled[outcome.decision].append(row.pk)
        names = {row.pk: _storable(outcome.remote_id)[:255] for row, outcome in decided}
        for (outcome, attempts, changed, is_out), members in groups.items():
            columns = self._columns(outcome, attempts)
            if changed:
                columns |= self._due_again(PERSON if is_out else F("priority"))
            if is_out:
                columns["subscription_status"] = Subscription.UNSUBSCRIBED
            own = self._own(members, names) if outcome.decision is Decision.SYNCED else {}
            _write(self.claim, {row.pk for row in members}, columns, own)
        if opt_outs:
            SubscriptionChange.enter(self.claim.using, opt_outs.values())

    def _decide(self, row: Any, outcome: Outcome) -> Decision:
        if self.is_record and not self._is_as_stamped(row) and row.pk in self.stamps:
            return Decision.HOLD
        decision = outcome.decision
        if decision is Decision.UNCONFIRMED and conf.resend_in_doubt:
            decision = Decision.RETRY
        if decision is Decision.RETRY and outcome.counts and _has_had_enough(row, self.now):
            return Decision.FAILED
        return decision

    def _is_as_stamped(self, row: Any) -> bool:
        stamp = self.stamps.get(row.pk)
        return (
            stamp is not None
            and row.sent_revision == stamp.sent_revision
            and row.sent_key == stamp.sent_key
        )

    def _is_changed(self, row: Any) -> bool:
        """Whether the row was changed since it was claimed, so that it is due again."""
        stamp = self.stamps.get(row.pk)
        return stamp is not None and (
            row.revision != stamp.revision or not self._is_as_stamped(row)
        )

    def _due_again(self, priority: Any) -> dict[str, Any]:
        return {
            "sync_status": Status.PENDING,
            "due_at": self.now,
            "attempts": 0,
            "failing_since": None,
            "priority": priority,
        }

    def _columns(self, outcome: Outcome, attempts: int) -> dict[str, Any]:
        columns = self._state(outcome, attempts)
        if outcome.call is not None:
            columns["last_call_id"] = outcome.call
        if outcome.decision is Decision.SYNCED and self.is_record:
            columns["synced_revision"] = F("sent_revision")
            if outcome.created and issubclass(self.claim.model, Contact):
                columns["remote_created_at"] = self.now
        return columns

    def _state(self, outcome: Outcome, attempts: int) -> dict[str, Any]:
        error = {
            "last_error_code": _storable(outcome.code)[:64],
            "last_error_message": _storable(outcome.message),
        }
        match outcome.decision:
            case Decision.SYNCED:
                return _arrived() | {"last_synced_at": self.now}
            case Decision.SUPERSEDED:
                return _arrived() | error | {"sync_status": Status.SUPERSEDED}
            case Decision.FAILED:
                return _failed(outcome.code, outcome.message)
            case Decision.UNCONFIRMED:
                # The claim stays: a definite answer that comes late is still taken.
                return error | {"sync_status": Status.UNCONFIRMED, "due_at": None}
            case Decision.RETRY:
                return error | self._again(outcome, attempts)
            case _:
                waiting = {"sync_status": Status.PENDING, "claim": None, "due_at": self.now}
                return waiting | (error if outcome.code else {})

    def _again(self, outcome: Outcome, attempts: int) -> dict[str, Any]:
        # One wait for all rows of the batch: else they would come back one by one.
        wait = backoff(attempts, conf.backoff, conf.backoff_max)
        return {
            "sync_status": Status.PENDING,
            "claim": None,
            "due_at": self.now + datetime.timedelta(seconds=wait),
            "attempts": attempts + outcome.counts,
            "failing_since": _since(self.now),
        }

    def _own(self, rows: Sequence[Any], names: dict[int, str]) -> dict[str, dict[int, Any]]:
        """How the vendor calls each of the rows, and what it has of them, where that is new."""
        own: dict[str, dict[int, Any]] = {
            "remote_id": {r.pk: names[r.pk] for r in rows if names[r.pk] not in ("", r.remote_id)}
        }
        if self.is_record:
            payloads = self.claim.payloads
            there = {row.pk: confirmed(payloads[row.pk]) for row in rows}
            own["sent_payload"] = {pk: p for pk, p in there.items() if p != payloads[pk]}
        return own

    def _standing_opt_outs(
        self, decided: Sequence[tuple[Any, Outcome]]
    ) -> dict[int, SubscriptionChange]:
        """A record that is new in Conversion has to be told of the opt-out that stands here."""
        contacts = [
            row
            for row, outcome in decided
            if isinstance(row, Contact)
            and outcome.decision is Decision.SYNCED
            and (outcome.created or not row.synced_revision)
        ]
        if not contacts:
            return {}
        using = self.claim.using
        unsent = set(
            SubscriptionChange.objects.using(using)
            .opt_outs()
            .filter(contact__in=[c.pk for c in contacts], sync_status=Status.PENDING, claim=None)
            .values_list("contact_id", flat=True)
        )
        standing = SubscriptionChange.standing_opt_outs(using, [(c.pk, c.key) for c in contacts])
        return {
            contact.pk: SubscriptionChange(
                contact_id=contact.pk,
                address=contact.key,
                status=Subscription.UNSUBSCRIBED,
                previous_status=contact.subscription_status,
                requested_by=opt_out.requested_by,
                source="standing opt-out",
                reason=opt_out.reason,
            )
            for contact, opt_out in zip(contacts, standing, strict=True)
            if opt_out is not None and contact.pk not in unsent
        }


def expire_engagements(using: str) -> int:
    """An engagement whose worker never came back may have arrived. Returns their number."""
    rows = Engagement.unmarked.using(using).filter(
        sync_status=Status.SENDING, claim__isnull=False, due_at__lte=DbNow()
    )
    return _expire(rows.order_by("pk")) if rows.exists() else 0


@briefly
def _expire(rows: QuerySet[Any]) -> int:
    spent: list[int] = []
    with transaction.atomic(using=rows.db):
        now = db_now(rows.db)
        locked = list(locking(rows, skip_locked=True))
        if conf.resend_in_doubt:
            # A lease that ran out is a try like any other: what kills its workers fails in the end.
            spent = [row.pk for row in locked if _has_had_enough(row, now)]
        table: QuerySet[Any] = Engagement.unmarked.using(rows.db)
        table.filter(pk__in=spent).update(**_failed("NO_ANSWER", GONE))
        table.filter(pk__in={row.pk for row in locked} - {*spent}).update(**_expired(now))
    if spent:
        signals.row_failed.send_robust(sender=Engagement, pks=spent)
    return len(locked)


def _expired(now: datetime.datetime) -> dict[str, Any]:
    """What becomes of an engagement in doubt."""
    if conf.resend_in_doubt:
        return {
            "sync_status": Status.PENDING,
            "claim": None,
            "attempts": F("attempts") + 1,
            "failing_since": _since(now),
        }
    return {
        "sync_status": Status.UNCONFIRMED,
        "due_at": None,
        "last_error_code": "NO_ANSWER",
        "last_error_message": "The worker that was sending it stopped before an answer came.",
    }
