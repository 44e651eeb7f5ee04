"""How the synchronisation stands: read only, for commands and pages."""

from __future__ import annotations

import datetime
import enum
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, CharField, Count, Exists, Min, OuterRef, Q, Value, When
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from conversion_sync.conf import conf
from conversion_sync.models import (
    Company,
    Contact,
    Deletion,
    Engagement,
    Heartbeat,
    Status,
    Subscription,
    SubscriptionChange,
    SyncedModel,
)
from conversion_sync.models.base import BULK, PERSON
from conversion_sync.models.fields import db_now
from conversion_sync.sync.estimates import about, table_sizes
from conversion_sync.sync.gate import Gate, GateState

__all__ = [
    "MODELS",
    "Errors",
    "Kind",
    "LastDrain",
    "Overview",
    "Reason",
    "Wait",
    "count_kinds",
    "overview",
    "span",
    "waits",
]

#: The synced models, in the order in which they are sent.
MODELS: Sequence[type[SyncedModel]] = (
    Deletion,
    Company,
    Contact,
    SubscriptionChange,
    Engagement,
)

#: Rows that were tried since they changed, whether or not those tries count against them.
_TRIED = Q(attempts__gt=0) | Q(failing_since__isnull=False)


#: Every status but the one of nearly all rows: named one by one, an index finds them.
_UNSYNCED = tuple(status for status in Status if status != Status.SYNCED)


#: Of a row in one of these, somebody has to decide.
_WANTING = (Status.FAILED, Status.UNCONFIRMED)


@dataclass(frozen=True)
class Errors:
    """Rows in one state with the same error."""

    status: str
    code: str
    count: int


@dataclass(frozen=True)
class Kind:
    """The rows of one model.

    Attributes:
        name: the model's name, such as ``contact``.
        singular: what one of its rows is called; ``label``: several of them.
        counts: rows by status; a status without rows is missing.
        synced_is_exact: False where those that are synced are too many to count: an estimate.
        errors: what failed, is in doubt, or is tried again after an error, by that error.
        retrying: pending rows that met with an error.
        due: rows whose time has come.
        oldest_due: since when the longest waiting of them is due.
    """

    name: str
    singular: str
    label: str
    counts: Mapping[str, int]
    synced_is_exact: bool
    errors: Sequence[Errors]
    retrying: int
    due: int
    oldest_due: datetime.datetime | None

    def noun(self, count: int) -> str:
        """What so many of the rows are called."""
        return self.singular if count == 1 else self.label


@dataclass(frozen=True)
class LastDrain:
    """What the last drain left; ``finished_at`` is that of the one before, while one runs."""

    started_at: datetime.datetime | None
    finished_at: datetime.datetime | None
    worker: str
    rows: int
    calls: int

    @property
    def seen_at(self) -> datetime.datetime | None:
        """When a drain last gave a sign of life."""
        return max(filter(None, (self.started_at, self.finished_at)), default=None)

    @property
    def is_running(self) -> bool:
        """Whether it has begun and not ended: it runs, or died."""
        return bool(
            self.started_at and (self.finished_at is None or self.finished_at < self.started_at)
        )


@dataclass(frozen=True)
class Overview:
    """The whole, at one time of the database.

    Attributes:
        working: False when rows are due for longer than ``STALE_AFTER`` and no drain has run for
            as long: nobody is working.
    """

    now: datetime.datetime
    kinds: Sequence[Kind]
    gate: GateState
    last_drain: LastDrain
    enabled: bool
    has_key: bool
    working: bool

    @property
    def due(self) -> int:
        """Rows whose time has come."""
        return sum(kind.due for kind in self.kinds)

    @property
    def oldest(self) -> Kind | None:
        """The kind whose row is due for longest."""
        late = [kind for kind in self.kinds if kind.oldest_due]
        return min(late, key=lambda kind: kind.oldest_due or self.now, default=None)


def overview(using: str = "default", kinds: Sequence[Kind] | None = None) -> Overview:
    """Read how everything stands. Three queries for each kind, and six more.

    Args:
        kinds: the rows, if they were counted before.
    """
    kinds = count_kinds(using) if kinds is None else kinds
    now, last = db_now(using), _last_drain(using)
    return Overview(
        now=now,
        kinds=kinds,
        gate=Gate(using).state(),
        last_drain=last,
        enabled=conf.enabled,
        has_key=bool(conf.api_key),
        working=_somebody_works(kinds, last, now),
    )


