"""How the synchronisation stands: read only, for commands and pages."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from conversion_sync.conf import conf
from conversion_sync.models import ChannelState, MirrorLink, MirrorMark
from conversion_sync.models.clock import db_now
from conversion_sync.status.counts import KindState, count_kinds
from conversion_sync.status.estimates import EXACT, counts_up_to
from conversion_sync.status.last_drain import LastDrain, last_drain
from conversion_sync.sync.gate import Gate, GateState
from conversion_sync.sync.turns import label_of

__all__ = ["FailingChannel", "Overview", "overview"]


@dataclass(frozen=True)
class FailingChannel:
    """A channel whose last turn failed as a whole, so that nothing of it is sent.

    ``name`` is that of the channel, ``label`` what its rows are called.
    """

    name: str
    label: str
    error: str
    at: datetime.datetime


@dataclass(frozen=True)
class Overview:
    """The whole, at one time of the database.

    Attributes:
        troubles: the channels that fail.
        working: False when rows are due for longer than ``STALE_AFTER`` and no drain has run for
            as long: nobody is working.
        marks: changes of the site's own models that no mirror has looked at; not counted further
            than a little above ``EXACT``.
        faulty: of the site's own models, what can't be mirrored as it is; counted likewise.
        leaving: rows that would leave, with so many others that a person decides; counted likewise.
    """

    now: datetime.datetime
    kinds: Sequence[KindState]
    gate: GateState
    last_drain: LastDrain
    troubles: Sequence[FailingChannel]
    enabled: bool
    has_key: bool
    working: bool
    marks: int = 0
    faulty: int = 0
    leaving: int = 0

    @property
    def due(self) -> int:
        """Rows whose time has come."""
        return sum(kind.due for kind in self.kinds)

    @property
    def oldest(self) -> KindState | None:
        """The kind whose row is due for longest."""
        late = [kind for kind in self.kinds if kind.oldest_due]
        return min(late, key=lambda kind: kind.oldest_due or self.now, default=None)


def overview(using: str = "default", kinds: Sequence[KindState] | None = None) -> Overview:
    """Read how everything stands.

    Three queries for each kind, two more of it where rows have errors, and eight for the rest.

    Args:
        kinds: the rows, if they were counted before.
    """
    kinds = count_kinds(using) if kinds is None else kinds
    now = db_now(using)
    last = last_drain(using, now)
    marks, faulty, leaving = _of_mirrors(using)
    return Overview(
        now=now,
        kinds=kinds,
        gate=Gate(using).state(),
        last_drain=last,
        troubles=_troubles(using),
        enabled=conf.enabled,
        has_key=bool(conf.api_key),
        working=_somebody_works(kinds, last, now),
        marks=marks,
        faulty=faulty,
        leaving=leaving,
    )


def _of_mirrors(using: str) -> Sequence[int]:
    """Marks, what can't be mirrored as it is, and rows that would leave."""
    trouble, links = MirrorLink.Trouble, MirrorLink.objects.using(using)
    return counts_up_to(
        EXACT,
        MirrorMark.objects.using(using),
        links.filter(trouble__in=(trouble.FAULT, trouble.UNUSABLE)),
        links.filter(trouble=trouble.HELD),
    )


def _troubles(using: str) -> list[FailingChannel]:
    failing = ChannelState.objects.using(using).filter(failed_at__isnull=False).order_by("name")
    return [
        FailingChannel(state.name, label_of(state.name), state.error, state.failed_at)
        for state in failing
        if state.failed_at is not None
    ]


def _somebody_works(kinds: Sequence[KindState], last: LastDrain, now: datetime.datetime) -> bool:
    stale = now - datetime.timedelta(seconds=conf.stale_after)
    waits_long = any(kind.oldest_due and kind.oldest_due < stale for kind in kinds)
    drained_lately = last.seen_at is not None and last.seen_at >= stale
    return drained_lately or not waits_long
