"""The two forms of an import: the file, and the word to go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from import_export.forms import ConfirmImportForm, ImportForm

from conversion_sync.admin.portable.uploads import KEPT
from conversion_sync.importing import Importer, UnusableFile

__all__ = ["MAX_BYTES", "ConfirmForm", "UploadForm"]

#: Some 150,000 contacts. A request that reads more would be cut off by most servers.
MAX_BYTES = 20 * 1024 * 1024

SALT = "conversion_sync.import"


class UploadForm(ImportForm):  # type: ignore[misc]  # it ships no types
    """A file whose columns can be used; its lines are looked at later."""

    import_file = forms.FileField(
        label=gettext_lazy("File"),
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
    )
    clear_blanks = forms.BooleanField(
        label=gettext_lazy("A blank cell clears what is there"),
        help_text=gettext_lazy("Else it leaves it. A subscription is never cleared."),
        required=False,
    )

    def __init__(self, formats: Sequence[Any], resources: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(formats, resources, **kwargs)
        self._kind: str = resources[0].kind

    @property
    def media(self) -> forms.Media:
        # The extra's own scripts guess the format of a file; here there is one.
        return forms.Media()

    def clean_import_file(self) -> Any:
        """The file, if it can be read at all."""
        file = self.cleaned_data["import_file"]
        if file.size > MAX_BYTES:
            raise ValidationError(
                _(
                    "This file has %(size)s; up to %(most)s can be imported here. Split it, or "
                    "have it imported by “manage.py conversion_import”."
                )
                % {"size": filesizeformat(file.size), "most": filesizeformat(MAX_BYTES)}
            )
        try:
            Importer(self._kind, file)
        except UnusableFile as error:
            where = _("Line %(number)d: ") % {"number": error.line} if error.line else ""
            raise ValidationError(f"{where}{error.reason}.") from error
        return file


class ConfirmForm(ConfirmImportForm):  # type: ignore[misc]  # it ships no types
    """Names the file that its bearer has uploaded for this list, and no other file."""

    clear_blanks = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, whose: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._whose = list(whose)

    @staticmethod
    def signed(name: str, whose: Sequence[str]) -> str:
        """The name of an uploaded file, as it is handed to the person."""
        return signing.dumps([name, *whose], salt=SALT)

    def clean_import_file_name(self) -> str:
        """The name of the file in the store."""
        try:
            name, *whose = signing.loads(
                self.cleaned_data["import_file_name"], salt=SALT, max_age=KEPT
            )
        except signing.BadSignature:
            name, whose = "", []
        if whose != self._whose:
            raise ValidationError(_("This is not a file that you have just uploaded here."))
        return str(name)
