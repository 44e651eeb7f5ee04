"""How long the pages of the admin take with very many contacts, and how many queries.

Each page is asked for as a browser would, but without a network; with few rows, too: it must not
take more queries with many.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks import rows
from benchmarks.figure import Figure
from benchmarks.sizes import Sizes

TIMES = 3
MOST_MS = 300
#: A list that has a second page takes one query more; one whose rows wait, one for what they wait
#: for, and two for when they are sent.
MORE = 4

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


def counts(sizes: Sizes) -> Iterator[Figure]:
    """How many pages take more queries with many rows than with few."""
    many, few = sizes.pages
    rows.empty()
    rows.fill(0, few)
    before = {name: _queries(address, few) for name, address in PAGES}
    rows.fill(few, many)
    after = {name: _queries(address, many) for name, address in PAGES}
    grown = [name for name in after if after[name] > before[name] + MORE]
    yield Figure(
        f"pages with more queries at {many:,} rows than at {few:,}",
        len(grown),
        beside=f"{len(PAGES)} pages; at most {max(after.values())} queries",
        target=0,
        note=", ".join(grown),
        is_count=True,
    )


def times(sizes: Sizes) -> Iterator[Figure]:
    """The slowest pages."""
    many, _few = sizes.pages
    rows.empty()
    rows.fill(0, many)
    person = _client()
    slow = sorted(
        ((_milliseconds(person, _addressed(address, many)), name) for name, address in PAGES),
        reverse=True,
    )
    yield _page("dashboard", next(ms for ms, name in slow if name == "dashboard"), many)
    lists = [(ms, name) for ms, name in slow if name != "dashboard"]
    ms, name = lists[0]
    note = ", ".join(f"{name}: {ms:.0f} ms" for ms, name in lists[1:4])
    yield _page("slowest of all lists, searches and pages", ms, many, f"{name}; {note}")
    yield _page(
        "median of all lists, searches and pages", statistics.median(ms for ms, _ in lists), many
    )


def _page(name: str, ms: float, many: int, beside: str = "") -> Figure:
    return Figure(f"{name}, {many:,} rows", ms, "ms", beside, MOST_MS)


def _addressed(address: str, count: int) -> str:
    """The address, with the pages and rows that there are."""
    per_page, now = 50, timezone.now()
    pages = count // per_page
    return address.format(
        page=min(100, pages // 2),
        middle=pages // 2,
        late=pages * 9 // 10,
        contact=count // 2,
        day=quote(f"{now - timedelta(days=1):%Y-%m-%d %H:%M:%S%z}"),
        week=quote(f"{now - timedelta(days=7):%Y-%m-%d %H:%M:%S%z}"),
        of="app_label=conversion_sync",
    )


def _client() -> Client:
    """A person who may do everything."""
    users: Any = get_user_model().objects
    person = users.filter(username="staff").first() or users.create_superuser("staff")
    client = Client()
    client.force_login(person)
    return client


def _ask(client: Client, address: str) -> None:
    """Ask for a page.

    Raises:
        RuntimeError: there is no such page.
    """
    answer = client.get(address)
    if answer.status_code != 200:
        raise RuntimeError(f"{address} answered {answer.status_code}.")


def _queries(address: str, count: int) -> int:
    """How many queries a page takes; what it remembers for a while is there already."""
    person, address = _client(), _addressed(address, count)
    _ask(person, address)
    with CaptureQueriesContext(connection) as captured:
        _ask(person, address)
    return len(captured)


def _milliseconds(client: Client, address: str) -> float:
    """The median of some times."""
    _ask(client, address)
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        _ask(client, address)
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)
