"""The pages of an import, and the export: django-import-export's, with this app's rules."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters, get_content_type_for_model
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.http import content_disposition_header
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from import_export.admin import ExportMixin, ImportMixin
from import_export.signals import post_export

from conversion_sync.admin.badges import one_line
from conversion_sync.admin.pages.import_export.columns import column_rows, options
from conversion_sync.admin.pages.import_export.forms import AGAIN, CONFIRM, ConfirmForm, UploadForm
from conversion_sync.admin.pages.import_export.kept_file import KeptFile
from conversion_sync.admin.pages.import_export.resources import RESOURCES, CsvFile, TableResource
from conversion_sync.admin.pages.import_export.review import Review
from conversion_sync.admin.pages.import_export.uploads import Uploads
from conversion_sync.admin.site import pressed
from conversion_sync.importing import TABLES, UnusableFile, export
from conversion_sync.importing.mappings import remember

__all__ = ["ImportExportAdmin"]

#: So many bad lines are named in the message after an import.
COMPLAINTS = 5

#: What the file of rejected lines is handed out for.
REJECTED = "conversion_sync.import.rejected"


class ImportExportAdmin(ImportMixin, ExportMixin):  # type: ignore[misc]  # it ships no types
    """A list that takes files and gives them.

    An import is an upload, its preview, the word to go on, and the lines that were rejected.
    """

    import_template_name = "admin/conversion_sync/import.html"
    import_form_class = UploadForm
    confirm_form_class = ConfirmForm

    def get_urls(self) -> list[Any]:
        """As the extra's, and the rejected lines."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_rejected"
        view = self.admin_site.admin_view(self.rejected_view)
        rejected = path("import/rejected/<str:token>/", view, name=name)
        # Before that of import-export, which answers a GET by a bare 405.
        confirmed = path(
            "process_import/",
            self.admin_site.admin_view(pressed(self.process_import, self._upload_page)),
            name=f"{self.opts.app_label}_{self.opts.model_name}_process_import",
        )
        return [rejected, confirmed, *super().get_urls()]

    def is_skip_import_confirm_enabled(self) -> bool:
        """Nothing is written that nobody has seen, whatever the site does for other models."""
        return False

    def address(self, word: str, *args: str) -> str:
        """Where a page of this list is on its own site."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{word}"
        return reverse(name, args=args, current_app=self.admin_site.name)

    def _upload_page(self, request: HttpRequest) -> str:
        return self.address("import")

    @property
    def _kind(self) -> str:
        return RESOURCES[self.model].kind

    def _whose(self, request: HttpRequest) -> list[str]:
        return [str(request.user.pk), self.opts.label_lower]

    def _withheld(self, request: HttpRequest) -> tuple[str, ...]:
        user: Any = request.user
        may = user.has_perm("conversion_sync.set_subscription")
        return () if may else ("subscription_status",)

    # The store

    def get_tmp_storage_class(self) -> Any:
        # One of its own, unless the site has chosen one.
        if hasattr(settings, "IMPORT_EXPORT_TMP_STORAGE_CLASS"):
            return super().get_tmp_storage_class()
        return Uploads

    def write_to_tmp_storage(self, import_file: Any, input_format: Any) -> Any:
        """Keep a file that is new; one that is here is only read another way."""
        if name := getattr(import_file, "kept_name", ""):
            return self._store(name)
        return super().write_to_tmp_storage(import_file, input_format)

    def _store(self, name: str | None = None) -> Any:
        kwargs = self.get_tmp_storage_class_kwargs()
        return self.get_tmp_storage_class()(name=name, encoding=None, read_mode="rb", **kwargs)

    def _read(self, name: str) -> bytes:
        """What is kept under this name; nothing if it is no longer."""
        try:
            return self._store(name).read() or b""
        except OSError:
            return b""

    # Upload and preview

    def get_import_context_data(self, **kwargs: Any) -> dict[str, Any]:
        table = TABLES[self._kind]
        return {
            "columns": table.targets(),
            "required": table.required,
            "subtitle": capfirst(self.opts.verbose_name_plural),
        }

    def get_import_form_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        return {
            **super().get_import_form_kwargs(request),
            "whose": self._whose(request),
            "withheld": self._withheld(request),
            "read": self._read,
        }

    def get_import_data_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        form = kwargs["form"]
        given = form.cleaned_data
        return {
            "layout": getattr(form, "layout", None),
            "choices": given.get("choices", {}),
            "encoding": given.get("encoding", ""),
            "clear_blanks": given["clear_blanks"],
            "withheld": self._withheld(kwargs["request"]),
        }

    def import_action(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """The upload, then the preview: how the file is read, and what it would change."""
        answer: TemplateResponse = super().import_action(request, **kwargs)
        context: Any = answer.context_data
        if "result" in context:
            context |= self._preview(request, context["form"], context["result"])
        return answer

    def _preview(self, request: HttpRequest, form: UploadForm, review: Review) -> dict[str, Any]:
        user: Any = request.user
        layout = form.layout
        if form.is_again and not layout.problem:
            by = user.get_username()
            remember(self._kind, form.header, layout.choices, layout.encoding, by)
        return {
            "column_rows": column_rows(layout),
            "column_count": sum(not column.is_empty for column in layout.columns),
            "options": options(self._kind),
            "kept": self._kept(form).signed(AGAIN, self._whose(request)),
            "rejected_url": self._rejected_url(request, review),
        }

    def _kept(self, form: UploadForm) -> KeptFile:
        file, layout = form.cleaned_data["import_file"], form.layout
        return KeptFile(
            file.tmp_storage_name,
            file.name,
            form.header,
            dict(layout.choices),
            layout.encoding,
            [(column.title, str(column.guess)) for column in layout.columns],
        )

    # The import

    def get_confirm_form_kwargs(self, request: HttpRequest, import_form: Any = None) -> Any:
        kwargs = super().get_confirm_form_kwargs(request, import_form)
        return {**kwargs, "whose": self._whose(request)}

    def get_confirm_form_initial(self, request: HttpRequest, import_form: Any) -> Any:
        initial = super().get_confirm_form_initial(request, import_form)
        if import_form is not None:
            token = self._kept(import_form).signed(CONFIRM, self._whose(request))
            clear_blanks = import_form.cleaned_data["clear_blanks"]
            initial |= {"import_file_name": token, "clear_blanks": clear_blanks}
        return initial

    def process_import(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Import the file that this person saw the preview of."""
        try:
            answer: HttpResponse = super().process_import(request, **kwargs)
        except (FileNotFoundError, UnusableFile):
            text = _("The file is no longer here: it was imported already, or is too old.")
            self.message_user(request, text, messages.ERROR)
            return HttpResponseRedirect(self.address("import"))
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
            link = format_html(
                '{} <a href="{}">{}</a>',
                text,
                self._rejected_url(request, result),
                _("Download the rejected lines"),
            )
            self.message_user(request, link, messages.WARNING)

    # Rejected lines

    def _rejected_url(self, request: HttpRequest, review: Review) -> str:
        """Where the rejected lines can be fetched; "" if there are none."""
        if not review.rejected:
            return ""
        store = self._store()
        store.save(review.rejected)
        kept = KeptFile(store.name, review.file_name)
        return self.address("rejected", kept.signed(REJECTED, self._whose(request)))

    def rejected_view(self, request: HttpRequest, token: str) -> HttpResponse:
        """The rejected lines, for whoever brought their file."""
        if not self.has_import_permission(request):
            raise PermissionDenied
        kept = KeptFile.opened(token, REJECTED, self._whose(request))
        data = self._read(kept.name) if kept else b""
        if not kept or not data:
            text = _("The rejected lines are no longer here: upload the file again.")
            self.message_user(request, text, messages.ERROR)
            return HttpResponseRedirect(self.address("import"))
        name = f"{PurePath(kept.file_name).stem}-rejected.csv"
        return HttpResponse(
            data,
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": content_disposition_header(True, name)},
        )

    #: This app's own list includes the buttons.
    import_export_change_list_template = None
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

    # Export

    @admin.action(description=gettext_lazy("Export as CSV"), permissions=["export"])
    def export_selected(self, request: HttpRequest, rows: Any) -> HttpResponseBase:
        """The rows that were ticked, as a file."""
        return self.file_of(request, rows)

    def export_action(self, request: HttpRequest) -> HttpResponseBase:
        """All that the list shows, as a file."""
        try:
            answer: HttpResponseBase = super().export_action(request)
        except IncorrectLookupParameters:
            # As the list itself: a filter that can't be is none.
            return HttpResponseRedirect(self.address("changelist"))
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
