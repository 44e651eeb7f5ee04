"""django-q2: the queued task carries nothing but the wish for a drain.

A task that is lost costs one sweep. Its own retries are not wanted: the rows own theirs, and the
checks see that the cluster is set so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial

from django.core.checks import CheckMessage
from django.db import connections, router, transaction
from django.db.models import QuerySet
from django_q.brokers import Broker
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.models import OrmQ, Schedule
from django_q.tasks import async_task

from conversion_sync.conf import conf
from conversion_sync.models.wakeup import Wakeup
from conversion_sync.queues.apart import apart, tried
from conversion_sync.queues.run import run_drain
from conversion_sync.queues.savepoint import savepoint

__all__ = ["check", "database_of_schedules", "enqueue", "run_drain", "schedule_sweep"]

#: The task, ``conversion_sync.queues.run.run_drain``, by the name that the schedules have.
DRAIN = "conversion_sync.queues.django_q.run_drain"
SWEEP = "conversion_sync sweep"


def enqueue(using: str = "default") -> bool:
    """Queue a drain. Returns whether the broker took it; a broker that is down is logged.

    The connections of the thread that calls it stay as they are: the same sessions, with their
    cursors open.

    Args:
        using: the alias of the database that was just written to.
    """
    if not _tasks_are_rows():
        return tried(_put) if Conf.SYNC else apart(_put)
    put = partial(_put, SameSession())
    if Conf.SYNC or using == Conf.ORM or connections[Conf.ORM].in_atomic_block:
        return tried(put)
    return apart(put)


def check() -> Sequence[CheckMessage]:
    """Nothing: ``conversion_sync.checks`` looks at ``Q_CLUSTER``."""
    return ()


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


def _put(broker: Broker | None = None) -> None:
    async_task(DRAIN, broker=broker, task_name="conversion_sync drain", group="conversion_sync")


def database_of_schedules() -> str:
    """The alias of the database that clusters read their schedules from."""
    return str(router.db_for_write(Schedule))


def schedule_sweep(using: str) -> None:
    """See that the sweep is scheduled: every minute, once, as long as this app has its tables."""
    tables = set(connections[using].introspection.table_names())
    if Schedule._meta.db_table not in tables:
        return
    has_rows = Wakeup._meta.db_table in tables
    if not has_rows and not _is_apart(using):
        Schedule.objects.using(using).filter(name=SWEEP).delete()
        return
    if has_rows and not _is_current(using):
        # Migrated to a release before: the next ``migrate`` comes here again.
        return
    with _one_at_a_time(using, has_rows):
        rows = Schedule.objects.using(using).filter(name=SWEEP)
        if conf.queue != "django_q" or conf.sweep != "queue":
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


def _is_current(using: str) -> bool:
    """Whether the table of ``Wakeup`` has all columns that the model has."""
    connection = connections[using]
    with connection.cursor() as cursor:
        table = connection.introspection.get_table_description(cursor, Wakeup._meta.db_table)
    wanted = {field.column for field in Wakeup._meta.concrete_fields}
    return wanted <= {column.name for column in table}


def _is_apart(using: str) -> bool:
    """Whether the site's routers have the schedules here, and our own rows elsewhere.

    The other database is not looked at: while a test runner makes its databases, what the alias
    of one that comes later leads to is still the real one.
    """
    ours = router.allow_migrate_model(using, Wakeup)
    return not ours and database_of_schedules() == using


@contextlib.contextmanager
def _one_at_a_time(using: str, has_rows: bool) -> Iterator[None]:
    """A transaction; where our rows are in the same database, one at a time.

    Where they are not, two hosts that migrate at one time may both schedule the sweep; the next
    ``migrate`` mends that.
    """
    with transaction.atomic(using=using):
        if has_rows:
            Wakeup.load(using, lock=True)
        yield
