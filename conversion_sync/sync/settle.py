"""Settling what came of a claim's rows.

It writes only where the claim still stands and, for records, where the revision that was stamped
before the call still does.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from django.db import models
from django.db.models import Case, F, Q, QuerySet, Value, When

from conversion_sync import signals
from conversion_sync.api.errors import ErrorCode
from conversion_sync.conf import conf
from conversion_sync.models import (
    Contact,
    Deletion,
    Engagement,
    Record,
    Status,
    SubscriptionChange,
)
from conversion_sync.models.clock import DbNow, db_now
from conversion_sync.models.contact_table import lock_free
from conversion_sync.models.locking import locking
from conversion_sync.models.messages import Message, stored
from conversion_sync.models.state import PERSON
from conversion_sync.models.subscription import OUT
from conversion_sync.records.last_sent import payload_of
from conversion_sync.sync import reentry
from conversion_sync.sync.claim import Claim, write
from conversion_sync.sync.error_text import in_words, is_of_the_database
from conversion_sync.sync.outcomes import Decision, Outcome, backoff
from conversion_sync.sync.retry import retried, retried_for_a_lease
from conversion_sync.sync.states import (
    GONE,
    arrived,
    failed,
    has_had_enough,
    in_seconds,
    since,
    storable,
)
from conversion_sync.sync.transactions import short_transaction
from conversion_sync.sync.waiting import release_behind

logger = logging.getLogger(__name__)

__all__ = ["expire_engagements", "settle"]


def settle(claim: Claim, outcomes: dict[int, Outcome]) -> int:
    """Write what came of rows of this claim.

    Rows locked by somebody else are not waited for, so that a host's transaction is never the
    victim of a deadlock, and keeps no other row: they become the claim's ``unsettled``, for another
    call of this. Rows that the claim no longer holds are left alone.

    Args:
        outcomes: by primary key. What is ``unsettled`` is tried again with them, as it is there.

    Returns:
        The number of rows written.
    """
    outcomes = outcomes | claim.unsettled
    done = _settle_what_can_be(claim, outcomes)
    release_behind(claim.model, claim.using, done)
    left = set(outcomes) - done
    still = _still_claimed(claim, left) if left else left
    claim.unsettled = {pk: outcomes[pk] for pk in still}
    return len(done)


@retried_for_a_lease
def _still_claimed(claim: Claim, pks: Collection[int]) -> set[int]:
    rows = claim.table().filter(claim=claim.token, pk__in=pks)
    return set(rows.values_list("pk", flat=True))


def _settle_what_can_be(claim: Claim, outcomes: dict[int, Outcome]) -> set[int]:
    """Settle the rows together or, where that raises, in halves, down to the one at fault."""
    try:
        return _settle_unlocked(claim, outcomes)
    except Exception as error:  # whatever a row does is that row's fault
        if is_of_the_database(error):
            raise
        if len(outcomes) == 1:
            logger.warning("What came of a row can't be kept.", exc_info=error)
            return _blame(claim, outcomes, error)
    pks = sorted(outcomes)
    halves = (pks[: len(pks) // 2], pks[len(pks) // 2 :])
    return set().union(
        *(_settle_what_can_be(claim, {pk: outcomes[pk] for pk in half}) for half in halves)
    )


@retried_for_a_lease
def _blame(claim: Claim, outcomes: dict[int, Outcome], error: Exception) -> set[int]:
    """Record on a row that what came of it can't be kept."""
    columns = failed(ErrorCode.UNSENDABLE, in_words(error))
    if issubclass(claim.model, Engagement):
        # It may have arrived: nobody is to send it again without having looked.
        columns = {name: columns[name] for name in ("last_error_code", "last_error_message")}
        columns |= {"sync_status": Status.UNCONFIRMED, "due_at": None}
    rows = claim.table().filter(claim=claim.token, pk__in=list(outcomes))
    with short_transaction(claim.using):
        locked = list(locking(rows, skip_locked=True).values_list("pk", flat=True))
        claim.table().filter(pk__in=locked).update(**columns)
    if not issubclass(claim.model, Engagement) and locked:
        claim.settled[Decision.FAILED] += len(locked)
        signals.row_failed.send_robust(sender=claim.model, pks=locked)
    return set(locked)


@retried_for_a_lease
def _settle_unlocked(claim: Claim, outcomes: dict[int, Outcome]) -> set[int]:
    settled = defaultdict[Decision, list[int]](list)
    with short_transaction(claim.using):
        rows = claim.table().filter(claim=claim.token, pk__in=list(outcomes))
        # Only what is looked at: what a row says may have become such that it can't be loaded.
        needed = rows.order_by("pk").only(*_needed(claim.model))
        locked = list(locking(needed, skip_locked=True))
        stale = set[int]()
        if issubclass(claim.model, SubscriptionChange):
            locked, stale = _with_free_contacts(claim.using, locked, outcomes)
        _Settling(claim).write([(row, outcomes[row.pk]) for row in locked], settled)
        if stale:
            SubscriptionChange.reflect(claim.using, stale)
    claim.settled.update({decision: len(pks) for decision, pks in settled.items()})
    for decision, signal in (
        (Decision.SYNCED, signals.row_synced),
        (Decision.FAILED, signals.row_failed),
    ):
        if settled[decision]:
            signal.send_robust(sender=claim.model, pks=settled[decision])
    return {row.pk for row in locked}


