"""Celery: a shared task, sent after the commit, that carries nothing but the wish for a drain.

A task that is lost costs one sweep, and so does one that its broker could not take. Beat has the
sweep, unless the site's own schedule has an entry for the task.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from celery import current_app, shared_task
from django.core.checks import CheckMessage

from conversion_sync.conf import conf
from conversion_sync.queues.apart import apart, tried
from conversion_sync.queues.checks import check_celery
from conversion_sync.queues.run import run_drain

__all__ = ["check", "drain", "enqueue", "schedule_sweep"]

#: The name of the task, and that of its entry in the schedule of beat.
DRAIN, SWEEP = "conversion_sync.drain", "conversion_sync sweep"

#: Seconds between two sweeps.
EVERY = 60.0

#: Seconds after which a task that nobody took is dropped: no worker ran, and the next save or
#: sweep has asked again. Not less: in a queue that is long every task waits.
EXPIRES = 3600


@shared_task(name=DRAIN, ignore_result=True, max_retries=0)  # type: ignore[untyped-decorator]  # Celery ships no types
def drain() -> None:
    """The task: drain, and ask for another drain where there is more to send."""
    run_drain()


def enqueue(using: str = "default") -> bool:
    """Send the task. Returns whether the broker took it; one that is down is logged.

    It is sent in a thread of its own, for which a save waits a moment at most: a broker that is
    gone may hold whoever connects to it for many seconds.

    Args:
        using: the alias of the database that was just written to.
    """
    # Each thread has a current app of its own.
    send = partial(_send, current_app._get_current_object())
    return tried(send) if _is_eager() else apart(send)


def schedule_sweep(using: str) -> None:
    """Nothing: the schedule of beat is no row of ours."""


def check() -> Sequence[CheckMessage]:
    """What is wrong with the app of the site, and whether anything sweeps."""
    app = current_app._get_current_object()
    app.finalize(auto=True)
    return check_celery(app, has_sweep=_has_sweep(app))


def _is_eager() -> bool:
    try:
        return bool(current_app.conf.task_always_eager)
    except Exception:  # a configuration that can't be read is told by what comes next
        return False


def _send(app: Any) -> None:
    # Celery's own retries would be in the way of the sweep's.
    app.tasks[DRAIN].apply_async(
        ignore_result=True, expires=EXPIRES, retry=False, queue=conf.queue_name or None
    )


def _add_sweep(sender: Any, **kwargs: Any) -> None:
    if conf.queue != "celery" or conf.sweep != "queue" or _has_sweep(sender):
        return
    options = {"queue": conf.queue_name} if conf.queue_name else {}
    sender.add_periodic_task(EVERY, drain.s(), name=SWEEP, expires=EVERY, **options)


def _has_sweep(app: Any) -> bool:
    """Whether the schedule has an entry for the task, of whatever name."""
    entries = (app.conf.beat_schedule or {}).values()
    return any(dict(entry).get("task") == DRAIN for entry in entries)


def _connect() -> None:
    app = current_app._get_current_object()
    if app.finalized:
        _add_sweep(app)
    else:
        app.on_after_finalize.connect(_add_sweep, weak=False, dispatch_uid=SWEEP)


_connect()
