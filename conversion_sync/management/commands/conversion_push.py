"""``manage.py conversion_push``: send what is ready, now or for ever."""

from __future__ import annotations

import sys
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from tqdm import tqdm

from conversion_sync.management.asking import add_database
from conversion_sync.management.migrated import DatabaseCommand
from conversion_sync.management.stopping import on_signal
from conversion_sync.management.words import counted, gate_words, obstacle
from conversion_sync.status.overview import Overview, overview
from conversion_sync.status.waits import waits
from conversion_sync.sync.drain import DrainReport
from conversion_sync.sync.worker import Worker, push

__all__ = ["Command"]


class Command(DatabaseCommand):
    """Drains in the foreground, and says what still waits."""

    help = (
        "Sends what is ready, and says what still waits and why. Exit status 1 if rows failed. "
        "With --forever, goes on until SIGTERM or Ctrl-C: a plain process to supervise, for sites "
        "without a q cluster; several may run."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--forever", action="store_true", help="go on until told to stop")
        add_database(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        using = options["database"]
        if options["forever"]:
            self._work(using)
        else:
            self._push(using)

    def _work(self, using: str) -> None:
        worker = Worker(using)
        self.stdout.write("Sending what becomes ready; SIGTERM or Ctrl-C stops.")
        with on_signal(worker.stop):
            worker.run()
        self.stdout.write("Stopped.")

    def _push(self, using: str) -> None:
        stopped = threading.Event()
        with (
            on_signal(stopped.set),
            tqdm(
                total=overview(using).due,
                desc="Sending",
                unit=" rows",
                disable=not sys.stderr.isatty(),
            ) as bar,
        ):

            def on_progress(rows: int) -> None:
                bar.total = max(bar.total or 0, bar.n + rows)
                bar.update(rows)

            report = push(using, on_progress=on_progress, stop=stopped.is_set)
        self._print(report, using)
        if report.failed:
            raise CommandError(f"{counted(report.failed, 'row')} failed.", returncode=1)

    def _print(self, report: DrainReport, using: str) -> None:
        calls = "1 call" if report.calls == 1 else f"{report.calls:,} calls"
        self.stdout.write(f"{counted(report.synced, 'row')} arrived in {calls}.")
        state = overview(using)
        still = waits(using, state.now)
        if still:
            self.stdout.write("Not arrived:")
        for wait in still:
            self.stdout.write(f"  {wait.words(state.now)}")
        if still and (why := _why(state)):
            self.stdout.write(why)


def _why(state: Overview) -> str:
    """What keeps everything from being sent; "" if nothing does."""
    return obstacle(state) or ("" if state.gate.status == "open" else gate_words(state))
