"""Why rows have not arrived, and until when they wait, in words: of one row, and of all."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count, Min
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from conversion_sync.models import Status, SyncedModel
from conversion_sync.models.clock import DbNow, db_now
from conversion_sync.status.next_try import Outlook, outlook
from conversion_sync.status.numbers import grouped
from conversion_sync.status.spans import span
from conversion_sync.sync.kinds import MODELS
from conversion_sync.sync.planning import WITHIN
from conversion_sync.sync.readiness import TIMED, Reason, why

__all__ = ["Wait", "reason_words", "reasons", "waits"]

#: Of one row, and of several.
_WORDS: Mapping[Reason, str | Promise] = {
    Reason.READY: _("waiting to be sent"),
    Reason.LATER: _("to be sent later"),
    Reason.RETRY: _("will be tried again"),
    Reason.SENDING: _("being sent"),
    Reason.CONTACT: _("waiting for the contact"),
    Reason.CONTACT_FAILED: _("waiting for the contact, which failed: correct and retry it"),
    Reason.EARLIER: _("waiting for an earlier change of the same person"),
    Reason.OLD_EMAIL: _("waiting for the deletion of the contact's old email"),
    Reason.DELETION: _("waiting for a deletion of the same key"),
    Reason.DELETION_FAILED: _(
        "waiting for a deletion of the same key, which failed: retry or discard it"
    ),
    Reason.IN_DOUBT: _("in doubt: choose “Resend” or “Mark as sent”"),
    Reason.FAILED: _("failed: see the error on each, and retry"),
}

_UNFINISHED = (Status.PENDING, Status.SENDING, Status.FAILED, Status.UNCONFIRMED)


def reason_words(reason: Reason) -> str:
    """Why a row, or several, have not arrived."""
    return str(_WORDS[reason])


def reasons(rows: Sequence[SyncedModel], using: str) -> dict[int, Reason]:
    """Why each of these rows of one model has not arrived, by primary key: one query.

    Those that have arrived, or were superseded, are missing.
    """
    pks = [row.pk for row in rows if row.sync_status in _UNFINISHED]
    if not pks:
        return {}
    model = type(rows[0])
    found = model.unmarked.using(using).order_by().filter(pk__in=pks)
    annotated = found.annotate(why=why(model, using, DbNow()))
    return {pk: Reason(reason) for pk, reason in annotated.values_list("pk", "why") if reason}


@dataclass(frozen=True)
class Wait:
    """Rows of one kind that have not arrived, for one reason.

    ``until``: when the first of them moves by itself, by the next sweep at the latest where it is
    due before that; None if nobody knows.
    """

    name: str
    label: str
    count: int
    reason: Reason
    until: datetime.datetime | None

    def words(self, now: datetime.datetime) -> str:
        """Such as ``12 contacts: will be tried again, the first in 4 min``."""
        said = f"{grouped(self.count)} {self.label}: {reason_words(self.reason)}"
        if self.until is None:
            return said
        seconds = max(0.0, (self.until - now).total_seconds())
        first = ngettext("in %(span)s", "the first in %(span)s", self.count)
        return f"{said}, {first % {'span': span(seconds)}}"


def waits(using: str = "default", now: datetime.datetime | None = None) -> list[Wait]:
    """What has not arrived, and why: one query for each kind, and one for all."""
    now = now or db_now(using)
    known = outlook(using, now)
    return [wait for model in MODELS for wait in _waits(model, using, now, known)]


def _waits(
    model: type[SyncedModel],
    using: str,
    now: datetime.datetime,
    known: Outlook,
) -> list[Wait]:
    rows = model.unmarked.using(using).order_by().filter(sync_status__in=_UNFINISHED)
    groups = rows.annotate(why=why(model, using, now)).values("why")
    found = {Reason(row["why"]): row for row in groups.annotate(n=Count("pk"), at=Min("due_at"))}
    return [
        Wait(
            name=str(model._meta.model_name),
            label=str(
                model._meta.verbose_name if row["n"] == 1 else model._meta.verbose_name_plural
            ),
            count=row["n"],
            reason=reason,
            until=_until(row["at"], now, known) if reason in TIMED and row["at"] else None,
        )
        for reason in Reason
        if (row := found.get(reason))
    ]


def _until(
    due_at: datetime.datetime, now: datetime.datetime, known: Outlook
) -> datetime.datetime | None:
    """When rows of which the first is due then move at the latest; None where nobody knows."""
    if not known.can_tell(due_at, now):
        return None
    return known.sent_at(due_at, now) or now + WITHIN
