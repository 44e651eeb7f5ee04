"""The call log in numbers, and as bars that the server draws."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Q
from django.db.models.functions import TruncMinute
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from conversion_sync.models import ApiCall
from conversion_sync.status import times
from conversion_sync.status.numbers import grouped

__all__ = ["Bar", "Traffic", "last_day", "last_hour"]

#: The drawing's own units; it is stretched to the width of the page.
WIDTH, HEIGHT = 480, 80


@dataclass(frozen=True)
class Bar:
    """The calls of a span of time, as a bar; the failed ones are its foot."""

    x: float
    width: float
    top: float
    good: float
    bad_top: float
    bad: float
    words: str


@dataclass(frozen=True)
class Traffic:
    """The calls of the last hour or day. Durations are in milliseconds."""

    title: str
    calls: int
    failed: int
    median: int
    p95: int
    bars: Sequence[Bar]
    scale: str
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def calls_in_words(self) -> str:
        """The number of calls, for reading."""
        return grouped(self.calls)

    @property
    def failed_in_words(self) -> str:
        """The number of calls that failed, for reading."""
        return grouped(self.failed)

    @property
    def error_rate(self) -> str:
        """The failed part of the calls, in percent."""
        return f"{100 * self.failed / self.calls:.1f} %" if self.calls else "0 %"


def last_hour(now: datetime.datetime) -> Traffic:
    """The last 60 minutes, a bar for each."""
    start = _floor(now, 60) - datetime.timedelta(minutes=59)
    return _traffic(_("Last hour"), start, 60, 60)


def last_day(now: datetime.datetime) -> Traffic:
    """The last 24 hours, a bar for each."""
    start = _floor(now, 3600) - datetime.timedelta(hours=23)
    return _traffic(_("Last day"), start, 3600, 24)


def _floor(moment: datetime.datetime, seconds: int) -> datetime.datetime:
    stamp = int(moment.timestamp()) // seconds * seconds
    return datetime.datetime.fromtimestamp(stamp, datetime.UTC)


def _traffic(title: str, start: datetime.datetime, size: int, count: int) -> Traffic:
    rows = ApiCall.objects.filter(started_at__gte=start).order_by()
    found = defaultdict[datetime.datetime, tuple[int, int]](lambda: (0, 0))
    # By the minute: an hour of another zone is not always one of UTC.
    for row in rows.values(at=TruncMinute("started_at", tzinfo=datetime.UTC)).annotate(
        calls=Count("pk"), failed=Count("pk", filter=~Q(error_code=""))
    ):
        calls, failed = found[at := _floor(row["at"], size)]
        found[at] = (calls + row["calls"], failed + row["failed"])
    durations = list(
        rows.values_list("duration_ms").annotate(n=Count("pk")).order_by("duration_ms")
    )
    spans = [start + datetime.timedelta(seconds=size * index) for index in range(count)]
    bars = [(at, *found[at]) for at in spans]
    return Traffic(
        title=title,
        calls=sum(calls for calls, _failed in found.values()),
        failed=sum(failed for _calls, failed in found.values()),
        median=_quantile(durations, 0.5),
        p95=_quantile(durations, 0.95),
        bars=_bars(bars),
        scale=_scale(bars, size),
    )


def _quantile(durations: Sequence[tuple[int, int]], part: float) -> int:
    """The shortest duration within which this part of the calls ended."""
    wanted = part * sum(n for _ms, n in durations)
    seen = 0
    for ms, n in durations:
        seen += n
        if seen >= wanted:
            return ms
    return 0


def _bars(spans: Sequence[tuple[datetime.datetime, int, int]]) -> list[Bar]:
    most = max(1, *(calls for _at, calls, _failed in spans))
    step = WIDTH / len(spans)
    return [
        Bar(
            x=round(index * step, 2),
            width=round(step * 0.8, 2),
            top=round(HEIGHT * (1 - calls / most), 2),
            good=round(HEIGHT * (calls - failed) / most, 2),
            bad_top=round(HEIGHT * (1 - failed / most), 2),
            bad=round(HEIGHT * failed / most, 2),
            words=_words(at, calls, failed),
        )
        for index, (at, calls, failed) in enumerate(spans)
        if calls
    ]


def _scale(spans: Sequence[tuple[datetime.datetime, int, int]], size: int) -> str:
    """What a plot's axes would say."""
    most = max(calls for _at, calls, _failed in spans)
    words = (
        ngettext("at most %s call a minute", "at most %s calls a minute", most)
        if size == 60
        else ngettext("at most %s call an hour", "at most %s calls an hour", most)
    )
    begin, end = spans[0][0], spans[-1][0]
    return _("Since %(begin)s; %(most)s") % {
        "begin": times.since(begin, end),
        "most": words % grouped(most),
    }


def _words(at: datetime.datetime, calls: int, failed: int) -> str:
    counted = ngettext("%s call", "%s calls", calls) % grouped(calls)
    words = f"{times.time_of_day(at)}: {counted}"
    if not failed:
        return words
    return _("%(words)s, %(failed)s failed") % {"words": words, "failed": grouped(failed)}
