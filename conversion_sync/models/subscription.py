"""What the API knows of a person's consent."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

__all__ = ["OUT", "Subscription"]


class Subscription(models.TextChoices):
    """What the API knows of a person's consent."""

    SUBSCRIBED = "SUBSCRIBED", _("Subscribed")
    UNSUBSCRIBED = "UNSUBSCRIBED", _("Unsubscribed")
    PENDING = "PENDING", _("Pending")


#: What is never lifted but knowingly.
OUT = Subscription.UNSUBSCRIBED.value
