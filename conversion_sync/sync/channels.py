"""The five channels: which of their rows are ready, and how they are sent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

from django.db.models import Exists, OuterRef, QuerySet

from conversion_sync.api import (
    BatchResult,
    Client,
    ConfigurationError,
    ConversionError,
    EngagementResult,
)
from conversion_sync.api.errors import ApiError, api_error_class
from conversion_sync.conf import conf
from conversion_sync.models import (
    Company,
    Contact,
    Deletion,
    Engagement,
    Status,
    SubscriptionChange,
    SyncedModel,
)
from conversion_sync.models.fields import DbNow
from conversion_sync.sync import consent, payloads
from conversion_sync.sync.outbox import Claim, claim_rows, expire_engagements, renew
from conversion_sync.sync.outcomes import Decision, Effect, Kind, Outcome, decide, effect, splits
from conversion_sync.sync.remote import Answer
from conversion_sync.sync.run import Run, Shut

__all__ = ["CHANNELS", "Channel"]

logger = logging.getLogger(__name__)

Rows = QuerySet[Any]

#: Calls after which a batch that is being split makes room for others.
SPLIT_CALLS = 40

#: Guarded subscription changes in one claim: their GETs have to fit into its lease.
GUARDED = 8


class Channel:
    """One kind of row and its endpoint."""

    model: ClassVar[type[SyncedModel]]
    kind: ClassVar[Kind]

    def queues(self, using: str) -> list[tuple[Rows, int]]:
        """What may be claimed now, the urgent first: rows, and how many of them at once."""
        raise NotImplementedError

    def payload(self, row: Any) -> payloads.Payload:
        """What is sent of a row."""
        raise NotImplementedError

    def send(self, run: Run, claim: Claim) -> None:
        """Send what was claimed, and settle it."""
        raise NotImplementedError

    def is_ready(self, using: str) -> bool:
        """Whether anything could be sent now."""
        return any(_due(rows).exists() for rows, _ in self.queues(using))

    def deliver(self, run: Run) -> int:
        """Send one claim. Returns the number of rows dealt with.

        Raises:
            Shut: the gate lets nothing through now.
        """
        for rows, most in self.queues(run.using):
            if not _due(rows).exists():
                continue
            run.reserve(self.calls_for(most))
            claim = claim_rows(rows, most, self.payload)
            run.passed_over(claim)
            if claim.rows:
                self._send(run, claim)
            if claim.taken:
                return claim.taken
        return 0

    def calls_for(self, most: int) -> int:
        """How many calls a claim of so many rows begins with."""
        return 1

    def _send(self, run: Run, claim: Claim) -> None:
        try:
            self.send(run, claim)
        except (Shut, ConfigurationError):  # neither sends anything
            run.settle(claim, _all(claim, Outcome(Decision.HOLD)))
            raise
        except Exception as error:  # the edge of the worker: the rows record it
            logger.exception("A delivery failed.")
            doubt = Decision.UNCONFIRMED if self.kind is Kind.ENGAGEMENT else Decision.RETRY
            run.settle(claim, _all(claim, Outcome(doubt, "BUG", repr(error), counts=True)))

    def outcome(self, row: Any, error: ConversionError, *, counts: bool) -> Outcome:
        """What becomes of a row whose call, or whose item, ended so."""
        made = decide(error, self.kind, again=row.last_error_code == error.code)
        return Outcome(made.decision, made.code, made.message, counts=counts)


def _due(rows: Rows) -> Rows:
    return rows.filter(due_at__lte=DbNow())


def _all(claim: Claim, outcome: Outcome) -> dict[int, Outcome]:
    return dict.fromkeys(claim.pks, outcome)


class Batches(Channel):
    """Many rows in one call; a batch refused for its content is split."""

    def post(self, client: Client, items: Sequence[payloads.Payload]) -> BatchResult:
        """Make the call."""
        raise NotImplementedError

    def key(self, item: payloads.Payload) -> str:
        """What the answer names an item by."""
        raise NotImplementedError

    def send(self, run: Run, claim: Claim) -> None:
        Batch(self, run, claim).send()


class Batch:
    """The sending of one claim, in one call or, where it has bad rows, in several."""

    def __init__(self, channel: Batches, run: Run, claim: Claim) -> None:
        self.channel, self.run, self.claim = channel, run, claim
        self.rows = {row.pk: row for row in claim.rows}
        self.parts: list[list[int]] = [list(self.rows)]
        self.calls = self.seen = self.bad = 0

    def send(self) -> None:
        """Send part after part, until none is left or others have to have their turn."""
        while self.parts:
            if self.calls and (self.calls >= SPLIT_CALLS or self.run.is_over()):
                self._put_off()
                return
            part = self._begin()
            if part:
                self._send(part)

    def _begin(self) -> list[int]:
        """The next part, with a slot of its own and, where time has passed, a new lease."""
        part = self.parts.pop()
        if self.run.has_slot() and not self.calls:
            return part
        try:
            self.run.reserve()
        except Shut:
            self.parts.append(part)
            raise
        rest = [pk for each in self.parts for pk in each]
        kept = renew(self.claim, part + rest)
        lost = [pk for pk in part + rest if pk not in kept]
        self.run.settle(self.claim, dict.fromkeys(lost, Outcome(Decision.HOLD)))
        self.parts = [[pk for pk in each if pk in kept] for each in self.parts]
        return [pk for pk in part if pk in kept]

    def _send(self, part: list[int]) -> None:
        items = [self.claim.payloads[pk] for pk in part]
        self.calls += 1
        answer = self.run.call(lambda client: self.channel.post(client, items))
        if answer.error is not None:
            self._ended(part, answer, answer.error)
        elif answer.value is not None:
            self._arrived(part, answer, answer.value)

    def _arrived(self, part: list[int], answer: Answer[Any], result: BatchResult) -> None:
        outcomes = {}
        for pk in part:
            item = result.items.get(self.channel.key(self.claim.payloads[pk]))
            if item is None:
                outcome = Outcome(
                    Decision.RETRY, "MISSING", "The answer did not mention it.", counts=True
                )
            elif item.error is not None:
                outcome = self._outcome(pk, _as_error(item.error.code, item.error.message), True)
            else:
                outcome = Outcome(
                    Decision.SYNCED,
                    remote_id=item.remote_id or "",
                    created=item.operation == "created",
                )
            outcomes[pk] = outcome
        self.seen += len(part)
        self.run.settle(self.claim, outcomes, answer.call)

    def _ended(self, part: list[int], answer: Answer[Any], error: ConversionError) -> None:
        rows = [self.rows[pk] for pk in part]
        counts = self.run.counts(rows, error)
        # Once more may be chance: a split of a batch that has no bad row costs calls for nothing.
        again = counts and any(r.attempts and r.last_error_code == error.code for r in rows)
        if len(part) > 1 and splits(error, self.channel.kind, again=again):
            self._split(part, answer, error)
            return
        self.seen += len(part)
        self.bad += effect(error) is Effect.OK
        outcomes = {pk: self._outcome(pk, error, counts) for pk in part}
        self.run.settle(self.claim, outcomes, answer.call)

    def _outcome(self, pk: int, error: ConversionError, counts: bool) -> Outcome:
        return self.channel.outcome(self.rows[pk], error, counts=counts)

    def _split(self, part: list[int], answer: Answer[Any], error: ConversionError) -> None:
        named = self._named(part, error)
        if named:
            self.seen += len(named)
            self.bad += len(named)
            self.run.settle(self.claim, named, answer.call)
            if rest := [pk for pk in part if pk not in named]:
                self.parts.append(rest)
        elif self.seen >= 8 and self.bad > 0.15 * self.seen:
            self.parts += [[pk] for pk in reversed(part)]
        else:
            middle = len(part) // 2
            self.parts += [part[middle:], part[:middle]]

    def _named(self, part: list[int], error: ConversionError) -> dict[int, Outcome]:
        """The rows that the error's details name, with what they say of each."""
        items = error.items if isinstance(error, ApiError) else []
        by_key = {self.channel.key(self.claim.payloads[pk]): pk for pk in part}
        return {
            by_key[item.key]: self._outcome(
                by_key[item.key], _as_error(item.code or error.code, item.message), True
            )
            for item in items
            if item.key in by_key
        }

    def _put_off(self) -> None:
        """Others have their turn; what is left of the batch comes back apart from fresh rows."""
        rest = [pk for part in self.parts for pk in part]
        later = Outcome(Decision.RETRY, "VALIDATION_ERROR", "Its batch was refused.", counts=True)
        self.run.settle(self.claim, dict.fromkeys(rest, later))
        self.parts = []


