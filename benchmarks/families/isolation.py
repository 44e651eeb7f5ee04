"""How a site's own transactions fare beside drains, at each isolation level of the database.

Threads play the site: each transaction reads, edits some contacts in any order, enters one or an
opt-out, and commits. Others drain. Counted are the transactions that the database refused
(deadlock, serialization failure), and at the end the contacts that did not arrive as they are.
SQLite has no levels.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from django.db import DatabaseError, connection, connections, transaction

from benchmarks import rows
from benchmarks.figure import Figure
from benchmarks.server import sending
from benchmarks.sizes import Sizes
from conversion_sync.models import Contact
from conversion_sync.sandbox import Sandbox
from conversion_sync.sync.drain import drain

#: By the vendor's name in Django: the levels, as ``OPTIONS`` takes them.
LEVELS: dict[str, dict[str, Any]] = {
    "postgresql": {"read committed": 2, "repeatable read": 3, "serializable": 4},
    "mysql": {level: level for level in ("read committed", "repeatable read", "serializable")},
}

CONTACTS, EDITS = 60, 3
HOSTS, DRAINS = 4, 2


def times(sizes: Sizes) -> Iterator[Figure]:
    """Play the site with no drain beside it, and with two, at each level."""
    if connection.vendor not in LEVELS:
        yield Figure("transactions refused", None, note="this database has no isolation levels")
        return
    try:
        for name, level in LEVELS[connection.vendor].items():
            connection.close()
            connection.settings_dict["OPTIONS"]["isolation_level"] = level
            alone, _ = _played(0, sizes.crowded)
            beside, lost = _played(DRAINS, sizes.crowded)
            yield Figure(
                f"{name}: transactions refused beside {DRAINS} drains",
                100 * _refused(beside) / beside.total(),
                "%",
                f"{_words(beside)}; with no drain: {_words(alone)}",
            )
            yield Figure(f"{name}: contacts lost", lost, target=0, is_count=True)
    finally:
        connection.settings_dict["OPTIONS"].pop("isolation_level", None)
        connection.close()


def _refused(counts: Counter[str]) -> int:
    return counts.total() - counts["done"]


def _words(counts: Counter[str]) -> str:
    return f"{_refused(counts)} of {counts.total()}"


def _played(drains: int, seconds: float) -> tuple[Counter[str], int]:
    """Play the site beside so many drains: what became of transactions, and contacts lost."""
    counts, end, lock = Counter[str](), time.monotonic() + seconds, threading.Lock()

    def play() -> None:
        while time.monotonic() < end:
            outcome = _outcome(_transaction)
            with lock:
                counts[outcome] += 1

    def work() -> None:
        while time.monotonic() < end:
            drain(2.0)

    with Sandbox() as box, sending(box.base_url, RATE_LIMIT=1000):
        rows.empty()
        Contact.objects.bulk_create(
            [Contact(email=f"c{number}@x.example") for number in range(CONTACTS)]
        )
        threads = [threading.Thread(target=_closing(play)) for _ in range(HOSTS)]
        threads += [threading.Thread(target=_closing(work)) for _ in range(drains)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        while drain(10.0).go_on:
            pass
        return counts, _lost(box)


def _closing(act: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        try:
            act()
        finally:
            connections.close_all()

    return run


def _outcome(act: Callable[[], None]) -> str:
    """``done``, or why the database refused it."""
    try:
        with transaction.atomic():
            act()
    except DatabaseError as error:
        words = str(error).lower()
        return next((w for w in ("deadlock", "serialize", "lock wait") if w in words), words[:60])
    return "done"


def _transaction() -> None:
    """What a view of the site does in one transaction."""
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
    lost = 0
    for row in Contact.objects.filter(sync_status="SYNCED"):
        there = box.contacts.get(row.key, {}).get("variables", {})
        lost += any(there.get(name, "") != getattr(row, name) for name in ("title", "phone"))
    return lost
