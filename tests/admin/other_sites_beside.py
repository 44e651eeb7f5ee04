"""Addresses: several admin sites beside Django's own."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from tests.admin.other_sites import SITES, pattern

__all__ = ["urlpatterns"]

urlpatterns = [path("admin/", admin.site.urls), *map(pattern, SITES)]
