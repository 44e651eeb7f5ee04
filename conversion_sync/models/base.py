"""What every row has: the state of its synchronisation, and the marking of changes.

The row is the outbox: whatever changes a row through the ORM makes it due in the same
statement. State columns are written by expression, never from memory, so that an instance
loaded before a claim undoes nothing of it.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, TypeVar

from django.db import NotSupportedError, connections, models, router, transaction
from django.db.models import Case, F, Value, When
from django.db.models.signals import pre_save
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from conversion_sync import signals
from conversion_sync.models.fields import DbNow, KeyField

T = TypeVar("T")

#: What Django asks a permission for, and what is asked of each synced row besides.
RIGHTS = ("add", "change", "delete", "view", "sync")


__all__ = [
    "BULK",
    "DOUBT",
    "PERSON",
    "RIGHTS",
    "Attribution",
    "Pair",
    "Record",
    "RecordManager",
    "RecordQuerySet",
    "Status",
    "SyncedModel",
    "SyncedQuerySet",
    "announce",
    "attributed",
    "attribution",
    "in_bulk",
    "in_chunks",
    "locking",
    "marking",
    "urgency",
]

#: Priorities: a person waits for it; nobody does.
PERSON, BULK = 0, 1

#: A ``sent_revision`` that no call has carried: the remote is in doubt, so the row is sent.
DOUBT = 0

CHUNK = 1000


class Status(models.TextChoices):
    """Where a row stands; what staff read is derived from it."""

    PENDING = "PENDING", _("Pending")
    SENDING = "SENDING", _("Sending")
    SYNCED = "SYNCED", _("Synced")
    FAILED = "FAILED", _("Failed")
    UNCONFIRMED = "UNCONFIRMED", _("In doubt")
    SUPERSEDED = "SUPERSEDED", _("Superseded")


#: Named one by one, for an index finds what is in a list, and not what isn't.
UNFINISHED = (Status.PENDING, Status.SENDING, Status.FAILED, Status.UNCONFIRMED)


@dataclass(frozen=True)
class Attribution:
    """On whose behalf rows are changed, and how urgent that is."""

    requested_by: str = ""
    source: str = ""
    reason: str = ""
    bulk: bool = False
    override: bool = False


_NOBODY = Attribution()

_attribution: ContextVar[Attribution] = ContextVar("conversion_sync", default=_NOBODY)


def attribution() -> Attribution:
    """On whose behalf the code that runs now changes rows."""
    return _attribution.get()


@contextlib.contextmanager
def attributed(
    *,
    requested_by: str = "",
    source: str = "",
    reason: str = "",
    bulk: bool = False,
    override: bool = False,
) -> Iterator[None]:
    """Note who changes rows in this block, for the consent log and the deletions.

    Args:
        requested_by: the name of the person.
        source: where the change came from: ``admin``, ``import``, a view's name.
        reason: why, in the words of that person.
        bulk: nobody waits for these rows: they go after those that somebody waits for.
        override: subscription changes of this block may lift an older opt-out. Whoever
            passes it has checked the permission and asked for the reason.
    """
    token = _attribution.set(Attribution(requested_by, source, reason, bulk, override))
    try:
        yield
    finally:
        _attribution.reset(token)


class _Announcement:
    done = False


@contextlib.contextmanager
def in_bulk() -> Iterator[None]:
    """What is changed in this block, nobody waits for."""
    token = _attribution.set(replace(attribution(), bulk=True))
    try:
        yield
    finally:
        _attribution.reset(token)


def announce(using: str) -> None:
    """Have ``signals.changed`` sent once when the transaction of ``using`` commits.

    Registered for every change, since a rolled-back savepoint takes its callbacks with it;
    the callbacks of one transaction share a flag, and the first of them speaks for all.
    """
    connection = connections[using]
    pending: _Announcement | None = getattr(connection, "_conversion_sync_pending", None)
    if pending is None or pending.done:
        pending = _Announcement()
        connection._conversion_sync_pending = pending  # type: ignore[attr-defined]  # one flag a transaction

    def speak(announcement: _Announcement = pending) -> None:
        if not announcement.done:
            announcement.done = True
            signals.changed.send_robust(sender=SyncedModel, using=using)

    transaction.on_commit(speak, using=using)


def locking(rows: models.QuerySet[Any], *, skip_locked: bool = False) -> models.QuerySet[Any]:
    """The rows, locked when they are read, as far as the database can.

    Who only refers to one of them, as a contact to its company, need not wait for that.

    Args:
        skip_locked: without those that others hold.
    """
    features = connections[rows.db].features
    return rows.select_for_update(
        skip_locked=skip_locked and features.has_select_for_update_skip_locked,
        of=("self",) if features.has_select_for_update_of else (),
        no_key=features.has_select_for_no_key_update,
    )


def in_chunks(items: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """The items, ``size`` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


