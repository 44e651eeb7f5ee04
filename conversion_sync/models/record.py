"""Rows that mirror one record of Conversion, and how each comes by its key."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from django.db import IntegrityError, models, transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from conversion_sync.api.errors import ErrorCode
from conversion_sync.models.changes import RowChange
from conversion_sync.models.evaluation import evaluated
from conversion_sync.models.fields import KeyField, RecordKeyField
from conversion_sync.models.locking import locking
from conversion_sync.models.messages import Message, stored
from conversion_sync.models.querysets import RecordQuerySet
from conversion_sync.models.state import BULK, Status
from conversion_sync.models.synced import Proof, SyncedModel

__all__ = ["Record", "key_field"]


class Record(SyncedModel):
    """A row that mirrors one record of Conversion, known there by its key."""

    #: A ``RecordKeyField``: how the API knows the record; None while another row holds its key.
    key: Any
    sent_revision = models.PositiveBigIntegerField(
        _("revision last sent"), null=True, default=None, editable=False
    )
    sent_key = KeyField(_("key last sent"), max_length=255, null=True, default=None, editable=False)
    #: A snapshot, with its version and the generation of the API: see ``records.last_sent``.
    sent_payload = models.JSONField(_("last sent"), null=True, default=None, editable=False)
    synced_revision = models.PositiveBigIntegerField(
        _("revision last confirmed"), default=0, editable=False
    )

    STATE = (*SyncedModel.STATE, "sent_revision", "sent_key", "sent_payload", "synced_revision")
    LOCKED = (*SyncedModel.LOCKED, "key", "sent_key")
    DERIVED = (*SyncedModel.DERIVED, "key")
    SETTLED_BY = (
        *SyncedModel.SETTLED_BY,
        "key",
        "sent_key",
        "sent_revision",
        "synced_revision",
    )

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

    @classmethod
    def arrival(cls, *, created: bool) -> dict[str, Any]:
        return {"synced_revision": F("sent_revision")}

    @classmethod
    def normal_key(cls, spelling: str) -> str:
        """The one normal form in which a key is compared and sent."""
        return key_field(cls).normal_form(spelling)

    def _unwritten(self) -> set[str]:
        return super()._unwritten() | {"key"}

    def _proof_of(self, written: set[str]) -> Proof | None:
        """That its key is the one that it would have after the save."""
        source: Any = self._meta.get_field(self.KEY)
        if source.attname not in self.__dict__:
            return None
        spelling, field = getattr(self, self.KEY), key_field(type(self))
        key = field.of(spelling) if isinstance(spelling, str) else None
        if key is None:
            return None
        # What the column says may be of a later time than the instance.
        spelled = [] if self.KEY in written else [(source, spelling)]
        return [(field, key), *spelled]

    def _evaluate_new(self, using: str) -> None:
        spelling = getattr(self, self.KEY)
        if hasattr(spelling, "resolve_expression"):
            setattr(self, self.KEY, evaluated(spelling, self._meta.get_field(self.KEY), using))

    def _key_of_new(self) -> str | None:
        spelling = getattr(self, self.KEY)
        return key_field(type(self)).of(spelling) if isinstance(spelling, str) else None

    @classmethod
    def _changed(cls, using: str, changes: Sequence[RowChange]) -> None:
        waiting, moved = list[int](), list[RowChange]()
        for change in changes:
            before, after, _ = change
            key = cls._key_of(after)
            if before["key"] is None and key == cls._key_of(before):
                waiting.append(before["pk"])
            elif key is not None and key == cls._spelled_anew(before["key"]):
                if key != before["key"] and not cls._spell_anew(using, before, key):
                    waiting.append(before["pk"])
            elif key != before["key"]:
                moved.append(change)
        if waiting:
            cls.take_keys(using, waiting)
        if moved:
            cls._moved(using, moved)
            cls._freed(using, [change.before for change in moved])

    @classmethod
    def _spelled_anew(cls, key: str | None) -> str | None:
        """A key as this release spells it: an earlier one may have written it."""
        return None if key is None else cls.normal_key(key)

    @classmethod
    def _spell_anew(cls, using: str, before: Mapping[str, Any], key: str) -> bool:
        """Spell the key of a locked row anew, which is no change of it; False: it is held."""
        rows = _table(cls, using).filter(pk=before["pk"])
        if _take(rows, key, {"sent_key": cls._spelled_anew(before["sent_key"])}):
            return True
        rows.update(key=None)
        return False

    @classmethod
    def _deleting(cls, using: str, before: Sequence[dict[str, Any]]) -> None:
        cls._freed(using, before)

    @classmethod
    def _key_of(cls, row: Mapping[str, Any]) -> str | None:
        """The key that a row should have, as it was read."""
        return key_field(cls).of(row[cls.KEY])

    @classmethod
    def take_keys(cls, using: str, pks: Collection[int]) -> list[int]:
        """Give these locked rows, which have no key, their keys where no other row holds them.

        Returns:
            The primary keys of those that have none still; each says why, and is not due.
        """
        failed, table = [], _table(cls, using)
        for row in locking(table.filter(pk__in=pks)).order_by("pk").values("pk", cls.KEY):
            rows, key = table.filter(pk=row["pk"]), cls._key_of(row)
            holder = None if key is None else table.filter(key=key).first()
            if key is None:
                rows.update(**_keyless(ErrorCode.VALIDATION_ERROR, stored(Message.KEY_TOO_LONG)))
            elif holder is not None or not _take(rows, key, cls.FORGOTTEN):
                rows.update(**_keyless(ErrorCode.KEY_CLASH, _held_by(holder)))
            else:
                continue
            failed.append(row["pk"])
        return failed

    @classmethod
    def _freed(cls, using: str, rows: Collection[Mapping[str, Any]]) -> None:
        """The rows that wait for one of the keys of these are looked at again."""
        keys = {row["key"] for row in rows} - {None}
        others = _table(cls, using).exclude(pk__in=[row["pk"] for row in rows])
        waiting = others.filter(key=None, last_error_code=ErrorCode.KEY_CLASH).values("pk", cls.KEY)
        if pks := [row["pk"] for row in waiting if cls._key_of(row) in keys]:
            RecordQuerySet(cls, using=using).filter(pk__in=pks).mark()

    @classmethod
    def _moved(cls, using: str, changes: Sequence[RowChange]) -> None:
        """Write the new keys of these locked rows, and do what that entails."""
        raise NotImplementedError

    def key_is_taken(self) -> bool:
        """Whether a save would clash with another row that holds the key.

        A row that is without a key already may be saved so.
        """
        rows, key = _table(type(self)), self.normal_key(getattr(self, self.KEY))
        if not _can_be_kept(key):
            return False
        if self.pk is not None and self.key is None:
            spelling = rows.filter(pk=self.pk, key=None).values_list(self.KEY, flat=True).first()
            if spelling is not None and self.normal_key(spelling) == key:
                return False
        return rows.filter(key=key).exclude(pk=self.pk).exists()

    @classmethod
    def wanted_key_of(cls, row: Any) -> str:
        """The ``wanted_key`` of what has the columns of a row, and need not be an instance."""
        return str(cls.normal_key(getattr(row, cls.KEY)) if row.key is None else row.key)

    @property
    def wanted_key(self) -> str:
        """Its key, or the one that it would have if no other row held it."""
        return self.wanted_key_of(self)

    @property
    def remote_is_known(self) -> bool:
        """Whether the API has confirmed the last call that carried this record."""
        return bool(self.synced_revision) and self.synced_revision == self.sent_revision

    @property
    def is_in_doubt(self) -> bool:
        """Whether a call has carried this record of which nothing is known."""
        return self.sent_key is not None and not self.remote_is_known


def key_field(model: Any) -> RecordKeyField:
    """The field that derives the keys of a model of records."""
    field: RecordKeyField = model._meta.get_field("key")
    return field


def _table(model: Any, using: str | None = None) -> models.QuerySet[Any]:
    rows: models.QuerySet[Any] = model.unmarked.using(using)
    return rows


def _take(rows: models.QuerySet[Any], key: str, forgotten: Mapping[str, Any]) -> bool:
    """Whether the one row has the key now: somebody else may take it at the same time."""
    try:
        with transaction.atomic(using=rows.db):
            rows.update(key=key, last_error_code="", last_error_message="", **forgotten)
    except IntegrityError:
        return False
    return True


def _held_by(holder: Any) -> str:
    """The message of a row whose key this one has."""
    if holder is None:
        return stored(Message.KEY_HELD_SOMEWHERE)
    kind, name = holder._meta.model_name, str(holder)
    return stored(Message.KEY_HELD, kind=kind, row=holder.pk, name=name)


def _keyless(code: str, message: str) -> dict[str, Any]:
    """The state of a row that is not sent, for it has no key."""
    return {
        "sync_status": Status.FAILED,
        "due_at": None,
        "priority": BULK,
        "attempts": 0,
        "failing_since": None,
        "last_error_code": code,
        "last_error_message": message,
    }


def _can_be_kept(key: str) -> bool:
    """Whether any row can have it: half of a character, no database can write."""
    try:
        return bool(key.encode())
    except UnicodeEncodeError:
        return False
