"""What is to be done to many rows in the background."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from conversion_sync.models.fields import InstantField, SiteTimeField

__all__ = ["BulkJob"]


class BulkJob(models.Model):
    """Something to be done to many rows in the background: a filter, a cursor and a count."""

    class Action(models.TextChoices):
        SYNC_NOW = "sync_now", _("Sync now")
        RETRY_FAILED = "retry_failed", _("Retry failed")
        SET_SUBSCRIPTION = "set_subscription", _("Set subscription")
        COMPARE = "compare", _("Compare with Conversion")
        RESEND = "resend", _("Resend")
        MARK_AS_SENT = "mark_as_sent", _("Mark as sent")
        DISCARD_FAILED = "discard_failed", _("Discard failed deletions")

    action = models.CharField(_("action"), max_length=32, choices=Action.choices)
    model = models.CharField(_("rows"), max_length=64)
    filter = models.JSONField(_("filter"), default=dict)
    arguments = models.JSONField(_("arguments"), default=dict)
    requested_by = models.CharField(_("requested by"), max_length=255, blank=True)
    created_at = SiteTimeField(_("created at"), auto_now_add=True)
    finished_at = InstantField(_("finished at"), null=True, db_index=True)
    cancelled = models.BooleanField(_("cancelled"), default=False)
    cursor = models.BigIntegerField(_("cursor"), default=0)
    last_pk = models.BigIntegerField(_("last row"), default=0)
    total = models.PositiveIntegerField(_("rows in all"), default=0)
    done = models.PositiveIntegerField(_("rows done"), default=0)
    affected = models.PositiveIntegerField(_("rows affected"), default=0)
    findings = models.JSONField(_("findings"), default=list)
    error = models.TextField(_("error"), blank=True)
    claim = models.UUIDField(_("claim"), null=True)
    leased_until = InstantField(_("leased until"), null=True)

    class Meta:
        verbose_name = _("bulk job")
        verbose_name_plural = _("bulk jobs")
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.get_action_display()} ({self.done}/{self.total})"
