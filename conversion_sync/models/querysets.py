"""Querysets that mark what they change, and name the states that a row can be in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Self

from django.db import NotSupportedError, models, transaction
from django.db.models import Case, Q, Value, When

from conversion_sync.models.announcement import announce
from conversion_sync.models.attribution import in_bulk
from conversion_sync.models.changes import RowChange
from conversion_sync.models.chunks import in_chunks
from conversion_sync.models.clock import DbNow, db_now
from conversion_sync.models.columns import attname
from conversion_sync.models.locking import locking
from conversion_sync.models.marking import marking, urgency
from conversion_sync.models.memory import follow
from conversion_sync.models.state import BULK, DOUBT, UNFINISHED, Status
from conversion_sync.models.storable import replacements
from conversion_sync.models.unindexed import unindexed
from conversion_sync.models.unstorable import unstorable_fields

__all__ = ["RecordManager", "RecordQuerySet", "SyncedQuerySet"]


class SyncedQuerySet(models.QuerySet[Any]):
    """Marks what it changes, and names the states a row can be in."""

    def due(self) -> Self:
        """Rows whose time has come, claimed or not."""
        return self.filter(due_at__lte=DbNow())

    def waiting(self) -> Self:
        """Rows that will be sent without anybody doing anything."""
        return self.filter(sync_status__in=(Status.PENDING, Status.SENDING))

    def failed(self) -> Self:
        """Rows that need a person."""
        return self.filter(sync_status=Status.FAILED)

    def unconfirmed(self) -> Self:
        """Rows of which nobody knows whether they arrived."""
        return self.filter(sync_status=Status.UNCONFIRMED)

    def unfinished(self) -> Self:
        """Rows that have not arrived, whatever the reason."""
        return self.filter(sync_status__in=UNFINISHED)

    def put_off(self) -> Self:
        """Rows that wait for others, and so are not looked at before a time."""
        fresh = Q(sync_status=Status.PENDING, claim__isnull=True, failing_since__isnull=True)
        return self.filter(unindexed(fresh & Q(due_at__gt=DbNow())))

    def look_again(self) -> int:
        """Have those that were put off looked at now: what they waited for is done."""
        return models.QuerySet.update(self.put_off(), due_at=DbNow())

    def mark(self, **more: Any) -> int:
        """Make the rows due, as any change of them would; ``more`` are further assignments."""
        with transaction.atomic(using=self.db):
            count = super().update(**marking(), **more)
            announce(self.db)
        return count

    def sync_now(self) -> int:
        """Send the rows of this set that have not arrived now: a person waits, unless in bulk.

        Returns:
            The number of rows. Those in flight or in doubt stay as they are.
        """
        rows = self.unfinished().filter(claim__isnull=True)
        return rows.exclude(sync_status=Status.UNCONFIRMED).mark(**urgency())

    def retry_failed(self) -> int:
        """Try the failed rows of this set again. Returns their number."""
        return self.failed().sync_now()

    def update(self, **kwargs: Any) -> int:
        """As Django's, and marks the rows; keys and consent are changed under their lock.

        Raises:
            What Django's ``update`` raises; ``ImmutableEngagement`` for an engagement that
            was claimed.
        """
        model = self.model
        columns = {attname(model, name) for name in kwargs if name != "pk"}
        marks = marking() if columns - model.QUIET else {}
        replaced = unstorable_fields(model, kwargs)
        with transaction.atomic(using=self.db):
            spoiled = [*self.order_by().values_list("pk", flat=True)] if replaced else []
            if columns & model.WATCHED:
                # Of no rows: what Django refuses to update, it refuses in its own words.
                super(SyncedQuerySet, self.none()).update(**kwargs)
                with in_bulk():
                    count = self._update_watched(kwargs | marks)
            else:
                count = super().update(**kwargs, **marks)
            model._fail(self.db, dict.fromkeys(spoiled, replaced))
            announce(self.db)
        return count

    update.alters_data = True  # type: ignore[attr-defined]  # Django's own convention

    def _update_watched(self, assignments: dict[str, Any]) -> int:
        model, unordered, count = self.model, self.order_by(), 0
        for chunk in in_chunks(self._locked()):
            pks = [row["pk"] for row in chunk]
            model._check_change(chunk)
            count += super(SyncedQuerySet, unordered.filter(pk__in=pks)).update(**assignments)
            # Locked, as before: a plain read may be of a time before the lock.
            rows = locking(model.unmarked.using(self.db).filter(pk__in=pks))
            after = {row["pk"]: row for row in rows.values("pk", *model.LOCKED)}
            written = {*assignments}
            model._changed(self.db, [RowChange(row, after[row["pk"]], written) for row in chunk])
        return count

    def _locked(self) -> list[dict[str, Any]]:
        """The rows of this set, each once, locked in the order of their primary keys."""
        columns = ("pk", *self.model.LOCKED)
        if _can_be_locked(self.query):
            # A join may find a row several times.
            found = locking(self.order_by("pk")).values(*columns)
            return list({row["pk"]: row for row in found}.values())
        # Found first, then locked, and asked again whether they are still in this set.
        rows, table = list[dict[str, Any]](), self.model.unmarked.using(self.db).order_by("pk")
        these = self.order_by("pk").distinct().values_list("pk", flat=True)
        for pks in in_chunks(list(these)):
            locked = list(locking(table.filter(pk__in=pks)).values(*columns))
            still = set(these.filter(pk__in=pks))
            rows += [row for row in locked if row["pk"] in still]
        return rows

    def bulk_create(
        self,
        objs: Iterable[Any],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Any = None,
        unique_fields: Any = None,
    ) -> list[Any]:
        """As Django's; the rows are due, behind those that a person waits for.

        Raises:
            NotSupportedError: with ``ignore_conflicts`` or ``update_conflicts``, which would
                change keys and consent without a trace.
        """
        if ignore_conflicts or update_conflicts:
            raise NotSupportedError(
                f"{self.model.__name__}.objects.bulk_create() can't ignore or update conflicts: "
                "look the keys up first, then create the new rows and save the others."
            )
        rows = list(objs)
        with transaction.atomic(using=self.db):
            follow(rows, announce(self.db))
            # As a value, which is as quick for many rows as an expression is slow.
            now = db_now(self.db) if rows else None
            for row in rows:
                row._begin(BULK, now)
                row._evaluate_new(self.db)
            with replacements() as replaced:
                created = super().bulk_create(rows, batch_size)
            with in_bulk():
                self.model._inserted(self.db, created)
            # Each row is looked at only where one of them was given what can't be stored.
            spoiled = created if replaced else []
            self.model._fail(
                self.db, {row.pk: unstorable_fields(self.model, row.__dict__) for row in spoiled}
            )
            for row in created:
                row._reload_state()
        return created

    bulk_create.alters_data = True  # type: ignore[attr-defined]  # Django's own convention

    def bulk_update(
        self, objs: Iterable[Any], fields: Iterable[str], batch_size: int | None = None
    ) -> int:
        """As Django's; it goes through ``update``."""
        rows, names = tuple(objs), list(fields)
        with transaction.atomic(using=self.db):
            count = super().bulk_update(rows, names, batch_size)
            self.model._fail(self.db, {row.pk: row._unstorable(names) for row in rows})
        return count

    bulk_update.alters_data = True  # type: ignore[attr-defined]  # Django's own convention

    def delete(self) -> tuple[int, dict[str, int]]:
        """As Django's, and leaves a ``Deletion`` of each record that may be in Conversion."""
        model, counts = self.model, Counter[str]()
        with transaction.atomic(using=self.db):
            # Of no rows: what Django refuses to delete, it refuses in its own words.
            super(SyncedQuerySet, self.none()).delete()
            for chunk in in_chunks(self._locked()):
                model._deleting(self.db, chunk)
                rows = model.unmarked.using(self.db).filter(pk__in=[row["pk"] for row in chunk])
                counts.update(rows.delete()[1])
            announce(self.db)
        return sum(counts.values()), dict(counts)

    delete.alters_data = True  # type: ignore[attr-defined]  # Django's own convention
    delete.queryset_only = True  # type: ignore[attr-defined]  # Django's own convention