def count_kinds(using: str = "default") -> list[Kind]:
    """Count the rows of each model: what takes long where a million of them wait."""
    now, sizes = db_now(using), table_sizes(MODELS, using)
    return [_kind(model, using, now, sizes[model]) for model in MODELS]


def _kind(model: type[SyncedModel], using: str, now: datetime.datetime, size: int | None) -> Kind:
    rows = model.unmarked.using(using).order_by()
    unsynced = _by_error(rows)
    counts = Counter[str]()
    for group in unsynced:
        counts[group.status] += group.count
    others = counts.total()
    synced = about(rows.filter(sync_status=Status.SYNCED), None if size is None else size - others)
    if synced.number:
        counts[Status.SYNCED.value] = synced.number
    errors = [group for group in unsynced if group.code or group.status in _WANTING]
    due, oldest = _due(rows, now)
    return Kind(
        name=str(model._meta.model_name),
        singular=str(model._meta.verbose_name),
        label=str(model._meta.verbose_name_plural),
        counts=dict(counts),
        synced_is_exact=synced.is_exact,
        errors=errors,
        retrying=sum(group.count for group in errors if group.status == Status.PENDING),
        due=due,
        oldest_due=oldest,
    )


def _by_error(rows: Any) -> list[Errors]:
    """What has not arrived, by state and error; one index holds all that is asked."""
    groups = rows.filter(sync_status__in=_UNSYNCED).values_list("sync_status", "last_error_code")
    return [Errors(*group) for group in groups.annotate(count=Count("*"))]


def _due(rows: Any, now: datetime.datetime) -> tuple[int, datetime.datetime | None]:
    """How many rows are due, and since when the first is; the index begins with the priority."""
    due = rows.filter(priority__in=(PERSON, BULK), due_at__lte=now)
    found = due.aggregate(count=Count("*"), oldest=Min("due_at"))
    return found["count"], found["oldest"]


def _last_drain(using: str) -> LastDrain:
    beat = Heartbeat._default_manager.using(using).filter(pk=1).first() or Heartbeat()
    fields = LastDrain.__dataclass_fields__
    return LastDrain(**{name: getattr(beat, name) for name in fields})


def _somebody_works(kinds: Sequence[Kind], last: LastDrain, now: datetime.datetime) -> bool:
    stale = now - datetime.timedelta(seconds=conf.stale_after)
    waits_long = any(kind.oldest_due and kind.oldest_due < stale for kind in kinds)
    drained_lately = last.seen_at is not None and last.seen_at >= stale
    return drained_lately or not waits_long


class Reason(enum.StrEnum):
    """Why a row has not arrived."""

    READY = "ready"
    LATER = "later"
    RETRY = "retry"
    SENDING = "sending"
    CONTACT = "contact"
    CONTACT_FAILED = "contact failed"
    EARLIER = "earlier"
    OLD_EMAIL = "old email"
    DELETION = "deletion"
    DELETION_FAILED = "deletion failed"
    IN_DOUBT = "in doubt"
    FAILED = "failed"


_WORDS: Mapping[Reason, str | Promise] = {
    Reason.READY: gettext_lazy("ready to be sent"),
    Reason.LATER: gettext_lazy("not due yet"),
    Reason.RETRY: gettext_lazy("will be tried again"),
    Reason.SENDING: gettext_lazy("being sent"),
    Reason.CONTACT: gettext_lazy("waiting for their contact"),
    Reason.CONTACT_FAILED: gettext_lazy("waiting for a contact that failed: correct and retry it"),
    Reason.EARLIER: gettext_lazy("waiting for an earlier change of the same person"),
    Reason.OLD_EMAIL: gettext_lazy("waiting for the deletion of their contact's old email"),
    Reason.DELETION: gettext_lazy("waiting for a deletion of the same key"),
    Reason.DELETION_FAILED: gettext_lazy(
        "waiting for a deletion of the same key that failed: retry or discard it"
    ),
    Reason.IN_DOUBT: gettext_lazy("in doubt: choose “Resend” or “Mark as sent”"),
    Reason.FAILED: gettext_lazy("failed: see the error on each, and retry"),
}


