"""Search by the beginning of indexed columns: fast at any size."""

from __future__ import annotations

from django.db.models import Q

from conversion_sync.api.keys import normal_email, normal_id
from conversion_sync.models import Contact, Engagement

__all__ = ["by_address", "by_email", "company", "engagement", "name_begins"]

#: So many contacts are looked up before their engagements.
CONTACTS = 1000


def name_begins(column: str, term: str) -> Q:
    """The column begins with the term, as typed or as names are written."""
    found = Q()
    for spelling in {term, term.title(), term.upper()}:
        found |= Q(**{f"{column}__startswith": spelling})
    return found


def by_address(column: str, term: str) -> Q:
    """A column of normal emails begins with the term."""
    return Q(**{f"{column}__startswith": normal_email(term)})


def by_email(term: str) -> Q:
    """The email of a contact begins with the term, in the one spelling or the other."""
    found = by_address("key", term) | Q(key=None, email__istartswith=term)
    local, at, _ = normal_email(term).rpartition("@")
    if at and not term.isascii():
        # A part of a domain, in A-labels, is no part of the whole domain in A-labels.
        found |= Q(key__startswith=f"{local}@", email__istartswith=term)
    return found


def company(term: str) -> Q:
    """The name or the external id begins with the term."""
    by_id = Q(key__startswith=normal_id(term)) | Q(key=None, external_id__istartswith=term)
    return name_begins("company_name", term) | by_id


def engagement(term: str) -> Q:
    """The contact's email or the source key begins with the term.

    No index serves a condition on either of two tables. A few contacts are looked up first; of
    many, one need not look far for an engagement.
    """
    contacts = Contact.unmarked.filter(by_email(term)).order_by()
    pks = sorted(contacts.values_list("pk", flat=True)[: CONTACTS + 1])
    from_source = Q(source_key__startswith=term)
    if len(pks) <= CONTACTS:
        return Q(contact__in=pks) | from_source
    theirs = by_address("contact__key", term)
    return theirs | from_source if Engagement.unmarked.filter(from_source).exists() else theirs
