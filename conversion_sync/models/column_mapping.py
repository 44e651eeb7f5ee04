"""What staff have said of the columns of a file, for the next file with the same header."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from conversion_sync.models.fields import SiteTimeField

__all__ = ["ColumnMapping"]


class ColumnMapping(models.Model):
    """What the columns of files with one header become, where that is not as their titles say."""

    kind = models.CharField(_("kind"), max_length=20)
    header = models.CharField(_("header"), max_length=64, help_text=_("A digest of the titles."))
    choices = models.JSONField(_("choices"), default=dict)
    encoding = models.CharField(_("encoding"), max_length=40, blank=True)
    changed_by = models.CharField(_("changed by"), max_length=150, blank=True)
    changed_at = SiteTimeField(_("changed at"), auto_now=True)

    class Meta:
        verbose_name = _("column mapping")
        verbose_name_plural = _("column mappings")
        default_permissions: ClassVar[tuple[str, ...]] = ()
        constraints = (
            models.UniqueConstraint(fields=["kind", "header"], name="conversion_mapping_header"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.header[:8]}"
