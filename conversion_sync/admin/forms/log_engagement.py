"""The small form on a contact's page that logs an engagement."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from conversion_sync.admin.forms.conflicts import TextField
from conversion_sync.admin.forms.engagement import FIELD, EngagementForm
from conversion_sync.models import Engagement

__all__ = ["LoggingForm"]


class LoggingForm(EngagementForm):
    """What happened and when; the common details, if any."""

    class Meta:
        model = Engagement
        fields = ("name", "description", "occurred_at")
        labels = {"occurred_at": _("When")}  # noqa: RUF012  # Django's own convention
        field_classes = {"description": TextField}  # noqa: RUF012  # as above
        widgets = {  # noqa: RUF012  # as above
            "name": forms.TextInput(attrs={"class": "vTextField"}),
            "occurred_at": forms.DateTimeInput(
                attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"
            ),
        }

    @property
    def main(self) -> list[forms.BoundField]:
        """The fields that are always shown."""
        return [self[name] for name in self._meta.fields or ()]

    @property
    def details(self) -> list[forms.BoundField]:
        """Those that are shown when asked for."""
        return [self[f"{FIELD}{name}"] for name in Engagement.COMMON]

    @property
    def is_about_details(self) -> bool:
        """Whether something is wrong with the details, or was entered there."""
        return any(field.errors or field.data for field in self.details)

    def clean(self) -> dict[str, Any]:
        super().clean()
        engagement: Any = self.instance
        engagement.data = self._merged({})
        try:
            Engagement._meta.get_field("data").run_validators(engagement.data)
        except ValidationError as error:
            largest = max(engagement.data, key=lambda name: len(str(engagement.data[name])))
            self.add_error(f"{FIELD}{largest}", error)
        return self.cleaned_data
