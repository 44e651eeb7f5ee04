"""The site's addresses, and beside them pages of Django's own admin, to see what those are like."""

from __future__ import annotations

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.urls import path

from project.urls import urlpatterns as of_the_site

plain = AdminSite(name="plain")


class PlainAdmin(ModelAdmin):  # type: ignore[type-arg]  # as Django has it at run time
    """A list with a search, and a form with a time and a choice among many rows."""

    autocomplete_fields = ("user",)
    search_fields = ("object_repr",)
    search_help_text = "By the name."
    show_full_result_count = False


plain.register(User, UserAdmin)
plain.register(LogEntry, PlainAdmin)

urlpatterns = [path("plain/", plain.urls), *of_the_site]
