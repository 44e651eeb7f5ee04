"""Since when there is a mirror, and how far its backfill has come."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from conversion_sync.models.fields import InstantField

__all__ = ["MirrorState"]


class MirrorState(models.Model):
    """What is kept of a mirror as a whole."""

    mirror = models.CharField(_("mirror"), max_length=150, unique=True)
    #: What happened before is not entered as an engagement.
    began_at = InstantField(_("began at"), default=timezone.now)
    #: A person has let rows leave: those that left before are counted no more.
    released_at = InstantField(_("released at"), null=True, default=None)
    released_by = models.CharField(_("released by"), max_length=150, blank=True, default="")
    #: Where the backfill that was stopped goes on.
    cursor = models.JSONField(_("cursor"), null=True, default=None)
    backfilled_at = InstantField(_("last backfill"), null=True, default=None)

    class Meta:
        verbose_name = _("mirror")
        verbose_name_plural = _("mirrors")
        ordering = ("mirror",)

    def __str__(self) -> str:
        return self.mirror
