"""How a site's own transactions fare beside drains, at each isolation level of the database.

Threads play the site: each transaction reads, edits some contacts in any order, enters one or an
opt-out, and commits. Others drain. Counted are the transactions that the database refused
(deadlock, serialization failure), and at the end the contacts that did not arrive as they are.

    DATABASE_URL=postgres://… python benchmarks/isolation.py [--seconds 20] [--hosts 4] [--drains 2]

Needs the right to create a database; that is removed at the end. SQLite has no levels.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

BASE_DIR = Path(__file__).resolve().parent.parent

#: By the vendor's name in Django: the levels, as ``OPTIONS`` takes them.
LEVELS: dict[str, dict[str, Any]] = {
    "postgresql": {"read committed": 2, "repeatable read": 3, "serializable": 4},
    "mysql": {level: level for level in ("read committed", "repeatable read", "serializable")},
}

CONTACTS, EDITS = 60, 3

LINE = "{:16} {:>6} {:>12} {:>8} {:>5}  {}"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="for each line of the table")
    parser.add_argument("--hosts", type=int, default=4, help="threads of the site")
    parser.add_argument("--drains", type=int, default=2)
    parser.add_argument("--level", help="only this one")
    options = parser.parse_args()

    os.chdir(BASE_DIR)
    sys.path.insert(0, str(BASE_DIR))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from django.db import connection

    levels = LEVELS.get(connection.vendor)
    if levels is None:
        print("This database has no isolation levels: nothing to measure.")
        return
    connection.creation.create_test_db(verbosity=0)
    try:
        print(f"{'level':16} {'drains':>6} {'transactions':>12} {'refused':>8} {'lost':>5}  why")
        for name, level in levels.items():
            if options.level in (None, name):
                for drains in (0, options.drains):
                    measure(name, level, drains, options)
    finally:
        connection.settings_dict["OPTIONS"].pop("isolation_level", None)
        connection.close()
        connection.creation.destroy_test_db("", verbosity=0)


def measure(name: str, level: Any, drains: int, options: argparse.Namespace) -> None:
    """Play the site beside so many drains, and print a line."""
    from django.conf import settings
    from django.db import connection
    from django.test.utils import override_settings

    from conversion_sync.models import Contact
    from conversion_sync.sandbox import Sandbox
    from conversion_sync.sync.drain import drain

    connection.close()
    connection.settings_dict["OPTIONS"]["isolation_level"] = level
    counts, end, lock = Counter[str](), time.monotonic() + options.seconds, threading.Lock()

    def count(what: str) -> None:
        with lock:
            counts[what] += 1

    def play() -> None:
        while time.monotonic() < end:
            count(_outcome(_transaction))

    def work() -> None:
        while time.monotonic() < end:
            drain(2.0)

    with Sandbox() as box:
        sends = {"API_KEY": "k", "BASE_URL": box.base_url, "RATE_LIMIT": 1000, "QUEUE": "none"}
        with override_settings(CONVERSION_SYNC={**settings.CONVERSION_SYNC, **sends}):
            Contact.objects.all().delete()
            Contact.objects.bulk_create(
                [Contact(email=f"c{number}@x.example") for number in range(CONTACTS)]
            )
            threads = [threading.Thread(target=_closing(play)) for _ in range(options.hosts)]
            threads += [threading.Thread(target=_closing(work)) for _ in range(drains)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            while drain(10.0).go_on:
                pass
            lost = _lost(box)
    done = counts.pop("done")
    why = ", ".join(f"{count} {what}" for what, count in counts.most_common())
    refused = sum(counts.values())
    print(f"{name:16} {drains:>6} {done + refused:>12} {refused:>8} {lost:>5}  {why}", flush=True)


def _closing(act: Callable[[], None]) -> Callable[[], None]:
    from django.db import connections

    def run() -> None:
        try:
            act()
        finally:
            connections.close_all()

    return run


def _outcome(act: Callable[[], None]) -> str:
    """``done``, or why the database refused it."""
    from django.db import DatabaseError, transaction

    try:
        with transaction.atomic():
            act()
    except DatabaseError as error:
        words = str(error).lower()
        return next((w for w in ("deadlock", "serialize", "lock wait") if w in words), words[:60])
    return "done"


def _transaction() -> None:
    """What a view of the site does in one transaction."""
    from conversion_sync.models import Contact

    pks = list(Contact.objects.values_list("pk", flat=True)[:CONTACTS])
    for pk in random.sample(pks, EDITS):
        row = Contact.objects.get(pk=pk)
        row.title = f"{random.random()}"
        if random.random() < 0.1:
            row.subscription_status = random.choice(("SUBSCRIBED", "UNSUBSCRIBED"))
        row.save()
    if random.random() < 0.3:
        Contact.objects.create(email=f"{random.getrandbits(64)}@x.example")
    if random.random() < 0.1:
        Contact.objects.filter(pk__in=random.sample(pks, EDITS)).update(phone=f"{random.random()}")


def _lost(box: Any) -> int:
    """The contacts that Conversion does not have as they are here, and that say that it has."""
    from conversion_sync.models import Contact

    lost = 0
    for row in Contact.objects.filter(sync_status="SYNCED"):
        there = box.contacts.get(row.key, {}).get("variables", {})
        lost += any(there.get(name, "") != getattr(row, name) for name in ("title", "phone"))
    return lost


if __name__ == "__main__":
    main()
