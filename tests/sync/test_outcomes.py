"""The table of DESIGN.md, "From error to decision", cell by cell."""

from __future__ import annotations

import pytest

from conversion_sync.api import errors as api
from conversion_sync.status.messages import in_words
from conversion_sync.sync.outcomes import (
    Decision,
    Effect,
    Operation,
    backoff,
    decide,
    decide_deletion,
    effect,
    is_stray,
    splits,
)

SYNCED, FAILED, HOLD, RETRY, UNCONFIRMED, PUSH_CONTACT = (
    Decision.SYNCED,
    Decision.FAILED,
    Decision.HOLD,
    Decision.RETRY,
    Decision.UNCONFIRMED,
    Decision.PUSH_CONTACT,
)

#: What came; what becomes of an upsert, a deletion, a subscription and an engagement.
TABLE = [
    (api.ValidationFailed("no"), (FAILED, FAILED, FAILED, FAILED)),
    (api.Duplicate("no"), (FAILED, FAILED, FAILED, FAILED)),
    (api.NotFound("no"), (RETRY, SYNCED, PUSH_CONTACT, PUSH_CONTACT)),
    (api.RateLimited("no"), (HOLD, HOLD, HOLD, HOLD)),
    (api.Unauthorized("no"), (HOLD, HOLD, HOLD, HOLD)),
    (api.Redirected("no"), (HOLD, HOLD, HOLD, HOLD)),
    (api.NotSent("no"), (RETRY, RETRY, RETRY, RETRY)),
    (api.Withheld("no"), (HOLD, HOLD, HOLD, HOLD)),
    (api.ServerError("no"), (RETRY, RETRY, RETRY, UNCONFIRMED)),
    (api.Unavailable("no", status=503), (HOLD, HOLD, HOLD, HOLD)),
    *(
        (api.ContentRefused("no", status=status), (RETRY,) * 4)
        for status in (400, 403, 405, 413, 414, 422, 431)
    ),
    (api.ForeignAnswer("no", status=404), (RETRY, RETRY, RETRY, FAILED)),
    (api.ForeignAnswer("no", status=418), (RETRY, RETRY, RETRY, FAILED)),
    (api.Bug("no"), (RETRY, RETRY, RETRY, UNCONFIRMED)),
    (api.Refused("no", status=403), (RETRY, RETRY, RETRY, FAILED)),
    (api.Refused("no", code="TEAPOT", status=418), (RETRY, RETRY, RETRY, FAILED)),
    (api.NoAnswer("no"), (RETRY, RETRY, RETRY, UNCONFIRMED)),
    (api.NoAnswer("no", status=502), (RETRY, RETRY, RETRY, UNCONFIRMED)),
]

CELLS = [
    pytest.param(error, kind, decision, id=f"{error.code}-{error.status}-{kind.value}")
    for error, row in TABLE
    for kind, decision in zip(Operation, row, strict=True)
]


def test_the_table_speaks_of_every_error_there_is():
    def leaves(cls: type[Exception]) -> set[type[Exception]]:
        below = cls.__subclasses__()
        return {leaf for sub in below for leaf in leaves(sub)} if below else {cls}

    assert {type(error) for error, _ in TABLE} == leaves(api.ConversionError)


@pytest.mark.parametrize(("error", "kind", "decision"), CELLS)
def test_what_becomes_of_a_row(error, kind, decision):
    made = decide(error, kind)
    assert made.decision is decision
    assert (made.code, made.message) == (error.code, "no")


@pytest.mark.parametrize("kind", [Operation.SUBSCRIPTION, Operation.ENGAGEMENT])
def test_a_contact_is_pushed_again_for_a_row_once(kind):
    assert decide(api.NotFound("no"), kind, again=True).decision is FAILED


@pytest.mark.parametrize("kind", Operation)
def test_a_content_that_is_refused_is_the_rows_fault_where_others_arrive(kind):
    made = decide(api.ContentRefused("no"), kind, others_arrive=True)
    assert (made.decision, made.code) == (FAILED, "CONTENT_REFUSED")


@pytest.mark.parametrize("kind", Operation)
def test_a_content_that_is_refused_where_none_arrives_is_tried_for_ever(kind):
    assert decide(api.ContentRefused("no"), kind).endless
    assert not decide(api.ServerError("no"), kind).endless


STRAY = api.ForeignAnswer("no Route matched", status=404)


@pytest.mark.parametrize(
    ("error", "stray"),
    [
        (STRAY, True),
        (api.ForeignAnswer("no", status=410), False),
        (api.NotFound("no", status=404), False),
        (api.NoAnswer("no"), False),
        (None, False),
    ],
)
def test_which_404_says_nothing(error, stray):
    assert is_stray(error) is stray


