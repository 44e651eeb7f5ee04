"""The bulk jobs that run."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.translation import gettext as _

from conversion_sync.admin.bulk.perform import job_address
from conversion_sync.admin.pages import jobs as job_page
from conversion_sync.models import BulkJob

__all__ = ["Job", "running_jobs"]

JOBS = 10


@dataclass(frozen=True)
class Job:
    """A bulk job that runs, and its page for those who may see it."""

    label: str
    progress: str
    address: str
    done: int
    total: int


def running_jobs(request: HttpRequest, now: datetime.datetime, site: AdminSite) -> list[Job]:
    """The first of them, the oldest ahead."""
    user: Any = request.user
    may_see = user.has_perm("conversion_sync.view_bulkjob")
    # The findings of a comparison may be long.
    rows = BulkJob.objects.filter(finished_at=None).defer("findings", "filter").order_by("pk")
    return [
        Job(
            label=_("%(what)s, %(rows)s, asked for by %(who)s")
            % {
                "what": job.get_action_display(),
                "rows": job_page.kind_of_rows(job),
                "who": job.requested_by or "?",
            },
            progress="; ".join(filter(None, (job_page.progress(job), job_page.rate(job, now)))),
            address=job_address(site, job)
            if may_see or job.requested_by == user.get_username()
            else "",
            done=min(job.done, job.total),
            total=job.total,
        )
        for job in rows[:JOBS]
    ]
