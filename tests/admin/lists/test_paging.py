"""Long lists: what is not counted can be paged through all the same, and is said in words."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.translation import override

from conversion_sync.admin.lists import paging
from conversion_sync.admin.lists.long_list import LongListAdmin
from conversion_sync.admin.lists.paging import BoundedPaginator, count_in_words
from conversion_sync.models import (
    ApiCall,
    Company,
    Contact,
    Deletion,
    Engagement,
    SubscriptionChange,
)
from conversion_sync.status import estimates
from conversion_sync.status.estimates import Count
from tests.admin.conftest import BASE

ROWS = 23

LISTS = {
    "company": Company,
    "contact": Contact,
    "engagement": Engagement,
    "subscriptionchange": SubscriptionChange,
    "deletion": Deletion,
    "apicall": ApiCall,
}


@pytest.fixture
def long(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of five a page, of which no more than ten rows are counted; 23 contacts."""
    monkeypatch.setattr(LongListAdmin, "list_per_page", 5)
    monkeypatch.setattr(BoundedPaginator, "step", 10)
    monkeypatch.setattr(estimates, "EXACT", 10)
    monkeypatch.setattr(paging, "table_sizes", lambda models, using: dict.fromkeys(models))
    Contact.objects.bulk_create(
        Contact(email=f"p{number:02}@x.example", last_name=f"n{number % 3}")
        for number in range(ROWS)
    )


