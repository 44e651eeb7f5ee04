"""Lengths of time in words."""

from __future__ import annotations

from django.utils.translation import gettext as _

__all__ = ["span"]


def span(seconds: float) -> str:
    """A length of time in the largest unit that fits: ``40 s``, ``4 min``, ``3 h``, ``2 d``."""
    seconds = round(seconds)
    for size, unit in ((86400, _("d")), (3600, _("h")), (60, _("min"))):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds} {_('s')}"
