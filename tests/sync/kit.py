"""A claim and its settling, as the tests of both make them."""

from __future__ import annotations

from conversion_sync.models import Contact
from conversion_sync.records.mappers import push_of
from conversion_sync.sync.claim import Claim, claim_rows
from conversion_sync.sync.look import Look, batch_of
from conversion_sync.sync.outcomes import Decision, Outcome
from conversion_sync.sync.settle import settle

OK = Outcome(Decision.SYNCED)


def claim(limit: int = 200, model=Contact, payload=push_of) -> Claim:
    rows = model.unmarked.all()
    return claim_rows(rows, batch_of(Look([rows]).rows(), limit), payload)


def settle_all(claim: Claim, outcome: Outcome = OK) -> int:
    return settle(claim, dict.fromkeys(claim.pks, outcome))
