"""The site's app."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "tests.mirrors.shop"
    label = "shop"
    default_auto_field = "django.db.models.BigAutoField"
