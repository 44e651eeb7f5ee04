"""All sources of a mirror looked at: what nobody told of is found; what has no source leaves."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

from django.db import models, transaction

from conversion_sync.mirrors.beginnings import began_at
from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.many import has_past, note_past, note_past_of
from conversion_sync.mirrors.reading import Reader
from conversion_sync.mirrors.render import Report, render
from conversion_sync.models import MirrorLink, MirrorState
from conversion_sync.models.clock import DbNow
from conversion_sync.sync.retry import retried

__all__ = ["Backfill"]

Kind, State = MirrorLink.Kind, MirrorLink.State

#: Sources of one transaction.
SOURCES = 500


class _Undo(Exception):
    pass


class Backfill:
    """Looks at all sources of one mirror, some at a time; one that was stopped goes on there.

    Args:
        since: of engagements: what happened from then on is entered; None: since the mirror began.
        dry_run: nothing is written.
        restart: from the beginning, wherever the last one stopped.

    Attributes:
        report: what it did so far.
    """

    def __init__(
        self,
        using: str,
        declared: Declared,
        *,
        since: datetime.datetime | None = None,
        dry_run: bool = False,
        restart: bool = False,
    ) -> None:
        self.using, self.declared = using, declared
        self.since, self.dry_run = since, dry_run
        self.report = Report()
        began_at(using, declared)
        self._sources = Reader(declared).sources()
        state = MirrorState.objects.using(using).get(mirror=declared.label)
        at = None if restart or dry_run else state.cursor
        self._phase: str = at[0] if at else "sources"
        self._last: str | None = at[1] if at else None

    def count(self) -> int:
        """How many sources and links there are to look at, from where it goes on."""
        return sum(rows.count() for rows in (self._rest(), self._links()))

    def run(self, stop: Callable[[], bool] = lambda: False) -> Iterator[int]:
        """Go on until all is looked at. Yields how many were, each time.

        Args:
            stop: asked between two transactions; True: what is left is for the next time.
        """
        if not self.dry_run:
            note_past(self.using, self.declared)
        steps = {"sources": self._see_sources, "links": self._see_links}
        while self._phase in steps:
            if stop():
                return
            # Drains render beside it: of two that wait for each other the database refuses one.
            seen = retried(steps[self._phase])()
            if not self.dry_run:
                self._keep(cursor=[self._phase, self._last])
            yield seen
        if not self.dry_run:
            self._keep(cursor=None, backfilled_at=DbNow())

    @retried
    def _keep(self, **values: Any) -> None:
        states = MirrorState.objects.using(self.using).filter(mirror=self.declared.label)
        states.update(**values)

    def _rest(self) -> models.QuerySet[Any]:
        rows = self._sources.order_by("pk")
        if self._phase != "sources":
            return rows.none()
        if self._last is not None:
            rows = rows.filter(pk__gt=self._to_python(self._last))
        return rows

    def _see_sources(self) -> int:
        pks = list(self._rest().values_list("pk", flat=True)[:SOURCES])
        if pks:
            self._render(pks)
            self._last = str(pks[-1])
        if len(pks) < SOURCES:
            self._phase, self._last = "links", None
        return len(pks)

    def _links(self) -> models.QuerySet[Any]:
        """Links of sources that may be gone: what was entered stays, whatever became of it."""
        links = MirrorLink.objects.using(self.using).filter(mirror=self.declared.label)
        if self.declared.kind is Kind.ENGAGEMENT:
            return links.none()
        if self._phase == "links" and self._last is not None:
            links = links.filter(pk__gt=int(self._last))
        return links.exclude(state=State.GONE).order_by("pk")

    def _see_links(self) -> int:
        found = list(self._links().values_list("pk", "source")[:SOURCES])
        if found:
            there = {
                str(pk)
                for pk in self._sources.filter(
                    pk__in=[self._to_python(source) for _, source in found]
                ).values_list("pk", flat=True)
            }
            gone = [self._to_python(source) for _, source in found if source not in there]
            if gone:
                self._render(gone)
            self._last = str(found[-1][0])
        if len(found) < SOURCES:
            self._phase, self._last = "done", None
        return len(found)

    def _to_python(self, text: str) -> Any:
        primary_key: Any = self.declared.model._meta.pk
        return primary_key.to_python(text)

    def _render(self, pks: list[Any]) -> None:
        if not self.dry_run:
            self.report.add(render(self.using, self.declared, pks, since=self.since))
            return
        try:
            with transaction.atomic(using=self.using):
                if has_past(self.using, self.declared):
                    note_past_of(self.using, self.declared, pks)
                found = render(self.using, self.declared, pks, since=self.since)
                raise _Undo
        except _Undo:
            self.report.add(found)
