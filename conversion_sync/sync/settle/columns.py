"""What is written of a row for what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db import models
from django.db.models import Case, F, Q, Value, When

from conversion_sync.api.errors import ErrorCode
from conversion_sync.sync.outcomes import Decision, Outcome
from conversion_sync.sync.states import storable

__all__ = ["own_words", "still_unstorable", "without_words"]


def without_words(outcome: Outcome) -> Outcome:
    """The outcome without what it says; whether it says anything is left."""
    return replace(outcome, code="?" if outcome.code else "", message="")


def own_words(outcomes: Mapping[int, Outcome]) -> dict[str, dict[int, Any]]:
    """What is said of each of the rows, where that is not the same of all."""
    said = {(made.code, made.message) for made in outcomes.values()}
    if len(said) == 1 or any(made.decision is Decision.SYNCED for made in outcomes.values()):
        return {}
    return {
        "last_error_code": {pk: storable(made.code)[:64] for pk, made in outcomes.items()},
        "last_error_message": {pk: storable(made.message) for pk, made in outcomes.items()},
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
