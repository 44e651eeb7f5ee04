"""How long the pages of the admin take with a million contacts, and how many queries.

Creates a database of its own, and drops it at the end. Fills it, asks for each page as a browser
would, but without a network, and prints the median and the longest of five times. Each page is
asked for with ten thousand contacts, too: it must not take more queries with a million.

    python benchmarks/million_rows.py [--rows 1000000] [--pages contact] [--keep]

The database server is that of DATABASE_URL, or of POSTGRES_URL, or PostgreSQL on this machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

BASE_DIR = Path(__file__).resolve().parent.parent
SERVER = "postgres://conversion:conversion@127.0.0.1:5432/conversion"
FEW = 10_000
TIMES = 5
GOAL = 0.3
#: A list that has a second page takes one query more, and one whose rows wait for something.
MORE = 2

ADMIN = "/admin/"
BASE = f"{ADMIN}conversion_sync/"
#: What is asked for: a name and an address.
PAGES: Sequence[tuple[str, str]] = (
    ("index", ADMIN),
    ("dashboard", f"{BASE}apigate/"),
    ("contacts", f"{BASE}contact/"),
    ("contacts, page 100", f"{BASE}contact/?p={{page}}"),
    ("contacts, page in the middle", f"{BASE}contact/?p={{middle}}"),
    ("contacts, one of the last pages", f"{BASE}contact/?p={{late}}"),
    ("contacts by email", f"{BASE}contact/?o=1"),
    ("contacts by name", f"{BASE}contact/?o=3"),
    ("contacts by name, backwards, in the middle", f"{BASE}contact/?o=-3&p={{middle}}"),
    ("contacts, synced", f"{BASE}contact/?status=synced"),
    ("contacts, waiting", f"{BASE}contact/?status=waiting"),
    ("contacts, retrying", f"{BASE}contact/?status=retrying"),
    ("contacts, sending", f"{BASE}contact/?status=sending"),
    ("contacts, failed", f"{BASE}contact/?status=failed"),
    ("contacts, failed, by name", f"{BASE}contact/?status=failed&o=3"),
    ("contacts, one error", f"{BASE}contact/?error=VALIDATION_ERROR"),
    ("contacts, an error of old rows", f"{BASE}contact/?status=failed&error=DUPLICATE_ERROR"),
    ("contacts, subscribed", f"{BASE}contact/?subscription_status__exact=SUBSCRIBED"),
    ("contacts, to be confirmed", f"{BASE}contact/?subscription_status__exact=PENDING"),
    ("contacts of a company", f"{BASE}contact/?company__id__exact=17"),
    ("contacts, changed this week", f"{BASE}contact/?updated_at__gte={{week}}"),
    ("contacts, changed today, failed", f"{BASE}contact/?updated_at__gte={{day}}&status=failed"),
    (
        "contacts, unsubscribed, failed, this week",
        f"{BASE}contact/?subscription_status__exact=UNSUBSCRIBED&status=failed"
        "&updated_at__gte={week}",
    ),
    ("contacts, synced, page 200", f"{BASE}contact/?status=synced&p={{page}}"),
    ("search: an email", f"{BASE}contact/?q=katherine.fisher"),
    ("search: a last name", f"{BASE}contact/?q=fisher"),
    ("search: first and last name", f"{BASE}contact/?q=katherine+fisher"),
    ("search: nothing found", f"{BASE}contact/?q=zzzzz"),
    ("search: one letter", f"{BASE}contact/?q=a"),
    ("search: one letter, by name", f"{BASE}contact/?q=a&o=3"),
    ("search: a last name, failed", f"{BASE}contact/?q=fisher&status=failed"),
    ("a contact", f"{BASE}contact/{{contact}}/change/"),
    ("a contact's panel", f"{BASE}contact/{{contact}}/panel/"),
    ("companies", f"{BASE}company/"),
    ("companies by name", f"{BASE}company/?o=1"),
    ("companies, failed", f"{BASE}company/?status=failed"),
    ("companies, search", f"{BASE}company/?q=fisher"),
    ("engagements", f"{BASE}engagement/"),
    ("engagements by time", f"{BASE}engagement/?o=4"),
    ("engagements, in doubt", f"{BASE}engagement/?status=in-doubt"),
    ("engagements, this week", f"{BASE}engagement/?occurred_at__gte={{week}}"),
    ("engagements, search", f"{BASE}engagement/?q=katherine.fisher"),
    ("consent log", f"{BASE}subscriptionchange/"),
    ("consent log, blocked", f"{BASE}subscriptionchange/?error=CONSENT_BLOCKED"),
    ("consent log, from one source", f"{BASE}subscriptionchange/?source=import"),
    ("consent log, search", f"{BASE}subscriptionchange/?q=katherine.fisher"),
    ("deletions", f"{BASE}deletion/"),
    ("deletions, failed", f"{BASE}deletion/?status=failed"),
    ("call log", f"{BASE}apicall/"),
    ("call log, one error", f"{BASE}apicall/?error_code=INTERNAL_ERROR"),
    ("call log, one endpoint", f"{BASE}apicall/?endpoint=POST+/contacts/batch"),
    (
        "choices of a contact",
        f"{ADMIN}autocomplete/?{{of}}&model_name=engagement&field_name=contact",
    ),
    (
        "choices of a contact, typed",
        f"{ADMIN}autocomplete/?{{of}}&model_name=engagement&field_name=contact&term=fisher",
    ),
    ("choices of a company", f"{ADMIN}autocomplete/?{{of}}&model_name=contact&field_name=company"),
)


@dataclass(frozen=True)
class Measured:
    """What one page took."""

    name: str
    queries: int
    seconds: Sequence[float]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="contacts; 1,000,000")
    parser.add_argument("--pages", default="", help="only those with this in their name")
    parser.add_argument("--keep", action="store_true", help="leave the database for the next run")
    options = parser.parse_args()

    set_up()
    from django.db import connection

    name = connection.creation.create_test_db(
        verbosity=0, autoclobber=True, serialize=False, keepdb=options.keep
    )
    try:
        run(options)
    finally:
        if not options.keep:
            connection.creation.destroy_test_db(name, verbosity=0)


def set_up() -> None:
    """Make the site ready, with the settings of the tests."""
    os.chdir(BASE_DIR)
    sys.path.insert(0, str(BASE_DIR))
    server = os.environ.get("DATABASE_URL") or os.environ.get("POSTGRES_URL") or SERVER
    os.environ["DATABASE_URL"] = f"{server.rstrip('/')}_benchmark"
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()


def run(options: argparse.Namespace) -> None:
    """Fill the database and ask for the pages, with few rows and with many."""
    from _rows import fill

    from conversion_sync.models import Contact

    pages = [(name, address) for name, address in PAGES if options.pages in name]
    there = Contact.unmarked.count()
    few: dict[str, int] = {}
    if not there:
        fill(0, FEW)
        few = {name: queries(address, FEW) for name, address in pages}
    if there < options.rows:
        print(f"Filling the database with {options.rows:,} contacts ...", flush=True)
        began = time.monotonic()
        fill(max(there, FEW), options.rows)
        print(f"... took {time.monotonic() - began:.0f} s.")
    print(f"{'page':<44}{'median':>9}{'longest':>9}{'queries':>9}{f'with {FEW:,}':>12}")
    measured = [measure(name, address, options.rows) for name, address in pages]
    for each in measured:
        show(each, few.get(each.name))
    report(measured, few)


def addressed(address: str, rows: int) -> str:
    """The address, with the pages and rows that there are."""
    from django.utils import timezone

    per_page, now = 50, timezone.now()
    pages = rows // per_page
    return address.format(
        page=min(100, pages // 2),
        middle=pages // 2,
        late=pages * 9 // 10,
        contact=rows // 2,
        day=quote(f"{now - timedelta(days=1):%Y-%m-%d %H:%M:%S%z}"),
        week=quote(f"{now - timedelta(days=7):%Y-%m-%d %H:%M:%S%z}"),
        of="app_label=conversion_sync",
    )


def client() -> Any:
    """A person who may do everything."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    users = get_user_model().objects
    person = users.filter(username="staff").first() or users.create_superuser("staff")
    client = Client()
    client.force_login(person)
    return client


