"""Bulk jobs in the admin: how far they have come, what they found, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from conversion_sync.admin.badges import said, said_in_full
from conversion_sync.admin.bulk.perform import job_address
from conversion_sync.admin.bulk.texts import counted
from conversion_sync.admin.lists import cells
from conversion_sync.admin.lists.read_only import ReadOnlyAdmin
from conversion_sync.admin.pages import jobs as job_page
from conversion_sync.admin.site import pressed
from conversion_sync.api.error_codes import ErrorCode
from conversion_sync.models import BulkJob, attributed
from conversion_sync.models.database import database
from conversion_sync.status import times
from conversion_sync.sync import jobs
from conversion_sync.sync.consent import take_remote_opt_out

__all__ = ["BulkJobAdmin"]

Action = BulkJob.Action

#: Seconds between two looks at a job that is under way.
EVERY = 2

#: So many findings are shown while it is under way; all of them at its end.
FIRST = 50

#: The most of an error that a list is given, and a page.
LIST_LENGTH, ERROR_LENGTH = 1000, 2000


def _may(request: HttpRequest, right: str, model: str) -> bool:
    user: Any = request.user
    app, _dot, name = model.lower().partition(".")
    return bool(user.has_perm(f"{app}.{right}_{name}"))


def _may_act(request: HttpRequest, job: BulkJob) -> bool:
    """Whether this person may do what the job does."""
    if job.action == Action.SET_SUBSCRIPTION:
        return _may_subscribe(request)
    return _may(request, "sync", job.model)


def _may_subscribe(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(user.has_perm("conversion_sync.set_subscription"))


def _asked(request: HttpRequest, job: BulkJob) -> bool:
    return bool(job.requested_by) and job.requested_by == request.user.get_username()


@admin.register(BulkJob)
class BulkJobAdmin(ReadOnlyAdmin):
    """What is done to many rows; to be looked at, and cancelled."""

    list_display = ("what", "sync_state", "asked")
    list_filter = ("action", "created_at")
    list_per_page = 50
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False

    class Media:
        css = {"all": ("conversion_sync/admin.css",)}  # noqa: RUF012  # Django's own convention

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("filter", "findings")

    @admin.display(description=gettext_lazy("job"), ordering="action")
    def what(self, job: BulkJob) -> SafeString:
        """What is done, and to what kind of rows."""
        return cells.lines(job.get_action_display(), capfirst(job_page.kind_of_rows(job)))

    @admin.display(description=gettext_lazy("status"), ordering="finished_at")
    def sync_state(self, job: BulkJob) -> SafeString:
        """The badge, how many of the rows are done, and what stopped it."""
        error = said(job.error, ErrorCode.BUG, LIST_LENGTH) if job.error else ""
        return cells.lines(job_page.state(job), job_page.progress(job), cells.text(error))

    @admin.display(description=gettext_lazy("asked for"), ordering="created_at")
    def asked(self, job: BulkJob) -> SafeString:
        """When, and by whom."""
        return cells.lines(cells.moment(job.created_at), cells.asker(job.requested_by))

    def has_view_permission(self, request: HttpRequest, obj: BulkJob | None = None) -> bool:
        """Whoever asked for a job may look at it."""
        return super().has_view_permission(request, obj) or (
            obj is not None and _asked(request, obj)
        )

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(pressed(self.do_view, self._page))
        name = "conversion_sync_bulkjob_do"
        return [path("<path:object_id>/do/", view, name=name), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page of a job. It shows itself anew while the job is under way."""
        if request.method == "POST":
            raise PermissionDenied
        job = self._job_or_404(request, object_id)
        now, unknown = times.now(), job_page.untaken_opt_outs(job)
        shown = self._findings(request, job, unknown)
        why, advice = job_page.obstacle(job, now)
        context = {
            **self.admin_site.each_context(request),
            "title": job.get_action_display(),
            "subtitle": f"{job_page.kind_of_rows(job)} #{job.pk}",
            "opts": self.opts,
            "job": job,
            "may_list": super().has_view_permission(request),
            "state": job_page.state(job),
            "facts": job_page.facts(job),
            "progress": job_page.progress(job),
            "pace": job_page.rate(job, now),
            "result": list(job_page.result(job)),
            "error": said_in_full(job.error, ErrorCode.BUG, ERROR_LENGTH) if job.error else "",
            "why": why,
            "advice": advice,
            "every": 0 if job.finished_at else EVERY,
            "findings": shown,
            "is_cut": len(shown) < job.affected,
            "buttons": list(self._buttons(request, job, bool(unknown))),
        }
        return TemplateResponse(request, "admin/conversion_sync/job.html", context)

    def do_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Cancel a job, or act on what it found."""
        job = self._job_or_404(request, object_id)
        unknown = job_page.untaken_opt_outs(job)
        name = request.POST.get("action", "")
        if name not in dict(self._buttons(request, job, bool(unknown))):
            raise PermissionDenied
        match name:
            case "cancel":
                jobs.cancel(job, database())
                text = _("The job is cancelled: what was done stays done.")
                self.message_user(request, text, messages.SUCCESS)
            case "push":
                job = self._push(request, job)
            case "opt_outs":
                self._take(request, job, unknown)
        return HttpResponseRedirect(job_address(self.admin_site, job))

    def _page(self, request: HttpRequest, object_id: str) -> str:
        return job_address(self.admin_site, self._job_or_404(request, object_id))

    def _job_or_404(self, request: HttpRequest, object_id: str) -> BulkJob:
        job: BulkJob | None = self.get_object(request, unquote(object_id))
        if job is None:
            raise Http404
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        return job

    def _findings(
        self, request: HttpRequest, job: BulkJob, unknown: Mapping[int, str]
    ) -> list[job_page.Finding]:
        """What this person may see of what was found."""
        if not any(_may(request, right, job.model) for right in ("view", "change")):
            return []
        found = job_page.findings(job, self.admin_site, unknown)
        return list(islice(found, None if job.finished_at else FIRST))

    def _buttons(
        self, request: HttpRequest, job: BulkJob, unknown: bool
    ) -> Iterator[tuple[str, str]]:
        """What this person may do about the job now: names and words."""
        if not job.finished_at and (_asked(request, job) or _may_act(request, job)):
            yield "cancel", _("Cancel")
        if unknown and _may_subscribe(request):
            yield "opt_outs", _("Take all opt-outs")
        if job.finished_at and _ours(job) and _may(request, "sync", job.model):
            is_all = job.affected <= len(job.findings)
            words = _("Push ours for all that differ") if is_all else _("Push ours for those kept")
            yield "push", words

    def _push(self, request: HttpRequest, job: BulkJob) -> BulkJob:
        pushing = jobs.start(
            Action.SYNC_NOW,
            apps.get_model(job.model),
            [Q(pk__in=_ours(job))],
            requested_by=request.user.get_username(),
            using=database(),
        )
        self.log_addition(request, pushing, [{"added": {}}])
        return pushing

    def _take(self, request: HttpRequest, job: BulkJob, unknown: Mapping[int, str]) -> None:
        with attributed(requested_by=request.user.get_username(), source="admin"):
            for contact, key in unknown.items():
                take_remote_opt_out(database(), contact, key)
        words = counted(
            ngettext_lazy(
                "The opt-out of %(count)s contact is taken.",
                "The opt-outs of %(count)s contacts are taken.",
                "number",
            ),
            len(unknown),
        )
        self.log_change(request, job, words)
        self.message_user(request, words, messages.SUCCESS)


def _ours(job: BulkJob) -> list[int]:
    """The rows that a push of ours would change there, of those that were found."""
    if job.action != Action.COMPARE or job.arguments.get("push"):
        return []
    return [found["pk"] for found in job.findings if found["missing"] or found["fields"]]
