"""What the lists and pages of all rows have in common that Conversion is told of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from conversion_sync.admin import badges, undone
from conversion_sync.admin.bulk import actions as bulk_actions
from conversion_sync.admin.forms.conflicts import ConflictForm
from conversion_sync.admin.forms.key_values import KeyValueField
from conversion_sync.admin.forms.mirrored import read_only
from conversion_sync.admin.lists import buttons, state
from conversion_sync.admin.lists.long_list import LongListAdmin
from conversion_sync.admin.lists.waiting import follows, note_reasons, outlook_of, why
from conversion_sync.admin.pages import delete, mirrored, panel_page, row_actions, saving
from conversion_sync.admin.pages.row_page import RowPage
from conversion_sync.admin.pages.variables import variables_table
from conversion_sync.admin.site import ChangeList
from conversion_sync.models import SyncedModel, attributed
from conversion_sync.status import times

__all__ = ["Fieldsets", "SyncedAdmin"]

Fieldsets = Sequence[tuple[Any, dict[str, Any]]]


class SyncedAdmin(LongListAdmin):
    """Rows that say of themselves whether they have arrived.

    A model's own module says what is special about its rows: it sets ``actions``, ``row_pages`` and
    the fieldsets, and overrides what it has something to add to: ``search_condition``, ``prepare``,
    ``panel_links``, ``page_context``, ``consequences``.
    """

    #: By the names of the actions below.
    actions: Any = ("sync_now", "retry_failed")
    change_form_template = "admin/conversion_sync/change_form.html"
    object_history_template = "admin/conversion_sync/object_history.html"
    formfield_overrides: ClassVar[Any] = {models.JSONField: {"form_class": KeyValueField}}
    ordering = ("-pk",)
    search_fields = ("pk",)  # For the search box; `search_condition` says what is looked at.

    #: The page for those who may change the row, and for those who may look at it.
    edit_fieldsets: ClassVar[Fieldsets] = ()
    view_fieldsets: ClassVar[Fieldsets] = ()

    #: The pages of a row beside those of Django and the panel.
    row_pages: ClassVar[Sequence[RowPage]] = ()

    sync_now = bulk_actions.sync_now
    retry_failed = bulk_actions.retry_failed
    set_subscription = bulk_actions.set_subscription
    compare = bulk_actions.compare
    resend = bulk_actions.resend
    mark_as_sent = bulk_actions.mark_as_sent
    discard_failed = bulk_actions.discard_failed

    class Media:
        css = {"all": ("conversion_sync/admin.css",)}  # noqa: RUF012  # Django's own convention
        js = (
            "conversion_sync/filter.js",
            "conversion_sync/live.js",
            "conversion_sync/once.js",
            "conversion_sync/unsaved.js",
            "conversion_sync/zone.js",
        )

    # Lists

    def get_changelist_instance(self, request: Any) -> ChangeList:
        """As Django's, made once for a request: an action asks for it again."""
        if not hasattr(request, "conversion_sync_list"):
            request.conversion_sync_list = super().get_changelist_instance(request)
            self._say_what_is_searched(request.conversion_sync_list)
            if request.method != "POST":
                self._note_buttons(request, request.conversion_sync_list)
        changelist: ChangeList = request.conversion_sync_list
        return changelist

    def _note_buttons(self, request: HttpRequest, changelist: ChangeList) -> None:
        address = partial(self.row_address, "do")
        buttons.note(changelist.result_list, row_actions.allowed(self, request), address)

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        term = search_term.replace("\0", "").strip()
        return (queryset.filter(self.search_condition(term)) if term else queryset), False

    def _say_what_is_searched(self, changelist: ChangeList) -> None:
        if not changelist.search_help_text:
            changelist.search_help_text = self.search_in_words()

    def search_condition(self, term: str) -> Q:
        """What a search for this term finds."""
        raise NotImplementedError

    def search_in_words(self) -> str:
        """What a search looks at, for the list of a class that has no ``search_help_text``."""
        return ""

    def prepare(self, rows: Sequence[Any]) -> None:
        note_reasons(rows)

    def badge(self, row: SyncedModel) -> SafeString:
        """Where the row stands."""
        return badges.render(
            badges.badge(row, times.now(), why(row), follows(row), outlook_of(row))
        )

    @admin.display(description=gettext_lazy("status"))
    def sync_state(self, row: SyncedModel) -> SafeString:
        """The badge, why the last try did not succeed, and when that was; and buttons."""
        return state.cell(row, self.badge(row))

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> Any:
        # Django names the place since 6.1; before, there was but one.
        place = {} if action_location is None else {"action_location": action_location}
        found = super().get_actions(request, **place)
        if delete.delete_selected.__name__ in found:
            found[delete.delete_selected.__name__] = self.get_action(delete.delete_selected)
        return found

    # The page of a row

    def named_values(self, values: Any) -> SafeString | str:
        """Variables, for those who may not change them."""
        return variables_table(values)

    def may_edit(self, request: HttpRequest, obj: Any) -> bool:
        """Whether the page of this row is a form."""
        if obj is None:
            return self.has_add_permission(request)
        return self.has_change_permission(request, obj)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.edit_fieldsets if self.may_edit(request, obj) else self.view_fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if self.may_edit(request, obj):
            # What a mirror maps is changed at its source.
            return (*self.readonly_fields, *sorted(read_only(obj) - {*self.readonly_fields}))
        return [name for _, options in self.view_fieldsets for name in options["fields"]]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        if row is not None:
            self.prepare([row])
            context = self.page_context(request, row) | context
            if not self.may_edit(request, row):
                context |= {
                    "show_save": False,
                    "show_save_and_continue": False,
                    "show_save_and_add_another": False,
                }
        return super().render_change_form(request, context, *args, **kwargs)

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What the page of a row shows beside the form; the row is prepared."""
        return panel_page.context(self, request, row)

    @property
    def urls(self) -> list[Any]:
        """As Django's; each page says after a login what was not done before it."""
        return undone.saying(self.get_urls(), self.admin_site)

    def get_urls(self) -> list[Any]:
        pages = (panel_page.PAGE, row_actions.PAGE, *self.row_pages)
        return [page.url(self) for page in pages] + super().get_urls()

    def row_address(self, page: str, row: SyncedModel) -> str:
        """The address of a page of this row.

        Args:
            page: the word of a `RowPage`, or ``"change"``.
        """
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=(quote(row.pk),), current_app=self.admin_site.name)

    def row_or_404(self, request: HttpRequest, object_id: str) -> Any:
        """The row, if this person may look at it.

        Args:
            object_id: its primary key, as addresses have it.

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

    # The panel on top of it

    def panel_links(self, request: HttpRequest, row: Any) -> Iterator[tuple[str, str]]:
        """Words and addresses of the pages that the panel leads to; the row is prepared."""
        yield from mirrored.links(self.admin_site, request, row)

    def companions(self, row: Any) -> Sequence[SyncedModel]:
        """Other rows that the badge speaks of; the row is prepared."""
        return ()

    # Deleting

    def get_deleted_objects(self, objs: Any, request: Any) -> Any:
        """What the template shows, in place of Django's list of all that goes."""
        rows = objs
        if not isinstance(objs, QuerySet):
            rows = self.get_queryset(request).filter(pk__in=[row.pk for row in objs])
        summary = delete.summary(request, rows, self.consequences(rows))
        missing = set() if self.has_delete_permission(request) else {self.opts.verbose_name}
        return summary, {}, missing | self.missing_to_delete(request, rows), []

    def consequences(self, rows: QuerySet[Any]) -> Iterable[delete.Consequence]:
        """What becomes of other rows, and of Conversion, when these are deleted.

        Returns:
            Sentences, each with the rows that it names, or None.
        """
        return ()

    def missing_to_delete(self, request: HttpRequest, rows: QuerySet[Any]) -> set[Any]:
        """The kinds of rows that would go with these, and that this person may not delete."""
        return set()

    def render_delete_form(self, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
        context["row_address"] = self.row_address("change", context["object"])
        return super().render_delete_form(request, context)

    # Changes: each is somebody's

    def on_behalf_of(self, request: HttpRequest, **more: Any) -> Any:
        """A block in which whatever is changed is this person's doing, in the admin.

        Args:
            more: as for `attributed`.
        """
        name = request.user.get_username()
        return attributed(requested_by=name, source="admin", **more)

    def save_model(self, request: HttpRequest, obj: SyncedModel, form: Any, change: bool) -> None:
        """Write what the person changed; a new row as a whole."""
        if change and isinstance(form, ConflictForm):
            obj.save(update_fields=form.changed_columns())
        else:
            obj.save()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        allowed = row_actions.allowed(self, request)
        context = {"row_buttons": allowed and buttons.FORM, "back": request.get_full_path()}
        with self.on_behalf_of(request):
            return super().changelist_view(request, context | (extra_context or {}))

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with self.on_behalf_of(request):
            return super().delete_view(request, *args, **kwargs)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        """As Django's; what happens between the check of a form and its save is no error page."""
        view = partial(super().changeform_view, request, object_id, *args, **kwargs)
        with self.on_behalf_of(request):
            return saving.answer(view, self, request, object_id)

    # Permissions, as Django's actions ask for them

    def has_sync_permission(self, request: HttpRequest) -> bool:
        """Whether this person may have rows sent, and decide of those that were not."""
        user: Any = request.user
        return bool(user.has_perm(f"{self.opts.app_label}.sync_{self.opts.model_name}"))

    def has_set_subscription_permission(self, request: HttpRequest) -> bool:
        """Whether this person may set the subscription of contacts."""
        user: Any = request.user
        return bool(user.has_perm("conversion_sync.set_subscription"))
