"""The columns that say where a row stands, as the database and the instance have them.

They are written by expression, never from memory, so that an instance loaded before a claim undoes
nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from conversion_sync import signals
from conversion_sync.api.errors import ErrorCode
from conversion_sync.models.columns import attname
from conversion_sync.models.fields import InstantField, SiteTimeField
from conversion_sync.models.memory import MEMORIES
from conversion_sync.models.state import BULK, Status
from conversion_sync.models.unstorable import unstorable_fields, what_was_replaced

__all__ = ["StateModel"]


class StateModel(models.Model):
    """A row that knows whether it has arrived.

    ``QUIET``: the columns whose change alone is no push.
    """

    sync_status = models.CharField(
        _("sync status"),
        max_length=12,
        choices=Status.choices,
        default=Status.PENDING,
        editable=False,
    )
    revision = models.PositiveBigIntegerField(_("revision"), default=1, editable=False)
    due_at = InstantField(_("due at"), null=True, default=timezone.now, editable=False)
    priority = models.PositiveSmallIntegerField(_("priority"), default=BULK, editable=False)
    claim = models.UUIDField(_("claim"), null=True, default=None, editable=False)
    attempts = models.PositiveIntegerField(_("tries"), default=0, editable=False)
    failing_since = InstantField(_("failing since"), null=True, default=None, editable=False)
    last_error_code = models.CharField(
        _("last error"), max_length=64, default="", blank=True, editable=False
    )
    last_error_message = models.TextField(
        _("last error message"), default="", blank=True, editable=False
    )
    last_attempt_at = InstantField(_("last try"), null=True, default=None, editable=False)
    last_synced_at = InstantField(_("last sync"), null=True, default=None, editable=False)
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
    created_at = SiteTimeField(_("created at"), auto_now_add=True)
    updated_at = SiteTimeField(_("updated at"), auto_now=True)

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
    QUIET: ClassVar[frozenset[str]] = frozenset({"created_at", "updated_at"})

    #: The columns besides ``STATE`` that are derived whenever a row is written.
    DERIVED: ClassVar[tuple[str, ...]] = ("created_at", "updated_at")

    #: The columns of which settling decides what is written.
    SETTLED_BY: ClassVar[tuple[str, ...]] = (
        "attempts",
        "failing_since",
        "revision",
        "remote_id",
        "sync_status",
    )

    #: Whether Conversion would take it for another one if it were sent again.
    ONCE: ClassVar[bool] = False

    class Meta:
        abstract = True

    def __getstate__(self) -> Any:
        """A copy, or what is unpickled, is no part of the transaction."""
        state = super().__getstate__()
        state.pop(MEMORIES, None)
        return state

    def refresh_from_db(
        self, using: str | None = None, fields: Any = None, from_queryset: Any = None
    ) -> None:
        """As Django's; one state column that was deferred brings the others along."""
        if fields is not None and len(fields) == 1 and attname(self, fields[0]) in self.STATE:
            fields = [*fields, *(self.get_deferred_fields() & set(self.STATE) - set(fields))]
        super().refresh_from_db(using=using, fields=fields, from_queryset=from_queryset)

    @classmethod
    def arrival(cls, *, created: bool) -> dict[str, Any]:
        """What is written of a row that has arrived, besides its state.

        Args:
            created: the call has brought the record into being.
        """
        return {}

    @classmethod
    def doubt(cls) -> dict[str, Any]:
        """What is written of a row that may have arrived, without an answer, besides its state."""
        return {}

    def _begin(self, priority: int, due_at: Any) -> None:
        """Give a row that is about to be inserted the state of a new one."""
        self.__dict__ |= _new_state(type(self)) | {"due_at": due_at, "priority": priority}
        self._state.fields_cache.pop("last_call", None)

    def _reload_state(self) -> None:
        """Have the state columns read from the database when next asked for."""
        for name in self.STATE:
            self.__dict__.pop(name, None)
        self._state.fields_cache.pop("last_call", None)

    def _remembered(self) -> dict[str, Any]:
        """What changes write into the instance by themselves, as it is now."""
        held = self.__dict__
        return {name: held[name] for name in _written_by_changes(type(self)) if name in held}

    def _restore(self, columns: dict[str, Any]) -> None:
        """Have the instance hold again what ``_remembered`` has returned."""
        for name in self._remembered():
            del self.__dict__[name]
        self.__dict__.update(columns)
        self._state.fields_cache.pop("last_call", None)

    def _unstorable(self, names: Iterable[str]) -> list[str]:
        """Those of these fields that hold what can't be stored, and are sent."""
        held = self.__dict__
        return unstorable_fields(type(self), {name: held[name] for name in names if name in held})

    @classmethod
    def _fail(cls, using: str, replaced: Mapping[int, Sequence[str]]) -> None:
        """Have rows say that something else was written than what they were given.

        Args:
            replaced: the names of such fields, by the rows' primary keys.
        """
        rows = {pk: tuple(names) for pk, names in replaced.items() if names}
        for names in {*rows.values()}:
            pks = [pk for pk in rows if rows[pk] == names]
            table = cls.unmarked.using(using).filter(pk__in=pks)
            message = what_was_replaced(cls, names)
            table.update(last_error_code=ErrorCode.UNSTORABLE, last_error_message=message)
            # A claimed one is looked at again when it has been settled.
            table.filter(claim=None).update(sync_status=Status.FAILED, due_at=None)
        if rows:
            transaction.on_commit(
                lambda: signals.row_failed.send_robust(sender=cls, pks=[*rows]), using=using
            )


@cache
def _written_by_changes(model: type[StateModel]) -> tuple[str, ...]:
    """The columns that changes write into an instance by themselves."""
    return (*model.STATE, *model.DERIVED)


@cache
def _new_state(model: type[StateModel]) -> dict[str, Any]:
    """The state columns of a new row, but for when it is due and its priority; none is mutable."""
    fields = [field for field in model._meta.concrete_fields if field.attname in model.STATE]
    return {field.attname: field.get_default() for field in fields if field.name != "due_at"}