@dataclass(frozen=True)
class Wait:
    """Rows of one kind that have not arrived, for one reason.

    ``until``: when the first of them moves by itself; None if nobody knows.
    """

    name: str
    label: str
    count: int
    reason: Reason
    until: datetime.datetime | None

    def words(self, now: datetime.datetime) -> str:
        """Such as ``12 contacts: will be tried again, the first in 4 min``."""
        words = f"{self.count:,} {self.label}: {_WORDS[self.reason]}"
        if self.until is None:
            return words
        seconds = max(0.0, (self.until - now).total_seconds())
        first = ngettext("in %(span)s", "the first in %(span)s", self.count)
        return f"{words}, {first % {'span': span(seconds)}}"


def span(seconds: float) -> str:
    """A length of time in the largest unit that fits: ``40 s``, ``4 min``, ``3 h``, ``2 d``."""
    seconds = round(seconds)
    for size, unit in ((86400, _("d")), (3600, _("h")), (60, _("min"))):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds} {_('s')}"


def waits(using: str = "default", now: datetime.datetime | None = None) -> list[Wait]:
    """What has not arrived, and why: one query for each kind."""
    now = now or db_now(using)
    return [wait for model in MODELS for wait in _waits(model, using, now)]


_TIMED = (Reason.LATER, Reason.RETRY)


def _waits(model: type[SyncedModel], using: str, now: datetime.datetime) -> list[Wait]:
    reasons = [
        (Reason.FAILED, Q(sync_status=Status.FAILED)),
        (Reason.IN_DOUBT, Q(sync_status=Status.UNCONFIRMED)),
        (Reason.SENDING, Q(sync_status=Status.SENDING)),
        (Reason.RETRY, Q(due_at__gt=now) & _TRIED),
        (Reason.LATER, Q(due_at__gt=now)),
        *_behind(model, using),
    ]
    why = Case(
        *(When(condition, then=Value(reason.value)) for reason, condition in reasons),
        default=Value(Reason.READY.value),
        output_field=CharField(),
    )
    left = [status for status in _UNSYNCED if status != Status.SUPERSEDED]
    rows = model.unmarked.using(using).order_by().filter(sync_status__in=left)
    found = {
        Reason(row["why"]): row
        for row in rows.annotate(why=why).values("why").annotate(n=Count("pk"), at=Min("due_at"))
    }
    return [
        Wait(
            name=str(model._meta.model_name),
            label=str(
                model._meta.verbose_name if row["n"] == 1 else model._meta.verbose_name_plural
            ),
            count=row["n"],
            reason=reason,
            until=row["at"] if reason in _TIMED else None,
        )
        for reason in Reason
        if (row := found.get(reason))
    ]


def _behind(model: type[SyncedModel], using: str) -> list[tuple[Reason, Any]]:
    """What has to go before a due row of this model (DESIGN, "Ready")."""
    if model in (Company, Contact):
        kind = Deletion.Kind.COMPANY if model is Company else Deletion.Kind.CONTACT
        deletions = Deletion.objects.using(using).open().filter(kind=kind, key=OuterRef("key"))
        return [
            (Reason.DELETION_FAILED, Exists(deletions.failed())),
            (Reason.DELETION, Exists(deletions)),
        ]
    if model is Engagement:
        return _behind_contact(using, Q())
    if model is SubscriptionChange:
        older = SubscriptionChange.unmarked.using(using).filter(
            pk__lt=OuterRef("pk"), sync_status__in=(Status.PENDING, Status.SENDING)
        )
        earlier = Exists(older.filter(contact=OuterRef("contact"))) | Exists(
            older.filter(address=OuterRef("address"))
        )
        deletions = Deletion.objects.using(using).open().filter(successor=OuterRef("contact"))
        # An opt-out waits only for a contact that was never confirmed.
        opt_out = Q(status=Subscription.UNSUBSCRIBED)
        return [
            (Reason.EARLIER, earlier),
            *_behind_contact(using, opt_out),
            (Reason.OLD_EMAIL, Exists(deletions) & ~opt_out),
        ]
    return []


def _behind_contact(using: str, only_if_unknown: Q) -> list[tuple[Reason, Any]]:
    contacts = Contact.unmarked.using(using).filter(pk=OuterRef("contact"))
    moving = contacts.filter(sync_status__in=(Status.PENDING, Status.SENDING))
    unknown = contacts.filter(synced_revision=0)
    waiting: Any = Exists(moving)
    if only_if_unknown:
        waiting = (Exists(moving) & ~only_if_unknown) | Exists(moving.filter(synced_revision=0))
    return [
        (Reason.CONTACT_FAILED, Exists(unknown.filter(sync_status=Status.FAILED))),
        (Reason.CONTACT, waiting),
    ]
