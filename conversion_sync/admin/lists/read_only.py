"""Rows that nobody writes by hand."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from conversion_sync.admin import undone
from conversion_sync.admin.lists.long_list import LongListAdmin
from conversion_sync.admin.site import Admin

__all__ = ["LogAdmin", "ReadOnlyAdmin"]


class ReadOnlyAdmin(Admin):
    """Pages to look at: nobody may add, change or delete rows."""

    @property
    def urls(self) -> list[Any]:
        """As Django's; each page says after a login what was not done before it."""
        return undone.saying(self.get_urls(), self.admin_site)

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class LogAdmin(ReadOnlyAdmin, LongListAdmin):
    """What the app notes of its own work: all columns, to look at."""

    class Media:
        css = {"all": ("conversion_sync/admin.css",)}  # noqa: RUF012  # Django's own convention
