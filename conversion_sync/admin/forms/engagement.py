"""The form of an engagement: the common parts of its data have fields of their own."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conversion_sync.admin.forms.conflicts import ConflictForm, TextField
from conversion_sync.admin.forms.key_values import KeyValueField
from conversion_sync.api.canonical import same
from conversion_sync.models import Engagement

__all__ = ["EngagementForm"]

PRIORITIES = (
    ("", gettext_lazy("not said")),
    ("low", gettext_lazy("Low")),
    ("medium", gettext_lazy("Medium")),
    ("high", gettext_lazy("High")),
)


#: What the fields of ``data`` are called in the form, apart from the columns of the row.
FIELD = "data_"

KNOWN = [value for value, _words in PRIORITIES]


class NumberField(forms.FloatField):
    """A number that JSON writes without a point where it has no fraction."""

    def to_python(self, value: Any) -> Any:
        number = super().to_python(value)
        return int(number) if number is not None and number.is_integer() else number


class TagsField(forms.CharField):
    """A list of words, written with commas between."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        return [tag for part in text.split(",") if (tag := part.strip())]

    def has_changed(self, initial: Any, data: Any) -> bool:
        before = initial if isinstance(initial, list) else self.to_python(initial)
        return not same(before, self.to_python(data))


def _fits(name: str, value: Any) -> bool:
    """Whether a value survives in the field of its name; else it stays among the pairs."""
    if name == "duration_minutes":
        return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    if name == "tags":
        return isinstance(value, list) and all(
            isinstance(tag, str) and tag and tag == tag.strip() and "," not in tag for tag in value
        )
    if name == "next_steps":
        return isinstance(value, str) and value == value.strip() and "\r" not in value
    return isinstance(value, str) and value == value.strip() and "\n" not in value


class EngagementForm(ConflictForm):
    """``data`` by named fields; the rest of it as names and values."""

    data_duration_minutes = NumberField(
        label=gettext_lazy("Duration in minutes"),
        required=False,
        min_value=0,
        widget=forms.NumberInput(attrs={"step": "any", "class": "vIntegerField"}),
    )
    data_outcome = forms.CharField(
        label=gettext_lazy("Outcome"),
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    data_next_steps = TextField(label=gettext_lazy("Next steps"), required=False)
    data_priority = forms.ChoiceField(
        label=gettext_lazy("Priority"), required=False, choices=PRIORITIES
    )
    data_tags = TagsField(
        label=gettext_lazy("Tags"),
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text=gettext_lazy("With commas between them."),
    )

    class Meta:
        model = Engagement
        fields = "__all__"
        field_classes = {"data": KeyValueField, "description": TextField}  # noqa: RUF012  # Django's own convention
        labels = {"data": gettext_lazy("More")}  # noqa: RUF012  # as above

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None and "data" not in self.fields:
            # They are shown for reading.
            for name in Engagement.COMMON:
                self.fields.pop(f"{FIELD}{name}", None)
        stored: Any = getattr(self.instance, "data", None)
        self.stored: dict[str, Any] = stored if isinstance(stored, dict) else {}
        self.named = {
            name: value
            for name, value in self.stored.items()
            if name in Engagement.COMMON and _fits(name, value)
        }
        self.initial = {
            **self.initial,
            **{f"{FIELD}{name}": value for name, value in self.named.items()},
        }
        if isinstance(stored, dict):
            self.initial["data"] = {n: v for n, v in stored.items() if n not in self.named}
        self._keep_priority()

    def _keep_priority(self) -> None:
        """A priority of another kind stays what it is until somebody chooses."""
        priority = self.fields.get(f"{FIELD}priority")
        shown = self.data.get(self.add_initial_prefix(f"{FIELD}priority"))
        others: set[Any] = {self.named.get("priority"), shown} - {None, *KNOWN}
        if isinstance(priority, forms.ChoiceField):
            priority.choices = [*PRIORITIES, *((value, value) for value in sorted(others))]

    def clean(self) -> dict[str, Any]:
        super().clean()
        if "data" in self.cleaned_data:
            self._check_names(self.cleaned_data["data"])
        if "data" in self.cleaned_data:
            self.cleaned_data["data"] = self._merged(self.cleaned_data["data"])
        return self.cleaned_data

    def _check_names(self, rest: dict[str, Any]) -> None:
        odd = self.stored.keys() - self.named.keys()
        for name in rest:
            common = name.strip()
            if common in Engagement.COMMON and (name not in odd or self._is_filled(common)):
                self.add_error(
                    "data",
                    ValidationError(
                        _("“%(name)s” has a field of its own on this page: enter it there."),
                        code="common",
                        params={"name": common},
                    ),
                )
                return

    def _is_filled(self, name: str) -> bool:
        return self.cleaned_data.get(f"{FIELD}{name}") not in (None, "", [])

    def _is_touched(self, name: str) -> bool:
        return f"{FIELD}{name}" in self.changed_data

    def _merged(self, rest: dict[str, Any]) -> dict[str, Any]:
        """The whole ``data``, in the order in which it was; what nobody touched is as it is now."""
        if "data" not in self.changed_data:
            rest = self.initial.get("data") or {}
        named = {name: self._value(name) for name in Engagement.COMMON if self._is_kept(name)}
        merged = named | rest
        ordered = {name: merged[name] for name in self.stored if name in merged}
        return ordered | merged

    def _is_kept(self, name: str) -> bool:
        return self._is_filled(name) if self._is_touched(name) else name in self.named

    def _value(self, name: str) -> Any:
        if self._is_touched(name):
            return self.cleaned_data[f"{FIELD}{name}"]
        return self.named[name]

    def changed_columns(self) -> set[str]:
        columns = super().changed_columns()
        if any(f"{FIELD}{name}" in self.changed_data for name in Engagement.COMMON):
            columns.add("data")
        return columns