def ask(client: Any, address: str) -> None:
    """Ask for a page.

    Raises:
        SystemExit: there is no such page.
    """
    answer = client.get(address)
    if answer.status_code != 200:
        sys.exit(f"{address} answered {answer.status_code}.")


def queries(address: str, rows: int) -> int:
    """How many queries a page takes."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    person, address = client(), addressed(address, rows)
    ask(person, address)
    with CaptureQueriesContext(connection) as captured:
        ask(person, address)
    return len(captured)


def measure(name: str, address: str, rows: int) -> Measured:
    """Ask for a page some times."""
    count, person, address = queries(address, rows), client(), addressed(address, rows)
    seconds = []
    for _time in range(TIMES):
        began = time.perf_counter()
        ask(person, address)
        seconds.append(time.perf_counter() - began)
    return Measured(name, count, seconds)


def show(each: Measured, few: int | None) -> None:
    """Print a line."""
    median, worst = statistics.median(each.seconds), max(each.seconds)
    with_few = "" if few is None else str(few)
    mark = "  !" if median >= GOAL or grows(each, few) else ""
    print(
        f"{each.name:<44}{median * 1000:>6.0f} ms{worst * 1000:>6.0f} ms"
        f"{each.queries:>9}{with_few:>12}{mark}"
    )


def grows(each: Measured, few: int | None) -> bool:
    """Whether a page takes more queries where there are more rows."""
    return few is not None and each.queries > few + MORE


def report(measured: Sequence[Measured], few: dict[str, int]) -> None:
    """Print whether it is as it must be."""
    slowest = max(statistics.median(each.seconds) for each in measured)
    print(f"each under {GOAL * 1000:.0f} ms: {'yes' if slowest < GOAL else 'NO'}")
    if few:
        grown = any(grows(each, few[each.name]) for each in measured)
        print(f"no more queries than with {FEW:,} contacts: {'NO' if grown else 'yes'}")
    print(f"most queries of a page: {max(each.queries for each in measured)}")


if __name__ == "__main__":
    main()
