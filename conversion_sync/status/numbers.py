"""Numbers in words."""

from __future__ import annotations

from django.conf import settings
from django.utils.formats import number_format

from conversion_sync.status.plain import is_plain

__all__ = ["grouped"]


def grouped(number: int) -> str:
    """A number for reading: “1,000,000”, as the reader's language has it.

    Django's own default is to group none: only a site that says so itself reads “1000000”.
    """
    if is_plain():
        return f"{number:,}"
    says = settings.is_overridden("USE_THOUSAND_SEPARATOR")  # type: ignore[misc]  # the stubs lack it
    is_wanted = settings.USE_THOUSAND_SEPARATOR or not says
    return str(number_format(number, force_grouping=is_wanted))
