"""Deletions that the API has still to be told of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from conversion_sync.conf import conf
from conversion_sync.models.base import (
    BULK,
    PERSON,
    RIGHTS,
    SyncedModel,
    SyncedQuerySet,
    attribution,
)
from conversion_sync.models.fields import KeyField

__all__ = ["Deletion", "DeletionQuerySet"]


class DeletionQuerySet(SyncedQuerySet):
    """Deletions by what they hold up."""

    def open(self) -> DeletionQuerySet:
        """Those an upsert of the same key has to wait for; a failed one waits for staff."""
        return self.unfinished()

    def discard_failed(self) -> int:
        """Forget the failed deletions of this set: what they held up goes on."""
        return int(self.failed().delete()[0])


class Deletion(SyncedModel):
    """The tombstone of a key that was changed or whose row was deleted."""

    class Kind(models.TextChoices):
        CONTACT = "contact", _("contact")
        COMPANY = "company", _("company")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, editable=False)
    key = KeyField(_("key"), max_length=255, editable=False)
    successor = models.ForeignKey(
        "conversion_sync.Contact",
        verbose_name=_("contact that goes on under another email"),
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="predecessors",
    )
    requested_by = models.CharField(_("requested by"), max_length=255, blank=True, editable=False)

    objects = DeletionQuerySet.as_manager()

    # It happened once: sent again by a later note, it would delete who has returned since.
    QUIET = SyncedModel.QUIET | {"kind", "key", "successor_id", "requested_by"}

    class Meta:
        verbose_name = _("deletion")
        verbose_name_plural = _("deletions")
        default_permissions = RIGHTS
        ordering = ("-pk",)
        indexes = (
            models.Index(fields=["priority", "due_at"], name="conversion_deletion_due"),
            models.Index(
                fields=["sync_status", "last_error_code", "id"], name="conversion_deletion_state"
            ),
            models.Index(
                fields=["key", "kind"],
                name="conversion_deletion_key",
                opclasses=["varchar_pattern_ops", "varchar_pattern_ops"],
            ),
            models.Index(fields=["created_at"], name="conversion_deletion_created"),
        )

    def __str__(self) -> str:
        return str(self.key)

    @classmethod
    def leave_for_deleted(cls, using: str, kind: Kind, rows: Iterable[dict[str, Any]]) -> None:
        """Leave a deletion of each locked row that may be in Conversion, and is deleted here."""
        if conf.delete_remote:
            cls._leave(using, kind, [row for row in rows if row["sent_key"]])

    @classmethod
    def leave_for_changed_key(cls, using: str, kind: Kind, row: dict[str, Any]) -> None:
        """Leave a deletion of the old key of a locked row that may be in Conversion."""
        if conf.delete_changed_keys and row["sent_key"]:
            successor = row["pk"] if kind == cls.Kind.CONTACT else None
            cls._leave(using, kind, [row], successor)

    @classmethod
    def _leave(
        cls, using: str, kind: Kind, rows: Sequence[dict[str, Any]], successor: int | None = None
    ) -> None:
        left = cls.objects.using(using).bulk_create(
            cls(
                kind=kind,
                key=row["sent_key"],
                successor_id=successor,
                requested_by=attribution().requested_by,
            )
            for row in rows
        )
        for deletion, row in zip(left, rows, strict=True):
            if row["claim"] is not None:
                # The call in flight may write the key again until its lease is over.
                cls.unmarked.using(using).filter(pk=deletion.pk).update(due_at=row["due_at"])
        if not attribution().bulk:
            cls.hasten(using, kind, [row["sent_key"] for row in rows])

    @classmethod
    def hasten(cls, using: str, kind: Kind, keys: Collection[str]) -> None:
        """A person waits for what these deletions hold up."""
        cls.unmarked.using(using).filter(
            kind=kind, key__in=keys, due_at__isnull=False, priority=BULK
        ).update(priority=PERSON)
