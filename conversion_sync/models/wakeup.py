"""Which drain was asked for, and which is planned."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from conversion_sync.models.fields import InstantField
from conversion_sync.models.singleton import Singleton

__all__ = ["Wakeup"]


class Wakeup(Singleton):
    """A drain was asked for, and need not be asked for again until then; and the next one.

    ``next_drain_at``: when somebody has planned to come back, for rows that are due then.
    """

    requested_until = InstantField(_("requested until"), null=True)
    next_drain_at = InstantField(_("next drain at"), null=True)

    class Meta:
        verbose_name = _("wakeup")
        verbose_name_plural = _("wakeup")

    def __str__(self) -> str:
        return str(_("wakeup"))
