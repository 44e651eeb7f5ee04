"""The form of a record: a key that Conversion knows is changed knowingly, or not at all."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conversion_sync.admin.badges import one_line
from conversion_sync.admin.forms.conflicts import ConflictForm
from conversion_sync.admin.forms.mirrored import check_variables, hint
from conversion_sync.conf import conf

__all__ = ["RecordForm"]


class RecordForm(ConflictForm):
    """Comes back once before it changes a key under which something was sent.

    It says what that does in Conversion, and shows a box to be ticked (``confirmed_key``), which
    holds for the key that it was shown with.
    """

    #: What goes on under the new key, in a sentence.
    CARRIED_OVER: ClassVar[Any] = ""

    confirmed_key = forms.CharField(
        label=gettext_lazy("Change it"), required=False, widget=forms.HiddenInput
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["confirmed_key"].show_hidden_initial = False
        if (field := self.fields.get("custom_variables")) and (said := hint(self.instance)):
            field.help_text = said

    def clean_custom_variables(self) -> Any:
        """Those that come from a source are changed there."""
        after = self.cleaned_data["custom_variables"]
        check_variables(self.instance, self.initial.get("custom_variables"), after)
        return after

    def full_clean(self) -> None:
        """As Django's; where nothing else is wrong, a changed key has to be confirmed."""
        super().full_clean()
        if self.is_bound and not self.errors and (key := self._unconfirmed_key()):
            self._ask(key)

    def _unconfirmed_key(self) -> str:
        """The new key, where Conversion knows the old one and nobody has confirmed; else blank."""
        row: Any = self.instance
        if not row.sent_key or row.key is None:
            return ""
        key: str = row.normal_key(getattr(row, row.KEY))
        return "" if key in (row.key, self.cleaned_data["confirmed_key"]) else key

    def _ask(self, key: str) -> None:
        row: Any = self.instance
        box = forms.CheckboxInput(attrs={"value": key}, check_test=lambda _value: False)
        self.fields["confirmed_key"].widget = box
        self.add_error(
            "confirmed_key", ValidationError(self._warning(row.sent_key, key), code="key")
        )

    def _warning(self, old: str, new: str) -> SafeString:
        words = (
            _(
                "Conversion can't rename a record. It will create {new}, and delete {old} with "
                "its history there."
            )
            if conf.delete_changed_keys
            else _(
                "Conversion can't rename a record. It will create {new}; {old} stays there, with "
                "its history."
            )
        )
        return format_html(
            "{} {} {}",
            format_html(words, old=_shown(old), new=_shown(new)),
            self.CARRIED_OVER,
            _("To go on, tick “Change it”, and save again."),
        )


def _shown(key: str) -> SafeString:
    return format_html("<strong><bdi>{}</bdi></strong>", one_line(key, 255))
