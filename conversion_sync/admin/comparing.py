"""A page that puts a record beside what Conversion has of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import DatabaseError, OperationalError, router, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from conversion_sync.admin.badges import CODES, isolated, one_line
from conversion_sync.admin.base import SyncedAdmin
from conversion_sync.admin.panel import in_words
from conversion_sync.admin.remedies import remedy
from conversion_sync.api import ConfigurationError
from conversion_sync.conf import conf
from conversion_sync.models import Contact, Subscription
from conversion_sync.sync.compare import Comparison, Field, State, compare_many, take_theirs
from conversion_sync.sync.consent import take_remote_opt_out
from conversion_sync.sync.run import Run, Shut

__all__ = ["ComparedAdmin"]

#: Seconds that a person waits for a slot.
PATIENCE = 5.0

NAME_LENGTH = 100

STATES = {
    State.SAME: gettext_lazy("Same"),
    State.DIFFERS: gettext_lazy("Differs"),
    State.ONLY_HERE: gettext_lazy("Only here"),
    State.ONLY_THERE: gettext_lazy("Only in Conversion"),
}


class CannotCompare(Exception):
    """Conversion could not be asked: why, and what to do."""

    def __init__(self, why: str, advice: str = "") -> None:
        super().__init__(why)
        self.why, self.advice = why, advice


@dataclass(frozen=True)
class Line:
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


class ComparedAdmin(SyncedAdmin):
    """Records, which Conversion can be asked for."""

    def get_urls(self) -> list[Any]:
        view = require_http_methods(["GET", "POST"])(self.compare_view)
        name = f"conversion_sync_{self.model._meta.model_name}_compare"
        address = "<path:object_id>/compare/"
        return [path(address, self.admin_site.admin_view(view), name=name), *super().get_urls()]

    def panel_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        context = super().panel_context(request, row)
        if self.has_sync_permission(request):
            link = (_("Compare with Conversion"), self.row_url("compare", row))
            context["panel_links"] = [*context.get("panel_links", []), link]
        return context

    def compare_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Both sides; and what this person decides about them."""
        row = self.row_or_404(request, object_id)
        if not self.has_sync_permission(request):
            raise PermissionDenied
        try:
            if request.method == "POST":
                with self.on_behalf_of(request):
                    return self._decide(request, row)
            return self._page(request, row, comparison=_ask(row))
        except CannotCompare as error:
            return self._page(request, row, problem=error)

    def _page(
        self,
        request: HttpRequest,
        row: Any,
        comparison: Comparison | None = None,
        problem: CannotCompare | None = None,
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Compare with Conversion"),
            "subtitle": str(row),
            "opts": self.opts,
            "row": row,
            "row_address": self.row_url("change", row),
            "comparison": comparison,
            "problem": problem,
            "may": self._rights(request, row),
            "lines": [_line(row, field) for field in comparison.fields] if comparison else [],
            "status": comparison and _status(comparison.remote_status),
        }
        return TemplateResponse(request, "admin/conversion_sync/compare.html", context)

    def _rights(self, request: HttpRequest, row: Any) -> Rights:
        is_contact = isinstance(row, Contact)
        return Rights(
            take=self.has_change_permission(request, row),
            opt_out=is_contact and self.has_set_subscription_permission(request),
        )

    def _decide(self, request: HttpRequest, row: Any) -> HttpResponse:
        may = self._rights(request, row)
        match request.POST.get("action"):
            case "push":
                rows: Any = self.get_queryset(request)
                rows.filter(pk=row.pk).sync_now()
                self.message_user(request, _("Ours is sent now."), messages.SUCCESS)
            case "take" if may.take:
                if not self._take(request, row, request.POST.getlist("field")):
                    return HttpResponseRedirect(self.row_url("compare", row))
            case "opt_out" if may.opt_out:
                self._take_opt_out(request, row)
            case _:
                raise PermissionDenied
        return HttpResponseRedirect(self.row_url("change", row))

    def _take(self, request: HttpRequest, row: Any, names: Sequence[str]) -> bool:
        if not names:
            self.message_user(request, _("Choose the fields to be taken."), messages.WARNING)
            return False
        remote = _ask(row).remote
        if remote is None:
            self.message_user(request, _("Conversion has no such record."), messages.WARNING)
            return False
        try:
            with transaction.atomic(using=router.db_for_write(self.model)):
                # As it is now: the answer took its time.
                row.refresh_from_db()
                taken = take_theirs(row, remote, names)
        except ValidationError as error:
            text = _("Nothing was taken: %s") % " ".join(error.messages)
            self.message_user(request, isolated(one_line(text, 500)), messages.ERROR)
            return False
        except OperationalError:
            raise
        except (DatabaseError, ObjectDoesNotExist):
            text = _("Nothing was taken: the row was changed or deleted meanwhile.")
            self.message_user(request, text, messages.ERROR)
            return False
        words = _("Taken from Conversion: %s.") % one_line(", ".join(taken), 500)
        self.log_change(request, row, words)
        self.message_user(request, isolated(words), messages.SUCCESS)
        return True

    def _take_opt_out(self, request: HttpRequest, row: Contact) -> None:
        if not _ask(row).remote_opt_out:
            self.message_user(request, _("There is no opt-out to take."), messages.WARNING)
            return
        take_remote_opt_out(router.db_for_write(Contact), row.pk, row.key)
        words = _("The opt-out is taken: this person is unsubscribed here, too.")
        self.log_change(request, row, words)
        self.message_user(request, words, messages.SUCCESS)


def _ask(row: Any) -> Comparison:
    """Ask Conversion for the record of the row.

    Raises:
        CannotCompare: it could not be asked.
    """
    if not conf.can_send:
        raise CannotCompare(_("The settings hold no API key, or sending is switched off."))
    run = Run(router.db_for_write(type(row)), PATIENCE)
    try:
        found = next(compare_many([row], run, give_way=False), None)
    except Shut as shut:
        raise CannotCompare(
            _("The gate lets no call through now."), _("The dashboard says why.")
        ) from shut
    except ConfigurationError as error:
        raise CannotCompare(str(error)) from error
    if found is None:
        raise CannotCompare(_("There was no time to ask. Try again."))
    if found.error is not None:
        why = one_line(found.error.message, 500) or str(CODES.get(found.error.code, ""))
        raise CannotCompare(f"{why} ({found.error.code})", remedy(found.error.code))
    return found


def _line(row: Any, field: Field) -> Line:
    return Line(
        key=field.name,
        name=one_line(field.name, NAME_LENGTH),
        ours=in_words(field.ours),
        theirs=in_words(field.theirs),
        words=str(STATES[field.state]),
        is_same=field.state is State.SAME,
        can_take=field.state is not State.SAME
        # A contact has no name of a company of its own.
        and not (isinstance(row, Contact) and field.name == "company_name"),
    )


def _status(status: str) -> str:
    return str(dict(Subscription.choices).get(status, status))
