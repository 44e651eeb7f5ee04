"""A page that puts a record beside what Conversion has of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import DatabaseError, OperationalError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conversion_sync.admin.badges import isolated, one_line
from conversion_sync.admin.pages.asking import CannotCompare, ask
from conversion_sync.admin.pages.names import field_name
from conversion_sync.admin.pages.panel import value_in_words
from conversion_sync.admin.pages.row_page import RowAdmin, RowPage
from conversion_sync.admin.pages.shown import as_posted, marks, shown
from conversion_sync.models import Contact, Status, Subscription
from conversion_sync.models.database import database
from conversion_sync.records.mappers import mapper_of
from conversion_sync.status.glance import stopped_by
from conversion_sync.sync.clashes import holder_of
from conversion_sync.sync.compare import (
    Comparison,
    Field,
    State,
    compare,
    take_theirs,
)
from conversion_sync.sync.consent import take_remote_opt_out

__all__ = ["PAGE", "links"]

TEXT_LENGTH = 500

STATES = {
    State.SAME: gettext_lazy("Same"),
    State.DIFFERS: gettext_lazy("Differs"),
    State.ONLY_HERE: gettext_lazy("Only here"),
    State.ONLY_THERE: gettext_lazy("Only in Conversion"),
}


@dataclass(frozen=True)
class ComparedField:
    """One field in the table; ``key`` is its name as it is, not as it is shown."""

    key: str
    name: str
    ours: str
    theirs: str
    words: str
    is_same: bool
    can_take: bool


@dataclass(frozen=True)
class Rights:
    """What this person may do about a difference, besides pushing ours."""

    take: bool
    opt_out: bool


def links(modeladmin: RowAdmin, request: HttpRequest, row: Any) -> Iterator[tuple[str, str]]:
    """The words and addresses of this page, and of the row that has the key of this one."""
    if (holder := holder_of(row)) is not None:
        yield _("See the row that has the key"), modeladmin.row_address("change", holder)
    if modeladmin.has_sync_permission(request):
        yield _("Compare with Conversion"), modeladmin.row_address("compare", row)


def _answer(modeladmin: RowAdmin, request: HttpRequest, row: Any) -> HttpResponse:
    """Both sides; and what this person decides about them."""
    if not modeladmin.has_sync_permission(request):
        raise PermissionDenied
    try:
        if request.method == "POST":
            with modeladmin.on_behalf_of(request):
                return _decide(modeladmin, request, row)
        return _show(modeladmin, request, row, comparison=ask(row))
    except CannotCompare as error:
        return _show(modeladmin, request, row, problem=error)


PAGE = RowPage("compare", _answer, calls_api=True)


def _show(
    modeladmin: RowAdmin,
    request: HttpRequest,
    row: Any,
    comparison: Comparison | None = None,
    problem: CannotCompare | None = None,
) -> HttpResponse:
    may = _rights(modeladmin, request, row)
    lines = [_compared(row, field) for field in comparison.fields] if comparison else []
    context = {
        **modeladmin.admin_site.each_context(request),
        "title": _("Compare with Conversion"),
        "subtitle": str(row),
        "opts": modeladmin.opts,
        "row": row,
        "row_address": modeladmin.row_address("change", row),
        "comparison": comparison,
        "problem": problem,
        "may": may,
        "lines": lines,
        "shown": json.dumps(marks(comparison.fields)) if comparison else "",
        "can_push": comparison and (comparison.differs or row.sync_status != Status.SYNCED),
        "can_take": may.take and any(line.can_take for line in lines),
        "status": comparison and _status(comparison.remote_status),
    }
    return TemplateResponse(request, "admin/conversion_sync/compare.html", context)


def _rights(modeladmin: RowAdmin, request: HttpRequest, row: Any) -> Rights:
    is_contact = isinstance(row, Contact)
    return Rights(
        take=modeladmin.has_change_permission(request, row),
        opt_out=is_contact and modeladmin.has_set_subscription_permission(request),
    )


def _decide(modeladmin: RowAdmin, request: HttpRequest, row: Any) -> HttpResponse:
    may = _rights(modeladmin, request, row)
    match request.POST.get("action"):
        case "push":
            modeladmin.get_queryset(request).filter(pk=row.pk).sync_now()
            stopped = stopped_by(database())
            words = _("Ours will be sent.") if stopped else _("Ours is sent now.")
            modeladmin.message_user(request, words, messages.SUCCESS)
            if stopped:
                text = f"{stopped.words} {stopped.advice}"
                modeladmin.message_user(request, text, messages.WARNING)
        case "take" if may.take:
            if not _take(modeladmin, request, row, request.POST.getlist("field")):
                return HttpResponseRedirect(modeladmin.row_address("compare", row))
        case "opt_out" if may.opt_out:
            _take_opt_out(modeladmin, request, row)
        case _:
            raise PermissionDenied
    return HttpResponseRedirect(modeladmin.row_address("change", row))


def _take(modeladmin: RowAdmin, request: HttpRequest, row: Any, names: Sequence[str]) -> bool:
    """Take these fields of Conversion's, and say so; whether anything was taken."""
    found = ask(row) if names else None
    if found is not None and found.remote is None:
        modeladmin.message_user(request, _("Conversion has no such record."), messages.WARNING)
        return False
    noted, now = shown(request), marks(found.fields) if found else {}
    known = {as_posted(name): name for name in {*noted, *now}}
    names = [known[name] for name in map(as_posted, names) if name in known]
    if found is None or not names:
        modeladmin.message_user(request, _("Choose the fields to be taken."), messages.WARNING)
        return False
    if others := [name for name in names if noted.get(name, "") not in ("", now.get(name))]:
        text = _("Nothing was taken: meanwhile this has changed, here or there: %s. Look again.")
        said_of = isolated(text % _names(row, others))
        modeladmin.message_user(request, said_of, messages.WARNING)
        return False
    remote: Any = found.remote
    try:
        with transaction.atomic(using=database()):
            taken = take_theirs(row, remote, names)
            words = _("Taken from Conversion: %s.") % _names(row, taken)
            modeladmin.log_change(request, row, words)
    except ValidationError as error:
        text = _("Nothing was taken: %s") % " ".join(error.messages)
        modeladmin.message_user(request, isolated(one_line(text, TEXT_LENGTH)), messages.ERROR)
        return False
    except OperationalError:
        raise
    except (DatabaseError, ObjectDoesNotExist):
        text = _("Nothing was taken: the row was changed or deleted meanwhile.")
        modeladmin.message_user(request, text, messages.ERROR)
        return False
    modeladmin.message_user(request, isolated(words), messages.SUCCESS)
    left = [field.name for field in compare(row, remote).fields if _is_left(field)]
    if left:
        text = (
            _("Left as they are, here and there: %s.")
            if row.sync_status == Status.SYNCED
            else _("The next push changes there what was not taken: %s.")
        )
        words = text % _names(row, left)
        modeladmin.message_user(request, isolated(words), messages.INFO)
    return True


