"""What a mirror costs: a site's save with one over one without, and the backfill's speed.

A save is measured in turns with and without the mirror, each a whole request's transaction, and in
autocommit; counted are its statements, too. The backfill is compared with a plain loop over the
same queryset's ``iterator()`` that builds the same dicts, and writes nothing.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import nullcontext
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
    """Saves in turns with and without the mirror, so that a busy machine slows both."""
    customer, _ = Customer.objects.get_or_create(email="ann@x.example", name="Ann")
    times: dict[bool, list[float]] = {True: [], False: []}
    written: dict[bool, int] = {}
    for number in range(count):
        for mirrored in (True, False) if number % 2 else (False, True):
            with registry.only(*([declared] if mirrored else [])):
                begun = time.perf_counter()
                with block():
                    customer.save()
                times[mirrored].append(time.perf_counter() - begun)
    for mirrored in (True, False):
        with (
            registry.only(*([declared] if mirrored else [])),
            CaptureQueriesContext(connection) as captured,
            block(),
        ):
            customer.save()
        verbs = [each["sql"].split()[0] for each in captured.captured_queries]
        written[mirrored] = sum(verb in ("INSERT", "UPDATE") for verb in verbs)
    with_one, without = (statistics.median(times[each]) * 1000 for each in (True, False))
    return Figure(
        f"a save {how} with a mirror, over one without",
        with_one / without,
        "times",
        f"{with_one:.2f} ms and {without:.2f} ms",
        note=f"{written[True] - written[False]} statement more",
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
