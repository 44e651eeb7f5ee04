"""What an upgrade has still to do to rows."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from conversion_sync.models.fields import InstantField

__all__ = ["Upgrade"]


class Upgrade(models.Model):
    """Something that an upgrade has still to do to many rows; drains do it, a few at a time.

    One that is done is deleted.
    """

    #: Of which rows, and what.
    name = models.CharField(_("name"), max_length=32, primary_key=True)
    cursor = models.BigIntegerField(_("cursor"), default=0)
    found = models.BooleanField(_("there was something to do since it began"), default=False)
    due_at = InstantField(_("due at"), null=True, default=None)

    class Meta:
        verbose_name = _("rest of an upgrade")
        verbose_name_plural = _("rests of upgrades")
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
