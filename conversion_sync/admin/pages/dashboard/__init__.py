"""Whether the thing works at all: what the dashboard shows."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.translation import gettext as _

from conversion_sync.admin.badges import said_in_full
from conversion_sync.admin.pages.dashboard.failures import failures
from conversion_sync.admin.pages.dashboard.gate import gate_card
from conversion_sync.admin.pages.dashboard.jobs import running_jobs
from conversion_sync.admin.pages.dashboard.kinds import COLUMNS, kind_line
from conversion_sync.admin.pages.dashboard.links import list_address
from conversion_sync.admin.pages.dashboard.mirrors import COLUMNS as MIRROR_COLUMNS
from conversion_sync.admin.pages.dashboard.mirrors import mirror_failures, mirror_lines
from conversion_sync.admin.pages.dashboard.sending import sending
from conversion_sync.admin.pages.dashboard.worker import worker_card
from conversion_sync.admin.pages.traffic import Traffic, last_day, last_hour
from conversion_sync.api.error_codes import ErrorCode
from conversion_sync.mirrors.figures import figures
from conversion_sync.models.database import database
from conversion_sync.status import times
from conversion_sync.status.facts import facts
from conversion_sync.status.overview import Overview, overview
from conversion_sync.status.recent import recent_kinds
from conversion_sync.status.verdict import verdict

__all__ = ["dashboard"]

#: Characters that are shown of what a channel raised.
ERROR_LENGTH = 300


def dashboard(request: HttpRequest, site: AdminSite) -> dict[str, Any]:
    """What the template shows. The number of queries does not grow with the rows."""
    using = database()
    seen = overview(using, kinds=recent_kinds(using))
    known = facts(seen, using)
    found = verdict(known)
    mirrors = figures(using)
    wanting = [*failures(request, seen, site), *mirror_failures(request, mirrors, site)]
    traffic: list[Traffic] = [last_hour(seen.now), last_day(seen.now)]
    return {
        "columns": list(COLUMNS.values()),
        "kinds": [kind_line(request, kind, seen.now, site) for kind in seen.kinds],
        "verdict": found,
        "needs": "" if found.is_good else found.advice,
        "gate": gate_card(known, request),
        "worker": worker_card(seen, known),
        "troubles": _troubles(seen),
        "sending": sending(seen, known, using),
        "traffic": traffic,
        "failures": sorted(wanting, key=lambda each: -each.count),
        "mirror_columns": list(MIRROR_COLUMNS.values()),
        "mirrors": mirror_lines(request, mirrors, site),
        "jobs": running_jobs(request, seen.now, site),
        "now": times.exact(seen.now),
        "calls_address": list_address(request, "apicall", site),
    }


def _troubles(seen: Overview) -> list[dict[str, str]]:
    """The channels that fail as a whole, in words."""
    return [
        {
            "words": _("Nothing is sent of the %(rows)s, since something failed %(when)s:")
            % {"rows": trouble.label, "when": times.ago(trouble.at, seen.now)},
            "error": said_in_full(trouble.error, ErrorCode.BUG, ERROR_LENGTH),
        }
        for trouble in seen.troubles
    ]
