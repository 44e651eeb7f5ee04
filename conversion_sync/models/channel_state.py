"""How the channels stand."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from conversion_sync.models.fields import InstantField

__all__ = ["ChannelState"]


class ChannelState(models.Model):
    """How a channel stands as a whole; one that has no row had no trouble yet."""

    name = models.CharField(_("name"), max_length=32, primary_key=True)
    failed_at = InstantField(_("failed at"), null=True)
    error = models.TextField(_("error"), blank=True)
    timed_out_at = InstantField(_("last call timed out at"), null=True)
    trial_until = InstantField(_("being tried until"), null=True)

    class Meta:
        verbose_name = _("state of a channel")
        verbose_name_plural = _("states of channels")
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
