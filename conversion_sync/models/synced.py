"""What every row has: that changing it marks it as due."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

from django.db import connections, models, router, transaction
from django.db.models import ExpressionWrapper

from conversion_sync.models.announcement import announce, tell
from conversion_sync.models.attribution import attribution
from conversion_sync.models.changes import RowChange
from conversion_sync.models.clock import DbNow
from conversion_sync.models.columns import attname
from conversion_sync.models.listeners import anybody_listens
from conversion_sync.models.locking import locking
from conversion_sync.models.marking import marking
from conversion_sync.models.memory import follow
from conversion_sync.models.state import BULK, PERSON
from conversion_sync.models.state_columns import StateModel
from conversion_sync.models.usual_creation import insert_usually, inserts_without_locks
from conversion_sync.models.usual_save import Unusual, update_usually

__all__ = ["RIGHTS", "Proof", "SyncedModel"]

#: Fields, and the values that a row has to have in them.
Proof = Sequence[tuple[Any, Any]]

#: What Django asks a permission for, and what is asked of each synced row besides.
RIGHTS = ("add", "change", "delete", "view", "sync")


class SyncedModel(StateModel):
    """A row that is sent to Conversion, and knows whether it has arrived.

    Subclasses say by class attributes what the machinery must know of their columns:
    ``LOCKED``, the columns read under the row's lock before each change; ``WATCHED``, those
    whose change means more than a push; ``QUIET``, those whose change alone is no push. Their
    ``base_manager_name`` is ``objects``: related managers write through the base manager.
    """

    LOCKED: ClassVar[tuple[str, ...]] = ("claim", "due_at", "sync_status", "last_attempt_at")
    WATCHED: ClassVar[frozenset[str]] = frozenset()

    #: What ``save`` adds to the UPDATE in hand; None outside of it.
    _marks: dict[str, Any] | None = None

    #: What proves that the save in hand is a usual one; None where none is.
    _proof: Proof | None = None

    #: The key of the row whose usual creation is in hand.
    _new_key: str | None = None

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
        if self.pk is None and self._state.adding and not (force_update or update_fields):
            is_done = self._create_usually(using, force_insert)
        else:
            is_done = not force_insert and self._save_usually(using, update_fields)
        if not is_done:
            self._save_locked(using, force_insert, force_update, update_fields)

    def _create_usually(self, using: str, force_insert: Any) -> bool:
        """Create with one statement, if that is enough. Returns False: nothing was written.

        In a transaction that is open a row is created in a savepoint, for a key may be taken.
        """
        key = self._key_of_new()
        if key is None or not self._may_be_created_usually(using):
            return False
        before = self._remembered()
        self._begin(_priority(), DbNow())
        self._new_key = key
        try:
            super().save(force_insert=force_insert, using=using)
        except BaseException as error:
            self._restore(before)
            if isinstance(error, Unusual):
                return False
            raise
        finally:
            self._new_key = None
        self._reload_state()
        tell(using)
        return True

    def _may_be_created_usually(self, using: str) -> bool:
        connection = connections[using]
        return (
            inserts_without_locks(connection)
            # Not in a transaction.
            and connection.get_autocommit()
            and not _concrete(type(self))._meta.parents
            and not anybody_listens(type(self))
            and not self._unstorable(self._written(None))
        )

    def _key_of_new(self) -> str | None:
        """The key by which a new row is asked for in ``_entailing``; None: it is never usual."""
        return None

    @classmethod
    def _entailing(cls, using: str, priority: int, key: str) -> Sequence[models.QuerySet[Any]]:
        """The rows for which a new row of this key entails more than a push."""
        return ()

    def _save_usually(self, using: str, update_fields: set[str] | None) -> bool:
        """Save with one statement, if that is enough. Returns False: nothing was written."""
        written = self._written(update_fields)
        proof = self._proof_of(written) if self._may_be_usual(using, written) else None
        if proof is None:
            return False
        before, in_block = self._remembered(), connections[using].in_atomic_block
        if in_block:
            follow([self], announce(using))
        self._proof = proof
        try:
            super().save(using=using, update_fields=None if update_fields is None else written)
        except Unusual:
            self._restore(before)
            if in_block:
                # Django takes it for a failure of the database.
                transaction.set_rollback(False, using=using)
            return False
        except BaseException:
            self._restore(before)
            raise
        finally:
            self._proof = None
        self._reload_state()
        if not in_block:
            tell(using)
        return True

    def _may_be_usual(self, using: str, written: set[str]) -> bool:
        """Whether a save of these fields may be usual, as far as the instance knows.

        What a site's receivers do belongs to the save: they are called in its transaction.
        """
        connection, state = connections[using], self._state
        return (
            self.pk is not None
            and not state.adding
            and state.db == using
            and not _concrete(type(self))._meta.parents
            and not anybody_listens(type(self))
            and (connection.in_atomic_block or connection.get_autocommit())
            and not self._is_quiet(written)
            and not self._unstorable(written)
        )

    def _is_quiet(self, written: set[str]) -> bool:
        return {attname(self, name) for name in written} <= self.QUIET

    def _proof_of(self, written: set[str]) -> Proof | None:
        """What the row has to hold for a save of these fields to be usual; None: it never is."""
        return ()

    @classmethod
    def _usual(cls, using: str, priority: int) -> models.Q:
        """What has to be so of every row of this model for its save to be usual.

        Args:
            priority: that with which the row becomes due.
        """
        return models.Q()

    def _save_locked(
        self,
        using: str,
        force_insert: Any,
        force_update: bool,
        update_fields: set[str] | None,
    ) -> None:
        with transaction.atomic(using=using):
            follow([self], announce(using))
            before = self._lock(using) if self.pk is not None and not force_insert else None
            if before is not None:
                type(self)._check_change([before])
            elif force_insert or self._state.adding or self.pk is None:
                self._begin(_priority(), DbNow())
                self._evaluate_new(using)
            else:
                force_update = not update_fields
            written = self._written(update_fields)
            if before is not None:
                self._evaluate(using, written)
            self._marks = {} if self._is_quiet(written) else marking(_priority())
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
                after = before | self._values(written)
                type(self)._changed(using, [RowChange(before, after, written)])
            type(self)._fail(using, {self.pk: self._unstorable(written)})
            self._reload_state()

    def delete(self, using: str | None = None, keep_parents: bool = False) -> Any:
        """As Django's, and leaves a ``Deletion`` of a record that may be in Conversion."""
        using = using or router.db_for_write(type(self), instance=self)
        if keep_parents and _concrete(type(self))._meta.parents:
            # A site's child of our model goes, and our row stays.
            return super().delete(using=using, keep_parents=True)
        with transaction.atomic(using=using):
            follow([self], announce(using), deleting=True)
            if (before := self._lock(using)) is not None:
                type(self)._deleting(using, [before])
            return super().delete(using=using, keep_parents=keep_parents)

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

    def _evaluate(self, using: str, written: set[str]) -> None:
        """Have the instance hold what its expressions come to, where more depends on the column.

        The caller holds the row's lock.
        """
        field: Any = self._meta.get_field
        expressions = {
            f"new_{name}": ExpressionWrapper(value, field(name))
            for name, value in self._values(written).items()
            if hasattr(value, "resolve_expression")
        }
        if expressions:
            rows = locking(type(self).unmarked.using(using).filter(pk=self.pk))
            for name, value in rows.values(**expressions).get().items():
                setattr(self, name.removeprefix("new_"), value)

    def _evaluate_new(self, using: str) -> None:
        """As ``_evaluate``, before the row is there."""

    def _do_update(self, base_qs: Any, using: Any, pk_val: Any, values: Any, *args: Any) -> Any:
        # Django has no public way to add expressions to the UPDATE of a save and to keep the
        # instance, and the ``update_fields`` that a site's signals are told, as they are. What
        # it was tried with: tests/models/test_private_django.py.
        if self._proof is not None:
            kept = self._kept(values)
            update_usually(using, base_qs.model, pk_val, kept, _priority(), self._proof)
            return [()]
        # A model that inherits from one of ours has a table of its own besides, without a state.
        if self._marks is not None and _has_state(base_qs.model):
            kept = self._kept(values)
            marks = [(self._meta.get_field(name), None, mark) for name, mark in self._marks.items()]
            values = kept + marks
        return super()._do_update(base_qs, using, pk_val, values, *args)

    def _do_insert(
        self, manager: Any, using: Any, fields: Any, returning_fields: Any, raw: Any
    ) -> Any:
        # As above.
        if self._new_key is not None:
            return insert_usually(using, self, fields, returning_fields, _priority(), self._new_key)
        inserted = super()._do_insert(manager, using, fields, returning_fields, raw)  # type: ignore[misc]  # private
        return inserted

    def _kept(self, values: Any) -> list[Any]:
        unwritten = self._unwritten()
        return [entry for entry in values if entry[0].attname not in unwritten]

    def _unwritten(self) -> set[str]:
        """The columns that a save never writes from memory."""
        return set(self.STATE)

    @classmethod
    def _check_change(cls, before: Sequence[dict[str, Any]]) -> None:
        """Refuse to change rows, locked and read as ``before``."""

    @classmethod
    def _changed(cls, using: str, changes: Sequence[RowChange]) -> None:
        """Do what the changes of these locked rows entail, in their transaction."""

    @classmethod
    def _inserted(cls, using: str, rows: Sequence[Self]) -> None:
        """Do what new rows entail, in their transaction."""

    @classmethod
    def _deleting(cls, using: str, before: Sequence[dict[str, Any]]) -> None:
        """Do what the deletion of these locked rows entails, in their transaction."""


def _priority() -> int:
    return BULK if attribution().bulk else PERSON


def _has_state(model: Any) -> bool:
    """Whether the state is in the table of this model, not in that of a parent."""
    return any(field.name == "revision" for field in model._meta.local_fields)


def _concrete(model: Any) -> Any:
    """The model itself, of a proxy that which it stands for."""
    return model._meta.concrete_model
