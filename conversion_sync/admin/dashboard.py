"""Whether the thing works at all: what the dashboard shows."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.contrib.admin import AdminSite
from django.core.cache import cache
from django.db.models import Min, Sum
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from conversion_sync.admin import job_page, times
from conversion_sync.admin.badges import CODES, Badge, render
from conversion_sync.admin.bulk import job_address
from conversion_sync.admin.paging import grouped, in_words
from conversion_sync.admin.remedies import remedy
from conversion_sync.admin.traffic import Traffic, last_day, last_hour
from conversion_sync.models import ApiCall, BulkJob, Status
from conversion_sync.sync.estimates import Count
from conversion_sync.sync.gate import GateState
from conversion_sync.sync.overview import Kind, Overview, count_kinds, overview, span

__all__ = ["dashboard"]

#: The columns, and the values of the lists' filter by status.
COLUMNS = {
    "synced": gettext_lazy("Synced"),
    "waiting": gettext_lazy("Pending"),
    "retrying": gettext_lazy("Retrying"),
    "sending": gettext_lazy("Sending"),
    "failed": gettext_lazy("Failed"),
    "in-doubt": gettext_lazy("In doubt"),
}

#: The states of a row that wants a person, and the value of the list's filter by status.
WANTING = {Status.FAILED.value: "failed", Status.UNCONFIRMED.value: "in-doubt"}

#: Seconds over which the rate of sending is taken.
RATE_SPAN = 120

#: Seconds from which counting takes long, and how many times as long it then rests.
SLOW, REST = 1.0, 10

JOBS = 10


@dataclass(frozen=True)
class Cell:
    """A number in words, and the list of the rows that it counts."""

    label: str
    count: str
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
    rows: str
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
    """A bulk job that runs, and its page for those who may see it."""

    label: str
    progress: str
    address: str
    done: int
    total: int


def dashboard(request: HttpRequest, site: AdminSite) -> dict[str, Any]:
    """What the template shows. The number of queries does not grow with the rows."""
    seen = overview(kinds=_kinds())
    traffic: list[Traffic] = [last_hour(seen.now), last_day(seen.now)]
    return {
        "columns": list(COLUMNS.values()),
        "kinds": [_kind(request, kind, seen.now, site) for kind in seen.kinds],
        "gate": _gate(seen.gate, seen.now, request),
        "worker": _worker(seen),
        "setup": _setup(seen),
        "sending": _sending(seen),
        "traffic": traffic,
        "failures": sorted(_failures(request, seen, site), key=lambda each: -each.count),
        "jobs": _jobs(request, seen.now, site),
        "now": times.exact(seen.now),
        "calls_address": _list(request, "apicall", site),
    }


def _kinds() -> Sequence[Kind]:
    """The rows, counted. Where that takes long, those that were counted last serve for a while.

    No more than a tenth of the time goes into counting, however many people look on.
    """
    key = f"conversion_sync.kinds.{get_language()}"
    if (known := cache.get(key)) is not None:
        return cast("Sequence[Kind]", known)
    began = time.monotonic()
    kinds = count_kinds()
    if (seconds := time.monotonic() - began) > SLOW:
        cache.set(key, kinds, timeout=REST * seconds)
    return kinds


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
    counts = _counts(kind)
    cells = [
        Cell(
            label=str(words),
            count=in_words(counts[name]),
            address=_list(request, kind.name, site, status=name) if counts[name].number else "",
        )
        for name, words in COLUMNS.items()
    ]
    oldest = span((now - kind.oldest_due).total_seconds()) if kind.oldest_due else ""
    return KindRow(capfirst(kind.label), _list(request, kind.name, site), cells, oldest)


def _counts(kind: Kind) -> dict[str, Count]:
    """How many rows each column has; none stands in two of them."""
    by_status = {status: kind.counts.get(status, 0) for status in Status.values}
    return {
        "synced": Count(by_status[Status.SYNCED], kind.synced_is_exact),
        "waiting": Count(by_status[Status.PENDING] - kind.retrying),
        "retrying": Count(kind.retrying),
        "sending": Count(by_status[Status.SENDING]),
        "failed": Count(by_status[Status.FAILED]),
        "in-doubt": Count(by_status[Status.UNCONFIRMED]),
    }


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
    pushes = ApiCall.objects.filter(started_at__gte=since, error_code="")
    found = pushes.exclude(endpoint__startswith="GET").aggregate(
        rows=Sum("rows", default=0), first=Min("started_at", default=since)
    )
    sent, seconds = found["rows"], max(1.0, (seen.now - found["first"]).total_seconds())
    words = ngettext("%s row is due.", "%s rows are due.", seen.due) % grouped(seen.due)
    if sent:
        words += " " + _("%(rate)s rows a minute, about %(left)s left.") % {
            "rate": grouped(max(1, round(sent * 60 / seconds))),
            "left": span(max(1, seen.due * seconds / sent)),
        }
    return Sending(words, sent, sent + seen.due)


def _failures(request: HttpRequest, seen: Overview, site: AdminSite) -> Iterator[Failure]:
    for kind in seen.kinds:
        for errors in kind.errors:
            if errors.status not in WANTING:
                continue
            query = {"status": WANTING[errors.status]}
            if errors.code:
                query["error"] = errors.code
            yield Failure(
                count=errors.count,
                rows=f"{grouped(errors.count)} {kind.noun(errors.count)}",
                status=str(Status(errors.status).label),
                code=errors.code,
                words=str(CODES.get(errors.code, errors.code)),
                remedy=remedy(errors.code),
                address=_list(request, kind.name, site, **query),
            )


def _jobs(request: HttpRequest, now: datetime.datetime, site: AdminSite) -> list[Job]:
    user: Any = request.user
    may_see = user.has_perm("conversion_sync.view_bulkjob")
    # The findings of a comparison may be long.
    rows = BulkJob.objects.filter(finished_at=None).defer("findings", "filter").order_by("pk")
    return [
        Job(
            label=_("%(what)s, %(rows)s, asked for by %(who)s")
            % {
                "what": job.get_action_display(),
                "rows": job_page.rows_of(job),
                "who": job.requested_by or "?",
            },
            progress="; ".join(filter(None, (job_page.progress(job), job_page.pace(job, now)))),
            address=job_address(site, job)
            if may_see or job.requested_by == user.get_username()
            else "",
            done=min(job.done, job.total),
            total=job.total,
        )
        for job in rows[:JOBS]
    ]