def _can_be_locked(query: Any) -> bool:
    """Whether a database can lock the rows that the query finds: not those of a GROUP BY."""
    annotations = query.annotations.values()
    grouped = query.group_by is not None or any(each.contains_over_clause for each in annotations)
    return not (query.distinct or grouped)


class RecordQuerySet(SyncedQuerySet):
    """Records can be pushed again whenever staff like."""

    def sync_now(self) -> int:
        """Send the rows now, changed or not: a person waits, unless in bulk.

        Returns:
            Their number.
        """
        return self.mark(**urgency(), sent_revision=_doubted())

    def forget(self) -> int:
        """Push the rows as if for the first time: whether Conversion has them is in doubt.

        The key that was last sent stays: what is deleted here before the push is deleted there.

        Returns:
            Their number.
        """
        forgotten = {k: v for k, v in self.model.FORGOTTEN.items() if k != "sent_key"}
        return self.mark(**forgotten | {"sent_revision": _doubted()})

    forget.alters_data = True  # type: ignore[attr-defined]  # Django's own convention
    forget.queryset_only = True  # type: ignore[attr-defined]  # Django's own convention


def _doubted() -> Case:
    """The ``sent_revision`` of rows of which nobody knows whether the last call still holds."""
    return Case(
        When(sent_revision__isnull=True, then=None),
        default=Value(DOUBT),
        output_field=models.PositiveBigIntegerField(),
    )


class RecordManager(models.Manager.from_queryset(RecordQuerySet)):  # type: ignore[misc]  # made at run time
    """The manager of records."""