@pytest.fixture
def estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the database thinks of its tables: too much by far."""
    monkeypatch.setattr(paging, "table_sizes", lambda models, using: dict.fromkeys(models, 1234567))


def emails(client: Client, **query: Any) -> list[str]:
    answer = client.get(f"{BASE}/contact/", query)
    assert answer.status_code == 200, answer
    return [row.email for row in answer.context["cl"].result_list]


def words(client: Client, **query: Any) -> str:
    text = client.get(f"{BASE}/contact/", query).content.decode()
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


@pytest.mark.usefixtures("long", "estimate")
def test_a_long_table_is_estimated_and_says_so(admin):
    text = words(admin)
    assert "about 1,230,000 contacts" in text
    assert "Select all contacts found (about 1,230,000)" in text
    assert "All of them selected (about 1,230,000)" in text
    assert "1234567" not in text


@pytest.mark.usefixtures("long", "estimate")
def test_the_last_page_of_an_estimate_has_the_last_rows(admin):
    assert emails(admin, p=1)[0] == "p22@x.example"
    last = admin.get(f"{BASE}/contact/").context["cl"].paginator.num_pages
    assert emails(admin, p=last) == [f"p{n:02}@x.example" for n in (4, 3, 2, 1, 0)]
    assert emails(admin, p=last - 1)[-1] == "p05@x.example"


@pytest.mark.usefixtures("long")
def test_what_is_filtered_is_counted_no_further_than_one_reads(admin):
    text = words(admin, status="waiting")
    assert "more than 10 contacts" in text
    assert "Select all contacts found (more than 10)" in text
    assert "results" not in text


@pytest.mark.usefixtures("long")
@pytest.mark.parametrize("query", [{"status": "waiting"}, {"q": "p"}, {"q": "n", "o": "3"}])
def test_whoever_turns_the_pages_gets_to_the_end(admin, monkeypatch, query):
    monkeypatch.setattr("conversion_sync.admin.lists.long_list.FOUND", 10)
    found, page, is_last = [], 0, False
    while not is_last:
        page += 1
        found += emails(admin, p=page, **query)
        answer = admin.get(f"{BASE}/contact/", {"p": page, **query})
        is_last = page == answer.context["cl"].paginator.num_pages
    assert sorted(found) == [f"p{number:02}@x.example" for number in range(ROWS)]
    assert page == 5
    assert "23 contacts" in words(admin, p=page, **query)


@pytest.mark.usefixtures("long")
def test_a_few_rows_are_counted_and_sorted_as_ever(admin):
    query = {"status": "waiting", "q": "p0", "o": "2"}
    assert "10 contacts" in words(admin, **query)
    assert "Select all 10 contacts" in words(admin, **query)
    assert emails(admin, **query) == [f"p{n:02}@x.example" for n in (0, 3, 6, 9, 1)]
    assert emails(admin, p=2, **query) == [f"p{n:02}@x.example" for n in (4, 7, 2, 5, 8)]
    backwards = query | {"o": "-2"}
    assert emails(admin, **backwards) == [f"p{n:02}@x.example" for n in (8, 5, 2, 7, 4)]


@pytest.mark.usefixtures("long", "estimate")
@pytest.mark.parametrize("page", ["0", "-1", "x", "9" * 30, "٣", "²"])
@pytest.mark.parametrize("query", [{}, {"status": "waiting"}])
def test_a_page_that_does_not_exist_is_no_error(admin, page, query):
    answer = admin.get(f"{BASE}/contact/", {"p": page, **query}, follow=True)
    assert answer.status_code == 200


@pytest.mark.usefixtures("estimate")
@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("query", [{}, {"q": "x"}, {"error": "X"}, {"error_code": "X"}])
def test_no_list_counts_all_its_rows(admin, contact, name, query):
    if not (field := {"apicall": "error_code"}.get(name)) and "error_code" in query:
        return
    if field and "error" in query:
        return
    with CaptureQueriesContext(connection) as queries:
        assert admin.get(f"{BASE}/{name}/", query).status_code == 200
    counts = [q["sql"] for q in queries if "COUNT(" in q["sql"]]
    assert counts
    assert all("LIMIT" in sql for sql in counts), counts


@pytest.mark.usefixtures("long")
def test_rows_are_passed_over_by_their_keys_alone(admin):
    with CaptureQueriesContext(connection) as queries:
        emails(admin, p=3)
    (sql,) = [q["sql"] for q in queries if "OFFSET" in q["sql"]]
    assert sql.startswith('SELECT "conversion_sync_contact"."id" AS "pk" FROM')
    assert "JOIN" not in sql


@pytest.mark.usefixtures("long")
def test_a_few_rows_are_found_by_the_filter_and_then_sorted(admin):
    """Else the database may go through the whole table in the order that is asked for."""
    with CaptureQueriesContext(connection) as queries:
        emails(admin, q="p0")
    (sql,) = [q["sql"] for q in queries if "LIMIT 5" in q["sql"]]
    assert "ORDER BY COALESCE(" in sql


def sortable(client: Client, name: str) -> list[str]:
    return re.findall(r'href="\?o=(\d+)', client.get(f"{BASE}/{name}/").content.decode())


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads what SQLite says of its plans")
@pytest.mark.parametrize("name", LISTS)
def test_each_column_that_can_be_sorted_has_an_index(admin, contact, engagement, name):
    for number in range(60):
        row = Contact.objects.create(email=f"p{number}@x.example")
        Company.objects.create(external_id=f"c{number}")
        Engagement.objects.create(contact=row, name="Call", description="Talked")
        SubscriptionChange.objects.create(address=row.key, status="SUBSCRIBED")
        Deletion.objects.create(kind="contact", key=row.key)
        ApiCall.objects.create(endpoint="POST /contacts/batch", started_at=row.created_at)
    columns = sortable(admin, name)
    assert columns
    for order in [*columns, *(f"-{column}" for column in columns)]:
        with CaptureQueriesContext(connection) as queries:
            admin.get(f"{BASE}/{name}/", {"o": order})
        (sql,) = [q["sql"] for q in queries if "LIMIT 50" in q["sql"]]
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = " ".join(str(line) for line in cursor.fetchall())
        assert "TEMP B-TREE" not in plan, (order, plan, sql)


@pytest.mark.usefixtures("long")
def test_what_can_not_be_sorted_can_not_be_sorted_by_address_either(admin):
    assert sortable(admin, "contact") == ["1", "2"]
    for column in (3, 4, 5, 99):
        assert emails(admin, o=column) == emails(admin)


@pytest.mark.usefixtures("long")
def test_emails_are_sorted_as_they_are_compared(admin):
    Contact.objects.create(email="P00A@x.example")
    assert emails(admin, o=1)[:2] == ["p00@x.example", "P00A@x.example"]


@pytest.mark.usefixtures("long", "estimate")
def test_the_choices_of_a_field_are_not_counted_either(admin):
    query = {"app_label": "conversion_sync", "model_name": "engagement", "field_name": "contact"}
    with CaptureQueriesContext(connection) as queries:
        answer = admin.get("/admin/autocomplete/", query).json()
    assert len(answer["results"]) == 20
    assert answer["pagination"]["more"] is True
    assert all("LIMIT" in q["sql"] for q in queries if "COUNT(" in q["sql"])
    assert len(admin.get("/admin/autocomplete/", query | {"term": "p0"}).json()["results"]) == 10


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (Count(0), "0"),
        (Count(1234567), "1,234,567"),
        (Count(10_001, is_exact=False), "about 10,000"),
        (Count(976_584, is_exact=False), "about 977,000"),
        (Count(12, is_exact=False), "about 12"),
    ],
)
def test_numbers_are_said_as_they_are_known(count, words):
    assert count_in_words(count) == words


def test_numbers_are_written_as_the_reader_writes_them():
    with override("de"):
        assert count_in_words(Count(1234567)) == "1.234.567"
