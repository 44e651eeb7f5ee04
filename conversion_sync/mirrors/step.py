"""The drain's step: marks, the oldest first, rendered into rows."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from conversion_sync.mirrors.beginnings import begin
from conversion_sync.mirrors.concerned import What, concerned_by, sources_of, waiting
from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.many import go_on
from conversion_sync.mirrors.reading import fault_in_words
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.render import render
from conversion_sync.mirrors.table import label_of
from conversion_sync.models import MirrorLink, MirrorMark
from conversion_sync.models.locking import locking
from conversion_sync.sync.error_text import is_of_the_database
from conversion_sync.sync.retry import retried
from conversion_sync.sync.transactions import short_transaction

__all__ = ["MARKS", "NAME", "step"]

logger = logging.getLogger(__name__)

#: What the drain calls the step.
NAME = "mirror"

#: Marks of one transaction.
MARKS = 200

#: Seconds for which one step goes on.
STEP_SECONDS = 0.1


def step(using: str) -> int:
    """Go on for a moment. Returns the number of marks and sources dealt with."""
    end = time.monotonic() + STEP_SECONDS
    begin(using)
    # However late it is: who is told that nothing was dealt with takes it that nothing is left.
    done = dealt = _once(using)
    while dealt and time.monotonic() < end:
        dealt = _once(using)
        done += dealt
    return done


@retried
def _once(using: str) -> int:
    """Deal with the oldest marks that nobody else deals with."""
    try:
        with short_transaction(using):
            marks = _locked(using, MARKS)
            return _deal_with(using, marks)
    except Exception as error:
        if is_of_the_database(error):
            raise
        # What it was is seen where they are alone.
        return sum(_alone(using, pk) for pk in _oldest(using))


def _locked(using: str, most: int) -> list[MirrorMark]:
    return list(locking(waiting(using).order_by("pk")[:most], skip_locked=True))


def _oldest(using: str) -> list[int]:
    return list(waiting(using).order_by("pk").values_list("pk", flat=True)[:MARKS])


def _alone(using: str, pk: int) -> int:
    """Deal with one mark; where that raises, its sources say so, and it is gone."""
    try:
        with short_transaction(using):
            rows = waiting(using).filter(pk=pk)
            return _deal_with(using, list(locking(rows, skip_locked=True)))
    except Exception as error:
        if is_of_the_database(error):
            raise
        logger.error("The mark %s could not be rendered (%s).", pk, type(error).__name__)
        with short_transaction(using):
            for mark in waiting(using).filter(pk=pk):
                _record(using, mark, fault_in_words(error))
                mark.delete()
        return 1


def _record(using: str, mark: MirrorMark, fault: str) -> None:
    """Have the sources of a mark, where it is one by itself, say what was raised."""
    said = {"fault": fault, "trouble": MirrorLink.Trouble.FAULT}
    for declared, lookup in concerned_by(mark):
        if not lookup and mark.source:
            MirrorLink.objects.using(using).update_or_create(
                mirror=declared.label,
                source=mark.source,
                defaults=said,
                create_defaults={
                    "kind": declared.kind,
                    "state": MirrorLink.State.EXCLUDED,
                    **said,
                },
            )


def _deal_with(using: str, marks: Sequence[MirrorMark]) -> int:
    """Render what these marks concern: all of it, or, of one that concerns many, some."""
    few = [mark for mark in marks if mark.cursor is None and not _concerns_all(mark)]
    many = [mark for mark in marks if mark not in few][:1]
    while few and (wanted := sources_of(using, few)) is None:
        # The others are left for the next time. One alone is looked through by steps.
        many = many if len(few) > 1 else [*few, *many][:1]
        few = few[: len(few) // 2]
    if few:
        urgent = {(mark.model, mark.source) for mark in few if not mark.bulk}
        for declared in registry:
            _render(using, declared, (wanted or {}).get(declared, {}), urgent)
        waiting(using).filter(pk__in=[mark.pk for mark in few]).delete()
    for mark in many:
        go_on(using, mark)
    return len(few) + len(many)


def _concerns_all(mark: MirrorMark) -> bool:
    return mark.what in (What.BEGUN, What.AGAIN) or not mark.source


def _render(
    using: str, declared: Declared, sources: Mapping[str, Any], urgent: set[tuple[str, str]]
) -> None:
    """Render sources: those at once that a person has saved."""
    label = label_of(declared.model)
    now = {text: pk for text, pk in sources.items() if (label, text) in urgent}
    later = [pk for text, pk in sources.items() if text not in now]
    if now:
        render(using, declared, list(now.values()), bulk=False)
    if later:
        render(using, declared, later)
