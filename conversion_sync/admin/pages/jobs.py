"""How far a bulk job has come, and what it found: in words."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, ngettext_lazy

from conversion_sync.admin.badges import Badge, one_line, render, said
from conversion_sync.admin.bulk.texts import TEXTS, counted, left_alone
from conversion_sync.admin.pages.names import field_name
from conversion_sync.admin.site import address
from conversion_sync.conf import conf
from conversion_sync.models import BulkJob, Contact, Heartbeat, Subscription
from conversion_sync.models.database import database
from conversion_sync.models.fields.times import instant
from conversion_sync.status import times
from conversion_sync.status.errors import error_words, remedy
from conversion_sync.status.numbers import grouped
from conversion_sync.status.spans import span
from conversion_sync.status.verdict import START_A_WORKER
from conversion_sync.sync.gate import Gate

__all__ = [
    "Finding",
    "facts",
    "findings",
    "kind_of_rows",
    "obstacle",
    "progress",
    "rate",
    "result",
    "state",
    "untaken_opt_outs",
]

Action = BulkJob.Action

NAMES_LENGTH, REASON_LENGTH = 300, 1000


@dataclass(frozen=True)
class Finding:
    """A row of which Conversion has something else, with the address of the comparison."""

    label: str
    address: str
    badge: SafeString
    words: str


def kind_of_rows(job: BulkJob) -> str:
    """What kind of rows the job is about."""
    try:
        return str(apps.get_model(job.model)._meta.verbose_name_plural)
    except (LookupError, ValueError):
        return job.model


def state(job: BulkJob) -> SafeString:
    """The badge."""
    if job.error:
        return render(Badge("bad", _("Stopped by an error")))
    if job.cancelled:
        return render(Badge("off", _("Cancelled")))
    if job.finished_at:
        return render(Badge("ok", _("Finished")))
    if job.done or job.claim:
        return render(Badge("busy", _("Under way…")))
    return render(Badge("wait", _("Waiting to begin")))


def facts(job: BulkJob) -> list[tuple[str, str]]:
    """What was asked for, by whom, when; blank facts are left out."""
    given = job.arguments
    status = given.get("status")
    lines = [
        (_("Rows"), kind_of_rows(job)),
        (_("New subscription"), status and str(dict(Subscription.choices).get(status, status))),
        (_("Reason"), one_line(given.get("reason", ""), REASON_LENGTH)),
        (_("Those who opted out"), given.get("override") and _("are subscribed, too")),
        (_("Where it differs"), given.get("push") and _("ours is pushed")),
        (_("Asked for by"), job.requested_by),
        (_("Asked for at"), times.exact(job.created_at)),
        (_("Ended at"), job.finished_at and times.exact(job.finished_at)),
    ]
    return [(name, str(value)) for name, value in lines if value]


def progress(job: BulkJob) -> str:
    """How many of the rows are done."""
    return _("%(done)s of %(total)s rows") % {
        "done": grouped(job.done),
        "total": grouped(job.total),
    }


def rate(job: BulkJob, now: datetime.datetime) -> str:
    """How fast it goes, and how long it takes; blank unless it is under way."""
    seconds = (now - instant(job.created_at)).total_seconds()
    if job.finished_at or not job.done or seconds < 1:
        return ""
    a_minute = max(1, job.done * 60 // int(seconds))
    one, several = (
        "%(rate)s row a minute, about %(left)s left",
        "%(rate)s rows a minute, about %(left)s left",
    )
    return ngettext(one, several, a_minute) % {
        "rate": grouped(a_minute),
        "left": span(max(1, (job.total - job.done) * seconds / job.done)),
    }


def result(job: BulkJob) -> Iterator[str]:
    """What has come of it so far."""
    match job.action:
        case Action.COMPARE if job.affected:
            words = ngettext_lazy(
                "%(count)s row differs, or could not be compared.",
                "%(count)s rows differ, or could not be compared.",
                "number",
            )
            yield counted(words, job.affected)
        case Action.COMPARE if job.done and (job.error or job.cancelled):
            yield _("Conversion has all that we would send of those that were compared.")
        case Action.COMPARE if job.done and job.finished_at:
            yield _("Conversion has all that we would send.")
        case _ if job.affected and job.action in TEXTS:
            yield counted(TEXTS[Action(job.action)].done, job.affected)
    if job.action == Action.SET_SUBSCRIPTION and (left := job.done - job.affected):
        yield left_alone(left)
    ended_by_itself = job.finished_at and not (job.cancelled or job.error)
    if ended_by_itself and (gone := job.total - job.done) > 0:
        words = ngettext_lazy(
            "%(count)s row had changed before its turn came, and needed nothing any more.",
            "%(count)s rows had changed before their turn came, and needed nothing any more.",
            "number",
        )
        yield counted(words, gone)


def obstacle(job: BulkJob, now: datetime.datetime) -> tuple[str, str]:
    """What keeps the job from going on, and what to do about it.

    Returns:
        Two texts; both blank if it goes on, or has ended.
    """
    if job.finished_at:
        return "", ""
    if not conf.can_send:
        return _("The settings hold no API key, or sending is switched off."), ""
    gate = Gate(database()).state()
    if gate.status != "open":
        why = "" if gate.status == "paused" else error_words(gate.reason)
        words = _("Nothing is sent now, and the job waits, too.")
        return f"{words} {why}".strip(), remedy(gate.reason) if why else _("Press “Resume”.")
    beat = Heartbeat.load(database())
    seen = max(filter(None, (beat.started_at, beat.finished_at, instant(job.created_at))))
    if (now - seen).total_seconds() > conf.stale_after:
        return _("Nobody is working."), str(START_A_WORKER)
    return "", ""


def findings(job: BulkJob, site: AdminSite, unknown: Collection[int]) -> Iterator[Finding]:
    """What a comparison found: remote opt-outs first, then what could not be compared.

    Args:
        unknown: the contacts whose remote opt-out was not taken yet.
    """
    for found in sorted(job.findings, key=lambda found: (not found["opt_out"], not found["error"])):
        yield Finding(
            label=one_line(found["label"], NAMES_LENGTH),
            address=_address(job, found["pk"], site),
            badge=_badge(found),
            words=_words(job, found, found["pk"] in unknown),
        )


def _address(job: BulkJob, pk: int, site: AdminSite) -> str:
    return address(site, f"{job.model.replace('.', '_').lower()}_compare", pk)


def _badge(found: Mapping[str, Any]) -> SafeString:
    if found["opt_out"]:
        return render(Badge("bad", _("Opted out in Conversion")))
    if found["error"]:
        return render(Badge("off", _("Not compared")))
    if found["missing"]:
        return render(Badge("doubt", _("Not in Conversion")))
    return format_html(
        '<span class="cs-badge cs-retry"><span class="cs-mark" aria-hidden="true">≠</span>'
        "<bdi>{}</bdi></span>",
        _("Differs"),
    )


def _words(job: BulkJob, found: Mapping[str, Any], is_unknown: bool) -> str:
    fields = one_line(", ".join(_field_names(job, found["fields"])), NAMES_LENGTH)
    if found["opt_out"]:
        known = _("We did not know.") if is_unknown else _("Taken: unsubscribed here, too.")
        return f"{known} {fields}".strip()
    if found["error"]:
        why = said(found["message"], found["error"], NAMES_LENGTH)
        return f"{why} ({found['error']})"
    return fields


def _field_names(job: BulkJob, names: Iterable[str]) -> Iterator[str]:
    try:
        model = apps.get_model(job.model)
    except (LookupError, ValueError):
        return iter(names)
    return (field_name(model, name) for name in names)


def untaken_opt_outs(job: BulkJob) -> dict[int, str]:
    """The opt-outs that a comparison found in Conversion, and that were not taken over yet.

    Returns:
        The keys of the contacts by their primary keys.
    """
    found = {each["pk"]: each["key"] for each in job.findings if each["opt_out"]}
    rows = Contact.objects.filter(pk__in=found).exclude(
        subscription_status=Subscription.UNSUBSCRIBED
    )
    # Under another key it may be another person's word.
    return {pk: key for pk, key in rows.values_list("pk", "key") if found[pk] == key}
