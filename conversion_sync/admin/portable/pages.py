"""The pages: django-import-export's, with this app's permissions, files and rules."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import (
    IS_POPUP_VAR,
    IncorrectLookupParameters,
    get_content_type_for_model,
)
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from import_export.admin import ImportExportMixin
from import_export.signals import post_export

from conversion_sync.admin.badges import one_line
from conversion_sync.admin.portable.forms import ConfirmForm, UploadForm
from conversion_sync.admin.portable.resources import RESOURCES, CsvFile, TableResource
from conversion_sync.admin.portable.review import Review
from conversion_sync.admin.portable.uploads import Uploads
from conversion_sync.importing import TABLES, UnusableFile, export

__all__ = ["PortableAdmin"]

#: So many bad lines are named in the message after an import.
COMPLAINTS = 5


@admin.action(description=gettext_lazy("Export as CSV"))
def export_selected(modeladmin: PortableAdmin, request: HttpRequest, rows: Any) -> HttpResponseBase:
    """The rows as a file."""
    return modeladmin.file_of(request, rows)


class PortableAdmin(ImportExportMixin):  # type: ignore[misc]  # it ships no types
    """A list that takes files and gives them."""

    #: This app's own list includes the buttons.
    import_export_change_list_template = None
    import_template_name = "admin/conversion_sync/import.html"
    import_form_class = UploadForm
    confirm_form_class = ConfirmForm
    skip_export_form = True

    def get_resource_classes(self, request: HttpRequest) -> list[type[TableResource]]:
        return [RESOURCES[self.model]]

    def get_import_formats(self) -> list[type[CsvFile]]:
        return [CsvFile]

    get_export_formats = get_import_formats

    # Permissions: a preview shows what is there, a file too.

    def has_import_permission(self, request: HttpRequest) -> bool:
        """Whether this person may bring files in: that is to add and to change."""
        return self._may(request, "import")

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Whether this person may take all that the list shows away."""
        return self._may(request, "export")

    def _may(self, request: HttpRequest, verb: str) -> bool:
        name = f"{self.opts.app_label}.{verb}_{self.opts.model_name}"
        user: Any = request.user
        return bool(user.has_perm(name)) and self.has_view_permission(request)

    # Import

    def is_skip_import_confirm_enabled(self) -> bool:
        """Nothing is written that nobody has seen, whatever the site does for other models."""
        return False

    def get_tmp_storage_class(self) -> Any:
        from django.conf import settings

        # One of its own, unless the site has chosen one.
        if hasattr(settings, "IMPORT_EXPORT_TMP_STORAGE_CLASS"):
            return super().get_tmp_storage_class()
        return Uploads

    def get_import_context_data(self, **kwargs: Any) -> dict[str, Any]:
        table = TABLES[RESOURCES[self.model].kind]
        return {
            "columns": table.names(),
            "required": table.required,
            "subtitle": capfirst(self.opts.verbose_name_plural),
        }

    def get_confirm_form_kwargs(self, request: HttpRequest, import_form: Any = None) -> Any:
        kwargs = super().get_confirm_form_kwargs(request, import_form)
        return {**kwargs, "whose": self._whose(request)}

    def get_confirm_form_initial(self, request: HttpRequest, import_form: Any) -> Any:
        initial = super().get_confirm_form_initial(request, import_form)
        if import_form is not None:
            name = initial["import_file_name"]
            initial |= {
                "import_file_name": ConfirmForm.signed(name, self._whose(request)),
                "clear_blanks": import_form.cleaned_data["clear_blanks"],
            }
        return initial

    def _whose(self, request: HttpRequest) -> list[str]:
        return [str(request.user.pk), self.opts.label_lower]

    def get_import_data_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        may_subscribe = kwargs["request"].user.has_perm("conversion_sync.set_subscription")
        return {
            "clear_blanks": kwargs["form"].cleaned_data["clear_blanks"],
            "withheld": () if may_subscribe else ("subscription_status",),
        }

    def process_import(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Import the file that this person saw the preview of."""
        try:
            answer: HttpResponse = super().process_import(request, **kwargs)
        except (FileNotFoundError, UnusableFile):
            text = _("The file is no longer here: it was imported already, or is too old.")
            self.message_user(request, text, messages.ERROR)
            return HttpResponseRedirect(self._address("import"))
        return answer

    def generate_log_entries(self, result: Review, request: HttpRequest) -> None:
        """One for the file: a hundred thousand rows would bury all others."""
        if self.get_skip_admin_log():
            return
        user: Any = request.user
        LogEntry.objects.create(
            user_id=user.pk,
            content_type=get_content_type_for_model(self.model),
            object_repr=one_line(result.file_name, 200),
            action_flag=CHANGE,
            change_message=_("Imported: %s.") % ", ".join(result.counts()),
        )

    def add_success_message(self, result: Review, request: HttpRequest) -> None:
        words = _("Imported “%(file)s”: %(counts)s.") % {
            "file": one_line(result.file_name, 100),
            "counts": ", ".join(result.counts()),
        }
        self.message_user(request, words, messages.SUCCESS)
        if result.bad:
            text = _("Left out: %s") % result.complaints(COMPLAINTS)
            self.message_user(request, text, messages.WARNING)

    # Export

    def get_actions(self, request: HttpRequest) -> Any:
        actions: dict[str, Any] = dict(super().get_actions(request))
        if IS_POPUP_VAR not in request.GET and self.has_export_permission(request):
            actions["export_selected"] = self.get_action(export_selected)
        return actions

    def export_action(self, request: HttpRequest) -> HttpResponseBase:
        """All that the list shows, as a file."""
        try:
            answer: HttpResponseBase = super().export_action(request)
        except IncorrectLookupParameters:
            # As the list itself: a filter that can't be is none.
            return HttpResponseRedirect(self._address("changelist"))
        return answer

    def _do_file_export(
        self, file_format: CsvFile, request: HttpRequest, queryset: Any, export_form: Any = None
    ) -> HttpResponseBase:
        return self.file_of(request, queryset)

    def file_of(self, request: HttpRequest, rows: Any) -> StreamingHttpResponse:
        """The rows as a file, written while they are read."""
        file = CsvFile()
        name = self.get_export_filename(request, rows, file)
        post_export.send(sender=None, model=self.model)
        return StreamingHttpResponse(
            export(RESOURCES[self.model].kind, rows),
            content_type=file.get_content_type(),
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def _address(self, word: str) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{word}"
        return reverse(name, current_app=self.admin_site.name)
