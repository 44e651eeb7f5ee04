"""The call log."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from conversion_sync.models.fields import InstantField

__all__ = ["ApiCall"]


class ApiCall(models.Model):
    """One call of the API; no bodies, no key."""

    endpoint = models.CharField(_("endpoint"), max_length=64)
    rows = models.PositiveIntegerField(_("rows"), default=0)
    started_at = InstantField(_("started at"), db_index=True)
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
