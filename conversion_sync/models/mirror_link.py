"""Which row stands for which source, and if none does, why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from conversion_sync.models.fields import InstantField, KeyField, TextField
from conversion_sync.models.messages import Message, read

__all__ = ["MirrorLink"]


class MirrorLink(models.Model):
    """A source, as one mirror has it, and the contact, company or engagement that it owns."""

    class Kind(models.TextChoices):
        COMPANY = "company", _("company")
        CONTACT = "contact", _("contact")
        ENGAGEMENT = "engagement", _("engagement")

    class State(models.TextChoices):
        MIRRORED = "mirrored", _("Mirrored")
        #: Its condition does not hold, or a value can't be used; ``reason`` says which.
        EXCLUDED = "excluded", _("Excluded")
        #: Another source has the row of its key.
        CONFLICT = "conflict", _("Conflict")
        #: What it refers to is not mirrored.
        WAITING = "waiting", _("Waiting")
        #: It happened before the mirror began.
        PAST = "past", _("Happened before")
        #: It would leave, with too many others: a person decides.
        HELD = "held", _("Held")
        #: A person has let it leave: the next drain sees to it.
        RELEASED = "released", _("Leaving")
        #: The source is gone. Kept for a day: so many that leave are counted.
        GONE = "gone", _("Gone")

    class Trouble(models.TextChoices):
        """What somebody may want to know of, and to do something about."""

        #: The mirror raised.
        FAULT = "fault", _("Fault")
        UNUSABLE = "unusable", _("Unusable value")
        NO_KEY = "no-key", _("No key")
        CONFLICT = "conflict", _("Conflict")
        WAITING = "waiting", _("Waiting")
        HELD = "held", _("Held")

    #: Those that nothing but a person ends.
    FOR_A_PERSON = (Trouble.FAULT, Trouble.UNUSABLE, Trouble.HELD)

    mirror = models.CharField(_("mirror"), max_length=150)
    source = KeyField(_("primary key of the source"), max_length=255)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    row = models.BigIntegerField(_("row"), null=True, default=None)
    #: That it has, or wants; of one that waits, what it waits for.
    key = KeyField(_("key"), max_length=460, blank=True, default="")
    state = models.CharField(_("state"), max_length=12, choices=State.choices)
    reason = TextField(_("reason"), blank=True, default="")
    fault = TextField(_("last fault"), blank=True, default="")
    #: Of the state, the reason and the fault, what is listed and counted; NULL: nothing is wrong.
    trouble = models.CharField(  # noqa: DJ001  # with NULL no database rewrites the table to add it
        _("trouble"), max_length=12, choices=Trouble.choices, null=True, default=None
    )
    #: Of what the row was made by: a release of the site may map otherwise.
    mapping = models.CharField(_("mapping"), max_length=64, blank=True, default="")
    #: The custom variables that are the mirror's.
    names = models.JSONField(_("variables"), default=list)
    left_at = InstantField(_("left at"), null=True, default=None)
    #: Rows that it has left, or was to take over, and that no source has: what becomes of them is
    #: decided of this one. NULL: none.
    orphans = models.JSONField(_("rows that no source has"), null=True, default=None)

    class Meta:
        verbose_name = _("mirrored source")
        verbose_name_plural = _("mirrored sources")
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=["mirror", "source"], name="conversion_link_source"),
            models.UniqueConstraint(fields=["kind", "row"], name="conversion_link_row"),
        )
        indexes = (
            models.Index(fields=["kind", "key"], name="conversion_link_key"),
            models.Index(fields=["mirror", "state", "left_at"], name="conversion_link_state"),
            models.Index(fields=["trouble", "mirror", "id"], name="conversion_link_trouble"),
        )
        permissions = (("let_leave", _("Can let rows leave that are held")),)

    def __str__(self) -> str:
        return f"{self.mirror} {self.source}"

    def note_trouble(self) -> None:
        """Set ``trouble`` by what the other columns say."""
        self.trouble = self._trouble()

    def _trouble(self) -> str | None:
        is_settled = self.state in (self.State.MIRRORED, self.State.PAST)
        if self.kind == self.Kind.ENGAGEMENT and is_settled:
            # Nothing is written of it any more.
            return None
        if self.fault:
            return self.Trouble.FAULT
        if self.state == self.State.EXCLUDED and (found := read(self.reason)):
            return self._OF_REASONS.get(found.message)
        return self._OF_STATES.get(self.state)

    _OF_STATES: ClassVar[Mapping[str, str]] = {
        State.CONFLICT: Trouble.CONFLICT,
        State.WAITING: Trouble.WAITING,
        State.HELD: Trouble.HELD,
    }
    _OF_REASONS: ClassVar[Mapping[Message, str]] = {
        Message.UNUSABLE: Trouble.UNUSABLE,
        Message.NO_KEY: Trouble.NO_KEY,
    }