def _needed(model: type[Any]) -> Sequence[str]:
    """The columns that settling reads of a row."""
    names = ["pk", "attempts", "failing_since", "revision", "remote_id", "sync_status"]
    if issubclass(model, Record):
        names += ["key", "sent_key", "sent_revision", "synced_revision"]
    if issubclass(model, Contact):
        names += ["email", "subscription_status"]
    if issubclass(model, SubscriptionChange):
        names += ["contact", "status"]
    return names


def _with_free_contacts(
    using: str, changes: Sequence[Any], outcomes: Mapping[int, Outcome]
) -> tuple[list[Any], set[int]]:
    """Lock the contacts whose columns may say something else once these changes are settled.

    Who holds one of them is not waited for: to delete it, he would want these changes.

    Returns:
        The changes whose contacts are not held by others, and the contacts that were locked.
    """
    lifted, held = set[int](), set[int]()
    for row in changes:
        if row.contact_id and not row.is_opt_out:
            arrived_there = outcomes[row.pk].decision is Decision.SYNCED
            (lifted if arrived_there else held).add(row.contact_id)
    if not lifted and not held:
        return [*changes], set()
    is_out = Q(subscription_status=OUT)
    stale = Contact.unmarked.using(using).filter(Q(is_out, pk__in=lifted) | Q(~is_out, pk__in=held))
    pks = {*stale.values_list("pk", flat=True)}
    free = lock_free(using, pks)
    return [row for row in changes if row.contact_id not in pks - free], free


