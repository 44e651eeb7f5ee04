"""The contacts of a company, on its page: the newest, and the way to all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from conversion_sync.admin.lists import cells, contacts
from conversion_sync.admin.pages.row_page import RowAdmin
from conversion_sync.admin.site import address, may_view
from conversion_sync.models import Company, Contact
from conversion_sync.status.estimates import EXACT, up_to
from conversion_sync.status.numbers import grouped

__all__ = ["people"]

#: So many are shown; the list holds all.
NEWEST = 10


@dataclass(frozen=True)
class Person:
    """A contact as its list shows it, its badge, and its page."""

    email: SafeString | str
    name: SafeString | str
    badge: SafeString
    address: str


@dataclass(frozen=True)
class People:
    """The newest contacts of a company, how many there are, in words, and the list of all."""

    lines: Sequence[Person]
    count: str
    address: str


def people(modeladmin: RowAdmin, request: HttpRequest, company: Company) -> dict[str, Any]:
    """What the company's page shows of its contacts, as far as this person may look at them."""
    admin: Any = modeladmin.admin_site._registry.get(Contact)
    if admin is None or not may_view(request, "contact"):
        return {}
    rows = admin.get_queryset(request).filter(company=company)
    found = list(rows.order_by("-pk")[:NEWEST])
    admin.prepare(found)
    count = up_to(EXACT, rows)
    where = address(modeladmin.admin_site, "conversion_sync_contact_changelist")
    return {
        "people": People(
            [_shown(admin, contact) for contact in found],
            grouped(count.number) if count.is_exact else f"> {grouped(EXACT)}",
            f"{where}?{urlencode({'company__id__exact': company.pk})}",
        )
    }


def _shown(admin: Any, contact: Contact) -> Person:
    return Person(
        contacts.email(contact),
        cells.text(f"{contact.first_name} {contact.last_name}".strip()),
        admin.badge(contact),
        admin.row_address("change", contact),
    )
