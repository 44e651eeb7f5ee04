"""The gate, for the dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from conversion_sync.admin.badges import Badge, render
from conversion_sync.api.errors import ErrorCode
from conversion_sync.status import times
from conversion_sync.status.errors import error_words, remedy
from conversion_sync.status.verdict import Facts

__all__ = ["GateCard", "gate_card"]


@dataclass(frozen=True)
class GateCard:
    """The gate in words, and what to do where it is shut."""

    badge: Any
    detail: str
    remedy: str
    can_pause: bool
    can_resume: bool


def gate_card(known: Facts, request: HttpRequest) -> GateCard:
    """The gate as it stands."""
    user: Any = request.user
    may = user.has_perm("conversion_sync.pause")
    gate, now = known.gate, known.now
    detail = error_words(gate.reason)
    advice = remedy(gate.reason)
    match gate.status:
        case "open" if known.silent_since is not None:
            badge = Badge("bad", _("No answer"))
            since = times.since(known.silent_since, now)
            detail = times.one_full_stop(_("The last calls were not answered, since %s.") % since)
            advice = remedy(ErrorCode.UNREACHABLE)
        case "open":
            badge = Badge("ok", _("Open"))
            detail = _("Calls of the API go through.")
        case "waiting" if gate.until is not None:
            badge = Badge("retry", _("Waiting: goes on %s") % times.until(gate.until, now))
        case "paused":
            by = {"name": gate.reason, "when": times.since(gate.since or now, now)}
            badge = Badge("off", _("Paused"))
            detail = times.one_full_stop(_("By %(name)s, since %(when)s.") % by)
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
