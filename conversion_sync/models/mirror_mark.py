"""That a model of the site changed: what the mirrors have still to look at."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from conversion_sync.models.fields import KeyField

__all__ = ["MirrorMark"]


class MirrorMark(models.Model):
    """A row of the site that changed, inserted in the transaction of its change.

    It is only ever inserted by the site, so that no transaction of the site waits for a drain,
    which takes it away.
    """

    class What(models.TextChoices):
        """What happened to it."""

        CHANGED = "C", _("changed")
        DELETED = "D", _("deleted")
        #: The contact or company that stands for it is another one, or none any more.
        HANDED = "H", _("mirrored by another row")
        #: The mirror of this label is new: what has happened before is not entered by it.
        BEGUN = "B", _("begun")
        #: Somebody wants the sources of the mirror of this label looked at again that have the
        #: trouble, or are in the state, that stands as the source.
        AGAIN = "A", _("looked at again")

    #: The model, such as ``shop.customer``; the primary key as text, blank for all rows.
    model = models.CharField(_("model"), max_length=201)
    source = KeyField(_("primary key"), max_length=255, blank=True)
    what = models.CharField(_("what"), max_length=1, choices=What.choices, default=What.CHANGED)
    #: Nobody waits for it.
    bulk = models.BooleanField(_("in bulk"), default=False)
    #: How far the sources that it concerns have been looked through, where they are many.
    cursor = models.JSONField(_("cursor"), null=True, default=None)

    class Meta:
        verbose_name = _("change of a source")
        verbose_name_plural = _("changes of sources")
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.model} {self.source}"
