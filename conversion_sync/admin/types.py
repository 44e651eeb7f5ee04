"""Names for the generic classes of the admin, which can't be subscripted at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList

from conversion_sync.models import SyncedQuerySet

__all__ = ["Admin", "ChangeList", "Rows"]

if TYPE_CHECKING:
    Admin = admin.ModelAdmin[Any]
else:
    Admin = admin.ModelAdmin

Rows = SyncedQuerySet