#: What is known of a row before and after a change, both read under the row's lock.
Pair = tuple[dict[str, Any], dict[str, Any]]


def marking(priority: int = BULK) -> dict[str, Any]:
    """The assignments that make a changed row due; a claimed one is made due by its settling.

    A bulk change leaves the priority as it is: it never demotes what a person waits for.
    """
    marks: dict[str, Any] = {
        "revision": F("revision") + 1,
        "due_at": Case(When(claim__isnull=True, then=DbNow()), default=F("due_at")),
        "sync_status": Case(
            When(claim__isnull=True, then=Value(Status.PENDING.value)), default=F("sync_status")
        ),
        "attempts": 0,
        "failing_since": None,
    }
    if priority == PERSON:
        marks["priority"] = PERSON
    return marks


def urgency() -> dict[str, Any]:
    """The assignment of the priority where a person waits; none in bulk."""
    return {} if attribution().bulk else {"priority": PERSON}


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
        columns = {_attname(model, name) for name in kwargs if name != "pk"}
        marks = marking() if columns - model.QUIET else {}
        with transaction.atomic(using=self.db):
            if columns & model.WATCHED:
                with in_bulk():
                    count = self._update_watched(kwargs | marks)
            else:
                count = super().update(**kwargs, **marks)
            announce(self.db)
        return count

    update.alters_data = True  # type: ignore[attr-defined]  # Django's own convention

    def _update_watched(self, assignments: dict[str, Any]) -> int:
        model, unordered, count = self.model, self.order_by(), 0
        for chunk in in_chunks(self._locked()):
            pks = [row["pk"] for row in chunk]
            model._check_change(chunk)
            count += super(SyncedQuerySet, unordered.filter(pk__in=pks)).update(**assignments)
            rows = model.unmarked.using(self.db).filter(pk__in=pks)
            after = {row["pk"]: row for row in rows.values("pk", *model.LOCKED)}
            model._changed(self.db, [(row, after[row["pk"]]) for row in chunk])
        return count

    def _locked(self) -> list[dict[str, Any]]:
        """The rows of this set, locked in the order of their primary keys."""
        return list(locking(self.order_by("pk")).values("pk", *self.model.LOCKED))

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
            for row in rows:
                row._begin(BULK)
            created = super().bulk_create(rows, batch_size)
            with in_bulk():
                self.model._inserted(self.db, created)
            for row in created:
                row._reload_state()
            announce(self.db)
        return created

    bulk_create.alters_data = True  # type: ignore[attr-defined]  # Django's own convention

    def delete(self) -> tuple[int, dict[str, int]]:
        """As Django's, and leaves a ``Deletion`` of each record that may be in Conversion."""
        if self.query.is_sliced:
            raise TypeError("Cannot use 'limit' or 'offset' with delete().")
        model, counts = self.model, Counter[str]()
        with transaction.atomic(using=self.db):
            for chunk in in_chunks(self._locked()):
                model._deleting(self.db, chunk)
                rows = model.unmarked.using(self.db).filter(pk__in=[row["pk"] for row in chunk])
                counts.update(rows.delete()[1])
            announce(self.db)
        return sum(counts.values()), dict(counts)

    delete.alters_data = True  # type: ignore[attr-defined]  # Django's own convention
    delete.queryset_only = True  # type: ignore[attr-defined]  # Django's own convention


