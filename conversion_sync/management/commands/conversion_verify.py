"""Compare rows with what Conversion has, and push ours where they differ."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS
from tqdm import tqdm

from conversion_sync.conf import conf
from conversion_sync.models.base import in_bulk
from conversion_sync.sync.compare import Comparison, State, compare_many
from conversion_sync.sync.resync import KINDS
from conversion_sync.sync.run import Run, Shut


class Command(BaseCommand):
    """``conversion_verify [companies|contacts] [--sample N] [--push]``."""

    help = (
        "Asks Conversion for the records of the rows, a few a second, and reports what differs. "
        "Yields to what people wait for. Exit status 1: something differs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", nargs="?", choices=[*KINDS], help="default: both")
        parser.add_argument(
            "--sample", type=int, metavar="N", help="N rows of each kind, at random"
        )
        parser.add_argument("--push", action="store_true", help="push ours where they differ")
        parser.add_argument("--json", action="store_true", help="a JSON object a difference")
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS)

    def handle(self, *args: Any, **options: Any) -> None:
        if not conf.can_send:
            raise CommandError("CONVERSION_SYNC has no API_KEY, or is not ENABLED: nobody to ask.")
        counts = Counter[str]()
        for kind in [options["kind"]] if options["kind"] else KINDS:
            for comparison in self._compared(kind, options):
                self._report(comparison, counts, options)
        summary = ", ".join(f"{count:,} {what}" for what, count in counts.items())
        self.stderr.write(f"Compared: {summary or 'no rows'}.")
        if counts["differ"] + counts["missing there"] + counts["opted out there"]:
            sys.exit(1)

    def _compared(self, kind: str, options: dict[str, Any]) -> Iterator[Comparison]:
        using, sample = options["database"], options["sample"]
        rows: Any = KINDS[kind].unmarked.using(using).order_by("pk")
        if sample:
            pks = rows.order_by("?").values_list("pk", flat=True)[:sample]
            rows = rows.filter(pk__in=list(pks))
        if kind == "contacts":
            rows = rows.select_related("company")
        bar = tqdm(total=rows.count(), unit="row", desc=kind, disable=not sys.stderr.isatty())
        try:
            with bar:
                left = rows.iterator(chunk_size=500)
                for comparison in compare_many(left, Run(using, float("inf"))):
                    bar.update(1)
                    yield comparison
        except Shut as shut:
            raise CommandError(
                "The gate is closed or paused; see `manage.py conversion_status`."
            ) from shut

    def _report(
        self, comparison: Comparison, counts: Counter[str], options: dict[str, Any]
    ) -> None:
        row: Any = comparison.row
        if comparison.error is not None:
            counts["could not be asked for"] += 1
        elif comparison.is_missing:
            counts["missing there"] += 1
        elif comparison.remote_opt_out:
            counts["opted out there"] += 1
        elif comparison.differs:
            counts["differ"] += 1
        else:
            counts["the same"] += 1
            return
        self.stdout.write(_line(comparison, options["json"]))
        if options["push"] and comparison.error is None:
            # In bulk: comparing yields to what people wait for, and would wait for itself.
            with in_bulk():
                type(row).objects.using(options["database"]).filter(pk=row.pk).sync_now()


def _line(comparison: Comparison, as_json: bool) -> str:
    fields = {
        field.name: {"here": field.ours, "there": field.theirs}
        for field in comparison.fields
        if field.state in (State.DIFFERS, State.ONLY_HERE)
    }
    if as_json:
        found = {
            "kind": comparison.row._meta.model_name,
            "key": comparison.row.key,
            "error": str(comparison.error or ""),
            "missing": comparison.is_missing,
            "opted_out": comparison.remote_opt_out,
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
    return f"{comparison.row.key}: {'; '.join(parts)}"
