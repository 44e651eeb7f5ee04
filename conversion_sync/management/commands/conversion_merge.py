"""Merge rows that are one mailbox, or one company, in several spellings."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from conversion_sync.management.asking import add_database, confirm
from conversion_sync.management.migrated import DatabaseCommand
from conversion_sync.management.words import counted
from conversion_sync.models import Contact, attributed
from conversion_sync.sync.clashes import Clash, clashes
from conversion_sync.sync.kinds import RECORDS
from conversion_sync.sync.merging import merge


class Command(DatabaseCommand):
    """``conversion_merge [companies|contacts] [--dry-run] [--delete-remote]``."""

    help = (
        "Lists the rows that are not sent because another row holds their key (KEY_CLASH), and, "
        "when you say “yes”, merges each into the row that holds it: engagements, the consent log "
        "and a company's contacts move, blanks are filled, and the other row is deleted here."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", nargs="?", choices=[*RECORDS], help="default: both")
        parser.add_argument("--dry-run", action="store_true", help="list them, and change nothing")
        parser.add_argument("--no-input", action="store_true", help="don't ask first")
        parser.add_argument(
            "--delete-remote",
            action="store_true",
            help="delete the other spelling in Conversion, before the row is pushed again",
        )
        parser.add_argument(
            "--requested-by", default="", metavar="NAME", help="for the consent log"
        )
        add_database(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        using = options["database"]
        kinds = [options["kind"]] if options["kind"] else [*RECORDS]
        found = [clash for kind in kinds for clash in clashes(RECORDS[kind], using)]
        for clash in found:
            self._show(clash)
        if not found:
            self.stdout.write("No row clashes with another.")
        elif not options["dry_run"]:
            if not options["no_input"]:
                self._ask(len(found), delete_remote=options["delete_remote"])
            self._merge(found, options)

    def _show(self, clash: Clash) -> None:
        self.stdout.write(clash.holder.key)
        self.stdout.write(f"  is sent:     {_described(clash.holder)}")
        self.stdout.write(f"  is not sent: {_described(clash.other)}")
        if clash.other.sent_key:
            self.stdout.write(f"  in Conversion also as {clash.other.sent_key!a}")

    def _ask(self, count: int, *, delete_remote: bool) -> None:
        rows = counted(count, "row")
        what = f"This merges {rows} into what is sent, and deletes what was merged here"
        there = ", and its spelling in Conversion" if delete_remote else ""
        confirm(self, f"{what}{there}.")

    def _merge(self, found: list[Clash], options: dict[str, Any]) -> None:
        with attributed(source="merge", requested_by=options["requested_by"]):
            merged = sum(merge(c, delete_remote=options["delete_remote"]) for c in found)
        self.stdout.write(self.style.SUCCESS(f"Merged: {merged:,}."))
        if rest := len(found) - merged:
            self.stdout.write(f"Changed meanwhile, and left alone: {rest:,}.")


def _described(row: Any) -> str:
    """The row on a line; its key as it was typed, with what nobody sees written out."""
    parts = [f"{row._meta.verbose_name} {row.pk}, {getattr(row, row.KEY)!a}"]
    if isinstance(row, Contact):
        parts += [
            f"{row.first_name} {row.last_name}".strip(),
            row.get_subscription_status_display(),
        ]
        parts.append(counted(row.engagements.count(), "engagement"))
    else:
        parts += [row.company_name, counted(row.contacts.count(), "contact")]
    return ", ".join(filter(None, parts))
