"""Search by the beginning of indexed columns: fast at any size."""

from __future__ import annotations

from django.db.models import Q

from conversion_sync.api.wire import normal_email, normal_id

__all__ = ["by_address", "company", "contact", "engagement", "name_begins"]


def name_begins(column: str, term: str) -> Q:
    """The column begins with the term, as typed or as names are written."""
    found = Q()
    for spelling in {term, term.title(), term.upper()}:
        found |= Q(**{f"{column}__startswith": spelling})
    return found


def by_address(column: str, term: str) -> Q:
    """A column of normal emails begins with the term."""
    return Q(**{f"{column}__startswith": normal_email(term)})


def contact(term: str) -> Q:
    """The email or the last name begins with the term; or it is a first and a last name."""
    found = by_address("key", term) | name_begins("last_name", term)
    first, _, last = term.strip().rpartition(" ")
    if first:
        found |= name_begins("first_name", first.strip()) & name_begins("last_name", last)
    return found


def company(term: str) -> Q:
    """The name or the external id begins with the term."""
    return name_begins("company_name", term) | Q(key__startswith=normal_id(term))


def engagement(term: str) -> Q:
    """The contact's email or the source key begins with the term."""
    return by_address("contact__key", term) | Q(source_key__startswith=term)
