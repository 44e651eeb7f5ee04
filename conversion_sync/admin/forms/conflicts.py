"""Forms that notice when somebody else has changed the row meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from conversion_sync.models import SyncedModel

__all__ = ["ConflictForm", "TextField"]

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[SyncedModel]
else:
    ModelForm = forms.ModelForm


class TextField(forms.CharField):
    """Several lines of text; a browser sends their ends as two characters."""

    widget = forms.Textarea(attrs={"rows": 4, "class": "vLargeTextField"})

    def to_python(self, value: Any) -> str:
        text: str = super().to_python(value) or ""
        return text.replace("\r\n", "\n")


class ConflictForm(ModelForm):
    """Saves the fields that the person changed, and no others.

    What the form showed goes with it as hidden values. A field that both this person and somebody
    else have changed since is an error; saved once more, it is overwritten.
    """

    #: Fields that are overwritten without asking.
    LAST_WRITE_WINS: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        is_new = self.instance.pk is None
        for name, field in self.fields.items():
            field.show_hidden_initial = not is_new and (not self.is_bound or self._has_shown(name))

    def _has_shown(self, name: str) -> bool:
        prefix = self.add_initial_prefix(name)
        if prefix not in self.data and f"{prefix}_0" in self.data:
            # Django shows a hidden initial value again only where it finds its bare name; else it
            # would take what was typed for what had been shown.
            data = _copied(self.data)
            data[prefix] = ""
            self.data = data
        return prefix in self.data

    def clean(self) -> dict[str, Any]:
        super().clean()
        for name in self.changed_data:
            if self.fields[name].show_hidden_initial and name not in self.LAST_WRITE_WINS:
                self._note_conflict(name)
        return self.cleaned_data

    def _note_conflict(self, name: str) -> None:
        field, bound = self.fields[name], self[name]
        hidden = field.hidden_widget()
        shown = hidden.value_from_datadict(self.data, self.files, bound.html_initial_name)
        if not field.has_changed(bound.initial, shown):
            return
        if field.has_changed(bound.initial, bound.data):
            self.add_error(
                name,
                ValidationError(
                    _(
                        "Somebody else has changed this to “%(value)s” meanwhile. "
                        "To overwrite that, save again."
                    ),
                    code="meanwhile",
                    params={"value": _in_words(field, bound.initial)},
                ),
            )
        self._show(name, hidden)

    def _show(self, name: str, hidden: Any) -> None:
        """From now on the form has shown what the database holds."""
        bound, data = self[name], _copied(self.data)
        value = self.fields[name].prepare_value(bound.initial)
        if isinstance(hidden, forms.MultiWidget):
            contents = hidden.decompress(value) or []
            for number, (part, content) in enumerate(zip(hidden.widgets, contents, strict=True)):
                data[f"{bound.html_initial_name}_{number}"] = part.format_value(content) or ""
        else:
            text = hidden.format_value(value)
            data[bound.html_initial_name] = "" if text is None else text
        self.data = data

    def changed_columns(self) -> set[str]:
        """The names of the model's fields that the person changed."""
        return {name for name in self.changed_data if name in self._columns()}

    def _columns(self) -> set[str]:
        return {field.name for field in self._meta.model._meta.concrete_fields}


def _copied(data: Any) -> Any:
    return data.copy()


def _in_words(field: forms.Field, value: Any) -> str:
    if isinstance(field, forms.ModelChoiceField):
        row = field.queryset.filter(pk=value).first() if field.queryset is not None else None
        return str(row or "")
    if isinstance(value, dict):
        return ", ".join(f"{name}: {content}" for name, content in value.items())
    return "" if value is None else str(value)