class _Settling:
    """The writing of one settling, inside its transaction, on locked rows."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.is_record = issubclass(claim.model, Record)
        self.stamps = {row.pk: row for row in claim.rows}

    def write(
        self, rows: Sequence[tuple[Any, Outcome]], settled: dict[Decision, list[int]]
    ) -> None:
        """Group the rows by what is written of them, and write each group at once."""
        decided = [(row, replace(o, decision=self._decide(row, o))) for row, o in rows]
        opt_outs = self._standing_opt_outs(decided)
        groups = defaultdict[tuple[Outcome, int, bool, bool], dict[int, Outcome]](dict)
        for row, outcome in decided:
            changed = self.is_record and self._is_changed(row)
            # What was changed may say something else by now: see ``_still_unstorable``.
            shared = outcome if changed else _without_words(outcome)
            key = (replace(shared, remote_id=""), row.attempts, changed, row.pk in opt_outs)
            groups[key][row.pk] = outcome
            if not changed:
                settled[outcome.decision].append(row.pk)
        remote_ids = {row.pk: row.remote_id for row, _ in decided}
        for (_, attempts, changed, is_out), outcomes in groups.items():
            columns = self._columns(next(iter(outcomes.values())), attempts)
            own = self._own(outcomes, remote_ids)
            if changed:
                columns |= self._due_again(F("priority")) | _still_unstorable(columns)
            else:
                own |= _words(outcomes)
            if is_out:
                columns["subscription_status"] = OUT
                if columns["due_at"] is not None:
                    # The opt-out may have to wait for it.
                    columns["priority"] = PERSON
            write(self.claim, outcomes.keys(), columns, own)
        if opt_outs:
            reentry.enter(self.claim.using, opt_outs.values())

    def _decide(self, row: Any, outcome: Outcome) -> Decision:
        if self.is_record and not self._is_as_stamped(row) and row.pk in self.stamps:
            return Decision.HOLD
        decision = outcome.decision
        if decision is Decision.UNCONFIRMED and conf.resend_in_doubt:
            decision = Decision.RETRY
        may_fail = outcome.counts and not outcome.endless
        if decision is Decision.RETRY and may_fail and has_had_enough(row, self.claim.clock):
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
            "due_at": DbNow(),
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
                columns["remote_created_at"] = DbNow()
        if outcome.decision is Decision.SYNCED and issubclass(self.claim.model, Deletion):
            columns["forgotten"] = None
        return columns

    def _state(self, outcome: Outcome, attempts: int) -> dict[str, Any]:
        error = {
            "last_error_code": storable(outcome.code)[:64],
            "last_error_message": storable(outcome.message),
        }
        match outcome.decision:
            case Decision.SYNCED:
                return arrived() | {"last_synced_at": DbNow()}
            case Decision.SUPERSEDED:
                return arrived() | error | {"sync_status": Status.SUPERSEDED}
            case Decision.FAILED:
                return failed(outcome.code, outcome.message)
            case Decision.UNCONFIRMED:
                # The claim stays: a definite answer that comes late is still taken.
                return error | {"sync_status": Status.UNCONFIRMED, "due_at": None}
            case Decision.RETRY:
                return error | self._again(outcome, attempts)
            case _:
                waiting = {"sync_status": Status.PENDING, "claim": None, "due_at": DbNow()}
                return waiting | (error if outcome.code else {})

    def _again(self, outcome: Outcome, attempts: int) -> dict[str, Any]:
        # One wait for all rows of the batch: else they would come back one by one.
        wait = backoff(attempts, conf.backoff, conf.backoff_max)
        return {
            "sync_status": Status.PENDING,
            "claim": None,
            "due_at": in_seconds(wait),
            "attempts": attempts + outcome.counts,
            "failing_since": since(),
        }

    def _own(
        self, outcomes: Mapping[int, Outcome], remote_ids: Mapping[int, str]
    ) -> dict[str, dict[int, Any]]:
        """How the vendor calls each of the rows, and what it has of them, where that is new.

        Args:
            remote_ids: what the vendor called the rows before.
        """
        arrived = [pk for pk, made in outcomes.items() if made.decision is Decision.SYNCED]
        names = {pk: storable(outcomes[pk].remote_id)[:255] for pk in arrived}
        own: dict[str, dict[int, Any]] = {
            "remote_id": {pk: n for pk, n in names.items() if n not in ("", remote_ids[pk])}
        }
        if self.is_record:
            payloads = self.claim.payloads
            # What was cleared is done with, now that it is confirmed.
            own["sent_payload"] = {
                pk: payload_of(payloads[pk].without_cleared())
                for pk in arrived
                if payloads[pk].cleared
            }
        return own

    def _standing_opt_outs(
        self, decided: Sequence[tuple[Any, Outcome]]
    ) -> dict[int, SubscriptionChange]:
        """A record that may be new in Conversion has to be told of the opt-out that stands here."""
        if not issubclass(self.claim.model, Contact):
            return {}
        new = [row for row, outcome in decided if self._may_be_new(row, outcome)]
        return reentry.opt_outs_again(self.claim.using, new) if new else {}

    def _may_be_new(self, row: Contact, outcome: Outcome) -> bool:
        """Whether the call may have brought the record into being."""
        if outcome.decision is Decision.SYNCED and (
            outcome.created or not row.synced_revision or row.pk in self.claim.doubtful
        ):
            return True
        return outcome.in_doubt and self._is_as_stamped(row)


def _without_words(outcome: Outcome) -> Outcome:
    """The outcome without what it says; whether it says anything is left."""
    return replace(outcome, code="?" if outcome.code else "", message="")


def _words(outcomes: Mapping[int, Outcome]) -> dict[str, dict[int, Any]]:
    """What is said of each of the rows, where that is not the same of all."""
    said = {(made.code, made.message) for made in outcomes.values()}
    if len(said) == 1 or any(made.decision is Decision.SYNCED for made in outcomes.values()):
        return {}
    return {
        "last_error_code": {pk: storable(made.code)[:64] for pk, made in outcomes.items()},
        "last_error_message": {pk: storable(made.message) for pk, made in outcomes.items()},
    }


def _still_unstorable(columns: Mapping[str, Any]) -> dict[str, Any]:
    """What a row says that was given, in flight, what can't be stored: its next claim reads it."""
    names = ("last_error_code", "last_error_message")
    stays = Q(last_error_code=ErrorCode.UNSTORABLE)
    return {
        name: Case(
            When(stays, then=F(name)),
            default=Value(columns[name]),
            output_field=models.TextField(),
        )
        for name in names
        if name in columns
    }


def expire_engagements(using: str) -> int:
    """An engagement whose worker never came back may have arrived. Returns their number."""
    rows = Engagement.unmarked.using(using).filter(
        sync_status=Status.SENDING, claim__isnull=False, due_at__lte=DbNow()
    )
    return _expire(rows.order_by("pk")) if rows.exists() else 0


@retried
def _expire(rows: QuerySet[Any]) -> int:
    spent: list[int] = []
    with short_transaction(rows.db):
        locked = list(locking(rows.only("pk", "attempts", "failing_since"), skip_locked=True))
        if conf.resend_in_doubt:
            # A lease that ran out is a try like any other: what kills its workers fails in the end.
            spent = [row.pk for row in locked if has_had_enough(row, partial(db_now, rows.db))]
        table: QuerySet[Any] = Engagement.unmarked.using(rows.db)
        table.filter(pk__in=spent).update(**failed(ErrorCode.NO_ANSWER, GONE))
        table.filter(pk__in={row.pk for row in locked} - {*spent}).update(**_expired())
    if spent:
        signals.row_failed.send_robust(sender=Engagement, pks=spent)
    return len(locked)


def _expired() -> dict[str, Any]:
    """What becomes of an engagement in doubt."""
    error = {
        "last_error_code": ErrorCode.NO_ANSWER,
        "last_error_message": stored(Message.WORKER_STOPPED),
    }
    if conf.resend_in_doubt:
        return error | {
            "sync_status": Status.PENDING,
            "claim": None,
            "attempts": F("attempts") + 1,
            "failing_since": since(),
        }
    return error | {"sync_status": Status.UNCONFIRMED, "due_at": None}
