"""Compare rows with the consent log, and with what Conversion has; push ours where they differ."""

from __future__ import annotations

import json
import sys
import threading
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError
from django.db import transaction
from tqdm import tqdm

from conversion_sync.arguments import whole
from conversion_sync.conf import conf
from conversion_sync.management.asking import add_database
from conversion_sync.management.migrated import DatabaseCommand
from conversion_sync.management.stopping import on_signal
from conversion_sync.models import Contact, SubscriptionChange
from conversion_sync.models.announcement import announce
from conversion_sync.models.attribution import in_bulk
from conversion_sync.models.chunks import in_chunks
from conversion_sync.models.subscription import OUT
from conversion_sync.sync.compare import Comparison, State, compare_many
from conversion_sync.sync.completing import MENDED, disagreements, mend
from conversion_sync.sync.consent import take_remote_opt_out
from conversion_sync.sync.consent.reentry import opt_outs_again
from conversion_sync.sync.deliveries import NoSlot
from conversion_sync.sync.kinds import RECORDS
from conversion_sync.sync.run import Run

#: Rows that are read at once.
ROWS_AT_ONCE = 500


THE_SAME = "the same"


class Command(DatabaseCommand):
    """``conversion_verify [companies|contacts] [--local] [--sample N] [--push]``."""

    help = (
        "Compares all contacts with the consent log, then asks Conversion for the records of the "
        "rows, a few a second, and reports what differs. An opt-out that one of the three does not "
        "know of is entered (--dry-run: only reported); none is lifted. Yields to what people wait "
        "for. Exit status 1: something differs, or was mended; 130: it was stopped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", nargs="?", choices=[*RECORDS], help="default: both")
        parser.add_argument(
            "--sample",
            type=whole(1, 10**9),
            metavar="N",
            help="N rows of each kind, at random",
        )
        parser.add_argument(
            "--local", action="store_true", help="compare with the consent log alone: ask nobody"
        )
        parser.add_argument("--dry-run", action="store_true", help="enter no opt-out: report alone")
        parser.add_argument("--push", action="store_true", help="push ours where they differ")
        parser.add_argument("--json", action="store_true", help="a JSON object a difference")
        add_database(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        counts = Counter[str]()
        self._disagreeing, self._one_sided = list[int](), list[Comparison]()
        self._stopped = threading.Event()
        try:
            # A comparison takes hours: what it has found until it is stopped is kept.
            with on_signal(self._stopped.set):
                if options["kind"] != "companies":
                    self._compare_log(counts, options)
                if not (options["local"] or self._stopped.is_set()):
                    self._compare_remote(counts, options)
        finally:
            # Not before: comparing yields to what people wait for, and would wait for itself.
            if not options["dry_run"]:
                self._mend(options["database"])
        summary = ", ".join(f"{count:,} {what}" for what, count in counts.items())
        if options["local"] and options["kind"] != "companies":
            summary = summary or "contacts and consent log agree"
        self.stderr.write(f"Compared: {summary or 'no rows'}.")
        if self._stopped.is_set():
            raise CommandError("Stopped: the next one begins anew.", returncode=130)
        if set(counts) - {THE_SAME, "could not be asked for"}:
            sys.exit(1)

    def _mend(self, using: str) -> None:
        """Have each opt-out that somebody does not know of stand everywhere."""
        for pks in in_chunks(self._disagreeing, MENDED):
            mend(using, pks)
        for comparison in self._one_sided:
            if comparison.remote_opt_out:
                take_remote_opt_out(using, comparison.row.pk, comparison.row.wanted_key)
            elif again := _unknown_there(comparison, using):
                with transaction.atomic(using=using), in_bulk():
                    SubscriptionChange.enter(using, [again])
                    announce(using)

    def _compare_log(self, counts: Counter[str], options: dict[str, Any]) -> None:
        for each in disagreements(options["database"]):
            if self._stopped.is_set():
                return
            counts["not as the consent log"] += 1
            self._disagreeing.append(each.pk)
            said = {"kind": "contact", "key": each.key, "consent": each.fault}
            as_json = json.dumps(said, ensure_ascii=False)
            self.stdout.write(as_json if options["json"] else f"{each.key}: {each.fault}")

    def _compare_remote(self, counts: Counter[str], options: dict[str, Any]) -> None:
        if not conf.can_send:
            raise CommandError("CONVERSION_SYNC has no API_KEY, or is not ENABLED: nobody to ask.")
        for kind in [options["kind"]] if options["kind"] else RECORDS:
            if self._stopped.is_set():
                return
            for comparison in self._compared(kind, options):
                self._report(comparison, counts, options)

    def _compared(self, kind: str, options: dict[str, Any]) -> Iterator[Comparison]:
        using, sample = options["database"], options["sample"]
        rows: Any = RECORDS[kind].unmarked.using(using).order_by("pk")
        total = min(sample, rows.count()) if sample else rows.count()
        bar = tqdm(total=total, unit="row", desc=kind, disable=not sys.stderr.isatty())
        related = rows.select_related("company") if kind == "contacts" else rows
        left = _sampled(related, sample) if sample else _in_order(related)
        try:
            with bar:
                run = Run(using, float("inf"), stop=self._stopped.is_set)
                for comparison in compare_many(left, run):
                    bar.update(1)
                    yield comparison
        except NoSlot as no_slot:
            if self._stopped.is_set():
                return
            raise CommandError(
                "The gate is closed or paused; see `manage.py conversion_status`."
            ) from no_slot

    def _report(
        self, comparison: Comparison, counts: Counter[str], options: dict[str, Any]
    ) -> None:
        row: Any = comparison.row
        opted_out_here = _unknown_there(comparison, options["database"]) is not None
        if opted_out_here or comparison.remote_opt_out:
            self._one_sided.append(comparison)
        if comparison.error is not None:
            counts["could not be asked for"] += 1
        elif comparison.is_missing:
            counts["missing there"] += 1
        elif comparison.remote_opt_out:
            counts["opted out there"] += 1
        elif opted_out_here:
            counts["opted out here alone"] += 1
        elif comparison.differs:
            counts["differ"] += 1
        else:
            counts[THE_SAME] += 1
            return
        self.stdout.write(_line(comparison, options["json"], opted_out_here=opted_out_here))
        if options["push"] and comparison.error is None:
            # In bulk: comparing yields to what people wait for, and would wait for itself.
            with in_bulk():
                type(row).objects.using(options["database"]).filter(pk=row.pk).sync_now()


def _in_order(rows: Any) -> Iterator[Any]:
    """All rows by their primary keys. No cursor is open, and no transaction, while they are used.

    On SQLite, an open cursor has the database as it was, and can't write once others have.
    """
    few = list(rows[:ROWS_AT_ONCE])
    while few:
        yield from few
        few = list(rows.filter(pk__gt=few[-1].pk)[:ROWS_AT_ONCE])


def _sampled(rows: Any, size: int) -> Iterator[Any]:
    """So many rows, at random."""
    pks = sorted(rows.order_by("?").values_list("pk", flat=True)[:size])
    for start in range(0, len(pks), ROWS_AT_ONCE):
        yield from rows.filter(pk__in=pks[start : start + ROWS_AT_ONCE])


def _unknown_there(comparison: Comparison, using: str) -> SubscriptionChange | None:
    """The opt-out that stands here, to be entered again, where Conversion does not know of it."""
    row = comparison.row
    if not isinstance(row, Contact) or comparison.remote is None:
        return None
    if comparison.remote_status == OUT or row.subscription_status != OUT:
        return None
    return opt_outs_again(using, [row]).get(row.pk)


def _line(comparison: Comparison, as_json: bool, *, opted_out_here: bool) -> str:
    fields = {
        field.name: {"here": field.ours, "there": field.theirs}
        for field in comparison.fields
        if field.state in (State.DIFFERS, State.ONLY_HERE)
    }
    if as_json:
        found = {
            "kind": comparison.row._meta.model_name,
            "key": comparison.row.wanted_key,
            "error": str(comparison.error or ""),
            "missing": comparison.is_missing,
            "opted_out": comparison.remote_opt_out,
            "opted_out_here": opted_out_here,
            "fields": fields,
        }
        return json.dumps(found, ensure_ascii=False, default=str)
    parts = [f"{name}: {v['here']!r} here, {v['there']!r} there" for name, v in fields.items()]
    if comparison.error is not None:
        parts = [str(comparison.error)]
    elif comparison.is_missing:
        parts = ["not in Conversion"]
    elif comparison.remote_opt_out:
        parts.insert(0, "unsubscribed there, not here")
    elif opted_out_here:
        parts.insert(0, "unsubscribed here, not there")
    return f"{comparison.row.wanted_key}: {'; '.join(parts)}"
