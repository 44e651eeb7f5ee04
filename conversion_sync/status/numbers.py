"""Numbers in words."""

from __future__ import annotations

from django.utils.formats import number_format

from conversion_sync.status.plain import is_plain

__all__ = ["grouped"]


def grouped(number: int) -> str:
    """A number for reading: “1,000,000”, as the reader's language has it."""
    return f"{number:,}" if is_plain() else str(number_format(number, force_grouping=True))
