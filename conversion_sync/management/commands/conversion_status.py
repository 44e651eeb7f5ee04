"""``manage.py conversion_status``: how the synchronisation stands."""

from __future__ import annotations

import dataclasses
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from conversion_sync.management.asking import add_database
from conversion_sync.management.migrated import DatabaseCommand
from conversion_sync.management.words import counted, gate_words, obstacle
from conversion_sync.mirrors.figures import Figures, figures
from conversion_sync.models import MirrorLink, Status
from conversion_sync.status.facts import facts
from conversion_sync.status.overview import Overview, overview
from conversion_sync.status.plain import plain
from conversion_sync.status.spans import span
from conversion_sync.status.verdict import Verdict, verdict

__all__ = ["Command"]

Trouble = MirrorLink.Trouble

#: What is wrong with sources, as the columns are called.
TROUBLES = {
    Trouble.FAULT: "faults",
    Trouble.UNUSABLE: "unusable",
    Trouble.NO_KEY: "without key",
    Trouble.CONFLICT: "conflicts",
    Trouble.WAITING: "waiting",
    Trouble.HELD: "held",
}

#: The exit status when rows are due and nobody sends them.
NOBODY_WORKS = 2


class Command(DatabaseCommand):
    """Prints the overview."""

    help = (
        "Shows the rows by kind and status (~: about so many), how the whole stands in a sentence, "
        "the oldest row that is due, the gate and the last drain. Exit status 2 when rows are due "
        "and nobody sends them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs; times in UTC")
        add_database(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        using = options["database"]
        state, mirrors = overview(using), figures(using)
        with plain():
            found = verdict(facts(state, using))
        if options["json"]:
            self.stdout.write(DjangoJSONEncoder(indent=2).encode(_as_json(state, found, mirrors)))
        else:
            lines = (*_table(state), *_mirrors(mirrors), "", *_verdict(found), *_sentences(state))
            for line in lines:
                self.stdout.write(line)
        if state.enabled and not state.working:
            sys.exit(NOBODY_WORKS)


def _as_json(state: Overview, found: Verdict, mirrors: Sequence[Figures]) -> dict[str, Any]:
    return {
        "verdict": {**dataclasses.asdict(found), "is_good": found.is_good},
        **dataclasses.asdict(state),
        "due": state.due,
        "oldest_due": state.oldest.oldest_due if state.oldest else None,
        "mirrors": [dataclasses.asdict(mirror) for mirror in mirrors],
    }


def _table(state: Overview) -> Iterator[str]:
    statuses = [status for status in Status if any(kind.counts.get(status) for kind in state.kinds)]
    head = ["", *(str(status.label).lower() for status in statuses), "retrying", "in all"]
    yield _row(head)
    for kind in state.kinds:
        # Too many to be counted, the synced ones are an estimate, and so is the whole.
        about = "" if kind.synced_is_exact else "~"
        numbers = [
            f"{about if status == Status.SYNCED else ''}{kind.counts.get(status, 0):,}"
            for status in statuses
        ]
        in_all = f"{about}{sum(kind.counts.values()):,}"
        yield _row([kind.label, *numbers, f"{kind.retrying:,}", in_all])


def _mirrors(mirrors: Sequence[Figures]) -> Iterator[str]:
    """A line for each mirror, and what to do about those rows that are held."""
    if not mirrors:
        return
    troubles = [each for each in Trouble if any(one.troubles.get(each) for one in mirrors)]
    yield ""
    widest = max(22, *(len(one.mirror) + 2 for one in mirrors))
    named = [TROUBLES[each] for each in troubles]
    yield _row(["mirror", "followed", "mirrored", "to look at", *named], widest)
    for one in mirrors:
        numbers = [one.followed, one.mirrored, one.marks]
        numbers += [one.troubles.get(each, 0) for each in troubles]
        yield _row([one.mirror, *(f"{number:,}" for number in numbers)], widest)
    for one in mirrors:
        if held := one.troubles.get(Trouble.HELD):
            yield (
                f"{counted(held, 'row')} of {one.mirror} would leave: too many not to ask. "
                "See why in the admin, and decide there, or: "
                f"manage.py conversion_mirror {one.mirror} --let-leave"
            )


def _row(cells: Sequence[str], first: int = 22) -> str:
    return f"{cells[0]:<{first}}" + "".join(f"{cell:>12}" for cell in cells[1:])


def _verdict(found: Verdict) -> Iterator[str]:
    yield found.words
    if found.advice:
        yield found.advice


def _sentences(state: Overview) -> Iterator[str]:
    if (oldest := state.oldest) and oldest.oldest_due:
        age = span((state.now - oldest.oldest_due).total_seconds())
        yield f"Oldest due row: due for {age} ({oldest.label}); {state.due:,} due in all."
    else:
        yield "Oldest due row: none."
    yield obstacle(state) or gate_words(state)
    for trouble in state.troubles:
        yield (
            f"Nothing is sent of the {trouble.label}: {trouble.error} The log of the worker says "
            "more; the others go on."
        )
    yield _last_drain(state)
    if not state.working:
        yield (
            "Nobody is working: rows are due, and no drain has run. Start the queue's "
            "worker (such as manage.py qcluster) or manage.py conversion_push --forever."
        )


def _last_drain(state: Overview) -> str:
    last = state.last_drain
    if last.seen_at is None:
        return "Last drain: never."
    ago = span(max(0.0, (state.now - last.seen_at).total_seconds()))
    if last.is_running:
        return f"Last drain: began {ago} ago ({last.worker}), and has not ended."
    rows, calls = counted(last.rows, "row"), counted(last.calls, "call")
    return f"Last drain: {ago} ago ({last.worker}), {rows}, {calls}."
