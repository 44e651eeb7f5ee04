"""The two forms of an import: the file and how it is read, and the word to go on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from import_export.forms import ConfirmImportForm, ImportForm

from conversion_sync.admin.pages.import_export.kept_file import KeptFile
from conversion_sync.importing import ENCODINGS, TABLES, Layout, UnusableFile
from conversion_sync.importing.mappings import digest, remembered
from conversion_sync.models import ColumnMapping
from conversion_sync.status import times

__all__ = ["AGAIN", "CONFIRM", "MAX_BYTES", "ConfirmForm", "UploadForm"]

#: Some 150,000 contacts. A request that reads more would be cut off by most servers.
MAX_BYTES = 20 * 1024 * 1024

#: What a kept file is handed out for.
AGAIN, CONFIRM = "conversion_sync.import.again", "conversion_sync.import"


class UploadForm(ImportForm):  # type: ignore[misc]  # it ships no types
    """A file whose columns can be used, or one that is kept and is to be read another way.

    Once it is valid, ``layout`` says how the file is read.

    Args:
        whose: who brings it, and to which list.
        withheld: the columns that this person may not change.
        read: gives what is in the store under a name.
    """

    layout: Layout
    header = ""
    mapping: ColumnMapping | None = None

    import_file = forms.FileField(
        label=gettext_lazy("File"),
        required=False,
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx,.xls,.ods"}),
    )
    clear_blanks = forms.BooleanField(
        label=gettext_lazy("A blank cell clears what is there"),
        help_text=gettext_lazy("Else it leaves it. A subscription is never cleared."),
        required=False,
    )
    encoding = forms.ChoiceField(
        label=gettext_lazy("Encoding"),
        choices=[("", gettext_lazy("As found out")), *ENCODINGS.items()],
        required=False,
    )
    kept = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(
        self,
        formats: Sequence[Any],
        resources: Sequence[Any],
        *,
        whose: Sequence[str],
        withheld: Collection[str],
        read: Callable[[str], bytes],
        **kwargs: Any,
    ) -> None:
        super().__init__(formats, resources, **kwargs)
        self._kind: str = resources[0].kind
        self._whose, self._withheld, self._read = whose, withheld, read

    @property
    def media(self) -> forms.Media:
        # The extra's own scripts guess the format of a file; here there is one.
        return forms.Media()

    @property
    def is_again(self) -> bool:
        """Whether a file that was seen already is to be read another way."""
        return bool(self.cleaned_data["kept"])

    def clean(self) -> Any:
        """Find out how the file is read."""
        cleaned = super().clean()
        if not self.errors:
            try:
                cleaned["import_file"] = self._kept() if self.is_again else self._uploaded()
            except ValidationError as error:
                self.add_error("import_file", error)
        return cleaned

    def _uploaded(self) -> Any:
        """A file that is new here, read as was said of the last one with its header."""
        file = self.cleaned_data["import_file"]
        _check_size(file)
        encoding = self.cleaned_data["encoding"]
        self.layout = self._read_as(file, {}, encoding)
        self.header = digest(self.layout.titles)
        if mapping := remembered(self._kind, self.header):
            # What was said may have lost its sense with another version of this app.
            with suppress(ValidationError):
                self.layout = self._read_as(file, mapping.choices, encoding or mapping.encoding)
                self.mapping = mapping
        self._check_columns()
        return file

    @property
    def mapped_at(self) -> str:
        """When somebody chose how the columns are read, as they are; blank where nobody did."""
        return times.short(self.mapping.changed_at) if self.mapping else ""

    def _kept(self) -> Any:
        """A file that is here, read as is said now."""
        kept = KeptFile.opened(self.cleaned_data["kept"], AGAIN, self._whose)
        data = kept and self._read(kept.name)
        if not kept or not data:
            raise ValidationError(_("The file is no longer here: upload it again."))
        self.header = kept.header
        file: Any = ContentFile(data, kept.file_name)
        file.kept_name = kept.name
        self.layout = self._read_as(file, self._chosen(kept), self.cleaned_data["encoding"])
        return file

    def _chosen(self, kept: KeptFile) -> dict[str, str]:
        """What a person has chosen in the table, where that is not what was suggested."""
        before = kept.choices or {}
        chosen = {
            # What the table had no room for stays as it was.
            title: self.data.get(f"column-{place}", before.get(title, guess))
            for place, (title, guess) in enumerate(kept.columns)
        }
        guesses = dict(kept.columns)
        return {title: value for title, value in chosen.items() if value != guesses[title]}

    def _read_as(self, file: Any, choices: Mapping[str, str], encoding: str) -> Layout:
        try:
            return Layout(TABLES[self._kind], file, choices, self._withheld, encoding)
        except UnusableFile as error:
            raise _refused(error) from error

    def _check_columns(self) -> None:
        problem = self.layout.problem
        if problem and not self.layout.may_be_mended:
            raise _refused(problem) from problem


def _check_size(file: Any) -> None:
    if not file:
        raise ValidationError(_("Choose a file."))
    if file.size > MAX_BYTES:
        words = _(
            "This file has %(size)s; up to %(most)s can be imported here. Split it, or "
            "have it imported by “manage.py conversion_import”."
        )
        sizes = {"size": filesizeformat(file.size), "most": filesizeformat(MAX_BYTES)}
        raise ValidationError(words % sizes)


def _refused(error: UnusableFile) -> ValidationError:
    where = _("Line %(number)d: ") % {"number": error.line} if error.line else ""
    return ValidationError(f"{where}{error.reason}.")


class ConfirmForm(ConfirmImportForm):  # type: ignore[misc]  # it ships no types
    """Names the file that its bearer has seen the preview of, and no other file."""

    clear_blanks = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, whose: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._whose = whose

    def clean_import_file_name(self) -> str:
        """The name of the file in the store; how it is read goes with it."""
        token = self.cleaned_data["import_file_name"]
        kept = KeptFile.opened(token, CONFIRM, self._whose)
        if not kept:
            raise ValidationError(_("This is not a file that you have just uploaded here."))
        self.cleaned_data["choices"] = kept.choices
        self.cleaned_data["encoding"] = kept.encoding
        return kept.name
