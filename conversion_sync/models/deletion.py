"""Deletions that the API has still to be told of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from django.apps import apps
from django.db import models, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from conversion_sync.models.erased import recall
from conversion_sync.models.fields import KeyField, LineField
from conversion_sync.models.locking import locking
from conversion_sync.models.marking import urgency
from conversion_sync.models.querysets import SyncedQuerySet
from conversion_sync.models.synced import RIGHTS, SyncedModel

__all__ = ["Deletion", "DeletionQuerySet"]


class DeletionQuerySet(SyncedQuerySet):
    """Deletions by what they hold up."""

    def open(self) -> DeletionQuerySet:
        """Those that have not arrived; a failed one waits for staff."""
        return self.unfinished()

    def holding_up(self, kind: Any) -> DeletionQuerySet:
        """Those that an upsert of the same key and kind has to wait for."""
        return self.open().filter(kind=kind, only_asks=False)

    def discard_failed(self) -> int:
        """Delete nothing for the failed deletions of this set: what they held up goes on.

        Of a contact, Conversion is still asked whether the person has opted out; a deletion that
        failed in that is forgotten, and so is that of a company.

        Returns:
            The number of those that were discarded.
        """
        deletions = Q(kind=Deletion.Kind.CONTACT, only_asks=False)
        with transaction.atomic(using=self.db):
            count = int(self.failed().exclude(deletions).delete()[0])
            asking = self.failed().filter(deletions).order_by("pk")
            rows = list(locking(asking).values("pk", *Deletion.LOCKED))
            these = Deletion.objects.using(self.db).filter(pk__in=[row["pk"] for row in rows])
            count += these.mark(
                **urgency(), only_asks=True, last_error_code="", last_error_message=""
            )
            Deletion._deleting(self.db, rows)
        return count


class Deletion(SyncedModel):
    """The tombstone of a key that was changed or whose row was deleted."""

    class Kind(models.TextChoices):
        CONTACT = "contact", _("contact")
        COMPANY = "company", _("company")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, editable=False)
    key = KeyField(_("key"), max_length=255, editable=False)
    spelling = KeyField(
        _("spelling in Conversion"),
        max_length=255,
        blank=True,
        editable=False,
        help_text=_("What is deleted there, where it was sent in another spelling of the key."),
    )
    successor = models.ForeignKey(
        "conversion_sync.Contact",
        verbose_name=_("contact that goes on under another email"),
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="predecessors",
    )
    only_asks = models.BooleanField(
        _("nothing is deleted"),
        default=False,
        editable=False,
        help_text=_("Conversion is only asked whether the person has opted out at the old email."),
    )
    requested_by = LineField(_("requested by"), max_length=255, blank=True, editable=False)
    #: Of a changed key: what was known of it, by column, and ``pk``, the row that had it. It is
    #: kept until the deletion has arrived, in case the row returns.
    forgotten = models.JSONField(null=True, editable=False)

    objects = DeletionQuerySet.as_manager()

    LOCKED = (*SyncedModel.LOCKED, "kind", "key", "successor_id")

    # It happened once: sent again by a later note, it would delete who has returned since.
    QUIET = SyncedModel.QUIET | {
        "kind",
        "key",
        "spelling",
        "successor_id",
        "only_asks",
        "requested_by",
        "forgotten",
    }

    class Meta:
        verbose_name = _("deletion")
        verbose_name_plural = _("deletions")
        default_permissions = RIGHTS
        base_manager_name = "objects"
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
        return self.remote_key

    @classmethod
    def arrival(cls, *, created: bool) -> dict[str, Any]:
        return {"forgotten": None}

    @property
    def remote_key(self) -> str:
        """What is deleted in Conversion: the key, or the spelling in which it was sent."""
        return str(self.spelling or self.key)

    @classmethod
    def held_up(cls, using: str, deletions: Sequence[dict[str, Any]]) -> Iterator[SyncedQuerySet]:
        """The rows that may wait for these deletions, given by kind, key and successor."""
        keys = defaultdict[str, list[str]](list)
        for row in deletions:
            keys[row["kind"]].append(row["key"])
        for kind, of_kind in keys.items():
            yield _objects(kind, using).filter(key__in=of_kind)
            if kind == cls.Kind.CONTACT:
                yield _objects("subscriptionchange", using).filter(address__in=of_kind)
        if successors := [row["successor_id"] for row in deletions if row["successor_id"]]:
            yield _objects("subscriptionchange", using).filter(contact__in=successors)

    @classmethod
    def recall(cls, using: str, keys: Collection[str]) -> None:
        """Have what stands for these erased addresses say them again: the person is back."""
        recall(cls.unmarked.using(using), "key", keys)

    @classmethod
    def _deleting(cls, using: str, before: Sequence[dict[str, Any]]) -> None:
        for rows in cls.held_up(using, before):
            rows.look_again()


def _objects(model: str, using: str) -> SyncedQuerySet:
    # They import this module: they can be had when all are loaded.
    rows: SyncedQuerySet = apps.get_model("conversion_sync", model).objects.using(using)
    return rows
