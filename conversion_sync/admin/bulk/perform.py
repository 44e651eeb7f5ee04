"""Runs an action on many rows: at once if they are few, else in the background, as a job."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME, AdminForm
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from conversion_sync.admin.bulk.selection import Unrepeatable, conditions
from conversion_sync.admin.bulk.texts import TEXTS, counted, left_alone
from conversion_sync.admin.site import Admin, address
from conversion_sync.conf import conf
from conversion_sync.models import BulkJob, attributed
from conversion_sync.models.database import database
from conversion_sync.status.glance import stopped_by
from conversion_sync.status.numbers import grouped
from conversion_sync.status.spans import span
from conversion_sync.status.waits import reason_words, reasons
from conversion_sync.sync import jobs
from conversion_sync.sync.readiness import Reason

__all__ = ["AT_ONCE", "at_once", "job_address", "respond"]

#: So many rows a person waits for; more are done in the background.
AT_ONCE = 500

#: Seconds of which people are told beforehand.
LONG = 60

Action = BulkJob.Action

#: What has rows sent.
SENDING = (Action.SYNC_NOW, Action.RETRY_FAILED, Action.RESEND)

#: What can't be taken back, and is done to no row that the question had not counted.
FOR_GOOD = (Action.RESEND, Action.MARK_AS_SENT, Action.DISCARD_FAILED)

#: Why a row that is due has not arrived, though nothing stands in its way.
ON_THE_WAY = (Reason.READY, Reason.RETRY, Reason.LATER, Reason.SENDING)


class ActionRefused(Exception):
    """The action can't be done to these rows; its text says why."""


def respond(
    action: BulkJob.Action, modeladmin: Admin, request: HttpRequest, rows: Any
) -> HttpResponse | None:
    """Answer a request to do something to the rows that were chosen in a list.

    Returns:
        The page that asks for confirmation, or the way to the page of the job; None if it is done,
        or can't be: a message says so.
    """
    try:
        return _BulkRequest(action, modeladmin, request, rows).respond()
    except (ActionRefused, Unrepeatable) as why:
        modeladmin.message_user(request, str(why), messages.WARNING)
        return None


def at_once(
    action: BulkJob.Action,
    modeladmin: Admin,
    request: HttpRequest,
    rows: Any,
    arguments: Mapping[str, Any] | None = None,
) -> None:
    """Do the action to a few rows, and tell the person what became of them.

    Args:
        arguments: of the action, such as the subscription that is to be set.
    """
    wording, arguments = TEXTS[action], arguments or {}
    pks = list(_concerned(action, rows, arguments).values_list("pk", flat=True))
    few = modeladmin.model._default_manager.using(database()).filter(pk__in=pks)
    count = jobs.act(action, few, arguments)
    left = len(pks) - count if action == Action.SET_SUBSCRIPTION else 0
    stopped = count and action in SENDING and stopped_by(database())
    if count:
        words = wording.will if stopped and action == Action.SYNC_NOW else wording.done
        modeladmin.message_user(request, counted(words, count), messages.SUCCESS)
    if stopped:
        modeladmin.message_user(request, f"{stopped.words} {stopped.advice}", messages.WARNING)
    elif count == 1 and action in SENDING and (why := _what_it_waits_for(few)):
        modeladmin.message_user(request, why, messages.WARNING)
    if left:
        modeladmin.message_user(request, left_alone(left), messages.WARNING)
    elif not count:
        modeladmin.message_user(request, wording.nothing, messages.WARNING)


def _what_it_waits_for(rows: Any) -> str:
    """What a row waits for that somebody has sent; blank where it is on its way."""
    found = reasons(list(rows.all()), rows.db)
    why = next(iter(found.values()), None)
    return "" if why in (None, *ON_THE_WAY) else _("But: %s.") % reason_words(why)


def _concerned(action: BulkJob.Action, rows: Any, arguments: Mapping[str, Any]) -> Any:
    return rows.filter(jobs.concerns(action, rows.model, arguments))


