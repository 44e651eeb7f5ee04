"""Sources rendered into rows, under the lock of their links: of two saves the newer one stands."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError

from conversion_sync.mirrors.assignment import assign
from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.engagements import enter
from conversion_sync.mirrors.followed import table
from conversion_sync.mirrors.heirs import keys_as
from conversion_sync.mirrors.leaving import leave
from conversion_sync.mirrors.links import links_of, said, standing_for, write_links
from conversion_sync.mirrors.marks import Mark, write
from conversion_sync.mirrors.next_in_turn import look_at_who_is_next
from conversion_sync.mirrors.plan import Plan
from conversion_sync.mirrors.reading import Reader
from conversion_sync.mirrors.rows import write_rows
from conversion_sync.mirrors.snapshots import read_key
from conversion_sync.mirrors.table import label_of
from conversion_sync.mirrors.words import condition_words, fingerprint
from conversion_sync.models import MirrorLink, MirrorMark, attributed
from conversion_sync.models.messages import Message
from conversion_sync.status.messages import in_words
from conversion_sync.sync.transactions import short_transaction

__all__ = ["Report", "render"]

Kind, State = MirrorLink.Kind, MirrorLink.State

#: So often a chunk is begun anew, because somebody rendered one of its sources meanwhile.
TRIES = 10

#: What becomes of sources that need no reason beside it.
ROWS = ("created", "changed")


@dataclass
class Report:
    """What rendering did.

    Attributes:
        counts: of what became of the sources: ``created``, ``changed``, ``unchanged``, ``left``,
            ``excluded``, ``unusable``, ``conflict``, ``waiting``, ``past``, ``held``, ``faulty``.
        lines: a line for each that did not stay as it was, with the reason where it has no row.
    """

    counts: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Add what another one says."""
        self.counts += other.counts
        self.lines += other.lines


def render(
    using: str,
    declared: Declared,
    pks: Collection[Any],
    *,
    bulk: bool = True,
    since: datetime.datetime | None = None,
) -> Report:
    """Render these sources of a mirror as they are now, a few statements for all of them.

    Args:
        pks: their primary keys, also of those that are gone.
        bulk: nobody waits for the rows.
        since: of engagements: what happened from then on is entered (default: since the mirror
            began).

    Raises:
        OperationalError, InterfaceError: the database failed.
    """
    for tries_left in reversed(range(TRIES)):
        try:
            with (
                short_transaction(using),
                attributed(source="mirror", bulk=bulk, reason=declared.label),
            ):
                return _Rendering(using, declared, since=since).of(pks)
        except IntegrityError:
            # Another drain has rendered one of them, or somebody has created a row of a key.
            if not tries_left:
                raise
    raise AssertionError("unreachable")


class _Rendering:
    def __init__(
        self,
        using: str,
        declared: Declared,
        *,
        since: datetime.datetime | None,
    ) -> None:
        self.using, self.declared = using, declared
        self.since = since
        self.reader, self.mapping = Reader(declared), fingerprint(declared)
        self.report = Report()

    def of(self, pks: Collection[Any]) -> Report:
        by_text = {str(pk): pk for pk in pks}
        links = links_of(self.using, self.declared, by_text)
        before = {link.source: said(link) for link in links.values()}
        # Not before they are locked: what is read then is what the newest save has committed.
        found = self.reader.read(by_text.values())
        places = {text: place for place, text in enumerate(by_text)}
        plans = [
            Plan(link, found.get(by_text[text]), place=places[text]) for text, link in links.items()
        ]
        for plan in plans:
            self._classify(plan)
        if self.declared.kind is Kind.ENGAGEMENT:
            made = enter(self.using, self.declared, plans, self.since)
        else:
            made = self._records(plans)
        self._tell(plans, made, before)
        write_links(self.using, before, [plan.link for plan in plans if self._is_known(plan)])
        self._mark(plans)
        look_at_who_is_next(self.using, self.declared.kind, plans)
        return self.report

    def _classify(self, plan: Plan) -> None:
        link, reading = plan.link, plan.reading
        link.mapping = self.mapping
        link.fault = ""
        if reading is None:
            plan.leave(Message.SOURCE_GONE)
        elif reading.fault:
            link.fault, plan.is_stuck = reading.fault, True
        elif reading.unmet:
            words = condition_words(self.declared)
            unmet = ", ".join(words[number] for number in reading.unmet)
            plan.leave(Message.NOT_INCLUDED, conditions=unmet)
        elif self.declared.kind is Kind.ENGAGEMENT:
            plan.wants = True
        else:
            read_key(plan, self.declared.kind)

    def _records(self, plans: Sequence[Plan]) -> dict[Plan, str]:
        assign(self.using, self.declared, plans)
        made = write_rows(self.using, self.declared, plans)
        leave(self.using, self.declared, plans)
        return made

    def _tell(
        self, plans: Iterable[Plan], made: dict[Plan, str], before: dict[str, tuple[Any, ...]]
    ) -> None:
        for plan in plans:
            link, name = plan.link, f"{self.declared.label} {plan.link.source}"
            if plan.is_stuck:
                what = "faulty" if link.fault else "unusable"
            elif link.state == State.MIRRORED:
                what = made.get(plan, "unchanged")
            elif plan.leaves and plan.had and not plan.is_held:
                what = "left"
            else:
                what = link.state.replace(State.GONE, State.EXCLUDED)
            self.report.counts[what] += 1
            if what in (*ROWS, "left") or said(link) != before[link.source]:
                why = "" if what in ROWS else link.fault or in_words(link.reason)
                self.report.lines.append(" ".join(filter(None, (f"{what}: {name}", link.key, why))))

    @staticmethod
    def _is_known(plan: Plan) -> bool:
        """Of a source that is gone, and never had a row, nothing is kept."""
        is_new = plan.link._state.adding
        return not is_new or plan.reading is not None

    def _mark(self, plans: Iterable[Plan]) -> None:
        """Have those looked at again that refer to rows that are others now, or that wait."""
        primary_key: Any = self.declared.model._meta.pk
        sources = {
            primary_key.to_python(plan.link.source): plan
            for plan in plans
            if plan.link.row != plan.had or plan.was_set_aside
        }
        marks = list[Mark]()
        for model in self._models_referred_to() if sources else ():
            if self.declared in standing_for(model, self.declared.kind):
                keys = keys_as(self.reader.using, self.declared.model, sources, model)
                texts = [str(key) for key in keys.values()]
                if any(pk not in keys and not plan.reading for pk, plan in sources.items()):
                    # Of what is gone, nobody knows that key: all that may refer to it are marked.
                    texts.append("")
                marks += [Mark(label_of(model), text, MirrorMark.What.HANDED) for text in texts]
        write(self.using, marks, bulk=True)

    @staticmethod
    def _models_referred_to() -> Iterable[Any]:
        return table().referred_to
