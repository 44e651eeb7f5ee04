"""What a mirror costs: a site's save with one over one without, and the backfill's speed.

    [DATABASE_URL=postgres://…] python benchmarks/mirrors.py [--saves 300] [--sources 100000]

A save is measured in turns with and without the mirror, each a whole request's transaction, and in
autocommit; counted are its statements, too. The backfill is compared with a plain loop over the
same queryset's ``iterator()`` that builds the same dicts, and writes nothing. Needs the right to
create a database; that is removed at the end.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

BASE_DIR = Path(__file__).resolve().parent.parent


def main() -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--saves", type=int, default=300)
    parser.add_argument("--sources", type=int, default=100_000)
    options = parser.parse_args()

    os.chdir(BASE_DIR)
    sys.path.insert(0, str(BASE_DIR))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from django.db import connection

    connection.creation.create_test_db(verbosity=0)
    try:
        declared = _mirror()
        saves(declared, options.saves)
        backfill(declared, options.sources)
    finally:
        connection.close()
        connection.creation.destroy_test_db("", verbosity=0)


def _mirror() -> Any:
    """A customer with five values, a relation and a condition."""
    from django.db.models import F, Q

    from conversion_sync import mirrors
    from conversion_sync.mirrors.declaration import Declared
    from conversion_sync.models import MirrorLink
    from tests.mirrors.shop.models import Customer

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


def saves(declared: Any, count: int) -> None:
    """Time saves, in turns with and without the mirror, so that a busy machine slows both."""
    from django.db import connection, transaction
    from django.test.utils import CaptureQueriesContext

    from conversion_sync.mirrors.registry import registry
    from conversion_sync.models import MirrorMark
    from tests.mirrors.shop.models import Customer

    customer = Customer.objects.create(email="ann@x.example", name="Ann")
    for name, block in (("in a transaction", transaction.atomic), ("in autocommit", nullcontext)):
        times: dict[bool, list[float]] = {True: [], False: []}
        statements = {}
        for number in range(count):
            for mirrored in (True, False) if number % 2 else (False, True):
                with registry.only(*([declared] if mirrored else [])):
                    begun = time.perf_counter()
                    with block():
                        customer.save()
                    times[mirrored].append(time.perf_counter() - begun)
                    if number == count - 1:
                        with CaptureQueriesContext(connection) as captured, block():
                            customer.save()
                        words = [each["sql"].split()[0] for each in captured.captured_queries]
                        statements[mirrored] = [w for w in words if w in ("INSERT", "UPDATE")]
        with_one, without = (statistics.median(times[each]) * 1e6 for each in (True, False))
        print(
            f"save {name}: {without:.0f} µs without a mirror, {with_one:.0f} µs with one: "
            f"{with_one / without:.2f} times; {len(statements[True]) - len(statements[False])} "
            "statement more"
        )
    MirrorMark.objects.all().delete()
    customer.delete()


def backfill(declared: Any, count: int) -> None:
    """Time a first backfill, one that changes nothing, and a plain loop."""
    from conversion_sync.mirrors.backfill import Backfill
    from conversion_sync.mirrors.registry import registry
    from conversion_sync.models import Contact
    from tests.mirrors.shop.models import Customer, Plan

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
    print(f"plain iterator: {count / plain:,.0f} rows/s")
    with registry.only(declared):
        for name in ("first backfill", "one that changes nothing"):
            begun, worked = time.perf_counter(), time.process_time()
            run = Backfill("default", declared)
            for _seen in run.run():
                pass
            took, work = time.perf_counter() - begun, time.process_time() - worked
            print(
                f"{name}: {count:,} sources in {took:.1f} s, {count / took:,.0f} rows/s: "
                f"{took / plain:.1f} times the plain iterator; {work:.1f} s of this process "
                f"({dict(run.report.counts)})"
            )
    print(f"{Contact.unmarked.count():,} contacts")


if __name__ == "__main__":
    main()