@pytest.mark.parametrize(
    ("asked", "decision", "code"),
    [
        (api.NotFound("gone"), SYNCED, ""),
        (None, RETRY, "FOREIGN_ANSWER"),
        (STRAY, FAILED, "FOREIGN_ANSWER"),
        (api.ForeignAnswer("no", status=410), FAILED, "FOREIGN_ANSWER"),
        (api.ContentRefused("no", status=403), FAILED, "FOREIGN_ANSWER"),
        (api.NoAnswer("a page", status=200), FAILED, "FOREIGN_ANSWER"),
        (api.NoAnswer("a page", status=502), RETRY, "NO_ANSWER"),
        (api.NoAnswer("late"), RETRY, "NO_ANSWER"),
        (api.NotSent("no"), RETRY, "NOT_SENT"),
        (api.ServerError("no"), RETRY, "INTERNAL_ERROR"),
        (api.Refused("no", status=403), RETRY, "FORBIDDEN"),
        (api.RateLimited("no"), HOLD, "RATE_LIMIT_EXCEEDED"),
        (api.Unavailable("no"), HOLD, "UNAVAILABLE"),
        (api.Unauthorized("no"), HOLD, "UNAUTHORIZED"),
        (api.Redirected("no"), HOLD, "REDIRECTED"),
    ],
)
def test_what_becomes_of_a_deletion_that_a_router_answered(asked, decision, code):
    made = decide_deletion(STRAY, asked)
    assert (made.decision, made.code) == (decision, code)
    if decision is FAILED:
        assert "between this site and Conversion" in in_words(made.message)
        assert "no Route matched" in made.message


@pytest.mark.parametrize(("error", "kind", "decision"), CELLS)
def test_what_ends_so_again_is_decided_as_before(error, kind, decision):
    if decision is not PUSH_CONTACT:
        assert decide(error, kind, again=True).decision is decision


@pytest.mark.parametrize(
    ("error", "kind", "first", "again"),
    [
        (api.ValidationFailed("no"), Operation.UPSERT, True, True),
        (api.Duplicate("no"), Operation.UPSERT, True, True),
        (api.NotFound("no"), Operation.SUBSCRIPTION, True, True),
        (api.NotFound("no"), Operation.UPSERT, False, False),
        (api.ServerError("no"), Operation.UPSERT, False, True),
        (api.NoAnswer("no", status=502), Operation.UPSERT, False, True),
        (api.NoAnswer("no"), Operation.UPSERT, False, False),
        (api.NoAnswer("no", status=200), Operation.UPSERT, False, False),
        (api.NotSent("no"), Operation.UPSERT, False, False),
        (api.RateLimited("no"), Operation.UPSERT, False, False),
        (api.Refused("no", status=403), Operation.UPSERT, False, False),
        (api.ContentRefused("no", status=413), Operation.UPSERT, True, True),
        (api.ForeignAnswer("no", status=404), Operation.UPSERT, False, False),
        (api.Unavailable("no", status=503), Operation.UPSERT, False, False),
        (api.Bug("no"), Operation.UPSERT, True, True),
    ],
)
def test_which_batches_are_split(error, kind, first, again):
    assert splits(error, kind, again=False) is first
    assert splits(error, kind, again=True) is again


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (None, Effect.OK),
        (api.ValidationFailed(), Effect.OK),
        (api.Duplicate(), Effect.OK),
        (api.NotFound(), Effect.OK),
        (api.RateLimited(), Effect.LIMITED),
        (api.Unauthorized(), Effect.CLOSED),
        (api.Redirected(), Effect.CLOSED),
        (api.NotSent(), Effect.FAULT),
        (api.NoAnswer(), Effect.FAULT),
        (api.ServerError(), Effect.FAULT),
        (api.Refused(), Effect.ANSWERED),
        (api.Unavailable(), Effect.LIMITED),
        (api.ContentRefused(), Effect.FAULT),
        (api.ForeignAnswer(), Effect.FAULT),
        (api.Bug(), Effect.NOTHING),
        (api.Withheld(), Effect.NOTHING),
    ],
)
def test_what_the_end_of_a_call_says_of_the_channel(error, said):
    assert effect(error) is said


@pytest.mark.parametrize(
    ("attempts", "full"), [(0, 30), (1, 60), (5, 960), (9, 14400), (40, 14400), (10**6, 14400)]
)
@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_the_wait_doubles_up_to_a_cap_and_is_never_below_half(monkeypatch, attempts, full, chance):
    monkeypatch.setattr("random.uniform", lambda low, high: low + chance * (high - low))
    assert backoff(attempts, 30, 14400) == full / 2 + chance * full / 2
