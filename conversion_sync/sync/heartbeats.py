"""What a drain finds where it begins, and the heartbeat that it leaves."""

from __future__ import annotations

import os
import socket

from django.db.models import F, Q

from conversion_sync.conf import conf
from conversion_sync.models.clock import DbNow
from conversion_sync.models.heartbeat import Heartbeat
from conversion_sync.models.wakeup import Wakeup
from conversion_sync.sync.clock import bring_back
from conversion_sync.sync.gate import fingerprint
from conversion_sync.sync.preflight import Preflight, preflight
from conversion_sync.sync.retry import retried
from conversion_sync.sync.run import Run
from conversion_sync.sync.turns import Turns, after

__all__ = ["another_runs", "begin", "begin_anew", "end", "find"]


def find(using: str) -> Preflight:
    """Read what a drain has to know, and bring back what a clock that was set back has put off."""
    found = retried(preflight)(using, fingerprint(conf.api_key))
    if found.was_set_back:
        bring_back(using)
    return found


def begin(run: Run, turns: Turns) -> None:
    """Say that a drain runs; the request for it is answered."""
    retried(Heartbeat.write)(
        run.using,
        started_at=DbNow(),
        worker=_worker(),
        # Should this drain die where it begins, the next one begins elsewhere.
        turn=after(turns.next),
    )
    # Cleared before the first claim: a change from now on asks for a drain of its own.
    if turns.found.is_asked_for:
        retried(Wakeup.write)(run.using, requested_until=None)


def end(run: Run, turns: Turns) -> None:
    """Say that a drain has ended, and what it did."""
    retried(Heartbeat.write)(
        run.using,
        finished_at=DbNow(),
        turn=turns.next,
        rows=run.rows - run.rows_before,
        calls=run.made - run.made_before,
    )


def begin_anew(run: Run, turns: Turns) -> None:
    """Have a drain end, and the next one begin, with the calls of both on their way."""
    end(run, turns)
    turns.begin_anew(find(run.using))
    begin(run, turns)
    run.begin_anew()


def another_runs(using: str) -> bool:
    """Whether another worker's drain has begun later than that of this one, and not ended."""
    runs = Q(finished_at=None) | Q(finished_at__lt=F("started_at"))
    return bool(Heartbeat.only(using).filter(runs).exclude(worker=_worker()).exists())


def _worker() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
