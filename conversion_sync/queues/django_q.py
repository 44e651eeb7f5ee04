"""django-q2: the queued task carries nothing but the wish for a drain.

A task that is lost costs one sweep. Its own retries are not wanted: the rows own theirs, and the
checks see that the cluster is set so.
"""

from __future__ import annotations

import logging
import threading

from django.db import connections, router, transaction
from django.db.models import QuerySet
from django_q.brokers import Broker
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.models import OrmQ, Schedule
from django_q.tasks import async_task

from conversion_sync.conf import conf
from conversion_sync.models.wakeup import Wakeup
from conversion_sync.queues.wake import savepoint, wake
from conversion_sync.sync.drain import drain
from conversion_sync.sync.prune import prune_now_and_then

__all__ = ["enqueue", "run_drain", "schedule_sweep"]

logger = logging.getLogger(__name__)

DRAIN = "conversion_sync.queues.django_q.run_drain"
SWEEP = "conversion_sync sweep"

#: Seconds for which a save waits for a broker that does not answer.
BROKER_TIMEOUT = 0.8


def run_drain() -> None:
    """The task: drain, and ask for another drain where there is more to send."""
    using = router.db_for_write(Wakeup)
    prune_now_and_then(using)
    if drain(using=using).go_on:
        wake(using)


def enqueue(using: str = "default") -> bool:
    """Queue a drain. Returns whether the broker took it; a broker that is down is logged.

    The connections of the thread that calls it stay as they are: the same sessions, with their
    cursors open.

    Args:
        using: the alias of the database that was just written to.
    """
    if not _tasks_are_rows():
        return _enqueue() if Conf.SYNC else _enqueue_apart()
    if Conf.SYNC or using == Conf.ORM or connections[Conf.ORM].in_atomic_block:
        return _enqueue(SameSession())
    return _enqueue_apart(SameSession())


def _tasks_are_rows() -> bool:
    """Whether ``django_q.brokers.get_broker`` would choose the ORM broker."""
    return bool(Conf.ORM) and not (Conf.BROKER_CLASS or Conf.IRON_MQ or Conf.SQS)


class SameSession(ORM):  # type: ignore[misc]  # django-q2 ships no types
    """The ORM broker for a site's own threads: django-q2's closes their old connections."""

    @staticmethod
    def get_connection(list_key: str | None = None) -> QuerySet[OrmQ]:
        """The rows of the queue."""
        rows: QuerySet[OrmQ] = OrmQ.objects.using(Conf.ORM)
        return rows

    def enqueue(self, task: str) -> int:
        """Queue a task; where that fails, the transaction in hand goes on."""
        with savepoint(Conf.ORM):
            return int(super().enqueue(task))


def _enqueue_apart(broker: Broker | None = None) -> bool:
    """Enqueue in a thread with connections of its own; wait ``BROKER_TIMEOUT`` at most.

    A broker over a network may hang, and any broker may do with its thread's connections what
    it likes.
    """
    taken: list[bool] = []

    def run() -> None:
        try:
            taken.append(_enqueue(broker))
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(BROKER_TIMEOUT)
    if not taken:
        logger.warning("The broker did not answer; the sweep will send what is due.")
    return bool(taken and taken[0])


def _enqueue(broker: Broker | None = None) -> bool:
    try:
        async_task(DRAIN, broker=broker, task_name="conversion_sync drain", group="conversion_sync")
    except Exception:  # whatever the broker raises, the save has been made
        logger.warning("The broker is down; the sweep will send what is due.", exc_info=True)
        return False
    return True


def schedule_sweep(using: str) -> None:
    """See that the sweep is scheduled: every minute, once."""
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
