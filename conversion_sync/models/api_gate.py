"""Whether, and how fast, the API may be called now."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from conversion_sync.models.fields import InstantField
from conversion_sync.models.singleton import Singleton

__all__ = ["ApiGate"]


class ApiGate(Singleton):
    """Whether, and how fast, the API may be called now; shared by all processes."""

    next_slot_at = InstantField(_("next slot at"), null=True)
    # Seconds from each of the last slots to the next one, the earliest first.
    taken = models.JSONField(_("slots taken"), default=list, blank=True)
    blocked_until = InstantField(_("blocked until"), null=True)
    blocked_reason = models.CharField(_("blocked because"), max_length=255, blank=True)
    faults = models.PositiveIntegerField(_("faults in a row"), default=0)
    probes = models.PositiveIntegerField(_("probes in a row that failed"), default=0)
    limits = models.PositiveIntegerField(_("rate limits in a row"), default=0)
    extra_margin = models.FloatField(_("added to the margin between calls"), default=0.0)
    widened_at = InstantField(_("margin widened at"), null=True)
    last_ok_at = InstantField(_("last success at"), null=True)
    closed_for = models.CharField(_("closed for the key"), max_length=64, blank=True)
    closed_reason = models.CharField(_("closed because"), max_length=255, blank=True)
    closed_at = InstantField(_("closed at"), null=True)
    closure_probes = models.PositiveIntegerField(_("probes since it was closed"), default=0)
    paused_at = InstantField(_("paused at"), null=True)
    paused_by = models.CharField(_("paused by"), max_length=255, blank=True)

    class Meta:
        verbose_name = _("gate")
        verbose_name_plural = _("dashboard")
        permissions = (("pause", _("Can pause and resume the sending")),)

    def __str__(self) -> str:
        return str(_("gate"))
