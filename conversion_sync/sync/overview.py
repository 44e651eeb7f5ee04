"""How the synchronisation stands: read only, for commands and pages."""

from __future__ import annotations

import datetime
import enum
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
from conversion_sync.models.fields import db_now
from conversion_sync.sync.gate import Gate, GateState

__all__ = [
    "MODELS",
    "Kind",
    "LastDrain",
    "Overview",
    "Reason",
    "Wait",
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


@dataclass(frozen=True)
class Kind:
    """The rows of one model.

    Attributes:
        name: the model's name, such as ``contact``.
        counts: rows by status; a status without rows is missing.
        retrying: pending rows that were tried before.
        due: rows whose time has come.
        oldest_due: since when the longest waiting of them is due.
    """

    name: str
    label: str
    counts: Mapping[str, int]
    retrying: int
    due: int
    oldest_due: datetime.datetime | None


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


def overview(using: str = "default") -> Overview:
    """Read how everything stands. Two queries for each kind, and four more."""
    now = db_now(using)
    kinds = [_kind(model, using, now) for model in MODELS]
    last = _last_drain(using)
    return Overview(
        now=now,
        kinds=kinds,
        gate=Gate(using).state(),
        last_drain=last,
        enabled=conf.enabled,
        has_key=bool(conf.api_key),
        working=_somebody_works(kinds, last, now),
    )


def _kind(model: type[SyncedModel], using: str, now: datetime.datetime) -> Kind:
    rows = model.unmarked.using(using).order_by()
    counts = dict(rows.values_list("sync_status").annotate(Count("pk")))
    retrying, due, oldest = rows.aggregate(
        retrying=Count("pk", filter=Q(sync_status=Status.PENDING) & _TRIED),
        due=Count("pk", filter=Q(due_at__lte=now)),
        oldest=Min("due_at", filter=Q(due_at__lte=now)),
    ).values()
    return Kind(
        name=str(model._meta.model_name),
        label=str(model._meta.verbose_name_plural),
        counts=counts,
        retrying=retrying,
        due=due,
        oldest_due=oldest,
    )


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
    rows = (
        model.unmarked.using(using)
        .order_by()
        .exclude(sync_status__in=(Status.SYNCED, Status.SUPERSEDED))
    )
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
