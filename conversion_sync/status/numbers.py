"""Numbers in words."""

from __future__ import annotations

from django.utils.formats import number_format

__all__ = ["grouped"]


def grouped(number: int) -> str:
    """A number for reading: “1,000,000”, as the reader's language has it."""
    return str(number_format(number, force_grouping=True))
