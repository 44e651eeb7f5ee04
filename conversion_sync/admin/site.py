"""The admin site: the types of its classes, the addresses of its pages, what a person may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin import AdminSite
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

__all__ = ["Admin", "ChangeList", "address", "may_view"]

# These generic classes can't be subscripted at run time.
if TYPE_CHECKING:
    Admin = admin.ModelAdmin[Any]
else:
    Admin = admin.ModelAdmin


def address(site: AdminSite, name: str, *args: Any) -> str:
    """The address of a page of this site; blank where the site has none.

    Args:
        name: of the URL, such as ``"conversion_sync_contact_change"``.
        args: of the URL: the primary key, where it is the page of a row.
    """
    try:
        return reverse(f"admin:{name}", args=args, current_app=site.name)
    except NoReverseMatch:
        return ""


def may_view(request: HttpRequest, model: str) -> bool:
    """Whether this person may look at rows of this app's model of that name."""
    user: Any = request.user
    return any(user.has_perm(f"conversion_sync.{right}_{model}") for right in ("view", "change"))
