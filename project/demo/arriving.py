"""How the rows get on: what has arrived, what is left and why, and what to do about it."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.db.models import Count
from django.utils import timezone
from django.utils.text import capfirst
from tqdm import tqdm

from conversion_sync.models import Status, SyncedModel
from conversion_sync.sandbox.store import Store
from conversion_sync.status.messages import in_words
from project.agreement import differences
from project.demo.folder import Folder
from project.demo.words import Failed, say
from project.processes import Together

__all__ = ["arrive", "check", "report"]

#: What makes no progress for so long, or is tried again later than that, is not waited for.
PATIENCE_SECONDS = 120
SHOWN = 20
ARRIVED = (Status.SYNCED, Status.SUPERSEDED)
WAITING = (Status.PENDING, Status.SENDING)
#: The states in which a person is needed, and the filter of the admin's lists.
NEEDS_A_PERSON = {Status.FAILED: "failed", Status.UNCONFIRMED: "in-doubt"}


@dataclass(frozen=True)
class Standing:
    """How many rows there are, have arrived, and may arrive soon."""

    total: int
    arrived: int
    soon: int


def kinds() -> list[type[SyncedModel]]:
    """Return the models whose rows are sent."""
    return [model for model in apps.get_models() if issubclass(model, SyncedModel)]


def counts(model: type[SyncedModel]) -> Counter[str]:
    """Return the rows of a kind by status."""
    rows = model._default_manager.order_by().values_list("sync_status").annotate(Count("pk"))
    return Counter(dict(rows))


def standing() -> Standing:
    """Return how things stand now."""
    soon = timezone.now() + timedelta(seconds=PATIENCE_SECONDS)
    by_status = sum(map(counts, kinds()), Counter[str]())
    waiting = sum(
        model._default_manager.filter(sync_status__in=WAITING, due_at__lte=soon).count()
        for model in kinds()
    )
    return Standing(by_status.total(), sum(by_status[status] for status in ARRIVED), waiting)


def arrive(together: Together) -> None:
    """Show how the rows arrive, until all have, or those that are left will not soon.

    Raises:
        Ended: a program ended.
    """
    last, until = -1, 0.0
    # A pipe, a log of CI: a line now and then.
    every = 0.1 if sys.stderr.isatty() else 5
    with tqdm(desc="In sync", unit=" rows", total=standing().total, mininterval=every) as bar:
        while True:
            together.check()
            now = standing()
            bar.total = now.total
            bar.update(now.arrived - bar.n)
            if now.arrived != last:
                last, until = now.arrived, time.monotonic() + PATIENCE_SECONDS
            if not now.soon or now.arrived == now.total or time.monotonic() > until:
                return
            time.sleep(0.2)


def report(site: str) -> None:
    """Print the rows by kind and state, and what a person has to do."""
    say("")
    # Where nobody works it says so, and ends with a status for programs.
    with contextlib.suppress(SystemExit):
        call_command("conversion_status")
    for model in kinds():
        meta, by_status = model._meta, counts(model)
        for status, filter in NEEDS_A_PERSON.items():
            if number := by_status[status]:
                name = meta.verbose_name if number == 1 else meta.verbose_name_plural
                say(
                    f"{number:,} {name} {Status(status).words.lower()}: why, and what to do, is at "
                    f"{site}/admin/{meta.app_label}/{meta.model_name}/?status={filter}"
                )


def check(folder: Folder) -> None:
    """See that all has arrived, and that the sandbox holds what the database holds.

    Raises:
        Failed: not so; says what is left or differs.
    """
    left = list(left_over())
    store = Store(folder.sandbox)
    try:
        differ = differences(store)
    finally:
        store.close()
    if left or differ:
        raise Failed(
            "\n".join(
                [
                    *shown(f"{len(left):,} rows have not arrived:", left),
                    *shown(
                        f"The sandbox differs from the database in {len(differ):,} places:", differ
                    ),
                ]
            )
        )
    say("\nThe sandbox holds, record by record, what the database holds.")


def left_over() -> Iterator[str]:
    """Say of each row that has not arrived which it is, how it stands and why."""
    for model in kinds():
        rows: Any = model._default_manager.exclude(sync_status__in=ARRIVED)
        for row in rows.order_by("pk"):
            said = (row.last_error_code, in_words(row.last_error_message))
            reason = ": ".join(filter(None, said))
            state = Status(row.sync_status).label.lower()
            yield f"{model._meta.verbose_name} {row}: {state}{f' ({reason})' if reason else ''}"


def shown(title: str, lines: list[str]) -> Iterator[str]:
    """Return the first of some lines under a title, and how many more there are."""
    if lines:
        yield capfirst(title)
        yield from (f"  {line}" for line in lines[:SHOWN])
        if len(lines) > SHOWN:
            yield f"  … and {len(lines) - SHOWN:,} more"
