"""What is written of a row for what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.db.models import Case, F, Q, Value, When

from conversion_sync.api.errors import ErrorCode
from conversion_sync.conf import conf
from conversion_sync.models import Status, SyncedModel
from conversion_sync.models.clock import DbNow
from conversion_sync.sync.outcomes import Decision, Outcome, backoff
from conversion_sync.sync.states import arrived, failed, in_seconds, since, vendor_text

__all__ = ["columns_of", "due_again", "own_words", "still_unstorable", "written_alike"]


def columns_of(model: type[SyncedModel], outcome: Outcome, attempts: int) -> dict[str, Any]:
    """What is written of a row that came to this.

    Args:
        attempts: the tries that counted before.
    """
    columns = _state(outcome, attempts)
    if outcome.call is not None:
        columns["last_call_id"] = outcome.call
    if outcome.decision is Decision.SYNCED:
        columns |= model.arrival(created=outcome.created)
    elif outcome.in_doubt:
        columns |= model.doubt()
    return columns


def due_again() -> dict[str, Any]:
    """What is written of a row that was changed since it was claimed, besides what came of it."""
    return {
        "sync_status": Status.PENDING,
        "due_at": DbNow(),
        "attempts": 0,
        "failing_since": None,
        "priority": F("priority"),
    }


def _state(outcome: Outcome, attempts: int) -> dict[str, Any]:
    error = {
        "last_error_code": vendor_text(outcome.code)[:64],
        "last_error_message": vendor_text(outcome.message),
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
            return error | _again(outcome, attempts)
        case _:
            waiting = {"sync_status": Status.PENDING, "claim": None, "due_at": DbNow()}
            return waiting | (error if outcome.code else {})


def _again(outcome: Outcome, attempts: int) -> dict[str, Any]:
    # One wait for all rows of the batch: else they would come back one by one.
    wait = backoff(attempts, conf.backoff, conf.backoff_max)
    return {
        "sync_status": Status.PENDING,
        "claim": None,
        "due_at": in_seconds(wait),
        "attempts": attempts + outcome.counts,
        "failing_since": since(),
    }


def written_alike(outcome: Outcome, *, words: bool) -> tuple[object, ...]:
    """What is the same of outcomes that are written together: all but what each row has its own.

    Args:
        words: what is said is the same, too; else only whether anything is said.
    """
    said = (outcome.code, outcome.message) if words else bool(outcome.code)
    flags = (outcome.created, outcome.in_doubt, outcome.counts, outcome.endless)
    return (outcome.decision, outcome.call, said, flags)


def own_words(outcomes: Mapping[int, Outcome]) -> dict[str, dict[int, Any]]:
    """What is said of each of the rows, where that is not the same of all."""
    said = {(made.code, made.message) for made in outcomes.values()}
    if len(said) == 1 or any(made.decision is Decision.SYNCED for made in outcomes.values()):
        return {}
    return {
        "last_error_code": {pk: vendor_text(made.code)[:64] for pk, made in outcomes.items()},
        "last_error_message": {pk: vendor_text(made.message) for pk, made in outcomes.items()},
    }


def still_unstorable(columns: Mapping[str, Any]) -> dict[str, Any]:
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