def _names(row: Any, fields: Sequence[str]) -> str:
    return one_line(", ".join(field_name(type(row), name) for name in fields), TEXT_LENGTH)


def _take_opt_out(modeladmin: RowAdmin, request: HttpRequest, row: Contact) -> None:
    if not ask(row).remote_opt_out:
        modeladmin.message_user(request, _("There is no opt-out to take."), messages.WARNING)
        return
    take_remote_opt_out(database(), row.pk, row.wanted_key)
    words = _("The opt-out is taken: this person is unsubscribed here, too.")
    modeladmin.log_change(request, row, words)
    modeladmin.message_user(request, words, messages.SUCCESS)


def _is_left(field: Field) -> bool:
    """Whether the next push changes it there."""
    return field.state in (State.DIFFERS, State.ONLY_HERE)


def _compared(row: Any, field: Field) -> ComparedField:
    return ComparedField(
        key=field.name,
        name=field_name(type(row), field.name),
        ours=value_in_words(field.ours),
        theirs=value_in_words(field.theirs),
        words=str(STATES[field.state]),
        is_same=field.state is State.SAME,
        can_take=field.state is not State.SAME
        and field.name not in mapper_of(type(row)).not_its_own,
    )


def _status(status: str) -> str:
    return str(dict(Subscription.choices).get(status, status))
