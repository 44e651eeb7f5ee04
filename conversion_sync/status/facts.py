"""The facts of which a verdict is made, read from the database. Nothing here writes."""

from __future__ import annotations

import datetime
from collections import Counter

from django.db.models import Min, Sum

from conversion_sync.api.errors import ErrorCode
from conversion_sync.conf import conf
from conversion_sync.models import ApiCall, Status
from conversion_sync.status.errors import needs_a_person
from conversion_sync.status.overview import Overview
from conversion_sync.status.verdict import NEXT_DRAIN, Facts
from conversion_sync.sync.gate import GateState

__all__ = ["Pace", "facts", "pace"]

#: Seconds over which the pace of sending is taken.
PACE_SPAN = 120

#: Seconds within which a drain begins that was asked for.
WAKE = 10

#: Seconds without an answer, from which on one fault is not just one.
SILENT = 30

#: What a call ends in where the API does not work.
_FAULTS = (
    ErrorCode.NOT_SENT,
    ErrorCode.NO_ANSWER,
    ErrorCode.INTERNAL_ERROR,
    ErrorCode.FOREIGN_ANSWER,
    ErrorCode.CONTENT_REFUSED,
)


class Pace:
    """How many rows were sent, and in how many seconds."""

    def __init__(self, rows: int, seconds: float) -> None:
        self.rows, self.seconds = rows, seconds

    @property
    def a_minute(self) -> int:
        """Rows a minute; 1 at least."""
        return max(1, round(self.rows * 60 / self.seconds))

    def seconds_for(self, rows: int) -> float:
        """How long so many rows will take."""
        return rows * self.seconds / self.rows


def pace(using: str, now: datetime.datetime) -> Pace | None:
    """How fast rows were sent in the last minutes; None where none was."""
    since = now - datetime.timedelta(seconds=PACE_SPAN)
    pushes = ApiCall.objects.using(using).filter(started_at__gte=since, error_code="")
    found = pushes.exclude(endpoint__startswith="GET").aggregate(
        rows=Sum("rows", default=0), first=Min("started_at")
    )
    if not found["rows"]:
        return None
    return Pace(found["rows"], max(1.0, (now - found["first"]).total_seconds()))


def facts(seen: Overview, using: str, *, detailed: bool = True) -> Facts:
    """The facts, of what was read before, and two queries at most.

    Args:
        detailed: False where ``seen`` does not tell rows that are tried again, or held, from
            those that are on their way.
    """
    moving = sum(kind.moving for kind in seen.kinds)
    stuck = Counter[str]()
    for group in (group for kind in seen.kinds for group in kind.stuck):
        stuck[group.code] += group.count
    retrying = sum(kind.retrying for kind in seen.kinds) - stuck.total()
    sending = _is_sending(seen)
    # What is tried again comes when it comes: no time that is told could be kept.
    may_tell = detailed and moving and sending and not retrying and seen.gate.status == "open"
    found = pace(using, seen.now) if may_tell else None
    return Facts(
        now=seen.now,
        detailed=detailed,
        enabled=seen.enabled,
        has_key=seen.has_key,
        gate=seen.gate,
        working=seen.working,
        seen_at=seen.last_drain.seen_at,
        sending=sending,
        lively=_is_lively(seen),
        silent_since=_silent_since(seen.gate, using, seen.now),
        failed=_count(seen, Status.FAILED),
        in_doubt=_count(seen, Status.UNCONFIRMED),
        stuck=stuck.total(),
        stuck_for=_commonest(stuck),
        held=sum(kind.held for kind in seen.kinds),
        retrying=retrying,
        retrying_for=_commonest_error(seen) if retrying else "",
        moving=moving,
        marks=seen.marks,
        faulty=seen.faulty,
        leaving=seen.leaving,
        seconds_left=None if found is None else found.seconds_for(moving),
        troubles=[trouble.label for trouble in seen.troubles],
    )


def _count(seen: Overview, status: Status) -> int:
    return sum(kind.counts.get(status, 0) for kind in seen.kinds)


def _commonest_error(seen: Overview) -> str:
    """Of the rows that are tried again, and need nobody; blank where there are none."""
    errors = [each for kind in seen.kinds for each in kind.errors if each.status == Status.PENDING]
    counts = Counter[str]()
    for each in errors:
        if not needs_a_person(each.code):
            counts[each.code] += each.count
    return _commonest(counts)


def _commonest(counts: Counter[str]) -> str:
    return counts.most_common(1)[0][0] if counts else ""


def _is_sending(seen: Overview) -> bool:
    """Whether rows are sent now, or were made due so lately that a drain is about to take them."""
    last = seen.last_drain
    longest = datetime.timedelta(seconds=conf.drain_seconds + conf.call_deadline + WAKE)
    # One that died began long ago, and never ended.
    runs = last.started_at is not None and last.is_running and seen.now - last.started_at < longest
    due = seen.oldest.oldest_due if seen.oldest else None
    just_due = due is not None and seen.now - due <= datetime.timedelta(seconds=WAKE)
    return runs or just_due


def _is_lively(seen: Overview) -> bool:
    """Whether somebody is sure to send what is due: one just did, or it is due only just now."""
    since = seen.now - NEXT_DRAIN
    last, oldest = seen.last_drain.seen_at, seen.oldest
    if last is not None and last >= since:
        return True
    return oldest is None or oldest.oldest_due is None or oldest.oldest_due >= since


def _silent_since(gate: GateState, using: str, now: datetime.datetime) -> datetime.datetime | None:
    """Since when the API has not answered; None where it answers, or failed only just now."""
    if not gate.faults:
        return None
    faults = ApiCall.objects.using(using).filter(error_code__in=_FAULTS)
    if gate.last_ok_at is not None:
        faults = faults.filter(started_at__gt=gate.last_ok_at)
    first = faults.order_by("started_at").values_list("started_at", flat=True).first() or now
    lasts = now - first >= datetime.timedelta(seconds=SILENT)
    return first if gate.is_broken or lasts else None
