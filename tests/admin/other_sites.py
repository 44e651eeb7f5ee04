"""Admin sites beside Django's own, by their names, with the models that they have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin import AdminSite
from django.db.models import Model
from django.urls import path

from conversion_sync.models import Company, Contact, Engagement

__all__ = ["SITES", "pattern"]

admin.autodiscover()

SITES: dict[str, Sequence[type[Model]]] = {
    "all": [model for model in admin.site._registry if model._meta.app_label == "conversion_sync"],
    "few": [Contact, Company, Engagement],
    "one": [Contact],
}


def pattern(name: str) -> Any:
    """The addresses of a site, whose models have the admin that they have in Django's own."""
    site = AdminSite(name)
    for model in SITES[name]:
        site.register(model, type(admin.site.get_model_admin(model)))
    return path(f"{name}/", site.urls)
