"""Whether the thing works at all: what the dashboard shows."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.db.models import Count, Sum
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from conversion_sync.admin import times
from conversion_sync.admin.badges import CODES, Badge, render
from conversion_sync.admin.remedies import remedy
from conversion_sync.admin.traffic import Traffic, last_day, last_hour
from conversion_sync.models import ApiCall, BulkJob, Status
from conversion_sync.sync.gate import GateState
from conversion_sync.sync.overview import MODELS, Kind, Overview, overview, span

__all__ = ["dashboard"]

COLUMNS = (
    (Status.SYNCED, gettext_lazy("Synced"), "synced"),
    # The lists' filters tell those of them that were tried before from the others.
    (Status.PENDING, gettext_lazy("Pending"), ""),
    (Status.SENDING, gettext_lazy("Sending"), "sending"),
    (Status.FAILED, gettext_lazy("Failed"), "failed"),
    (Status.UNCONFIRMED, gettext_lazy("In doubt"), "in-doubt"),
)

#: The states of a row that wants a person, and the value of the list's filter by status.
WANTING = {Status.FAILED: "failed", Status.UNCONFIRMED: "in-doubt"}

#: Seconds over which the rate of sending is taken.
RATE_SPAN = 120

JOBS = 10


@dataclass(frozen=True)
class Cell:
    """A number, and the list of the rows that it counts."""

    label: str
    count: int
    address: str = ""


@dataclass(frozen=True)
class KindRow:
    """A kind of rows in a line of the table."""

    label: str
    address: str
    cells: Sequence[Cell]
    oldest: str


@dataclass(frozen=True)
class Failure:
    """Rows of one kind that ended in one error."""

    count: int
    label: str
    status: str
    code: str
    words: str
    remedy: str
    address: str


@dataclass(frozen=True)
class GateCard:
    """The gate in words, and what to do where it is shut."""

    badge: Any
    detail: str
    remedy: str
    can_pause: bool
    can_resume: bool


@dataclass(frozen=True)
class Sending:
    """What is on its way now."""

    words: str
    sent: int
    total: int


@dataclass(frozen=True)
class Job:
    """A bulk job that runs."""

    label: str
    by: str
    done: int
    total: int


def dashboard(request: HttpRequest, site: AdminSite) -> dict[str, Any]:
    """What the template shows. The number of queries does not grow with the rows."""
    seen = overview()
    traffic: list[Traffic] = [last_hour(seen.now), last_day(seen.now)]
    return {
        "columns": [words for _status, words, _name in COLUMNS],
        "kinds": [_kind(request, kind, seen.now, site) for kind in seen.kinds],
        "gate": _gate(seen.gate, seen.now, request),
        "worker": _worker(seen),
        "setup": _setup(seen),
        "sending": _sending(seen),
        "traffic": traffic,
        "failures": sorted(_failures(request, site), key=lambda failure: -failure.count),
        "jobs": _jobs(),
        "now": times.exact(seen.now),
        "calls_address": _list(request, "apicall", site),
    }


def _list(request: HttpRequest, model: str, site: AdminSite, **query: str) -> str:
    """The address of a list; blank for those who may not see it."""
    user: Any = request.user
    rights = (f"conversion_sync.{right}_{model}" for right in ("view", "change"))
    if not any(user.has_perm(right) for right in rights):
        return ""
    try:
        address = reverse(f"admin:conversion_sync_{model}_changelist", current_app=site.name)
    except NoReverseMatch:
        return ""
    return f"{address}?{urlencode(query)}" if query else address


def _kind(request: HttpRequest, kind: Kind, now: datetime.datetime, site: AdminSite) -> KindRow:
    cells = []
    for status, words, name in COLUMNS:
        count = kind.counts.get(status, 0)
        address = _list(request, kind.name, site, status=name) if count and name else ""
        cells.append(Cell(str(words), count, address))
    oldest = span((now - kind.oldest_due).total_seconds()) if kind.oldest_due else ""
    return KindRow(capfirst(kind.label), _list(request, kind.name, site), cells, oldest)


def _gate(gate: GateState, now: datetime.datetime, request: HttpRequest) -> GateCard:
    user: Any = request.user
    may = user.has_perm("conversion_sync.pause")
    detail = str(CODES.get(gate.reason, gate.reason))
    advice = remedy(gate.reason)
    match gate.status:
        case "open":
            badge = Badge("ok", _("Open"))
            detail = _("Calls of the API go through.")
        case "waiting" if gate.until is not None:
            badge = Badge("retry", _("Waiting: goes on %s") % times.until(gate.until, now))
        case "paused":
            by = {"name": gate.reason, "when": times.since(gate.since or now, now)}
            badge = Badge("off", _("Paused"))
            detail = _("By %(name)s, since %(when)s.") % by
            advice = _("Press “Resume” to go on; nothing is lost meanwhile.")
        case _:
            badge = Badge("bad", _("Closed"))
    return GateCard(
        badge=render(badge),
        detail=detail,
        remedy=advice,
        can_pause=may and gate.status != "paused",
        can_resume=may and gate.status != "open",
    )


def _worker(seen: Overview) -> dict[str, Any]:
    last = seen.last_drain
    detail = _("No drain has run yet.")
    if last.seen_at is not None:
        detail = _("Last sign of life: %(when)s, by %(worker)s.") % {
            "when": times.ago(last.seen_at, seen.now),
            "worker": last.worker or "?",
        }
    if not seen.working:
        badge = Badge("bad", _("Nobody is working"))
        advice = _("Have an administrator start the queue's worker or “conversion_worker”.")
    elif last.is_running:
        badge, advice = Badge("busy", _("Working now")), ""
    else:
        badge, advice = Badge("ok", _("Ready for work")), ""
    return {"badge": render(badge), "detail": detail, "remedy": advice}


def _setup(seen: Overview) -> str:
    if not seen.enabled:
        return _("Sending is switched off in the settings (ENABLED): changes are only noted.")
    if not seen.has_key:
        return _("The settings hold no API key (API_KEY): changes are only noted.")
    return ""


def _sending(seen: Overview) -> Sending | None:
    """How far what is due has come, at the rate of the last minutes."""
    moves = seen.enabled and seen.has_key and seen.working and seen.gate.status == "open"
    if not seen.due or not moves:
        return None
    since = seen.now - datetime.timedelta(seconds=RATE_SPAN)
    calls = ApiCall.objects.filter(started_at__gte=since, error_code="")
    sent = calls.aggregate(rows=Sum("rows"))["rows"] or 0
    words = ngettext("%d row is due.", "%d rows are due.", seen.due) % seen.due
    if sent:
        words += " " + _("%(rate)d rows a minute, about %(left)s left.") % {
            "rate": max(1, sent * 60 // RATE_SPAN),
            "left": span(seen.due * RATE_SPAN / sent),
        }
    return Sending(words, sent, sent + seen.due)


def _failures(request: HttpRequest, site: AdminSite) -> Iterator[Failure]:
    for model in MODELS:
        rows = model.unmarked.filter(sync_status__in=WANTING).order_by()
        groups = rows.values_list("sync_status", "last_error_code").annotate(n=Count("pk"))
        name = str(model._meta.model_name)
        for status, code, count in groups:
            label = model._meta.verbose_name if count == 1 else model._meta.verbose_name_plural
            query = {"status": WANTING[status]} | ({"error": code} if code else {})
            yield Failure(
                count=count,
                label=str(label),
                status=str(Status(status).label),
                code=code,
                words=str(CODES.get(code, code)),
                remedy=remedy(code),
                address=_list(request, name, site, **query),
            )


def _jobs() -> list[Job]:
    rows = BulkJob.objects.filter(finished_at=None).order_by("pk")[:JOBS]
    return [
        Job(job.get_action_display(), job.requested_by, min(job.done, job.total), job.total)
        for job in rows
    ]
