"""When a drain last ran."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from conversion_sync.models.fields import InstantField
from conversion_sync.models.singleton import Singleton

__all__ = ["Heartbeat"]


class Heartbeat(Singleton):
    """When a drain last ran: how anybody knows that somebody is working."""

    started_at = InstantField(_("drain started at"), null=True)
    finished_at = InstantField(_("drain finished at"), null=True)
    worker = models.CharField(_("worker"), max_length=255, blank=True)
    turn = models.CharField(_("whose turn it is"), max_length=32, blank=True)
    pruned_at = InstantField(_("call log pruned at"), null=True)
    rows = models.PositiveIntegerField(_("rows"), default=0)
    calls = models.PositiveIntegerField(_("calls"), default=0)

    class Meta:
        verbose_name = _("heartbeat")
        verbose_name_plural = _("heartbeat")

    def __str__(self) -> str:
        return str(_("heartbeat"))
