"""What a call costs the database while few or many rows wait to be sent: it must not grow.

Creates a database of its own, and drops it at the end. Fills it with rows that are all due: half
of them contacts, a quarter subscription changes and a quarter engagements that wait for these
contacts. Sends for a number of calls to a stand-in of the API, and prints what a call took.

    python benchmarks/backlog.py [--sizes 1000,20000,200000] [--calls 60]

The database server is that of DATABASE_URL, or of POSTGRES_URL, or PostgreSQL on this machine.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from million_rows import set_up

#: How much more a call may take with the largest backlog than with the smallest.
GOAL = 1.5


@dataclass
class Cost:
    """What the database did for the calls that were made."""

    seconds: float = 0.0
    statements: int = 0
    calls: list[tuple[float, int]] = field(default_factory=list)

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.seconds += time.perf_counter() - began
            self.statements += 1

    def end_call(self) -> None:
        """Note what was done since the last call."""
        self.calls.append((self.seconds, self.statements))
        self.seconds, self.statements = 0.0, 0


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="1000,20000,200000", help="how many rows wait")
    parser.add_argument("--calls", type=int, default=60)
    options = parser.parse_args()

    set_up()
    from django.db import connection

    name = connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        run([int(size) for size in options.sizes.split(",")], options.calls)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def run(sizes: list[int], calls: int) -> None:
    """Measure with each number of waiting rows."""
    print(f"{'rows that wait':>15}{'ms a call':>12}{'median':>9}{'longest':>10}{'statements':>12}")
    means = []
    for size in sizes:
        fill(size)
        cost = send(calls)
        times = [seconds * 1000 for seconds, _ in cost.calls]
        means.append(statistics.mean(times))
        print(
            f"{size:>15,}{means[-1]:>12.1f}{statistics.median(times):>9.1f}{max(times):>10.1f}"
            f"{statistics.mean(count for _, count in cost.calls):>12.1f}",
            flush=True,
        )
    flat = means[-1] <= GOAL * means[0]
    print(f"flat, within {GOAL:g} times: {'yes' if flat else 'NO'}")


def fill(size: int) -> None:
    """Empty the tables, and fill them with so many rows that wait."""
    from _rows import NOW, SHARES, _analyse, _change, _contact, _engagement, _insert
    from django.core.management.color import no_style
    from django.db import connection

    from conversion_sync.models import Contact, Engagement, SubscriptionChange

    for model in (Engagement, SubscriptionChange, *SHARES):
        model._base_manager.all()._raw_delete(connection.alias)
    waits = {
        "sync_status": "PENDING",
        "claim": None,
        "attempts": 0,
        "failing_since": None,
        "last_error_code": "",
        "last_error_message": "",
        "last_attempt_at": None,
        "last_synced_at": None,
        "due_at": NOW,
    }
    new = {"sent_revision": None, "sent_key": None, "sent_payload": None, "synced_revision": 0}
    contacts, events = size // 2, size // 4

    def numbered(make: Any, last: int, **columns: Any) -> Iterator[dict[str, Any]]:
        for number in range(1, last + 1):
            row = make(number, contacts) | waits | columns
            if "contact_id" in row:
                row["contact_id"] = number * 2
            if "address" in row:
                row["address"] = _contact(number * 2, contacts)["key"]
            yield row

    _insert(Contact, numbered(_contact, contacts, company_id=None, **new))
    _insert(SubscriptionChange, numbered(_change, events))
    _insert(Engagement, numbered(_engagement, events))
    with connection.cursor() as cursor:
        for sql in connection.ops.sequence_reset_sql(no_style(), list(SHARES)):
            cursor.execute(sql)
    _analyse()


@contextmanager
def stand_in() -> Iterator[None]:
    """A stand-in of the API, and settings to send to it as fast as it answers."""
    from django.test.utils import override_settings

    from conversion_sync.sandbox import Sandbox

    with Sandbox() as box:
        settings = {
            "API_KEY": "k",
            "BASE_URL": box.base_url,
            "RATE_LIMIT": 100_000,
            "QUEUE": "none",
        }
        with override_settings(CONVERSION_SYNC=settings):
            yield


def send(calls: int) -> Cost:
    """Send for so many calls."""
    from django.db import connection

    from conversion_sync.sync.drain import drain
    from conversion_sync.sync.loop import calls as sending

    cost, real = Cost(), sending.log_calls

    def log_calls(*args: Any) -> Any:
        try:
            return real(*args)
        finally:
            cost.end_call()

    sending.log_calls = log_calls
    try:
        with stand_in(), connection.execute_wrapper(cost):
            drain(300, stop=lambda: len(cost.calls) >= calls)
    finally:
        sending.log_calls = real
    return cost


if __name__ == "__main__":
    main()
