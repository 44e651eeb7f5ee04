"""What one settling writes, on locked rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from conversion_sync.conf import conf
from conversion_sync.models import Contact, Record, SubscriptionChange
from conversion_sync.models.state import PERSON
from conversion_sync.models.subscription import OUT
from conversion_sync.records.last_sent import payload_of
from conversion_sync.sync.claim import Claim, write
from conversion_sync.sync.consent import reentry
from conversion_sync.sync.outcomes import Decision, Outcome
from conversion_sync.sync.settle.columns import (
    columns_of,
    due_again,
    own_words,
    still_unstorable,
    written_alike,
)
from conversion_sync.sync.states import is_out_of_tries, vendor_text

__all__ = ["Settling"]


class Settling:
    """The writing of one settling, inside its transaction, on locked rows."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.is_record = issubclass(claim.model, Record)
        self.stamps = {row.pk: row for row in claim.rows}

    def write(
        self, rows: Sequence[tuple[Any, Outcome]], settled: dict[Decision, list[int]]
    ) -> None:
        """Group the rows by what is written of them, and write each group at once."""
        decided = [(row, self._decided(row, outcome)) for row, outcome in rows]
        opt_outs = self._standing_opt_outs(decided)
        # Whatever came of its last call, one before that may have carried it.
        doubtful = self.claim.doubtful
        groups = defaultdict[tuple[object, int, bool, bool, bool], dict[int, Outcome]](dict)
        for row, outcome in decided:
            changed = self.is_record and self._is_changed(row)
            # What was changed may say something else by now: see ``still_unstorable``.
            alike = written_alike(outcome, words=changed)
            key = (alike, row.attempts, changed, row.pk in opt_outs, row.pk in doubtful)
            groups[key][row.pk] = outcome
            if not changed:
                settled[outcome.decision].append(row.pk)
        remote_ids = {row.pk: row.remote_id for row, _ in decided}
        for (_, attempts, changed, is_out, in_doubt), outcomes in groups.items():
            columns = columns_of(self.claim.model, next(iter(outcomes.values())), attempts)
            if in_doubt:
                columns |= self.claim.model.doubt()
            own = self._own(outcomes, remote_ids)
            if changed:
                columns |= due_again() | still_unstorable(columns)
            else:
                own |= own_words(outcomes)
            if is_out:
                columns["subscription_status"] = OUT
                if columns["due_at"] is not None:
                    # The opt-out may have to wait for it.
                    columns["priority"] = PERSON
            write(self.claim, outcomes.keys(), columns, own)
        if opt_outs:
            reentry.enter(self.claim.using, opt_outs.values())

    def _decided(self, row: Any, outcome: Outcome) -> Outcome:
        decision = self._decide(row, outcome)
        return outcome if decision is outcome.decision else replace(outcome, decision=decision)

    def _decide(self, row: Any, outcome: Outcome) -> Decision:
        if self.is_record and not self._is_as_stamped(row) and row.pk in self.stamps:
            return Decision.HOLD
        decision = outcome.decision
        if decision is Decision.UNCONFIRMED and conf.resend_in_doubt:
            decision = Decision.RETRY
        may_fail = outcome.counts and not outcome.endless
        if decision is Decision.RETRY and may_fail and is_out_of_tries(row, self.claim.clock):
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

    def _own(
        self, outcomes: Mapping[int, Outcome], remote_ids: Mapping[int, str]
    ) -> dict[str, dict[int, Any]]:
        """How the vendor calls each of the rows, and what it has of them, where that is new.

        Args:
            remote_ids: what the vendor called the rows before.
        """
        arrived = [pk for pk, made in outcomes.items() if made.decision is Decision.SYNCED]
        names = {pk: _vendors_name(outcomes[pk]) for pk in arrived}
        own: dict[str, dict[int, Any]] = {
            "remote_id": {pk: n for pk, n in names.items() if n not in ("", remote_ids[pk])}
        }
        if issubclass(self.claim.model, Contact):
            # That the last one was ours says nothing of this one.
            own["remote_created_at"] = {
                pk: None
                for pk in arrived
                if not outcomes[pk].created and _is_another(remote_ids[pk], names[pk])
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
        """Whether the record may be another one than that which was told of the opt-out."""
        if outcome.decision is Decision.SYNCED and (
            outcome.created
            or not row.synced_revision
            or row.pk in self.claim.doubtful
            or _is_another(row.remote_id, _vendors_name(outcome))
        ):
            return True
        return outcome.in_doubt and self._is_as_stamped(row)


def _vendors_name(outcome: Outcome) -> str:
    """How the vendor calls the record, as far as the column can hold it."""
    return vendor_text(outcome.remote_id)[:255]


def _is_another(before: str, name: str) -> bool:
    """Whether the vendor calls the record otherwise than before: somebody else has made it anew."""
    return before != "" and name not in ("", before)
