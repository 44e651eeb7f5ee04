"""What a search looks at: beginnings of indexed columns, and any part where an index holds that.

Fast at any size: nothing is looked for that no index holds.
"""

from __future__ import annotations

import re
from functools import reduce
from operator import and_
from typing import Any

from django.db import router
from django.db.models import F, Q, QuerySet
from django.db.models.lookups import Contains
from django.utils.translation import gettext as _

from conversion_sync.api.keys import normal_email, normal_id
from conversion_sync.models import Company, Contact, Engagement
from conversion_sync.models.trigrams import LEAST, Digits, are_there

__all__ = [
    "by_address",
    "company",
    "company_in_words",
    "contact",
    "contact_in_words",
    "engagement",
    "engagement_in_words",
]

#: So many companies, or contacts, are looked up before what belongs to them.
FEW = 1000

#: What a phone number is written with, and so many digits of it at least.
_PHONE, DIGITS = re.compile(r"[\d\s()+./-]+"), 4


def contact_in_words() -> str:
    """What ``contact`` looks at."""
    return (
        _("Any part of the email, the name, the company or its domain; digits of the phone.")
        if _has_parts()
        else _("By the beginning of the email, the last name or the company, or by both names.")
    )


def company_in_words() -> str:
    """What ``company`` looks at."""
    return (
        _("Any part of the name or the domain, or the beginning of the external id.")
        if _has_parts()
        else _("By the beginning of the name or the external id.")
    )


def engagement_in_words() -> str:
    """What ``engagement`` looks at."""
    return (
        _("Any part of the contact's email, name or company; or the beginning of the source key.")
        if _has_parts()
        else _("By the beginning of the contact's email or of the source key.")
    )


def by_address(column: str, term: str) -> Q:
    """A column of normal emails begins with the term."""
    return Q(**{f"{column}__startswith": normal_email(term)})


def contact(term: str) -> Q:
    """The email, the last name or the company begins with the term; or it is both names."""
    found = _by_email(term) | _name_begins("last_name", term) | _of_companies(term)
    first, _space, last = term.strip().rpartition(" ")
    if first:
        found |= _name_begins("first_name", first.strip()) & _name_begins("last_name", last)
    return found | _parts_of_contact(term) if _has_parts() else found


def company(term: str) -> Q:
    """The name or the external id begins with the term."""
    by_id = Q(key__startswith=normal_id(term)) | Q(key=None, external_id__istartswith=term)
    found = _name_begins("company_name", term) | by_id
    return found | _parts_of_company(term) if _has_parts() else found


def engagement(term: str) -> Q:
    """The contact's email or the source key begins with the term.

    No index serves a condition on either of two tables. A few contacts are looked up first; of
    many, one need not look far for an engagement.
    """
    those = contact(term) if _has_parts() else _by_email(term)
    pks = _few(Contact.unmarked.filter(those))
    from_source = Q(source_key__startswith=term)
    if pks is not None:
        return Q(contact__in=pks) | from_source
    theirs = by_address("contact__key", term)
    return theirs | from_source if Engagement.unmarked.filter(from_source).exists() else theirs


def _has_parts() -> bool:
    return are_there(router.db_for_read(Contact))


def _name_begins(column: str, term: str) -> Q:
    """The column begins with the term, as typed or as names are written."""
    found = Q()
    for spelling in {term, term.title(), term.upper()}:
        found |= Q(**{f"{column}__startswith": spelling})
    return found


def _by_email(term: str) -> Q:
    """The email of a contact begins with the term, in the one spelling or the other."""
    found = by_address("key", term) | Q(key=None, email__istartswith=term)
    local, at, _domain = normal_email(term).rpartition("@")
    if at and not term.isascii():
        # A part of a domain, in A-labels, is no part of the whole domain in A-labels.
        found |= Q(key__startswith=f"{local}@", email__istartswith=term)
    return found


def _of_companies(term: str) -> Q:
    """Contacts of the companies that a search for the term finds by their names; of a few."""
    if len(term) < LEAST:
        return Q()
    named = _name_begins("company_name", term)
    companies = named | _parts_of_company(term) if _has_parts() else named
    pks = _few(Company.unmarked.filter(companies))
    return Q(company__in=pks) if pks else Q()


def _few(rows: QuerySet[Any]) -> list[int] | None:
    """The primary keys of these rows; None if they are many."""
    pks = sorted(rows.order_by().values_list("pk", flat=True)[: FEW + 1])
    return pks if len(pks) <= FEW else None


def _parts_of_contact(term: str) -> Q:
    """Any part of the email, of a name each word, or of the phone number its digits."""
    words, digits = term.split(), re.sub(r"\D", "", term)
    found = Q()
    if len(term) >= LEAST:
        found |= Q(email__icontains=term)
    if max(map(len, words), default=0) >= LEAST:
        found |= reduce(
            and_, (Q(first_name__icontains=word) | Q(last_name__icontains=word) for word in words)
        )
    if len(digits) >= DIGITS and _PHONE.fullmatch(term):
        found |= Q(Contains(Digits(F("phone")), digits))
    return found


def _parts_of_company(term: str) -> Q:
    """Any part of the name or the domain."""
    if len(term) < LEAST:
        return Q()
    return Q(company_name__icontains=term) | Q(base_domain__icontains=term)
