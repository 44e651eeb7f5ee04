"""Times in the words in which people say them, in the formats of the reader's language.

The reader's zone is the one that is active: the site's own, or that of the browser where
``conversion_sync.middleware.browser_time_zone`` is installed.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from django.utils import timezone
from django.utils.formats import date_format, get_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from conversion_sync.models.fields.times import instant
from conversion_sync.status.plain import is_plain

__all__ = ["ago", "exact", "now", "one_full_stop", "short", "since", "time_of_day", "until"]

MINUTE, HOUR, DAY, WEEK = 60, 3600, 86_400, 604_800

#: In a format of Django's: the minutes, with what parts them from the hour; what stands for hours
#: and minutes together; the zone. A letter behind a backslash is text.
_MINUTES, _CLOCK, _ZONE = (re.compile(rf"(?<!\\){part}") for part in (r"([:.]?)i", "P", "T"))


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
    return _("on %s") % date_format(_local(moment), "SHORT_DATE_FORMAT")


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


def time_of_day(moment: datetime) -> str:
    """The time of day, in the reader's zone."""
    return date_format(_local(moment), "TIME_FORMAT")


def short(moment: datetime, *, seconds: bool = False) -> str:
    """Date and time, as short as the language has them, in the reader's zone."""
    # Not every language has a format for both.
    clock = _clock(seconds=seconds)
    return date_format(_local(moment), f"{get_format('SHORT_DATE_FORMAT')} {clock}")


def since(moment: datetime, now: datetime, *, seconds: bool = False) -> str:
    """The time of day, with the date unless it is today's, in the reader's zone.

    Args:
        seconds: the time is given to the second.
    """
    if is_plain():
        return f"{instant(moment):%Y-%m-%d %H:%M} UTC"
    local = _local(moment)
    if local.date() == _local(now).date():
        return date_format(local, _clock(seconds=seconds))
    return short(moment, seconds=seconds)


def exact(moment: datetime) -> str:
    """Date and time to the second, in the reader's zone, which is named."""
    wanted = _with_seconds(get_format("DATETIME_FORMAT"))
    return date_format(_local(moment), wanted if _ZONE.search(wanted) else f"{wanted} T")


def one_full_stop(sentence: str) -> str:
    """A sentence that may end with a time such as “4:58 p.m.”, with one full stop all the same."""
    return sentence[:-1] if sentence.endswith("..") else sentence


def _clock(*, seconds: bool) -> str:
    """The format of a time of day."""
    clock = str(get_format("TIME_FORMAT"))
    return _with_seconds(clock) if seconds else clock


def _with_seconds(wanted: str) -> str:
    """The format of a time, with its seconds, for which Django has none."""
    clock = _CLOCK.sub("g:i a", wanted)
    return _MINUTES.sub(lambda found: f"{found[0]}{found[1] or ':'}s", clock)
