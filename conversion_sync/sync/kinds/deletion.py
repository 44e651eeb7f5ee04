"""Deletions of contacts and companies in Conversion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext_lazy as _

from conversion_sync.api import ConversionError
from conversion_sync.api.generation import IN_USE as api
from conversion_sync.api.request import Request
from conversion_sync.models import Deletion
from conversion_sync.records.mappers import mapper_named
from conversion_sync.sync import consent
from conversion_sync.sync.claim import Claim, renew
from conversion_sync.sync.deliveries import Calls, Delivery, LoggedAnswer, NoSlot, SlotsNeeded
from conversion_sync.sync.kinds.singles import Singles
from conversion_sync.sync.outcomes import Decision, Operation, Outcome, decide_deletion, is_stray
from conversion_sync.sync.run import Run
from conversion_sync.sync.types import Rows

__all__ = ["Deletions"]


class Deletions(Singles):
    """``DELETE /contacts/by-email`` and ``/companies/by-external-id``."""

    name = "deletion"
    plural = "deletions"
    label = _("deletions")
    model = Deletion
    operation = Operation.DELETE

    def payload(self, row: Deletion) -> str:
        return row.remote_key

    def request(self, row: Deletion, item: str) -> Request[None]:
        return mapper_named(row.kind).delete(item)

    def peers(self, using: str, row: Any) -> Rows:
        return super().peers(using, row).filter(kind=row.kind)

    def send(self, run: Run, claim: Claim) -> Delivery[None]:
        """Take the opt-outs of the contacts into the log, then delete."""
        people = [row for row in claim.rows if row.kind == Deletion.Kind.CONTACT]
        left = set(claim.pks)
        if people:
            left -= yield from self._take_opt_outs(run, claim, people)
            if left:
                yield SlotsNeeded(len(left))
                left &= renew(claim, left)
        if rows := [row for row in claim.rows if row.pk in left]:
            yield from self._delete(run, claim, rows)

    def _take_opt_outs(
        self, run: Run, claim: Claim, rows: Sequence[Deletion]
    ) -> Delivery[set[int]]:
        """Returns the primary keys of what needs, or can have, no deletion now."""
        answers = yield Calls([api.get_contact(row.remote_key) for row in rows])
        outcomes = {}
        for row, answer in zip(rows, answers, strict=True):
            if answer.error is not None:
                made = yield from self._not_asked(run, row, answer.error)
                outcomes[row.pk] = replace(made, call=answer.call)
            elif answer.result is not None:
                consent.keep_opt_out(run.using, row, answer.result)
                if row.only_asks:
                    outcomes[row.pk] = Outcome(Decision.SYNCED, call=answer.call)
        run.settle(claim, outcomes)
        return set(outcomes)

    def _not_asked(self, run: Run, row: Deletion, error: ConversionError) -> Delivery[Outcome]:
        """What becomes of a deletion where nobody says whether the person has opted out."""
        counts = yield from run.counts([row], error)
        if is_stray(error):
            return replace(decide_deletion(error, error), counts=counts)
        return self.outcome(row, error, counts=counts)

    def _delete(self, run: Run, claim: Claim, rows: Sequence[Deletion]) -> Delivery[None]:
        answered = yield from self.call(claim, rows)
        strays = [each for each in answered if is_stray(each[1].error)]
        yield from self.settle(run, claim, [each for each in answered if each not in strays])
        if strays:
            yield from self._check(run, claim, strays)

    def _check(
        self, run: Run, claim: Claim, strays: Sequence[tuple[Deletion, LoggedAnswer[Any]]]
    ) -> Delivery[None]:
        """Ask for the records of which a 404 that is not the API's said nothing."""
        try:
            yield SlotsNeeded(len(strays))
        except NoSlot as no_slot:
            yield from self.settle(run, claim, strays)
            raise no_slot
        kept = renew(claim, [row.pk for row, _ in strays])
        strays = [(row, answer) for row, answer in strays if row.pk in kept]
        if not strays:
            return
        answers = yield Calls([mapper_named(row.kind).get(row.remote_key) for row, _ in strays])
        outcomes = {}
        for (row, stray), asked in zip(strays, answers, strict=True):
            if stray.error is not None:
                made = decide_deletion(stray.error, asked.error)
                counts = yield from run.counts([row], stray.error)
                outcomes[row.pk] = replace(made, counts=counts, call=stray.call)
        run.settle(claim, outcomes)
