"""What happened with a contact: its engagements and its consent, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from conversion_sync.admin import badges, times
from conversion_sync.admin.panel import pace
from conversion_sync.admin.waiting import note_contacts
from conversion_sync.models import Contact, Engagement, SubscriptionChange, SyncedModel

__all__ = ["history_context", "may_view"]

#: So many of each are shown; the lists hold all.
NEWEST = 20

TEXT_LENGTH = 500


@dataclass(frozen=True)
class Line:
    """A row, its badge, its page, its time, and what was said of it."""

    row: Any
    badge: SafeString
    address: str
    when: str
    text: str


@dataclass(frozen=True)
class Section:
    """The newest rows of one kind, and the list of all.

    ``every``: seconds after which it shows itself anew; 0 where nothing is on its way.
    """

    lines: Sequence[Line]
    address: str
    every: int


def history_context(request: HttpRequest, contact: Contact, site: AdminSite) -> dict[str, Any]:
    """What the contact's page shows, of what this person may look at."""
    context: dict[str, Any] = {}
    if may_view(request, "engagement"):
        engagements = Engagement.objects.filter(contact=contact).order_by("-occurred_at", "-pk")
        context["engagements"] = _section(engagements, contact, site, "occurred_at", "name")
    if may_view(request, "subscriptionchange"):
        changes = SubscriptionChange.objects.filter(contact=contact).order_by("-pk")
        context["consent"] = _section(changes, contact, site, "created_at", "reason")
    return context


def may_view(request: HttpRequest, model: str) -> bool:
    """Whether this person may look at rows of this kind."""
    user: Any = request.user
    return any(user.has_perm(f"conversion_sync.{right}_{model}") for right in ("view", "change"))


def _section(rows: Any, contact: Contact, site: AdminSite, when: str, text: str) -> Section:
    found: list[Any] = list(rows[:NEWEST])
    for row in found:
        row.contact = contact
    note_contacts(found)
    now = timezone.now()
    lines = [
        Line(
            row,
            _badge(row, now),
            _address(site, row._meta.model_name, "change", row.pk),
            times.exact(getattr(row, when)),
            badges.one_line(getattr(row, text), TEXT_LENGTH),
        )
        for row in found
    ]
    address = _address(site, rows.model._meta.model_name, "changelist")
    return Section(lines, address, min(filter(None, map(pace, found)), default=0))


def _badge(row: SyncedModel, now: Any) -> SafeString:
    return badges.render(badges.badge(row, now, getattr(row, "held_up", "")))


def _address(site: AdminSite, model: str, page: str, *args: Any) -> str:
    try:
        return reverse(f"admin:conversion_sync_{model}_{page}", args=args, current_app=site.name)
    except NoReverseMatch:
        return ""
