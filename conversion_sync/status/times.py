"""Times in the words in which people say them.

The reader's zone is the one that is active: the site's own, or that of the browser where
``conversion_sync.middleware.browser_time_zone`` is installed.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from conversion_sync.models.fields.times import instant

__all__ = ["ago", "exact", "now", "since", "until"]

MINUTE, HOUR, DAY, WEEK = 60, 3600, 86_400, 604_800


def now() -> datetime:
    """What time it is for this process, in UTC."""
    return datetime.now(UTC)


def _local(moment: datetime) -> datetime:
    return timezone.localtime(instant(moment))


def ago(moment: datetime, now: datetime) -> str:
    """How long ago: “just now”, “3 min ago”, “2 h ago”, “5 days ago”, then the date."""
    seconds = (now - moment).total_seconds()
    if seconds < MINUTE:
        return _("just now")
    if seconds < HOUR:
        return _("%d min ago") % (seconds // MINUTE)
    if seconds < DAY:
        return _("%d h ago") % (seconds // HOUR)
    if seconds < WEEK:
        days = int(seconds // DAY)
        return ngettext("%d day ago", "%d days ago", days) % days
    return _("on %s") % date_format(_local(moment), "j M Y")


def until(moment: datetime, now: datetime) -> str:
    """How long from now, rounded up: “in 40 s”, “in 4 min”, “in 2 h”, “in 3 days”."""
    seconds = max(1, math.ceil((moment - now).total_seconds()))
    if seconds < MINUTE:
        return _("in %d s") % seconds
    if seconds <= 59 * MINUTE:
        return _("in %d min") % math.ceil(seconds / MINUTE)
    if seconds <= 23 * HOUR:
        return _("in %d h") % math.ceil(seconds / HOUR)
    days = math.ceil(seconds / DAY)
    return ngettext("in %d day", "in %d days", days) % days


def since(moment: datetime, now: datetime, *, seconds: bool = False) -> str:
    """The time of day, with the date unless it is today's, in the reader's zone.

    Args:
        seconds: the time is given to the second.
    """
    local = _local(moment)
    today = _local(now)
    clock = "H:i:s" if seconds else "H:i"
    if local.date() == today.date():
        return date_format(local, clock)
    return date_format(local, f"j M {clock}" if local.year == today.year else f"j M Y {clock}")


def exact(moment: datetime) -> str:
    """Date and time to the second, in the reader's zone, which is named."""
    return date_format(_local(moment), "j M Y H:i:s T")
