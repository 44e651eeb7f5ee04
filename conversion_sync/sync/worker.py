"""Drains one after the other: until nothing is ready, or for as long as the process lives."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, ProgrammingError

from conversion_sync.conf import conf
from conversion_sync.sync import steps
from conversion_sync.sync.drain import DrainReport, anything_ready, drain
from conversion_sync.sync.gate import Gate
from conversion_sync.sync.planning import PlannedDrain, forget, plan
from conversion_sync.sync.prune import prune_now_and_then
from conversion_sync.sync.transactions import close_broken

__all__ = ["Worker", "push"]

#: What passes: a database that is gone, or in which a table or a column is still missing, as while
#: a release is installed.
PASSING = (OperationalError, InterfaceError, ProgrammingError)

logger = logging.getLogger(__name__)

#: Seconds between two looks at the database, and between two drains that leave a heartbeat.
POLL, SWEEP = 0.4, 60.0

#: Seconds: the first and the longest wait for a database that is gone.
RETRY_AFTER, RETRY_AFTER_MAX = 1.0, 30.0


def push(
    using: str = "default",
    *,
    on_progress: Callable[[int], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> DrainReport:
    """Drain until nothing is ready, the gate shuts or ``stop`` says so. Returns the sum."""

    def begin_anew() -> bool:
        prune_now_and_then(using)
        return True

    rows = synced = failed = calls = 0
    go_on = True
    while go_on and not stop():
        report = drain(using=using, on_progress=on_progress, stop=stop, before_end=begin_anew)
        rows, synced = rows + report.rows, synced + report.synced
        failed, calls = failed + report.failed, calls + report.calls
        go_on = report.go_on
    return DrainReport(rows, synced, failed, calls, go_on)


class Worker:
    """A plain process that sends what becomes ready; any number may run, beside any queue.

    Args:
        poll: seconds between two looks.
        sweep: seconds after which it drains anyway, and so says that somebody is working.
    """

    def __init__(self, using: str = "default", *, poll: float = POLL, sweep: float = SWEEP) -> None:
        self._using = using
        self._poll, self._sweep = poll, sweep
        self._stopped = threading.Event()
        self._drained_at: float | None = None
        self._planned: PlannedDrain | None = None

    def stop(self) -> None:
        """Begin no further call, and return from ``run`` when that in hand is settled."""
        self._stopped.set()

    def run(self) -> None:
        """Work until ``stop``. A database that is gone, or not migrated yet, is waited for."""
        if not conf.can_send:
            logger.warning("Nothing is sent: ENABLED is off, or API_KEY is missing.")
        wait = RETRY_AFTER
        while not self._stopped.is_set():
            try:
                self._turn()
            except PASSING as error:
                logger.warning("The database failed: %s. Again in %.0f s.", error, wait)
                close_broken()
                self._stopped.wait(wait)
                wait = min(RETRY_AFTER_MAX, wait * 2)
            else:
                wait = RETRY_AFTER
                self._stopped.wait(self._poll)
        self._forget()

    def _turn(self) -> None:
        if not (self._is_sweep() or self._is_wanted()):
            return
        push(self._using, stop=self._stopped.is_set)
        prune_now_and_then(self._using)
        # It looks all the time, and so comes when the next row is due.
        if conf.can_send:
            self._planned = plan(self._using) or self._planned
        self._drained_at = time.monotonic()

    def _forget(self) -> None:
        """Have nobody believe that this worker still comes."""
        if self._planned is None:
            return
        try:
            forget(self._using, self._planned)
        except PASSING as error:
            logger.warning("What was planned stands for a moment longer: %s", error)

    def _is_sweep(self) -> bool:
        return self._drained_at is None or time.monotonic() - self._drained_at >= self._sweep

    def _is_wanted(self) -> bool:
        if conf.can_send and Gate(self._using).state().status == "open":
            return anything_ready(self._using)
        return steps.any_waiting(self._using)