def _as_error(code: str, message: str) -> ApiError:
    code = code or "VALIDATION_ERROR"
    return api_error_class(code)(message, code=code)


class Singles(Channel):
    """One row in one call; a few calls at once."""

    def call(self, client: Client, row: Any, item: payloads.Payload) -> Any:
        """Make the call."""
        raise NotImplementedError

    def calls_for(self, most: int) -> int:
        return most

    def at_once(self) -> int:
        """How many calls are made at once: no more than begin within a second."""
        return max(1, min(conf.concurrency, int(conf.rate_limit)))

    def send(self, run: Run, claim: Claim) -> None:
        self.send_rows(run, claim, claim.rows)

    def send_rows(self, run: Run, claim: Claim, rows: Sequence[Any]) -> None:
        """Make the calls of these rows at once, and settle each."""
        calls: list[Callable[[Client], Any]] = [
            partial(self._call, row=row, item=claim.payloads[row.pk]) for row in rows
        ]
        outcomes = {}
        for row, answer in zip(rows, run.calls(calls), strict=True):
            if answer.error is None:
                remote_id = getattr(answer.value, "remote_id", None) or ""
                outcome = Outcome(Decision.SYNCED, remote_id=remote_id, call=answer.call)
            else:
                counts = run.counts([row], answer.error)
                made = self.outcome(row, answer.error, counts=counts)
                outcome = Outcome(
                    made.decision, made.code, made.message, "", False, counts, answer.call
                )
            outcomes[row.pk] = outcome
        run.settle(claim, outcomes)

    def _call(self, client: Client, row: Any, item: payloads.Payload) -> Any:
        return self.call(client, row, item)


