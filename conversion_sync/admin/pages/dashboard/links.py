"""Addresses of lists."""

from __future__ import annotations

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.http import urlencode

from conversion_sync.admin.site import address, may_view

__all__ = ["list_address"]


def list_address(request: HttpRequest, model: str, site: AdminSite, **query: str) -> str:
    """The address of a list; blank for those who may not see it."""
    if not may_view(request, model):
        return ""
    found = address(site, f"conversion_sync_{model}_changelist")
    return f"{found}?{urlencode(query)}" if found and query else found
