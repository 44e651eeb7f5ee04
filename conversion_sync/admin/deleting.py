"""The confirmation before rows are deleted: what goes with them, here and in Conversion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected as delete_as_django
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from conversion_sync.admin.badges import one_line
from conversion_sync.admin.base import SyncedAdmin
from conversion_sync.admin.types import Admin
from conversion_sync.conf import conf

__all__ = ["Consequence", "DeletableAdmin", "Few", "delete_selected", "in_conversion"]

#: So many rows are called by their names.
NAMED, NAME_LENGTH = 10, 100


@dataclass(frozen=True)
class Few:
    """How many rows there are, and what the first of them are called."""

    count: int
    names: Sequence[str]

    @classmethod
    def of(cls, rows: QuerySet[Any]) -> Few:
        """The rows of this set, in two queries."""
        return cls(rows.count(), [one_line(str(row), NAME_LENGTH) for row in rows[:NAMED]])

    @property
    def more(self) -> int:
        """How many are not named."""
        return self.count - len(self.names)


@dataclass(frozen=True)
class Consequence:
    """A sentence on what a deletion brings about, and the rows that it is about."""

    words: str
    rows: Few | None = None


@dataclass(frozen=True)
class Doomed:
    """What the page that asks for a confirmation shows.

    ``ticked`` and ``across`` are what was chosen in the list: these rows, or all that it finds.
    """

    rows: Few
    consequences: Sequence[Consequence]
    ticked: Sequence[str]
    across: bool


@admin.action(
    description=gettext_lazy("Delete selected %(verbose_name_plural)s"), permissions=["delete"]
)
def delete_selected(modeladmin: Admin, request: HttpRequest, rows: QuerySet[Any]) -> Any:
    """As Django's; where there are other rows meanwhile than were counted, it asks again."""
    if "post" in request.POST and request.POST.get("counted") != str(rows.count()):
        data = request.POST.copy()
        del data["post"]
        request.POST = data  # type: ignore[assignment]  # a QueryDict, as before
        text = _("Nothing was deleted yet: there are more or fewer rows by now. Look again.")
        modeladmin.message_user(request, text, messages.WARNING)
    page: Any = delete_as_django(modeladmin, request, rows)
    if page is not None:
        # By the name that it has for one row.
        [page.context_data["deleted_objects"]] = page.context_data["deletable_objects"]
    return page


class DeletableAdmin(SyncedAdmin):
    """Rows that staff may delete, knowing what that does."""

    def get_actions(self, request: HttpRequest) -> Any:
        found = super().get_actions(request)
        if delete_selected.__name__ in found:
            found[delete_selected.__name__] = self.get_action(delete_selected)
        return found

    def get_deleted_objects(self, objs: Any, request: Any) -> Any:
        """What the template shows, in place of Django's list of all that goes."""
        rows = objs
        if not isinstance(objs, QuerySet):
            rows = self.get_queryset(request).filter(pk__in=[row.pk for row in objs])
        ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
        across = request.POST.get("select_across") == "1"
        doomed = Doomed(
            rows=Few.of(rows),
            consequences=list(self.consequences(rows)),
            ticked=ticked[:1] if across else ticked,
            across=across,
        )
        may = self.has_delete_permission(request)
        missing = set() if may else {self.opts.verbose_name}
        return doomed, {}, missing | self.missing_to_delete(request, rows), []

    def consequences(self, rows: QuerySet[Any]) -> Iterator[Consequence]:
        """What becomes of other rows, and of Conversion, when these are deleted."""
        raise NotImplementedError

    def missing_to_delete(self, request: HttpRequest, rows: QuerySet[Any]) -> set[Any]:
        """The kinds of rows that would go with these, and that this person may not delete."""
        return set()

    def render_delete_form(self, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
        context["row_address"] = self.row_url("change", context["object"])
        return super().render_delete_form(request, context)


def in_conversion(rows: QuerySet[Any]) -> Iterator[Consequence]:
    """What becomes of these records in Conversion."""
    total, known = rows.count(), rows.exclude(sent_key=None).count()
    if known and conf.delete_remote:
        yield Consequence(
            ngettext(
                "%d record in Conversion is deleted, too, with its history there.",
                "%d records in Conversion are deleted, too, with their history there.",
                known,
            )
            % known
        )
    elif known:
        yield Consequence(
            ngettext(
                "%d record in Conversion stays there: the setting DELETE_REMOTE is off.",
                "%d records in Conversion stay there: the setting DELETE_REMOTE is off.",
                known,
            )
            % known
        )
    if unknown := total - known:
        yield Consequence(
            ngettext(
                "%d was never sent: there is nothing of it to delete in Conversion.",
                "%d were never sent: there is nothing of them to delete in Conversion.",
                unknown,
            )
            % unknown
        )
