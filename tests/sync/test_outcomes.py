"""The table of DESIGN.md, "From error to decision", cell by cell."""

from __future__ import annotations

import pytest

from conversion_sync.api import errors as api
from conversion_sync.sync.outcomes import Decision, Effect, Kind, backoff, decide, effect, splits

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
    (api.ServerError("no"), (RETRY, RETRY, RETRY, RETRY)),
    (api.Refused("no", status=403), (RETRY, RETRY, RETRY, FAILED)),
    (api.Refused("no", code="TEAPOT", status=418), (RETRY, RETRY, RETRY, FAILED)),
    (api.NoAnswer("no"), (RETRY, RETRY, RETRY, UNCONFIRMED)),
    (api.NoAnswer("no", status=502), (RETRY, RETRY, RETRY, UNCONFIRMED)),
]

CELLS = [
    pytest.param(error, kind, decision, id=f"{error.code}-{error.status}-{kind.value}")
    for error, row in TABLE
    for kind, decision in zip(Kind, row, strict=True)
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


@pytest.mark.parametrize("kind", [Kind.SUBSCRIPTION, Kind.ENGAGEMENT])
def test_a_contact_is_pushed_again_for_a_row_once(kind):
    assert decide(api.NotFound("no"), kind, again=True).decision is FAILED


@pytest.mark.parametrize(("error", "kind", "decision"), CELLS)
def test_what_ends_so_again_is_decided_as_before(error, kind, decision):
    if decision is not PUSH_CONTACT:
        assert decide(error, kind, again=True).decision is decision


@pytest.mark.parametrize(
    ("error", "kind", "first", "again"),
    [
        (api.ValidationFailed("no"), Kind.UPSERT, True, True),
        (api.Duplicate("no"), Kind.UPSERT, True, True),
        (api.NotFound("no"), Kind.SUBSCRIPTION, True, True),
        (api.NotFound("no"), Kind.UPSERT, False, False),
        (api.ServerError("no"), Kind.UPSERT, False, True),
        (api.NoAnswer("no", status=502), Kind.UPSERT, False, True),
        (api.NoAnswer("no"), Kind.UPSERT, False, False),
        (api.NoAnswer("no", status=200), Kind.UPSERT, False, False),
        (api.NotSent("no"), Kind.UPSERT, False, False),
        (api.RateLimited("no"), Kind.UPSERT, False, False),
        (api.Refused("no", status=403), Kind.UPSERT, False, False),
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
