"""What the kinds of rows have in common: what is ready, what is claimed, what becomes of it."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, reduce
from operator import or_
from typing import Any, ClassVar

from django.db.models import BooleanField, Exists, ExpressionWrapper
from django.utils.functional import Promise

from conversion_sync.api import ConfigurationError, ContentRefused, ConversionError
from conversion_sync.api.errors import ErrorCode
from conversion_sync.conf import conf
from conversion_sync.models import SyncedModel
from conversion_sync.models.clock import DbNow
from conversion_sync.models.state import BULK, PERSON
from conversion_sync.sync.claim import Claim, claim_rows
from conversion_sync.sync.deliveries import Delivery, NoSlot, SlotsNeeded
from conversion_sync.sync.error_text import error_in_words
from conversion_sync.sync.look import NEVER, WINDOW, Look, Seen, batch_of
from conversion_sync.sync.outcomes import Decision, Operation, Outcome, decide
from conversion_sync.sync.payloads import Payload
from conversion_sync.sync.retry import retried_for_a_lease
from conversion_sync.sync.run import Run
from conversion_sync.sync.types import Condition, Rows
from conversion_sync.sync.waiting import put_off

__all__ = ["Kind", "with_only"]

logger = logging.getLogger(__name__)


#: Looks at the head of a queue in one turn, where all that they find has to wait.
LOOKS = 2

#: Seconds of waiting for a slot after which others may be more urgent than those that were seen.
STALE = 0.02


#: What sending needs of no row. Django parses each time in Python.
UNREAD = frozenset(
    {
        "created_at",
        "due_at",
        "last_call_id",
        "last_error_message",
        "last_synced_at",
        "remote_created_at",
        "updated_at",
    }
)


class Kind(ABC):
    """One kind of row and its endpoint."""

    model: ClassVar[type[SyncedModel]]
    operation: ClassVar[Operation]

    #: What it is called in the database; its rows, by commands, and by staff.
    name: ClassVar[str]
    plural: ClassVar[str]
    label: ClassVar[str | Promise]

    @property
    def most(self) -> int:
        """The most rows of one claim."""
        return conf.batch_size

    def table(self, using: str) -> Rows:
        """All rows of the model, unmarked."""
        rows: Rows = self.model.unmarked.using(using)
        return rows

    def heads(self, using: str) -> Sequence[Rows]:
        """The rows of this kind, as ranges of an index that ends with when they are due."""
        return [self.table(using)]

    def rows(self, using: str) -> Rows:
        """The rows of this kind that may be claimed, as they are loaded for sending."""
        return with_only(self.table(using))

    def obsolete(self, using: str) -> Condition:
        """The condition under which a due row is not to be sent at all."""
        return NEVER

    def preferred(self, using: str) -> Condition:
        """The condition of rows that are claimed before others, and without them."""
        return NEVER

    def clear(self, using: str, pks: Sequence[int]) -> None:  # noqa: B027  # for those that have them
        """Deal with due rows that are not to be sent."""

    def after_lost_workers(self, using: str, pks: Sequence[int]) -> None:  # noqa: B027  # as above
        """Do what rows entail whose workers never came back, before they are claimed anew."""

    @abstractmethod
    def payload(self, row: Any) -> Payload:
        """What is sent of a row."""

    @abstractmethod
    def send(self, run: Run, claim: Claim) -> Delivery[None]:
        """Send what was claimed, and settle it."""

    def is_due(self, using: str, priority: int) -> Condition:
        """An expression: whether any row of the priority is due, though it may have to wait."""
        due = [
            Exists(head.filter(priority=priority, due_at__lte=DbNow()))
            for head in self.heads(using)
        ]
        return ExpressionWrapper(reduce(or_, due), output_field=BooleanField())

    def is_ready(self, using: str, priorities: Sequence[int] = (PERSON, BULK)) -> bool:
        """Whether there is anything to do now. Writes nothing."""
        seen = self._look(using, priorities)
        # Behind a window that is full of rows that have to wait there may be others.
        return len(seen) >= self._window or any(row.is_ready or row.is_obsolete for row in seen)

    def deliver(
        self, run: Run, at_once: int, priorities: Sequence[int] = (PERSON, BULK)
    ) -> Delivery[int]:
        """Send one claim. Returns the number of rows dealt with.

        Args:
            at_once: no more calls at once than that.
            priorities: of which rows were due a moment ago.
        """
        ready, cleared = self._ready(run.using, priorities)
        if not ready:
            return cleared
        began = time.monotonic()
        count = self.calls_for(len(self.chosen(ready, at_once)))
        yield SlotsNeeded(count, is_urgent=ready[0].priority == PERSON)
        if time.monotonic() - began > STALE:
            ready, _ = self._ready(run.using)
        if not ready:
            return cleared
        chosen = self.chosen(ready, at_once)
        if lost := [row.pk for row in ready if row.is_claimed and row.pk in chosen]:
            self.after_lost_workers(run.using, lost)
        claim = claim_rows(self.rows(run.using), chosen, self.payload)
        run.count_without_call(claim)
        if claim.rows:
            yield from self._send(run, claim)
        return claim.taken + cleared

    def calls_for(self, rows: int) -> int:
        """How many calls a claim of so many rows begins with."""
        return 1

    def chosen(self, ready: Sequence[Seen], at_once: int) -> list[int]:
        """The primary keys of those that are claimed together."""
        return batch_of(ready, self.most)

    @property
    def _window(self) -> int:
        return max(WINDOW, self.most)

    def _look(self, using: str, priorities: Sequence[int] = (PERSON, BULK)) -> list[Seen]:
        return _look_of(self, using, self._window).rows(priorities)

    def _ready(
        self, using: str, priorities: Sequence[int] = (PERSON, BULK)
    ) -> tuple[list[Seen], int]:
        """Those that may be claimed now, and how many were cleared or put off on the way."""
        cleared = 0
        for _ in range(LOOKS):
            seen = self._look(using, priorities)
            obsolete = [row.pk for row in seen if row.is_obsolete]
            waiting = [row.pk for row in seen if row.reason and not row.is_obsolete]
            if obsolete:
                self.clear(using, obsolete)
            if waiting:
                put_off(self.model, using, waiting)
            cleared += len(obsolete) + len(waiting)
            ready = [row for row in seen if row.is_ready]
            if ready or not seen:
                return ready, cleared
        return [], cleared

    def _send(self, run: Run, claim: Claim) -> Delivery[None]:
        try:
            yield from self.send(run, claim)
        except (NoSlot, ConfigurationError):  # neither sends anything
            run.settle(claim, _all(claim, Outcome(Decision.HOLD)))
            raise
        except Exception as error:  # the edge of the worker: the rows record it
            logger.exception("A delivery failed.")
            doubt = self.operation is Operation.ENGAGEMENT
            decision = Decision.UNCONFIRMED if doubt else Decision.RETRY
            made = Outcome(
                decision, ErrorCode.BUG, error_in_words(error), in_doubt=True, counts=True
            )
            run.settle(claim, _all(claim, made))

    def outcome(self, row: Any, error: ConversionError, *, counts: bool) -> Outcome:
        """What becomes of a row whose call, or whose item, ended so."""
        made = decide(error, self.operation, again=row.last_error_code == error.code)
        return replace(made, counts=counts)

    def content_refused(
        self, run: Run, row: Any, error: ContentRefused, *, others_arrived: bool = False
    ) -> Delivery[Outcome]:
        """What becomes of a row that was alone in a call whose content was refused.

        It is the row's fault where others arrive by the same endpoint, else that of the channel.

        Args:
            others_arrived: another row arrived since this one was first refused.
        """
        if others_arrived or self._others_arrived(run.using, row, error):
            return decide(error, self.operation, others_arrive=True)
        run.blame(error)
        counts = yield from run.counts([row], error)
        return replace(decide(error, self.operation), counts=counts)

    def peers(self, using: str, row: Any) -> Rows:
        """The other rows that are sent to the same endpoint."""
        return self.model.unmarked.using(using).exclude(pk=row.pk)

    @retried_for_a_lease
    def _others_arrived(self, using: str, row: Any, error: ConversionError) -> bool:
        """Whether another row arrived since this one was refused so the last time."""
        if row.failing_since is None or row.last_error_code != error.code:
            return False
        arrived = self.peers(using, row).filter(last_synced_at__gt=row.last_attempt_at)
        return bool(arrived.filter(last_call__error_code="").exists())


@cache
def _look_of(kind: Kind, using: str, size: int) -> Look:
    return Look(
        kind.heads(using), size, obsolete=kind.obsolete(using), preferred=kind.preferred(using)
    )


def _all(claim: Claim, outcome: Outcome) -> dict[int, Outcome]:
    return dict.fromkeys(claim.pks, outcome)


def with_only(rows: Rows, *related: str) -> Rows:
    """The rows with what sending needs of them, and no more than these columns of others.

    What is bad in a column that is not read harms nobody.
    """
    fields = rows.model._meta.concrete_fields
    own = [field.attname for field in fields if field.attname not in UNREAD]
    if related:
        # Without a name all relations would be loaded; Django 6.1 warns of that.
        rows = rows.select_related(*(name.partition("__")[0] for name in related))
    return rows.only(*own, *related)
