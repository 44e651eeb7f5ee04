"""What a mirror costs: a site's save with one over one without, and the backfill's speed.

A save is measured in turns with and without the mirror, each a whole request's transaction, and in
autocommit, and beside them its statements alone; counted are its statements, too. The backfill is
compared with a plain loop over the same queryset's ``iterator()`` that builds the same dicts, and
writes nothing.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q
from django.test.utils import CaptureQueriesContext

from benchmarks import rows
from benchmarks.figure import Figure
from benchmarks.sizes import Sizes
from conversion_sync import mirrors
from conversion_sync.mirrors.backfill import Backfill
from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.registry import registry
from conversion_sync.models import MirrorLink, MirrorMark
from tests.mirrors.shop.models import Customer, Plan

#: Saves of one turn.
SAVES = 10


def times(sizes: Sizes) -> Iterator[Figure]:
    """Save, and backfill."""
    saves, sources = sizes.saves
    rows.empty()
    declared = _mirror()
    for how, block in (("in a transaction", transaction.atomic), ("in autocommit", nullcontext)):
        yield _save(declared, saves, how, block)
    MirrorMark.objects.all().delete()
    Customer.objects.all().delete()
    yield from _backfill(declared, sources)


def _mirror() -> Any:
    """A customer with five values, a relation and a condition."""

    class Bench(mirrors.Mirror[Customer]):
        email = F("email")
        include = Q(is_active=True)
        variables = {  # noqa: RUF012  # as sites write it
            "first_name": F("name"),
            "plan": F("plan__name"),
            "extra": F("extra"),
            "origin": "shop",
        }

    return Declared(MirrorLink.Kind.CONTACT, Customer, Bench)


def _save(declared: Any, count: int, how: str, block: Any) -> Figure:
    """Saves in turns with and without the mirror, so that a busy machine slows both.

    What no code of this app's could go below is measured beside them: the save and its mark, as
    two statements in one transaction.
    """
    customer, _ = Customer.objects.get_or_create(email="ann@x.example", name="Ann")
    turns = {
        "mirrored": _Turn([declared], block, customer.save),
        "plain": _Turn([], block, customer.save),
        "by hand": _Turn([], transaction.atomic, partial(_save_and_mark, customer)),
    }
    for number in range(-(-count // SAVES)):
        for turn in turns.values() if number % 2 else reversed(turns.values()):
            turn.take()
    took = {name: turn.median for name, turn in turns.items()}
    more = turns["mirrored"].written() - turns["plain"].written()
    return Figure(
        f"a save {how} with a mirror, over one without",
        took["mirrored"] / took["plain"],
        "times",
        f"{took['mirrored']:.2f} ms and {took['plain']:.2f} ms",
        note=(
            f"{more} statement more; the statements alone, by hand: "
            f"{took['by hand'] / took['plain']:.2f} times"
        ),
    )


@dataclass
class _Turn:
    """Saves of one kind, some at a time."""

    mirrored: Sequence[Declared]
    block: Callable[[], AbstractContextManager[Any]]
    save: Callable[[], None]
    seconds: list[float] = field(default_factory=list)

    def take(self) -> None:
        """Save some times. The first two are left out: no site declares its mirrors anew."""
        with registry.only(*self.mirrored):
            for number in range(SAVES + 2):
                begun = time.perf_counter()
                with self.block():
                    self.save()
                if number > 1:
                    self.seconds.append(time.perf_counter() - begun)

    def written(self) -> int:
        """The statements of one save that write."""
        with (
            registry.only(*self.mirrored),
            CaptureQueriesContext(connection) as captured,
            self.block(),
        ):
            self.save()
        verbs = [each["sql"].split()[0] for each in captured.captured_queries]
        return sum(verb in ("INSERT", "UPDATE") for verb in verbs)

    @property
    def median(self) -> float:
        """Of a save, in milliseconds."""
        return statistics.median(self.seconds) * 1000


def _save_and_mark(customer: Customer) -> None:
    customer.save()
    columns = "model, source, what, bulk"
    values: list[Any] = ["shop.customer", str(customer.pk), "C", False]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {MirrorMark._meta.db_table} ({columns}) VALUES (%s, %s, %s, %s)",  # noqa: S608  # names of this app
            values,
        )


def _backfill(declared: Any, count: int) -> Iterator[Figure]:
    """A first backfill, one that changes nothing, and a plain loop."""
    plans = Plan.objects.bulk_create([Plan(name=name) for name in ("free", "pro")])
    for start in range(0, count, 5000):
        Customer.objects.bulk_create(
            Customer(email=f"c{n}@x.example", name=f"N{n}", plan=plans[n % 2], extra={"n": n})
            for n in range(start, min(count, start + 5000))
        )
    begun = time.perf_counter()
    for row in Customer.objects.select_related("plan").iterator(chunk_size=500):
        _ = {
            "email": row.email,
            "variables": {
                "first_name": row.name,
                "plan": row.plan and row.plan.name,
                "extra": row.extra,
                "origin": "shop",
            },
        }
    plain = time.perf_counter() - begun
    with registry.only(declared):
        for name in ("first backfill", "backfill that changes nothing"):
            begun = time.perf_counter()
            for _seen in Backfill("default", declared).run():
                pass
            took = time.perf_counter() - begun
            yield Figure(
                f"{name} of {count:,} sources",
                count / took,
                "rows/s",
                f"plain iterator: {count / plain:,.0f} rows/s, {took / plain:.0f} times as fast",
            )
