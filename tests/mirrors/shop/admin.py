"""The site's own admin."""

from __future__ import annotations

from django.contrib import admin

from conversion_sync.admin.source import ConversionSyncAdminMixin
from tests.mirrors.shop.models import Customer, Order


@admin.register(Customer)
class CustomerAdmin(ConversionSyncAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]  # at run time it takes none
    list_display = ("name",)
    fields = ("email", "name", "is_active")


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    """As a site has it that knows nothing of this app."""
