"""How many rows there are: exactly while they are few."""

from __future__ import annotations

import pytest
from django.db import connection

from conversion_sync.models import Company, Contact
from conversion_sync.status.estimates import EXACT, Count, about, table_sizes, up_to

KNOWS_SIZES = connection.vendor in ("postgresql", "mysql")


def fill(count: int) -> None:
    Contact.objects.bulk_create(Contact(email=f"c{n}@x.example") for n in range(count))


def on_tables(words: str) -> None:
    """Have the database do something with the tables."""
    with connection.cursor() as cursor:
        for table in (Contact._meta.db_table, Company._meta.db_table):
            cursor.execute(f"{words} {table}")


def rebuild() -> None:
    """Leave nothing in the tables' pages of what other tests have written and taken back."""
    on_tables({"postgresql": "VACUUM FULL", "mysql": "OPTIMIZE TABLE"}[connection.vendor])


def analyze() -> None:
    """Have the statistics made now."""
    on_tables({"postgresql": "ANALYZE", "mysql": "ANALYZE TABLE"}[connection.vendor])


@pytest.mark.skipif(not KNOWS_SIZES, reason="this database keeps no such statistics")
@pytest.mark.django_db(transaction=True)
def test_a_database_knows_about_how_many_rows_a_table_has():
    rebuild()
    fill(300)
    analyze()
    sizes = table_sizes([Contact, Company], "default")
    assert sizes[Contact] == pytest.approx(300, abs=30)
    assert sizes[Company] == pytest.approx(0, abs=10)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="as PostgreSQL's planner does")
@pytest.mark.django_db(transaction=True)
def test_rows_that_came_since_the_statistics_were_made_are_estimated_too():
    rebuild()
    fill(300)
    analyze()
    Contact.objects.bulk_create(Contact(email=f"d{n}@x.example") for n in range(300))
    assert table_sizes([Contact], "default")[Contact] == pytest.approx(600, abs=60)


@pytest.mark.skipif(KNOWS_SIZES, reason="this database keeps statistics")
@pytest.mark.django_db
def test_a_database_without_statistics_says_so():
    assert table_sizes([Contact, Company], "default") == {Contact: None, Company: None}


@pytest.mark.django_db
def test_rows_are_counted_up_to_a_bound():
    fill(5)
    rows = Contact.objects.all()
    assert up_to(5, rows) == Count(5)
    assert up_to(4, rows) == Count(5, is_exact=False)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("estimate", "count"),
    [
        (None, Count(5)),
        (1000, Count(1000, is_exact=False)),
        # Whatever the statistics say, there are as many as were counted.
        (0, Count(4, is_exact=False)),
    ],
)
def test_an_estimate_stands_where_counting_would_take_long(monkeypatch, estimate, count):
    fill(5)
    monkeypatch.setattr("conversion_sync.status.estimates.EXACT", 3)
    assert about(Contact.objects.all(), estimate) == count


@pytest.mark.django_db
def test_a_few_rows_are_counted_whatever_the_estimate():
    fill(5)
    assert EXACT > 1000
    assert about(Contact.objects.all(), 1_000_000) == Count(5)
