"""Send all that is ready, bounded in time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError

from conversion_sync.api import ConfigurationError
from conversion_sync.conf import conf
from conversion_sync.sync import heartbeats, jobs, renames, steps
from conversion_sync.sync.clock import bring_back, rows_are_far_ahead
from conversion_sync.sync.error_text import is_of_the_database
from conversion_sync.sync.kinds import KINDS, Kind
from conversion_sync.sync.loop import TICK, Loop
from conversion_sync.sync.retry import retried
from conversion_sync.sync.run import Run
from conversion_sync.sync.transactions import close_broken, refuse_transaction
from conversion_sync.sync.turns import Turns

__all__ = ["DrainReport", "anything_ready", "drain"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DrainReport:
    """What a drain did.

    Attributes:
        rows: rows settled.
        synced: those that arrived.
        failed: those that need a person.
        calls: HTTP calls made.
        go_on: it made progress, more is ready, and the gate is open: ask for another drain.
    """

    rows: int = 0
    synced: int = 0
    failed: int = 0
    calls: int = 0
    go_on: bool = False


def drain(
    seconds: float | None = None,
    *,
    using: str = "default",
    on_progress: Callable[[int], None] | None = None,
    stop: Callable[[], bool] | None = None,
    before_end: Callable[[], bool] | None = None,
) -> DrainReport:
    """Send what is ready, with several calls on their way, the kinds in turn.

    Opt-outs have a turn before each of the others; a drain goes on where the last one stopped. A
    kind that raises is logged, and said on the dashboard and by ``conversion_status``; the others
    go on.

    Args:
        seconds: no call begins later than that (default: ``DRAIN_SECONDS``).
        using: the alias of the database.
        on_progress: told the number of rows settled since it was last told.
        stop: asked between calls; True ends the drain after what is in hand.
        before_end: asked shortly before the time is over, where more is ready, so that none is
            lost until the last answers have come. True: this drain begins anew, with a heartbeat,
            and as much time; False: another was asked for.

    Raises:
        CallInTransaction: this thread has a transaction open.
    """
    refuse_transaction()
    run = Run(
        using,
        conf.drain_seconds if seconds is None else seconds,
        stop or (lambda: False),
        on_progress or (lambda rows: None),
    )
    turns = Turns(run, heartbeats.find(using))
    heartbeats.begin(run, turns)
    go_on = False
    try:
        try:
            go_on = _send_all(run, turns, before_end) if conf.can_send else steps.finish(run)
        except ConfigurationError:
            logger.exception("Nothing can be sent: see the checks of conversion_sync.")
            go_on = steps.finish(run)
        run.settle_at_last()
        turns.loop.give_back()
    finally:
        turns.loop.close()
        heartbeats.end(run, turns)
    return DrainReport(run.rows, run.synced, run.failed, run.made, go_on)


def anything_ready(using: str = "default") -> bool:
    """Whether a drain would find something to do. Writes nothing."""
    if any(_is_ready(kind, using) for kind in KINDS):
        return True
    if renames.waiting(using).exists() or jobs.waiting(using).exists():
        return True
    return steps.any_waiting(using)


def _is_ready(kind: Kind, using: str) -> bool:
    try:
        return kind.is_ready(using)
    except Exception as error:  # one kind never stops another: its next turn records it
        if is_of_the_database(error):
            raise
        logger.warning("Nobody can tell whether “%s” is ready.", kind.name, exc_info=error)
        return False


def _send_all(run: Run, turns: Turns, before_end: Callable[[], bool] | None) -> bool:
    """Returns whether another drain should be asked for."""
    loop, asked_again_at, others_go_on = turns.loop, -1, False
    if turns.found.is_closed:
        loop.probe_closure()
    while True:
        try:
            if before_end is not None and run.is_ending() and _is_more(run, turns):
                if before_end():
                    heartbeats.begin_anew(run, turns)
                else:
                    others_go_on, before_end = True, None
            gave = turns.give()
            pause = loop.serve()
            if loop.is_busy():
                loop.take_in(pause)
                run.settle_rest()
                continue
        except (OperationalError, InterfaceError) as error:
            _keep_answers(run, loop, error)
            continue
        if loop.no_slot is not None:
            if not _wait_out(run, loop.no_slot.wait):
                break
            loop.no_slot = None
        elif run.is_over():
            break
        elif gave:
            continue
        # Only when none rests, and none has anything, is there nothing left to do.
        elif asked_again_at < turns.dealt and turns.let_rest_end():
            asked_again_at = turns.dealt
        elif turns.dealt or run.rows or not _brought_back(run.using):
            return False
    if steps.finish(run):
        return True
    if others_go_on and retried(heartbeats.another_runs)(run.using):
        return False
    return _is_more(run, turns)


def _is_more(run: Run, turns: Turns) -> bool:
    """Whether this drain made progress, and more could be sent now."""
    worked = turns.dealt > 0 or run.rows > 0
    if not worked or retried(run.gate.state)().status != "open":
        return False
    return retried(anything_ready)(run.using)


def _keep_answers(run: Run, loop: Loop, error: Exception) -> None:
    """Go on with what is under way: the database failed, the calls did not.

    Raises:
        DatabaseError: nothing is under way, or it has failed for too long.
    """
    logger.warning("The database failed; what is under way is still settled.", exc_info=error)
    while loop.is_busy() and run.time_left() + conf.call_deadline > 0:
        close_broken()
        try:
            loop.take_in(TICK)
        except (OperationalError, InterfaceError) as another:
            error = another
        else:
            return
    raise error


def _brought_back(using: str) -> bool:
    """Whether rows wait only because the clock was set back, and are due now."""
    return rows_are_far_ahead(using) and bring_back(using) > 0


def _wait_out(run: Run, wait: float | None) -> bool:
    """Sleep while the gate is shut, if it opens in the time that is left."""
    if wait is None or wait >= run.time_left():
        return False
    end = time.monotonic() + wait
    while (rest := end - time.monotonic()) > 0:
        if run.is_over():
            return False
        run.settle_rest()
        time.sleep(min(0.2, rest))
    return True
