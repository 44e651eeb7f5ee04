"""Numbers in templates, as everywhere in the pages of this app."""

from __future__ import annotations

from django import template

from conversion_sync.status import numbers

__all__ = ["grouped", "register"]

register = template.Library()


@register.filter
def grouped(number: int) -> str:
    """A number for reading: “1,000,000”, as the reader's language has it."""
    return numbers.grouped(number)