class Deletions(Singles):
    """``DELETE /contacts/by-email`` and ``/companies/by-external-id``."""

    model = Deletion
    kind = Kind.DELETE

    def queues(self, using: str) -> list[tuple[Rows, int]]:
        return [(Deletion.unmarked.using(using).select_related("successor"), self.at_once())]

    def payload(self, row: Deletion) -> payloads.Payload:
        return {"key": row.key}

    def send(self, run: Run, claim: Claim) -> None:
        """Carry opt-outs over to the successors, then delete."""
        followed = [row for row in claim.rows if row.successor is not None]
        left = set(claim.pks)
        if followed:
            left -= self._carry_over(run, claim, followed)
            run.reserve(max(1, len(left)))
            left &= renew(claim, left)
        if rows := [row for row in claim.rows if row.pk in left]:
            self.send_rows(run, claim, rows)

    def _carry_over(self, run: Run, claim: Claim, rows: Sequence[Deletion]) -> set[int]:
        """Returns the primary keys of what needs, or can have, no deletion now."""
        gets: list[Callable[[Client], Any]] = [
            partial(Client.get_contact, email=r.key) for r in rows
        ]
        outcomes = {}
        for row, answer in zip(rows, run.calls(gets), strict=True):
            if answer.error is not None:
                counts = run.counts([row], answer.error)
                outcomes[row.pk] = self.outcome(row, answer.error, counts=counts)
            elif answer.value is not None:
                consent.carry_over(run.using, row, answer.value)
        run.settle(claim, outcomes)
        return set(outcomes)

    def call(self, client: Client, row: Deletion, item: payloads.Payload) -> None:
        if row.kind == Deletion.Kind.COMPANY:
            client.delete_company(row.key)
        else:
            client.delete_contact(row.key)


