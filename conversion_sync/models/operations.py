"""What the app keeps of its own working: the call log, the gate, the wake, the heartbeat."""

from __future__ import annotations

from typing import Any, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

__all__ = ["ApiCall", "ApiGate", "BulkJob", "Heartbeat", "Singleton", "Wakeup"]


class ApiCall(models.Model):
    """One call of the API; no bodies, no key."""

    endpoint = models.CharField(_("endpoint"), max_length=64)
    rows = models.PositiveIntegerField(_("rows"), default=0)
    started_at = models.DateTimeField(_("started at"), db_index=True)
    duration_ms = models.PositiveIntegerField(_("duration (ms)"), default=0)
    http_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True)
    error_code = models.CharField(_("error"), max_length=64, blank=True)
    error_message = models.TextField(_("error message"), blank=True)

    class Meta:
        verbose_name = _("API call")
        verbose_name_plural = _("API calls")
        ordering = ("-pk",)
        indexes = (models.Index(fields=["error_code"], name="conversion_call_error"),)

    def __str__(self) -> str:
        return f"{self.endpoint} ({self.rows})"


class Singleton(models.Model):
    """A table of one row, made when it is first asked for."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)

    class Meta:
        abstract = True

    @classmethod
    def only(cls, using: str) -> models.QuerySet[Self]:
        """The one row, as a queryset."""
        return cls._default_manager.using(using).filter(pk=1)

    @classmethod
    def load(cls, using: str, *, lock: bool = False) -> Self:
        """The one row; ``lock`` holds it until the transaction ends."""
        rows = cls.only(using)
        rows = rows.select_for_update() if lock else rows
        row = rows.first()
        if row is None:
            cls._default_manager.using(using).bulk_create([cls(pk=1)], ignore_conflicts=True)
            row = rows.get()
        return row

    @classmethod
    def write(cls, using: str, **columns: Any) -> None:
        """Write columns of the one row."""
        if not cls.only(using).update(**columns):
            cls.load(using)
            cls.only(using).update(**columns)


class ApiGate(Singleton):
    """Whether, and how fast, the API may be called now; shared by all processes."""

    next_slot_at = models.DateTimeField(_("next slot at"), null=True)
    blocked_until = models.DateTimeField(_("blocked until"), null=True)
    blocked_reason = models.CharField(_("blocked because"), max_length=255, blank=True)
    faults = models.PositiveIntegerField(_("faults in a row"), default=0)
    probes = models.PositiveIntegerField(_("probes in a row that failed"), default=0)
    limits = models.PositiveIntegerField(_("rate limits in a row"), default=0)
    last_ok_at = models.DateTimeField(_("last success at"), null=True)
    closed_for = models.CharField(_("closed for the key"), max_length=64, blank=True)
    closed_reason = models.CharField(_("closed because"), max_length=255, blank=True)
    closed_at = models.DateTimeField(_("closed at"), null=True)
    paused_at = models.DateTimeField(_("paused at"), null=True)
    paused_by = models.CharField(_("paused by"), max_length=255, blank=True)

    class Meta:
        verbose_name = _("gate")
        verbose_name_plural = _("dashboard")
        permissions = (("pause", _("Can pause and resume the sending")),)

    def __str__(self) -> str:
        return str(_("gate"))


class Wakeup(Singleton):
    """A drain was asked for, and need not be asked for again until then."""

    requested_until = models.DateTimeField(_("requested until"), null=True)

    class Meta:
        verbose_name = _("wakeup")
        verbose_name_plural = _("wakeup")

    def __str__(self) -> str:
        return str(_("wakeup"))


class Heartbeat(Singleton):
    """When a drain last ran: how anybody knows that somebody is working."""

    started_at = models.DateTimeField(_("drain started at"), null=True)
    finished_at = models.DateTimeField(_("drain finished at"), null=True)
    worker = models.CharField(_("worker"), max_length=255, blank=True)
    pruned_at = models.DateTimeField(_("call log pruned at"), null=True)
    rows = models.PositiveIntegerField(_("rows"), default=0)
    calls = models.PositiveIntegerField(_("calls"), default=0)

    class Meta:
        verbose_name = _("heartbeat")
        verbose_name_plural = _("heartbeat")

    def __str__(self) -> str:
        return str(_("heartbeat"))


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
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, db_index=True)
    cancelled = models.BooleanField(_("cancelled"), default=False)
    cursor = models.BigIntegerField(_("cursor"), default=0)
    last_pk = models.BigIntegerField(_("last row"), default=0)
    total = models.PositiveIntegerField(_("rows in all"), default=0)
    done = models.PositiveIntegerField(_("rows done"), default=0)
    affected = models.PositiveIntegerField(_("rows affected"), default=0)
    findings = models.JSONField(_("findings"), default=list)
    error = models.TextField(_("error"), blank=True)
    claim = models.UUIDField(_("claim"), null=True)
    leased_until = models.DateTimeField(_("leased until"), null=True)

    class Meta:
        verbose_name = _("bulk job")
        verbose_name_plural = _("bulk jobs")
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.get_action_display()} ({self.done}/{self.total})"
