"""Transactions that are run again when the database fails."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, InterfaceError, OperationalError

from conversion_sync.sync.retry import retried, retried_for_a_lease

pytestmark = pytest.mark.django_db


class Failing:
    """A transaction that fails so many times, and then goes through."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.left, self.calls = error, times, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.error
        return "done"


@pytest.mark.parametrize("error", [OperationalError("locked"), InterfaceError("closed")])
@pytest.mark.parametrize("again", [retried_for_a_lease, retried])
def test_a_transaction_is_run_again_when_the_database_fails(monkeypatch, again, error):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    transaction = Failing(error, 2)
    transaction.__wrapped__ = None  # type: ignore[attr-defined]
    transaction.__name__ = "f"  # type: ignore[attr-defined]
    assert again(transaction)() == "done"
    assert transaction.calls == 3


def test_a_database_that_stays_away_is_said_in_the_end(monkeypatch, settings):
    settings.CONVERSION_SYNC = {"LEASE": 0.2}
    transaction = Failing(OperationalError("gone"), 10**6)
    with pytest.raises(OperationalError, match="gone"):
        retried_for_a_lease(transaction)()
    assert 2 <= transaction.calls <= 5


def test_another_error_is_not_tried_again():
    transaction = Failing(DatabaseError("syntax"), 1)
    with pytest.raises(DatabaseError):
        retried_for_a_lease(transaction)()
    assert transaction.calls == 1
