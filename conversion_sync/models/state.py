"""Where a row stands, and how urgent it is."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

__all__ = ["BULK", "DOUBT", "PERSON", "UNFINISHED", "Status"]

#: Priorities: a person waits for it; nobody does.
PERSON, BULK = 0, 1

#: A ``sent_revision`` that no call has carried: the remote is in doubt, so the row is sent.
DOUBT = 0


class Status(models.TextChoices):
    """Where a row stands; what staff read is derived from it."""

    PENDING = "PENDING", _("Pending")
    SENDING = "SENDING", _("Sending")
    SYNCED = "SYNCED", _("Synced")
    FAILED = "FAILED", _("Failed")
    UNCONFIRMED = "UNCONFIRMED", _("In doubt")
    SUPERSEDED = "SUPERSEDED", _("Superseded")

    @property
    def words(self) -> str:
        """What people read; “pending” is a word of subscriptions, too."""
        return str(_("Waiting to be sent") if self is Status.PENDING else self.label)


#: Named one by one, for an index finds what is in a list, and not what isn't.
UNFINISHED = (Status.PENDING, Status.SENDING, Status.FAILED, Status.UNCONFIRMED)
