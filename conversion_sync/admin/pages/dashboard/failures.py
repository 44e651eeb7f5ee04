"""What failed, by error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from conversion_sync.admin.pages.dashboard.links import list_address
from conversion_sync.models import Status
from conversion_sync.status.errors import error_words, remedy
from conversion_sync.status.numbers import grouped
from conversion_sync.status.overview import Overview

__all__ = ["Failure", "failures"]

#: The states of a row that wants a person, whatever its error.
WANTED = (Status.FAILED, Status.UNCONFIRMED)

#: The value of the list's filter by status, of these and of what is tried again in vain.
LISTED: Mapping[str, str] = {
    Status.FAILED: "failed",
    Status.UNCONFIRMED: "in-doubt",
    Status.PENDING: "retrying",
}

RETRYING = gettext_lazy("Retrying")


@dataclass(frozen=True)
class Failure:
    """Rows of one kind that ended in one error."""

    count: int
    rows: str
    status: str
    code: str
    words: str
    remedy: str
    address: str


def failures(request: HttpRequest, seen: Overview, site: AdminSite) -> Iterator[Failure]:
    """What wants a person, by kind and error."""
    for kind in seen.kinds:
        wanting = [errors for errors in kind.errors if errors.status in WANTED]
        for errors in (*wanting, *kind.stuck):
            query = {"status": LISTED[errors.status]}
            if errors.code:
                query["error"] = errors.code
            yield Failure(
                count=errors.count,
                rows=f"{grouped(errors.count)} {kind.noun(errors.count)}",
                status=str(RETRYING if errors in kind.stuck else Status(errors.status).label),
                code=errors.code,
                words=error_words(errors.code),
                remedy=remedy(errors.code, errors.status),
                address=list_address(request, kind.name, site, **query),
            )
