"""What the call log, bulk jobs and the admin's history say of a person, and taking it out.

Each step is a transaction of its own, and holds nobody up.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import idna
from django.apps import apps
from django.db import router
from django.db.models import QuerySet

from conversion_sync.models import ApiCall, BulkJob, Contact, Engagement

__all__ = ["Subject", "forget", "unfinished_jobs"]

#: What stands for whom an entry of the admin's history was about.
ERASED = "erased"

ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class Subject:
    """The person whom history is searched for.

    Attributes:
        addresses: in normal form, and as they were typed.
        contact: its primary key, while it is there.
        engagements: their primary keys.
    """

    addresses: frozenset[str]
    contact: int | None = None
    engagements: frozenset[int] = frozenset()

    def is_named(self, told: Any) -> bool:
        """Whether any text in a JSON value, or a text, has one of the addresses as a whole."""
        return any(self._pattern.search(text) for text in _texts(told))

    def hide(self, told: str) -> str:
        """A message without the addresses."""
        return self._pattern.sub(ERASED, told)

    @property
    def _pattern(self) -> re.Pattern[str]:
        spellings = sorted({each for address in self.addresses for each in _spellings(address)})
        words = "|".join(map(re.escape, spellings))
        # Not the end of a longer address, nor the beginning of one at a longer domain.
        return re.compile(rf"(?<![\w.+-])(?:{words})(?!\.?-*\w)", re.IGNORECASE)


def forget(using: str, subject: Subject, *, dry_run: bool = False) -> Counter[str]:
    """Take a person out of the calls, the jobs that have ended, and the admin's history.

    Returns:
        How many of what.
    """
    return Counter(
        {
            "lines of the call log": _forget_calls(using, subject, dry_run),
            **_forget_jobs(using, subject, dry_run),
            "lines of the admin's history": _forget_entries(subject, dry_run),
        }
    )


def unfinished_jobs(using: str, subject: Subject) -> list[BulkJob]:
    """The jobs that name a person and go on still."""
    jobs = BulkJob.objects.using(using).filter(finished_at=None).order_by("pk")
    return [job for job in jobs if _is_of(job, subject) or _left(job, subject) != job.findings]


def _forget_calls(using: str, subject: Subject, dry_run: bool) -> int:
    calls, count = ApiCall.objects.using(using), 0
    for step in _steps(calls.exclude(error_message="")):
        pks = [call.pk for call in step if subject.is_named(call.error_message)]
        count += len(pks)
        if pks and not dry_run:
            calls.filter(pk__in=pks).update(error_message="")
    return count


def _forget_jobs(using: str, subject: Subject, dry_run: bool) -> Counter[str]:
    jobs, count = BulkJob.objects.using(using), Counter[str]()
    for step in _steps(jobs.filter(finished_at__isnull=False), 50):
        for job in step:
            row, left = jobs.filter(pk=job.pk), _left(job, subject)
            if _is_of(job, subject):
                count["bulk jobs"] += 1
                if not dry_run:
                    row.delete()
            elif left != job.findings:
                count["findings"] += len(job.findings) - len(left)
                if not dry_run:
                    row.update(findings=left)
    return count


def _is_of(job: BulkJob, subject: Subject) -> bool:
    return subject.is_named([job.filter, job.arguments, job.error])


def _left(job: BulkJob, subject: Subject) -> list[Any]:
    """The findings of a job that are not of the person."""
    of_contacts = subject.contact is not None and job.model == Contact._meta.label
    return [
        found
        for found in job.findings
        if not subject.is_named(found) and not (of_contacts and found.get("pk") == subject.contact)
    ]


def _forget_entries(subject: Subject, dry_run: bool) -> int:
    """Empty what the admin's history, wherever that is, says of the person's rows."""
    if not apps.is_installed("django.contrib.admin"):
        return 0
    model: Any = apps.get_model("admin", "LogEntry")
    table, count = model.objects.using(router.db_for_write(model)), 0
    entries = table.filter(content_type__app_label=Contact._meta.app_label)
    for step in _steps(entries.select_related("content_type")):
        for entry in step:
            said = (entry.object_repr, entry.change_message)
            left = _without(subject, entry)
            count += left != said
            if left != said and not dry_run:
                object_repr, message = left
                table.filter(pk=entry.pk).update(object_repr=object_repr, change_message=message)
    return count


def _without(subject: Subject, entry: Any) -> tuple[str, str]:
    """What an entry of the history says without the person."""
    if _is_about(subject, entry):
        return ERASED, ""
    message = entry.change_message
    if subject.is_named(_read(message)):
        # Of others, too: what names the person is hidden, where it is spelled out.
        hidden = subject.hide(message)
        message = "" if subject.is_named(_read(hidden)) else hidden
    return entry.object_repr, message


def _is_about(subject: Subject, entry: Any) -> bool:
    pks = {
        Contact._meta.model_name: {subject.contact},
        Engagement._meta.model_name: subject.engagements,
    }
    own: Collection[Any] = pks.get(entry.content_type.model, ())
    is_own = entry.object_id in {str(pk) for pk in own if pk is not None}
    return is_own or subject.is_named(entry.object_repr)


def _read(message: str) -> Any:
    """A message of the history: JSON, or a text as older ones are."""
    try:
        return json.loads(message)
    except ValueError:
        return message


def _texts(told: Any) -> Iterator[str]:
    """All texts in a JSON value."""
    if isinstance(told, str):
        yield told
    elif isinstance(told, dict):
        yield from _texts([*told, *told.values()])
    elif isinstance(told, Iterable):
        for each in told:
            yield from _texts(each)


def _spellings(address: str) -> set[str]:
    """An address with its domain in both forms, and as a part of a URL."""
    local, _, domain = address.rpartition("@")
    labels = [_as_unicode(label) for label in domain.split(".")]
    both = {address, f"{local}@{'.'.join(labels)}"}
    return both | {each.replace("@", "%40") for each in both}


def _as_unicode(label: str) -> str:
    try:
        return idna.decode(label)
    except UnicodeError:  # as all errors of IDNA are
        return label


def _steps(rows: QuerySet[Any], size: int = ROWS_AT_ONCE) -> Iterator[list[Any]]:
    """The rows by their primary keys, so many in one statement."""
    last = 0
    while step := list(rows.filter(pk__gt=last).order_by("pk")[:size]):
        yield step
        last = step[-1].pk
