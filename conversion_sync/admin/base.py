"""What the admin pages of all rows have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, OperationalError, models
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from conversion_sync.admin import actions, badges, bulk, pairs
from conversion_sync.admin.attentive import AttentiveForm
from conversion_sync.admin.lists import LongListAdmin
from conversion_sync.admin.panel import panel
from conversion_sync.admin.types import Admin, ChangeList
from conversion_sync.models import BulkJob, ImmutableEngagement, Status, SyncedModel, attributed

__all__ = ["ReadOnlyAdmin", "SyncedAdmin", "variables_table"]

JS = ("conversion_sync/filter.js", "conversion_sync/live.js", "conversion_sync/zone.js")

#: What the buttons of a row's page do.
ROW_ACTIONS = frozenset({"sync_now", "retry_failed", "resend", "mark_as_sent", "discard_failed"})

Fieldsets = Sequence[tuple[Any, dict[str, Any]]]


def variables_table(variables: Any) -> SafeString | str:
    """Names and values, for reading."""
    if not isinstance(variables, dict):
        return pairs.shown(variables)
    rows = ((name, pairs.shown(value)) for name, value in variables.items())
    return format_html(
        '<dl class="cs-variables">{}</dl>',
        format_html_join("", "<div><dt><bdi>{}</bdi></dt><dd><bdi>{}</bdi></dd></div>", rows),
    )


class ReadOnlyAdmin(Admin):
    """Pages to look at."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class SyncedAdmin(LongListAdmin):
    """Rows that say of themselves whether they have arrived."""

    actions: Any = (actions.sync_now, actions.retry_failed)
    change_form_template = "admin/conversion_sync/change_form.html"
    formfield_overrides: ClassVar[Any] = {models.JSONField: {"form_class": pairs.PairsField}}
    ordering = ("-pk",)
    search_fields = ("pk",)  # For the search box; `matches` says what is looked at.

    #: The page for those who may change the row, and for those who may look at it.
    edit_fieldsets: ClassVar[Fieldsets] = ()
    view_fieldsets: ClassVar[Fieldsets] = ()

    @property
    def media(self) -> Any:
        from django.forms import Media

        own = Media(css={"all": ["conversion_sync/admin.css"]}, js=JS)
        fields = (self.model._meta.get_field(name) for name in ("company",) if self._has(name))
        selects = (AutocompleteSelect(field, self.admin_site).media for field in fields)
        return sum(selects, super().media + own)

    def _has(self, name: str) -> bool:
        return any(field.name == name for field in self.model._meta.fields)

    # Lists

    def get_changelist_instance(self, request: Any) -> ChangeList:
        """As Django's, made once for a request: an action asks for it again."""
        if not hasattr(request, "conversion_sync_list"):
            request.conversion_sync_list = super().get_changelist_instance(request)
        changelist: ChangeList = request.conversion_sync_list
        return changelist

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        term = search_term.replace("\0", "").strip()
        return (queryset.filter(self.matches(term)) if term else queryset), False

    def matches(self, term: str) -> Q:
        """What a search for this term finds."""
        raise NotImplementedError

    @admin.display(description=gettext_lazy("status"))
    def sync_state(self, row: SyncedModel) -> SafeString:
        """The badge."""
        held_up = getattr(row, "held_up", "")
        return badges.render(badges.badge(row, timezone.now(), held_up))

    @admin.display(description=gettext_lazy("last error"))
    def error(self, row: SyncedModel) -> str | SafeString:
        """Why the last try did not succeed."""
        # The badge of a failed row says why.
        why = "" if row.sync_status == Status.FAILED else badges.reason(row)
        if not row.last_error_code and not why:
            return ""
        return badges.error(why, row.last_error_code)

    @admin.display(description=gettext_lazy("last sync"))
    def synced_at(self, row: SyncedModel) -> Any:
        """When the row last arrived."""
        return row.last_synced_at

    # Pages of one row

    def may_edit(self, request: HttpRequest, obj: Any) -> bool:
        """Whether the page of this row is a form."""
        if obj is None:
            return self.has_add_permission(request)
        return self.has_change_permission(request, obj)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.edit_fieldsets if self.may_edit(request, obj) else self.view_fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if self.may_edit(request, obj):
            return self.readonly_fields
        return [name for _, options in self.view_fieldsets for name in options["fields"]]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        if row is not None:
            self.prepare([row])
            context |= self.panel_context(request, row)
            if not self.may_edit(request, row):
                context |= {
                    "show_save": False,
                    "show_save_and_continue": False,
                    "show_save_and_add_another": False,
                }
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[Any]:
        wrap, name = self.admin_site.admin_view, self.model._meta.model_name
        of_row = (("panel", self.panel_view), ("do", require_POST(self.do_view)))
        return [
            path(f"<path:object_id>/{word}/", wrap(view), name=f"conversion_sync_{name}_{word}")
            for word, view in of_row
        ] + super().get_urls()

    def row_url(self, word: str, row: SyncedModel) -> str:
        """The address of a page of this row."""
        name = f"admin:conversion_sync_{self.model._meta.model_name}_{word}"
        return reverse(name, args=(quote(row.pk),), current_app=self.admin_site.name)

    def row_or_404(self, request: HttpRequest, object_id: str) -> Any:
        """The row, if this person may look at it.

        Raises:
            Http404: there is none.
            PermissionDenied: this person may not.
        """
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return row

    def panel_context(self, request: HttpRequest, row: SyncedModel) -> dict[str, Any]:
        """What the panel's template shows; the row is prepared."""
        allowed = self.get_actions(request)
        return {
            "panel": panel(row, self.sync_state(row), self.admin_site, allowed),
            "panel_url": self.row_url("panel", row),
            "do_url": self.row_url("do", row),
        }

    def panel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The panel alone, for the page to show it anew."""
        row = self.row_or_404(request, object_id)
        self.prepare([row])
        template = "admin/conversion_sync/includes/panel.html"
        return TemplateResponse(request, template, self.panel_context(request, row))

    def do_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """One of the actions, on this row."""
        row = self.row_or_404(request, object_id)
        name = request.POST.get("action", "")
        if name not in ROW_ACTIONS or name not in self.get_actions(request):
            raise PermissionDenied
        with self.on_behalf_of(request):
            rows = self.get_queryset(request).filter(pk=row.pk)
            bulk.at_once(BulkJob.Action(name), self, request, rows)
        if self.get_object(request, unquote(object_id)) is None:
            changelist = f"admin:conversion_sync_{self.model._meta.model_name}_changelist"
            return HttpResponseRedirect(reverse(changelist, current_app=self.admin_site.name))
        return HttpResponseRedirect(self.row_url("change", row))

    def save_model(self, request: HttpRequest, obj: SyncedModel, form: Any, change: bool) -> None:
        """Write what the person changed; a new row as a whole."""
        if change and isinstance(form, AttentiveForm):
            obj.save(update_fields=form.written_columns())
        else:
            obj.save()

    # Every change is somebody's

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with self.on_behalf_of(request):
            return super().changelist_view(request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with self.on_behalf_of(request):
            return super().delete_view(request, *args, **kwargs)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        """As Django's; what happens between the check of a form and its save is no error page."""
        view = super().changeform_view
        with self.on_behalf_of(request):
            try:
                return view(request, object_id, *args, **kwargs)
            except ImmutableEngagement:
                return self._refuse(request, object_id)
            except OperationalError:
                raise
            except DatabaseError:
                # A key was taken, or the row deleted: looked at anew, the form says so.
                return view(request, object_id, *args, **kwargs)

    def _refuse(self, request: HttpRequest, object_id: str | None) -> HttpResponse:
        name = self.model._meta.verbose_name
        text = _(
            "Your change was not saved: the %s was sent meanwhile, and Conversion may have it as "
            "it was."
        )
        self.message_user(request, text % name, messages.ERROR)
        if object_id is not None and self.get_object(request, unquote(object_id)) is not None:
            return HttpResponseRedirect(request.get_full_path())
        return HttpResponseRedirect("../")

    def on_behalf_of(self, request: HttpRequest, **more: Any) -> Any:
        """Whatever is changed in this block, this person changed in the admin."""
        name = request.user.get_username()
        return attributed(requested_by=name, source="admin", **more)

    # Permissions

    def has_sync_permission(self, request: HttpRequest) -> bool:
        """Whether this person may have rows sent, and decide of those that were not."""
        meta = self.model._meta
        user: Any = request.user
        return bool(user.has_perm(f"{meta.app_label}.sync_{meta.model_name}"))

    def has_set_subscription_permission(self, request: HttpRequest) -> bool:
        """Whether this person may set the subscription of contacts."""
        user: Any = request.user
        return bool(user.has_perm("conversion_sync.set_subscription"))