def _unless_deleting(rows: Rows, kind: Deletion.Kind) -> Rows:
    """A deletion of a key goes before an upsert of that key; a failed one waits for staff."""
    deletions = Deletion.objects.using(rows.db).open().filter(kind=kind, key=OuterRef("key"))
    return rows.filter(~Exists(deletions))


class Companies(Batches):
    """``POST /companies/batch``."""

    model = Company
    kind = Kind.UPSERT

    def queues(self, using: str) -> list[tuple[Rows, int]]:
        rows = _unless_deleting(Company.unmarked.using(using), Deletion.Kind.COMPANY)
        return [(rows, conf.batch_size)]

    def payload(self, row: Company) -> payloads.Payload:
        return payloads.company_payload(row)

    def post(self, client: Client, items: Sequence[payloads.Payload]) -> BatchResult:
        return client.upsert_companies(items)

    def key(self, item: payloads.Payload) -> str:
        return str(item["id"])


class Contacts(Batches):
    """``POST /contacts/batch``."""

    model = Contact
    kind = Kind.UPSERT

    def queues(self, using: str) -> list[tuple[Rows, int]]:
        rows = Contact.unmarked.using(using).select_related("company")
        return [(_unless_deleting(rows, Deletion.Kind.CONTACT), conf.batch_size)]

    def payload(self, row: Contact) -> payloads.Payload:
        return payloads.contact_payload(row)

    def post(self, client: Client, items: Sequence[payloads.Payload]) -> BatchResult:
        return client.upsert_contacts(items)

    def key(self, item: payloads.Payload) -> str:
        return str(item["email"])


class Subscriptions(Batches):
    """``POST /contacts/batch-subscription``, behind the guard."""

    model = SubscriptionChange
    kind = Kind.SUBSCRIPTION

    def queues(self, using: str) -> list[tuple[Rows, int]]:
        consent.supersede(using)
        ready = consent.in_order(using).select_related("contact")
        others = consent.after_their_contact(ready)
        return [
            (consent.opt_outs(ready), conf.batch_size),
            (consent.created_by_us(others), conf.batch_size),
            (others, GUARDED),
        ]

    def payload(self, row: SubscriptionChange) -> payloads.Payload:
        return payloads.subscription_payload(row)

    def post(self, client: Client, items: Sequence[payloads.Payload]) -> BatchResult:
        return client.set_subscriptions(items)

    def key(self, item: payloads.Payload) -> str:
        return str(item["email"])

    def send(self, run: Run, claim: Claim) -> None:
        guard = consent.Guard(run, claim, self)
        guard.ask()
        guard.check()
        if claim.rows:
            super().send(run, claim)

    def outcome(self, row: Any, error: ConversionError, *, counts: bool) -> Outcome:
        made = super().outcome(row, error, counts=counts)
        if made.decision is Decision.PUSH_CONTACT:
            return consent.not_found(row, made)
        return made


class Engagements(Singles):
    """``POST /contacts/engagements``; what may have arrived is not sent again."""

    model = Engagement
    kind = Kind.ENGAGEMENT

    def queues(self, using: str) -> list[tuple[Rows, int]]:
        expire_engagements(using)
        contact = (
            Contact.unmarked.using(using)
            .filter(pk=OuterRef("contact"), synced_revision__gt=0)
            .exclude(sync_status__in=(Status.PENDING, Status.SENDING))
        )
        rows = Engagement.unmarked.using(using).filter(Exists(contact), claim__isnull=True)
        return [(rows.select_related("contact"), self.at_once())]

    def payload(self, row: Engagement) -> payloads.Payload:
        return payloads.engagement_payload(row)

    def call(self, client: Client, row: Engagement, item: payloads.Payload) -> EngagementResult:
        return client.track_engagement(item)

    def outcome(self, row: Any, error: ConversionError, *, counts: bool) -> Outcome:
        made = super().outcome(row, error, counts=counts)
        if made.decision is Decision.PUSH_CONTACT:
            consent.push_again(row.contact, row.contact.key)
        return made


CHANNELS: tuple[Channel, ...] = (
    Deletions(),
    Companies(),
    Contacts(),
    Subscriptions(),
    Engagements(),
)
