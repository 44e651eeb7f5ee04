"""Whether the thing works at all: what the dashboard shows."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from conversion_sync.admin.badges import Badge, one_line, render
from conversion_sync.admin.bulk.perform import job_address
from conversion_sync.admin.lists.paging import in_words
from conversion_sync.admin.pages import jobs as job_page
from conversion_sync.admin.pages.traffic import Traffic, last_day, last_hour
from conversion_sync.admin.site import address, may_view
from conversion_sync.api.errors import ErrorCode
from conversion_sync.models import BulkJob, Status
from conversion_sync.models.database import database
from conversion_sync.status import times
from conversion_sync.status.errors import remedy
from conversion_sync.status.errors import words as error_words
from conversion_sync.status.estimates import Count
from conversion_sync.status.facts import facts, pace
from conversion_sync.status.numbers import grouped
from conversion_sync.status.overview import Kind, Overview, overview
from conversion_sync.status.recent import recent_kinds
from conversion_sync.status.spans import span
from conversion_sync.status.verdict import START_A_WORKER, Facts, verdict

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

JOBS = 10

#: Characters that are shown of what a channel raised.
ERROR_LENGTH = 300


@dataclass(frozen=True)
class Cell:
    """A number in words, and the list of the rows that it counts."""

    label: str
    count: str
    address: str = ""


@dataclass(frozen=True)
class KindCounts:
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
    using = database()
    seen = overview(using, kinds=recent_kinds(using))
    known = facts(seen, using)
    found = verdict(known)
    traffic: list[Traffic] = [last_hour(seen.now), last_day(seen.now)]
    return {
        "columns": list(COLUMNS.values()),
        "kinds": [_kind(request, kind, seen.now, site) for kind in seen.kinds],
        "verdict": found,
        "needs": "" if found.is_good else found.advice,
        "gate": _gate(known, request),
        "worker": _worker(seen, known),
        "troubles": _troubles(seen),
        "sending": _sending(seen, known, using),
        "traffic": traffic,
        "failures": sorted(_failures(request, seen, site), key=lambda each: -each.count),
        "jobs": _jobs(request, seen.now, site),
        "now": times.exact(seen.now),
        "calls_address": _list(request, "apicall", site),
    }


def _list(request: HttpRequest, model: str, site: AdminSite, **query: str) -> str:
    """The address of a list; blank for those who may not see it."""
    if not may_view(request, model):
        return ""
    found = address(site, f"conversion_sync_{model}_changelist")
    return f"{found}?{urlencode(query)}" if found and query else found


def _kind(request: HttpRequest, kind: Kind, now: datetime.datetime, site: AdminSite) -> KindCounts:
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
    return KindCounts(capfirst(kind.label), _list(request, kind.name, site), cells, oldest)


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


def _gate(known: Facts, request: HttpRequest) -> GateCard:
    user: Any = request.user
    may = user.has_perm("conversion_sync.pause")
    gate, now = known.gate, known.now
    detail = error_words(gate.reason)
    advice = remedy(gate.reason)
    match gate.status:
        case "open" if known.silent_since is not None:
            badge = Badge("bad", _("No answer"))
            detail = _("The last calls were not answered, since %s.") % times.since(
                known.silent_since, now
            )
            advice = remedy(ErrorCode.UNREACHABLE)
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
            when = times.until(max(gate.until or now, now), now)
            advice = f"{advice} {_('Conversion is asked again by itself %s.') % when}"
    return GateCard(
        badge=render(badge),
        detail=detail,
        remedy=advice,
        can_pause=may and gate.status != "paused",
        can_resume=may and gate.status != "open",
    )


def _worker(seen: Overview, known: Facts) -> dict[str, Any]:
    last = seen.last_drain
    detail = _("No drain has run yet.")
    if last.seen_at is not None:
        detail = _("Last sign of life: %(when)s, by %(worker)s.") % {
            "when": times.ago(last.seen_at, seen.now),
            "worker": last.worker or "?",
        }
    if not seen.working:
        badge = Badge("bad", _("Nobody is working"))
        advice = str(START_A_WORKER)
    elif last.is_running:
        badge, advice = Badge("busy", _("Working now")), ""
    elif not known.lively:
        badge, advice = Badge("wait", _("No drain lately")), ""
    else:
        badge, advice = Badge("ok", _("Ready for work")), ""
    return {"badge": render(badge), "detail": detail, "remedy": advice}


def _troubles(seen: Overview) -> list[dict[str, str]]:
    """The channels that fail as a whole, in words."""
    return [
        {
            "words": _("Nothing is sent of the %(rows)s, since something failed %(when)s:")
            % {"rows": trouble.label, "when": times.ago(trouble.at, seen.now)},
            "error": one_line(trouble.error, ERROR_LENGTH),
        }
        for trouble in seen.troubles
    ]


def _sending(seen: Overview, known: Facts, using: str) -> Sending | None:
    """How far what is on its way has come, at the pace of the last minutes."""
    moves = seen.enabled and seen.has_key and known.sending and seen.gate.status == "open"
    if not known.moving or not moves:
        return None
    words = ngettext("%s row is on its way.", "%s rows are on their way.", known.moving)
    words %= grouped(known.moving)
    found = pace(using, seen.now)
    if found is not None:
        words += " " + _("%s rows a minute.") % grouped(found.a_minute)
    if known.seconds_left is not None:
        words += " " + _("About %s left.") % span(max(1.0, known.seconds_left))
    sent = found.rows if found else 0
    return Sending(words, sent, sent + known.moving)


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
                words=error_words(errors.code),
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
                "rows": job_page.kind_of_rows(job),
                "who": job.requested_by or "?",
            },
            progress="; ".join(filter(None, (job_page.progress(job), job_page.rate(job, now)))),
            address=job_address(site, job)
            if may_see or job.requested_by == user.get_username()
            else "",
            done=min(job.done, job.total),
            total=job.total,
        )
        for job in rows[:JOBS]
    ]