class SyncedModel(models.Model):
    """A row that is sent to Conversion, and knows whether it has arrived.

    Subclasses say by class attributes what the machinery must know of their columns:
    ``LOCKED``, the columns read under the row's lock before each change; ``WATCHED``, those
    whose change means more than a push; ``QUIET``, those whose change alone is no push.
    """

    sync_status = models.CharField(
        _("sync status"),
        max_length=12,
        choices=Status.choices,
        default=Status.PENDING,
        editable=False,
    )
    revision = models.PositiveBigIntegerField(_("revision"), default=1, editable=False)
    due_at = models.DateTimeField(_("due at"), null=True, default=timezone.now, editable=False)
    priority = models.PositiveSmallIntegerField(_("priority"), default=BULK, editable=False)
    claim = models.UUIDField(_("claim"), null=True, default=None, editable=False)
    attempts = models.PositiveIntegerField(_("tries"), default=0, editable=False)
    failing_since = models.DateTimeField(
        _("failing since"), null=True, default=None, editable=False
    )
    last_error_code = models.CharField(
        _("last error"), max_length=64, default="", blank=True, editable=False
    )
    last_error_message = models.TextField(
        _("last error message"), default="", blank=True, editable=False
    )
    last_attempt_at = models.DateTimeField(_("last try"), null=True, default=None, editable=False)
    last_synced_at = models.DateTimeField(_("last sync"), null=True, default=None, editable=False)
    last_call = models.ForeignKey(
        "conversion_sync.ApiCall",
        verbose_name=_("last call"),
        null=True,
        default=None,
        editable=False,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
    )
    remote_id = models.CharField(
        _("id in Conversion"), max_length=255, default="", blank=True, editable=False
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    #: Rows as the machinery sees them: ``update`` and ``delete`` of this manager mark nothing.
    unmarked = models.Manager[Any]()

    STATE: ClassVar[tuple[str, ...]] = (
        "sync_status",
        "revision",
        "due_at",
        "priority",
        "claim",
        "attempts",
        "failing_since",
        "last_error_code",
        "last_error_message",
        "last_attempt_at",
        "last_synced_at",
        "last_call_id",
        "remote_id",
    )
    LOCKED: ClassVar[tuple[str, ...]] = ("claim", "due_at", "sync_status", "last_attempt_at")
    WATCHED: ClassVar[frozenset[str]] = frozenset()
    QUIET: ClassVar[frozenset[str]] = frozenset({"created_at", "updated_at"})

    #: What ``save`` adds to the UPDATE in hand; None outside of it.
    _marks: dict[str, Any] | None = None

    class Meta:
        abstract = True

    def save(
        self,
        force_insert: Any = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Save the row and make it due; no state column is written from memory.

        Raises:
            DatabaseError: the row was deleted meanwhile; it is not brought back.
        """
        if update_fields is not None and not (update_fields := set(update_fields)):
            return
        using = using or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using):
            before = self._lock(using) if self.pk is not None and not force_insert else None
            if before is not None:
                type(self)._check_change([before])
            elif force_insert or self._state.adding or self.pk is None:
                self._begin(BULK if attribution().bulk else PERSON)
            else:
                force_update = not update_fields
            written = self._written(update_fields)
            quiet = {_attname(self, name) for name in written} <= self.QUIET
            self._marks = {} if quiet else marking(BULK if attribution().bulk else PERSON)
            try:
                super().save(
                    force_insert=force_insert,
                    force_update=force_update,
                    using=using,
                    update_fields=None if update_fields is None else written,
                )
            finally:
                self._marks = None
            if before is None:
                type(self)._inserted(using, [self])
            else:
                type(self)._changed(using, [(before, before | self._values(written))])
            self._reload_state()
            announce(using)

    def delete(self, using: str | None = None, keep_parents: bool = False) -> Any:
        """As Django's, and leaves a ``Deletion`` of a record that may be in Conversion."""
        using = using or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using):
            if (before := self._lock(using)) is not None:
                type(self)._deleting(using, [before])
            deleted = super().delete(using=using, keep_parents=keep_parents)
            announce(using)
        return deleted

    def refresh_from_db(
        self, using: str | None = None, fields: Any = None, from_queryset: Any = None
    ) -> None:
        """As Django's; one state column that was deferred brings the others along."""
        if fields is not None and len(fields) == 1 and _attname(self, fields[0]) in self.STATE:
            fields = [*fields, *(self.get_deferred_fields() & set(self.STATE) - set(fields))]
        super().refresh_from_db(using=using, fields=fields, from_queryset=from_queryset)

    def _lock(self, using: str) -> dict[str, Any] | None:
        rows = locking(type(self).unmarked.using(using).filter(pk=self.pk))
        row: dict[str, Any] | None = rows.values("pk", *self.LOCKED).first()
        return row

    def _written(self, update_fields: set[str] | None) -> set[str]:
        """The names of the fields that a save writes, state columns aside."""
        return {
            field.name
            for field in self._meta.concrete_fields
            if not field.primary_key
            and field.attname not in self.STATE
            and field.attname in self.__dict__
            and (
                update_fields is None
                or field.name in update_fields
                or field.attname in update_fields
                or field.name == "updated_at"
            )
        }

    def _values(self, written: set[str]) -> dict[str, Any]:
        """What is in memory of the columns that are read under the lock, where written."""
        return {
            name: getattr(self, name)
            for name in self.LOCKED
            if name in written or name.removesuffix("_id") in written
        }

    def _begin(self, priority: int) -> None:
        """Give a row that is about to be inserted the state of a new one."""
        for field in self._meta.concrete_fields:
            if field.attname in self.STATE:
                setattr(self, field.attname, field.get_default())
        self.due_at = DbNow()
        self.priority = priority

    def _reload_state(self) -> None:
        """Have the state columns read from the database when next asked for."""
        for name in self.STATE:
            self.__dict__.pop(name, None)
        self._state.fields_cache.pop("last_call", None)

    def _do_update(self, base_qs: Any, using: Any, pk_val: Any, values: Any, *args: Any) -> Any:
        # Django has no public way to add expressions to the UPDATE of a save and to keep the
        # instance as it is; the shape of ``values`` is the same from Django 1.6 to 6.1.
        if self._marks is not None:
            kept = [entry for entry in values if entry[0].attname not in self._unwritten()]
            marks = [(self._meta.get_field(name), None, mark) for name, mark in self._marks.items()]
            values = kept + marks
        return super()._do_update(base_qs, using, pk_val, values, *args)

    def _unwritten(self) -> set[str]:
        """The columns that a save never writes from memory."""
        return set(self.STATE)

    @classmethod
    def _check_change(cls, before: Sequence[dict[str, Any]]) -> None:
        """Refuse to change rows, locked and read as ``before``."""

    @classmethod
    def _changed(cls, using: str, pairs: Sequence[Pair]) -> None:
        """Do what the changes of these locked rows entail, in their transaction."""

    @classmethod
    def _inserted(cls, using: str, rows: Sequence[Self]) -> None:
        """Do what new rows entail, in their transaction."""

    @classmethod
    def _deleting(cls, using: str, before: Sequence[dict[str, Any]]) -> None:
        """Do what the deletion of these locked rows entails, in their transaction."""


def _attname(model: Any, name: str) -> str:
    return str(model._meta.get_field(name).attname)


class RecordQuerySet(SyncedQuerySet):
    """Records can be pushed again whenever staff like."""

    def sync_now(self) -> int:
        """Send the rows now, changed or not: a person waits, unless in bulk.

        Returns:
            Their number.
        """
        return self.mark(
            **urgency(),
            sent_revision=Case(
                When(sent_revision__isnull=True, then=None),
                default=Value(DOUBT),
                output_field=models.PositiveBigIntegerField(),
            ),
        )


class RecordManager(models.Manager.from_queryset(RecordQuerySet)):  # type: ignore[misc]  # made at run time
    """The manager of records."""


class Record(SyncedModel):
    """A row that mirrors one record of Conversion, known there by its key."""

    key = KeyField(_("key"), max_length=255, unique=True, editable=False)
    sent_revision = models.PositiveBigIntegerField(
        _("revision last sent"), null=True, default=None, editable=False
    )
    sent_key = KeyField(_("key last sent"), max_length=255, null=True, default=None, editable=False)
    sent_payload = models.JSONField(_("last sent"), null=True, default=None, editable=False)
    synced_revision = models.PositiveBigIntegerField(
        _("revision last confirmed"), default=0, editable=False
    )

    STATE = (*SyncedModel.STATE, "sent_revision", "sent_key", "sent_payload", "synced_revision")
    LOCKED = (*SyncedModel.LOCKED, "key", "sent_key")

    #: The column that holds the key as people write it.
    KEY: ClassVar[str]

    #: What is forgotten of a record whose key changes, or that the remote has lost.
    FORGOTTEN: ClassVar[dict[str, Any]] = {
        "sent_revision": None,
        "sent_key": None,
        "sent_payload": None,
        "synced_revision": 0,
        "remote_id": "",
    }

    class Meta:
        abstract = True

    @staticmethod
    def normal_key(value: str) -> str:
        """The one normal form in which a key is compared and sent."""
        raise NotImplementedError

    def _begin(self, priority: int) -> None:
        super()._begin(priority)
        self.key = self.normal_key(getattr(self, self.KEY))

    def _unwritten(self) -> set[str]:
        return super()._unwritten() | {"key"}

    @classmethod
    def _changed(cls, using: str, pairs: Sequence[Pair]) -> None:
        for before, after in pairs:
            key = cls.normal_key(after[cls.KEY])
            if key != before["key"]:
                cls._key_changed(using, before, key)
                cls.unmarked.using(using).filter(pk=before["pk"]).update(key=key, **cls.FORGOTTEN)

    @classmethod
    def _key_changed(cls, using: str, before: dict[str, Any], key: str) -> None:
        """Do what the change of a locked row's key entails, before it is written."""
        raise NotImplementedError

    @property
    def remote_is_known(self) -> bool:
        """Whether the API has confirmed the last call that carried this record."""
        return bool(self.synced_revision) and self.synced_revision == self.sent_revision


@receiver(pre_save, dispatch_uid="conversion_sync.fixture")
def _complete_fixture(instance: Any, raw: bool, **kwargs: Any) -> None:
    """A row of a fixture is taken as it is; one that was written by hand has no key yet."""
    if raw and isinstance(instance, Record) and not instance.key:
        instance.key = instance.normal_key(getattr(instance, instance.KEY))
