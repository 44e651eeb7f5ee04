"""The site's addresses, and those that grappelli has besides."""

from __future__ import annotations

from django.conf import settings
from django.urls import include, path

from project.urls import urlpatterns as of_the_site

urlpatterns = [*of_the_site]
if "grappelli" in settings.INSTALLED_APPS:
    urlpatterns.insert(0, path("grappelli/", include("grappelli.urls")))
