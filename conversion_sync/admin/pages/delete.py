"""The confirmation before rows are deleted: what goes with them, here and in Conversion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected as delete_as_django
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import model_ngettext
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from conversion_sync.admin.badges import one_line
from conversion_sync.conf import conf
from conversion_sync.models.chunks import in_chunks
from conversion_sync.status.numbers import grouped

__all__ = ["Consequence", "delete_selected", "in_conversion", "summary"]

#: So many rows are called by their names.
NAMED, NAME_LENGTH = 10, 100

#: Rows of one statement.
ROWS = 500

#: A sentence on what a deletion brings about, and the rows that it names, if any.
Consequence = tuple[str, QuerySet[Any] | None]


class DeletingAdmin(Protocol):
    """What the action asks of the model admin that it belongs to."""

    opts: Any

    def missing_to_delete(self, request: HttpRequest, rows: QuerySet[Any]) -> set[Any]: ...

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any: ...

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None: ...

    def message_user(self, request: HttpRequest, message: Any, level: int) -> None: ...


@dataclass(frozen=True)
class NamedRows:
    """How many rows there are, and what the first of them are called."""

    count: int
    names: Sequence[str]

    @classmethod
    def of(cls, rows: QuerySet[Any]) -> NamedRows:
        """The rows of this set, in two queries."""
        return cls(rows.count(), [one_line(str(row), NAME_LENGTH) for row in rows[:NAMED]])

    @property
    def more(self) -> int:
        """How many are not named."""
        return self.count - len(self.names)


@dataclass(frozen=True)
class ShownConsequence:
    """A consequence, as the page shows it."""

    words: str
    rows: NamedRows | None


@dataclass(frozen=True)
class DeletionSummary:
    """What the page that asks for a confirmation shows.

    ``ticked`` and ``across`` are what was chosen in the list: these rows, or all that it finds.
    """

    rows: NamedRows
    consequences: Sequence[ShownConsequence]
    ticked: Sequence[str]
    across: bool


@admin.action(
    description=gettext_lazy("Delete selected %(verbose_name_plural)s"), permissions=["delete"]
)
def delete_selected(modeladmin: Any, request: HttpRequest, rows: QuerySet[Any]) -> Any:
    """Delete the chosen rows once that is confirmed, and log each, as Django's action does.

    Where the number of rows is no longer the one that was confirmed, it asks again.
    """
    if "post" in request.POST:
        if modeladmin.missing_to_delete(request, rows):
            raise PermissionDenied
        if count := _delete(modeladmin, request, rows):
            text = _("Successfully deleted %(count)d %(items)s.")
            words = {"count": count, "items": model_ngettext(modeladmin.opts, count)}
            modeladmin.message_user(request, text % words, messages.SUCCESS)
            return None
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


def _delete(modeladmin: DeletingAdmin, request: HttpRequest, rows: QuerySet[Any]) -> int:
    """Delete these rows if they are as many as were confirmed: those that are counted, no others.

    Returns:
        How many they are; 0: more or fewer than that, and nothing was deleted.
    """
    counted = request.POST.get("counted", "")
    if not counted.isdecimal():
        return 0
    most = int(counted[:18])
    with transaction.atomic(using=rows.db):
        pks = list(rows.order_by("pk").values_list("pk", flat=True)[: most + 1])
        if len(pks) != most:
            return 0
        for chunk in in_chunks(pks, ROWS):
            some = rows.model._default_manager.using(rows.db).filter(pk__in=chunk)
            modeladmin.log_deletions(request, some)
            modeladmin.delete_queryset(request, some)
    return most


def summary(
    request: HttpRequest, rows: QuerySet[Any], consequences: Iterable[Consequence]
) -> DeletionSummary:
    """What the page shows in place of Django's list of all that goes.

    Args:
        rows: those to be deleted.
        consequences: what becomes of other rows, and of Conversion.
    """
    ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
    across = request.POST.get("select_across") == "1"
    return DeletionSummary(
        rows=NamedRows.of(rows),
        consequences=[
            ShownConsequence(words, None if named is None else NamedRows.of(named))
            for words, named in consequences
        ],
        ticked=ticked[:1] if across else ticked,
        across=across,
    )


def in_conversion(rows: QuerySet[Any]) -> Iterator[Consequence]:
    """What becomes of these records in Conversion."""
    total, known = rows.count(), rows.exclude(sent_key=None).count()
    if known and conf.delete_remote:
        words = ngettext(
            "%s record in Conversion is deleted, too, with its history there.",
            "%s records in Conversion are deleted, too, with their history there.",
            known,
        )
        yield words % grouped(known), None
    elif known:
        words = ngettext(
            "%s record in Conversion stays there: the setting DELETE_REMOTE is off.",
            "%s records in Conversion stay there: the setting DELETE_REMOTE is off.",
            known,
        )
        yield words % grouped(known), None
    if unknown := total - known:
        words = ngettext(
            "%s was never sent: there is nothing of it to delete in Conversion.",
            "%s were never sent: there is nothing of them to delete in Conversion.",
            unknown,
        )
        yield words % grouped(unknown), None
