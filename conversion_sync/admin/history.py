"""What happened with a contact: its engagements and its consent, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from conversion_sync.admin import badges, times
from conversion_sync.admin.waiting import note_contacts
from conversion_sync.models import Contact, Engagement, SubscriptionChange, SyncedModel

__all__ = ["history_context"]

#: So many of each are shown; the lists hold all.
NEWEST = 20


@dataclass(frozen=True)
class Line:
    """A row, its badge, its page and its time."""

    row: Any
    badge: SafeString
    address: str
    when: str


def history_context(request: HttpRequest, contact: Contact, site: AdminSite) -> dict[str, Any]:
    """What the contact's page shows, of what this person may look at."""
    user: Any = request.user
    context: dict[str, Any] = {}
    if _may_view(user, "engagement"):
        rows = Engagement.objects.filter(contact=contact).order_by("-occurred_at", "-pk")
        context["engagements"] = _lines(rows, contact, site, "occurred_at")
        context["engagements_address"] = _address(site, "engagement", "changelist")
    if user.has_perm("conversion_sync.add_engagement"):
        context["log_address"] = _address(site, "engagement", "add")
    if _may_view(user, "subscriptionchange"):
        changes = SubscriptionChange.objects.filter(contact=contact).order_by("-pk")
        context["consent"] = _lines(changes, contact, site, "created_at")
        context["consent_address"] = _address(site, "subscriptionchange", "changelist")
    return context


def _may_view(user: Any, model: str) -> bool:
    return any(user.has_perm(f"conversion_sync.{right}_{model}") for right in ("view", "change"))


def _lines(rows: Any, contact: Contact, site: AdminSite, when: str) -> list[Line]:
    found: list[Any] = list(rows[:NEWEST])
    for row in found:
        row.contact = contact
    note_contacts(found)
    now = timezone.now()
    return [
        Line(row, _badge(row, now), _page(site, row), times.exact(getattr(row, when)))
        for row in found
    ]


def _badge(row: SyncedModel, now: Any) -> SafeString:
    return badges.render(badges.badge(row, now, getattr(row, "held_up", "")))


def _page(site: AdminSite, row: SyncedModel) -> str:
    return _address(site, str(row._meta.model_name), "change", row.pk)


def _address(site: AdminSite, model: str, page: str, *args: Any) -> str:
    try:
        return reverse(f"admin:conversion_sync_{model}_{page}", args=args, current_app=site.name)
    except NoReverseMatch:
        return ""
