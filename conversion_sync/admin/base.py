"""What the admin pages of all rows have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import AutocompleteSelect
from django.db import DatabaseError, OperationalError, models
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conversion_sync.admin import actions, badges, pairs
from conversion_sync.admin.attentive import AttentiveForm
from conversion_sync.admin.panel import panel
from conversion_sync.admin.types import Admin, ChangeList
from conversion_sync.models import ImmutableEngagement, Status, SyncedModel, attributed

__all__ = ["ReadOnlyAdmin", "SyncedAdmin", "variables_table"]

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


class SyncedChangeList(ChangeList):
    """A list whose rows are told together what holds them up."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        cast("SyncedAdmin", self.model_admin).prepare(rows)
        self.result_list = rows


class ReadOnlyAdmin(Admin):
    """Pages to look at."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class SyncedAdmin(Admin):
    """Rows that say of themselves whether they have arrived."""

    actions: Any = (actions.sync_now, actions.retry_failed)
    change_form_template = "admin/conversion_sync/change_form.html"
    change_list_template = "admin/conversion_sync/change_list.html"
    formfield_overrides: ClassVar[Any] = {models.JSONField: {"form_class": pairs.PairsField}}
    list_per_page = 50
    ordering = ("-pk",)
    search_fields = ("pk",)  # For the search box; `matches` says what is looked at.
    # Counts would scan the table.
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False

    #: The page for those who may change the row, and for those who may look at it.
    edit_fieldsets: ClassVar[Fieldsets] = ()
    view_fieldsets: ClassVar[Fieldsets] = ()

    @property
    def media(self) -> Any:
        from django.forms import Media

        own = Media(css={"all": ["conversion_sync/admin.css"]}, js=["conversion_sync/filter.js"])
        fields = (self.model._meta.get_field(name) for name in ("company",) if self._has(name))
        selects = (AutocompleteSelect(field, self.admin_site).media for field in fields)
        return sum(selects, super().media + own)

    def _has(self, name: str) -> bool:
        return any(field.name == name for field in self.model._meta.fields)

    # Lists

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SyncedChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        term = search_term.replace("\0", "").strip()
        return (queryset.filter(self.matches(term)) if term else queryset), False

    def matches(self, term: str) -> Q:
        """What a search for this term finds."""
        raise NotImplementedError

    def prepare(self, rows: Sequence[Any]) -> None:
        """Note on each of the rows on a page what holds it up: few queries for all."""

    @admin.display(description=gettext_lazy("status"), ordering="sync_status")
    def sync_state(self, row: SyncedModel) -> SafeString:
        """The badge."""
        held_up = getattr(row, "held_up", "")
        return badges.render(badges.badge(row, timezone.now(), held_up))

    @admin.display(description=gettext_lazy("last error"), ordering="last_error_code")
    def error(self, row: SyncedModel) -> str | SafeString:
        """Why the last try did not succeed."""
        # The badge of a failed row says why.
        why = "" if row.sync_status == Status.FAILED else badges.reason(row)
        if not row.last_error_code and not why:
            return ""
        return format_html(
            '<span class="cs-error"><bdi>{}</bdi> <code>{}</code></span>', why, row.last_error_code
        )

    @admin.display(description=gettext_lazy("last sync"), ordering="last_synced_at")
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
            context["panel"] = panel(row, self.sync_state(row), self.admin_site)
            if not self.may_edit(request, row):
                context |= {
                    "show_save": False,
                    "show_save_and_continue": False,
                    "show_save_and_add_another": False,
                }
        return super().render_change_form(request, context, *args, **kwargs)

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
        return bool(user.has_perm(f"{meta.app_label}.change_{meta.model_name}"))

    # Deletion

    def get_deleted_objects(self, objs: Any, request: Any) -> Any:
        """What goes: the rows themselves, and in numbers what goes with them."""
        rows = list(objs)
        counts: dict[Any, int] = {self.model._meta.verbose_name_plural: len(rows)}
        counts |= {words: count for words, count in self.what_goes_with(rows) if count}
        missing = set() if self.has_delete_permission(request) else {self.model._meta.verbose_name}
        missing |= self.missing_to_delete(request, counts)
        return [str(row) for row in rows], counts, missing, []

    def what_goes_with(self, rows: Sequence[Any]) -> Iterable[tuple[Any, int]]:
        """What else is deleted with these rows: words and numbers."""
        return ()

    def missing_to_delete(self, request: HttpRequest, counts: dict[Any, int]) -> set[Any]:
        """The kinds of rows that would go, and that this person may not delete."""
        return set()
