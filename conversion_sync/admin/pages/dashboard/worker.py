"""Whether somebody works."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from conversion_sync.admin.badges import Badge, render
from conversion_sync.status import times
from conversion_sync.status.overview import Overview
from conversion_sync.status.verdict import START_A_WORKER, Facts

__all__ = ["worker_card"]


def worker_card(seen: Overview, known: Facts) -> dict[str, Any]:
    """Whether somebody works, when that was last seen, and what to do where nobody does."""
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
