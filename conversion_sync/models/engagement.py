"""Engagements: what happened with a contact. They happen once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from conversion_sync.models.announcement import announce
from conversion_sync.models.attribution import attribution
from conversion_sync.models.clock import DbNow
from conversion_sync.models.contact import Contact
from conversion_sync.models.fields import KeyField, LineField, ObjectField, SiteTimeField, TextField
from conversion_sync.models.marking import urgency
from conversion_sync.models.priority import prioritize_contacts
from conversion_sync.models.querysets import SyncedQuerySet
from conversion_sync.models.state import Status
from conversion_sync.models.synced import RIGHTS, Proof, SyncedModel
from conversion_sync.models.validators import validate_json_object

__all__ = ["Engagement", "EngagementQuerySet", "ImmutableEngagement"]


class ImmutableEngagement(Exception):
    """The engagement was claimed: it may have been sent as it was, and can't be recalled."""


class EngagementQuerySet(SyncedQuerySet):
    """What a person may decide of an engagement in doubt."""

    def update(self, **kwargs: Any) -> int:
        """As ``SyncedQuerySet.update``; that it stays with its contact is no change of one.

        A related manager's ``add`` and ``set`` write the contact of all that they are given.
        """
        if not kwargs or {*kwargs} - {"contact", "contact_id"} or self.query.is_sliced:
            return super().update(**kwargs)
        with transaction.atomic(using=self.db):
            stay = self.filter(**kwargs).order_by().count()
            return stay + super(EngagementQuerySet, self.exclude(**kwargs)).update(**kwargs)

    update.alters_data = True  # type: ignore[attr-defined]  # Django's own convention

    def resend(self) -> int:
        """Send the engagements in doubt again; they may arrive twice. Returns their number."""
        count = self.unconfirmed()._end_claim(
            sync_status=Status.PENDING, due_at=DbNow(), **urgency()
        )
        announce(self.db)
        return count

    def mark_as_sent(self) -> int:
        """Take the engagements in doubt for arrived. Returns their number."""
        return self.unconfirmed()._end_claim(
            sync_status=Status.SYNCED,
            due_at=None,
            last_synced_at=DbNow(),
            last_error_code="",
            last_error_message="",
        )

    def _end_claim(self, **assignments: Any) -> int:
        return models.QuerySet.update(
            self, claim=None, attempts=0, failing_since=None, **assignments
        )


class Engagement(SyncedModel):
    """Something that happened with a contact, tracked by ``POST /contacts/engagements``."""

    contact = models.ForeignKey(
        Contact, verbose_name=_("contact"), on_delete=models.CASCADE, related_name="engagements"
    )
    name = LineField(
        _("name"), max_length=255, help_text=_("Such as “Sales call” or “Webinar attended”.")
    )
    description = TextField(_("description"))
    occurred_at = SiteTimeField(_("occurred at"), default=timezone.now)
    data = ObjectField(_("data"), default=dict, blank=True, validators=[validate_json_object])
    source_key = KeyField(
        _("source key"),
        max_length=255,
        unique=True,
        null=True,
        blank=True,
        default=None,
        help_text=_("What the event is known by where it came from; it is never entered twice."),
    )

    objects = EngagementQuerySet.as_manager()

    COMMON: ClassVar[tuple[str, ...]] = (
        "duration_minutes",
        "outcome",
        "next_steps",
        "priority",
        "tags",
    )
    WATCHED = frozenset({"contact_id", "name", "description", "occurred_at", "data"})
    QUIET = SyncedModel.QUIET | {"source_key"}
    ONCE = True

    class Meta:
        verbose_name = _("engagement")
        verbose_name_plural = _("engagements")
        default_permissions = RIGHTS
        base_manager_name = "objects"
        ordering = ("-pk",)
        indexes = (
            models.Index(fields=["priority", "due_at"], name="conversion_engagement_due"),
            models.Index(
                fields=["sync_status", "last_error_code", "id"], name="conversion_engagement_state"
            ),
            models.Index(fields=["contact", "occurred_at"], name="conversion_engagement_when"),
            models.Index(fields=["occurred_at"], name="conversion_engagement_occurred"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_editable(self) -> bool:
        """Whether it was never sent, or was refused: else Conversion may have it as it is."""
        return _editable(
            {
                "claim": self.claim,
                "sync_status": self.sync_status,
                "last_attempt_at": self.last_attempt_at,
            }
        )

    def clean(self) -> None:
        """A blank source key is none."""
        self.source_key = self.source_key or None

    @classmethod
    def _check_change(cls, before: Sequence[dict[str, Any]]) -> None:
        if not all(_editable(row) for row in before):
            raise ImmutableEngagement(
                "An engagement that was sent can't be changed: Conversion may have it as it is."
            )

    def _proof_of(self, written: set[str]) -> Proof | None:
        if "source_key" not in written or self.source_key is None:
            return ()
        # Another may be taken: that is found out in a savepoint.
        return [(self._meta.get_field("source_key"), self.source_key)]

    @classmethod
    def _usual(cls, using: str, priority: int) -> models.Q:
        return Q(claim=None) & (
            Q(sync_status=Status.FAILED)
            | Q(sync_status=Status.PENDING, last_attempt_at__isnull=True)
        )

    @classmethod
    def _inserted(cls, using: str, rows: Sequence[Self]) -> None:
        if not attribution().bulk:
            prioritize_contacts(using, {row.contact_id for row in rows})


def _editable(row: dict[str, Any]) -> bool:
    return row["claim"] is None and (
        row["sync_status"] == Status.FAILED
        or (row["sync_status"] == Status.PENDING and row["last_attempt_at"] is None)
    )