class _BulkRequest:
    """A request to do an action to the rows that a person chose."""

    def __init__(
        self, action: BulkJob.Action, modeladmin: Admin, request: HttpRequest, rows: Any
    ) -> None:
        self.action, self.wording = action, TEXTS[action]
        self.modeladmin, self.request, self.rows = modeladmin, request, rows
        self.model = modeladmin.model

    @cached_property
    def chosen(self) -> int:
        """How many rows were chosen."""
        return int(self.rows.count())

    @cached_property
    def concerned(self) -> int:
        """To how many of them the action does anything, as far as is known before asking."""
        if self.action == Action.SET_SUBSCRIPTION:
            return self.chosen
        return int(_concerned(self.action, self.rows, {}).count())

    @property
    def is_long(self) -> bool:
        """Whether it is done in the background."""
        return self.action == Action.COMPARE or self.concerned > AT_ONCE

    def respond(self) -> HttpResponse | None:
        """Nothing to do, done, begun, or a question.

        Raises:
            ActionRefused: it can't be done to these rows.
        """
        if not self.concerned:
            raise ActionRefused(self.wording.nothing)
        if self.action == Action.COMPARE and not conf.can_send:
            raise ActionRefused(_("The settings hold no API key, or sending is switched off."))
        if not self.wording.asks and not self.is_long:
            return self._do({})
        where = self._where() if self.is_long else []
        confirmed = self.request.POST if "confirmed" in self.request.POST else None
        form = self.wording.form(confirmed, rows=self.rows, user=self.request.user)
        if not form.is_valid() or self._has_changed():
            return self._ask(form)
        return self._start(where, form.arguments()) if self.is_long else self._do(form.arguments())

    def _has_changed(self) -> bool:
        """Whether they are more or fewer than the question had said; then a message says so."""
        counted = self.request.POST.get("counted", "")
        if self.action not in FOR_GOOD or counted in ("", str(self.concerned)):
            return False
        text = _("Nothing was done yet: there are more or fewer rows by now. Look again.")
        self.modeladmin.message_user(self.request, text, messages.WARNING)
        return True

    def _where(self) -> list[Q]:
        if self.chosen > AT_ONCE:
            return conditions(self.modeladmin, self.request, self.rows)
        return [Q(pk__in=list(self.rows.values_list("pk", flat=True)))]

    def _do(self, arguments: dict[str, Any]) -> HttpResponse | None:
        with attributed(
            requested_by=self.request.user.get_username(),
            source="admin",
            reason=arguments.get("reason", ""),
            override=arguments.get("override", False),
        ):
            at_once(self.action, self.modeladmin, self.request, self.rows, arguments)
        return None

    def _start(self, where: list[Q], arguments: dict[str, Any]) -> HttpResponse:
        job = jobs.start(
            self.action,
            self.model,
            where,
            requested_by=self.request.user.get_username(),
            using=database(),
            **arguments,
        )
        self.modeladmin.log_addition(self.request, job, [{"added": {}}])
        return HttpResponseRedirect(job_address(self.modeladmin.admin_site, job))

    def _ask(self, form: Any) -> HttpResponse:
        context = {
            **self.modeladmin.admin_site.each_context(self.request),
            "title": self.action.label,
            "opts": self.model._meta,
            "media": self.modeladmin.media + form.media,
            "chosen": self._chosen_in_words(),
            "will": self.wording.will and counted(self.wording.will, self.concerned),
            "at_least": self._at_least(),
            "warning": self.wording.warning,
            "is_long": self.is_long,
            "form": form,
            "adminform": AdminForm(form, [(None, {"fields": list(form.fields)})], {}),
            "action": self.action.value,
            "kept": [
                (name, value)
                for name in ("select_across", ACTION_CHECKBOX_NAME)
                for value in self.request.POST.getlist(name)
            ]
            + [("counted", self.concerned)],
            "back": self.request.get_full_path(),
        }
        return TemplateResponse(self.request, "admin/conversion_sync/bulk_confirm.html", context)

    def _at_least(self) -> str:
        """How long it takes to ask for all of them; blank where that is no time."""
        seconds = self.concerned / conf.rate_limit if self.action == Action.COMPARE else 0
        return span(seconds) if seconds >= LONG else ""

    def _chosen_in_words(self) -> str:
        meta = self.model._meta
        return _("%(count)s %(rows)s selected.") % {
            "count": grouped(self.chosen),
            "rows": meta.verbose_name if self.chosen == 1 else meta.verbose_name_plural,
        }


def job_address(site: Any, job: BulkJob) -> str:
    """The address of the page of a job."""
    return address(site, "conversion_sync_bulkjob_change", job.pk)
