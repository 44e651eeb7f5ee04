"""Send all that is ready: rounds over the channels, bounded in time."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from conversion_sync.api import ConfigurationError
from conversion_sync.conf import conf
from conversion_sync.models.fields import DbNow
from conversion_sync.models.operations import Heartbeat, Wakeup
from conversion_sync.sync import jobs
from conversion_sync.sync.channels import CHANNELS, Channel
from conversion_sync.sync.run import Run, Shut

__all__ = ["DrainReport", "anything_ready", "drain"]

logger = logging.getLogger(__name__)

#: Seconds for which a channel that had nothing ready is not asked again.
REST = 0.1


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
) -> DrainReport:
    """Send what is ready, in rounds over the channels so that none starves another.

    Args:
        seconds: no call begins later than that (default: ``DRAIN_SECONDS``).
        using: the alias of the database.
        on_progress: told the number of rows settled since it was last told.
        stop: asked between calls; True ends the drain after what is in hand.
    """
    run = Run(
        using,
        conf.drain_seconds if seconds is None else seconds,
        stop or (lambda: False),
        on_progress or (lambda rows: None),
    )
    Heartbeat.write(using, started_at=DbNow(), worker=f"{socket.gethostname()}:{os.getpid()}")
    # Cleared before the first claim: a change from now on asks for a drain of its own.
    Wakeup.write(using, requested_until=None)
    go_on = False
    try:
        go_on = conf.can_send and _rounds(run)
    except ConfigurationError:
        logger.exception("Nothing can be sent: see the checks of conversion_sync.")
    finally:
        Heartbeat.write(using, finished_at=DbNow(), rows=run.rows, calls=run.made)
    return DrainReport(run.rows, run.synced, run.failed, run.made, go_on)


def anything_ready(using: str = "default") -> bool:
    """Whether a drain would find something to do."""
    return any(channel.is_ready(using) for channel in CHANNELS) or jobs.any_waiting(using)


def _rounds(run: Run) -> bool:
    """Returns whether another drain should follow this one."""
    resting: dict[Channel, float] = {}
    worked = False
    while not run.is_over():
        try:
            # Only when none rests, and none has anything, is there nothing left to do.
            if _round(run, resting) or _round(run, {}):
                worked = True
            elif not run.is_over():
                return False
        except Shut as shut:
            if not _wait_out(run, shut.wait):
                break
    worked = worked or run.rows > 0
    return worked and run.gate.state().status == "open" and anything_ready(run.using)


def _round(run: Run, resting: dict[Channel, float]) -> int:
    """One claim of each channel, one step of a bulk job. Returns the number of rows dealt with.

    A channel that had nothing rests for a moment: asking costs more than a call of another.
    """
    dealt = 0
    for channel in CHANNELS:
        if run.is_over():
            break
        if resting.get(channel, 0.0) > time.monotonic():
            continue
        if rows := channel.deliver(run):
            dealt += rows
            resting.pop(channel, None)
        else:
            resting[channel] = time.monotonic() + REST
    return dealt + jobs.step(run)


def _wait_out(run: Run, wait: float | None) -> bool:
    """Sleep while the gate is shut, if it opens in the time that is left."""
    if wait is None or wait >= run.time_left():
        return False
    end = time.monotonic() + wait
    while (rest := end - time.monotonic()) > 0:
        if run.is_over():
            return False
        time.sleep(min(0.2, rest))
    return True
