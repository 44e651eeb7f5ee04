"""django-q2: the queued task carries nothing but the wish for a drain.

A task that is lost costs one sweep. Its own retries are not wanted: the rows own theirs, and the
checks see that the cluster is set so.
"""

from __future__ import annotations

import logging
import threading

from django.db import connections, router, transaction

from conversion_sync.conf import conf
from conversion_sync.models.operations import Wakeup
from conversion_sync.queues.wake import wake
from conversion_sync.sync.drain import drain
from conversion_sync.sync.prune import prune_now_and_then

__all__ = ["enqueue", "run_drain", "schedule_sweep"]

logger = logging.getLogger(__name__)

DRAIN = "conversion_sync.queues.django_q.run_drain"
SWEEP = "conversion_sync sweep"

#: Seconds for which a save waits for a broker that does not answer.
PATIENCE = 0.8


def run_drain() -> None:
    """The task: drain, and ask for another drain where there is more to send."""
    using = router.db_for_write(Wakeup)
    prune_now_and_then(using)
    if drain(using=using).go_on:
        wake(using)


def enqueue() -> bool:
    """Queue a drain. Returns whether the broker took it; a broker that is down is logged."""
    from django_q.conf import Conf

    if Conf.ORM:
        return _enqueue()
    # A broker over the network may hang, and whoever saves must not hang with it.
    taken: list[bool] = []
    thread = threading.Thread(target=lambda: taken.append(_enqueue()), daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if not taken:
        logger.warning("The broker did not answer; the sweep will send what is due.")
    return bool(taken and taken[0])


def _enqueue() -> bool:
    from django_q.tasks import async_task

    try:
        async_task(DRAIN, task_name="conversion_sync drain", group="conversion_sync")
    except Exception:  # whatever the broker raises, the save has been made
        logger.warning("The broker is down; the sweep will send what is due.", exc_info=True)
        return False
    return True


def schedule_sweep(using: str) -> None:
    """See that the sweep is scheduled: every minute, once."""
    from django_q.models import Schedule

    tables = set(connections[using].introspection.table_names())
    if not {Schedule._meta.db_table, Wakeup._meta.db_table} <= tables:
        return
    with transaction.atomic(using=using):
        Wakeup.load(using, lock=True)
        rows = Schedule.objects.using(using).filter(name=SWEEP)
        if conf.queue != "django_q":
            rows.delete()
            return
        first = rows.order_by("pk").first()
        if first is None:
            Schedule.objects.using(using).create(
                name=SWEEP, func=DRAIN, schedule_type=Schedule.MINUTES, minutes=1, repeats=-1
            )
        elif first.func != DRAIN or rows.count() > 1:
            rows.exclude(pk=first.pk).delete()
            rows.update(func=DRAIN, args=None, kwargs=None)
