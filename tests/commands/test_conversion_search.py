"""Lists find any part of a text once somebody has had the indexes made."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from conversion_sync.models import Company, Contact, Engagement, trigrams

LIST = "/admin/conversion_sync"

on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="PostgreSQL's trigrams"
)


@pytest.fixture
def admin(transactional_db, admin):
    return admin


@pytest.fixture
def ann(transactional_db):
    company = Company.objects.create(
        external_id="C-1", company_name="Lumentum", base_domain="photonics.example"
    )
    Contact.objects.create(email="bob@x.example", first_name="Bob", phone="+1 555 0000")
    return Contact.objects.create(
        email="ann.ross@customer.example",
        first_name="Ann-Kathrin",
        last_name="Ross-McAllister",
        phone="+49 (30) 123-4567",
        company=company,
    )


@pytest.fixture
def indexed(transactional_db):
    call_command("conversion_search", stdout=io.StringIO())
    yield
    call_command("conversion_search", "--drop", stdout=io.StringIO())


def found(client, name, term):
    answer = client.get(f"{LIST}/{name}/", {"q": term})
    return {row.pk for row in answer.context["cl"].result_list}


@on_postgresql
@pytest.mark.usefixtures("indexed")
@pytest.mark.parametrize(
    "term",
    [
        *("customer.example", "@CUSTOMER", "ross", "kathrin", "callis", "kath MCALL"),
        *("30123", "123-45", "photonics", "mentum", "lum"),
    ],
)
def test_any_part_is_found(admin, ann, term):
    assert found(admin, "contact", term) == {ann.pk}


@on_postgresql
@pytest.mark.usefixtures("indexed")
def test_companies_and_engagements_are_found_too(admin, ann):
    event = Engagement.objects.create(contact=ann, name="Call", description="text")
    assert found(admin, "company", "tonics.ex") == {ann.company_id}
    assert found(admin, "engagement", "callis") == {event.pk}


@on_postgresql
@pytest.mark.usefixtures("indexed")
def test_each_part_is_looked_up_in_an_index(ann):
    by_digits = trigrams.Digits("phone")
    rows = Contact.unmarked.annotate(digits=by_digits).order_by()
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        for condition in (
            {"email__icontains": "customer"},
            {"first_name__icontains": "kath"},
            {"digits__contains": "3012"},
        ):
            assert "conversion_contact_parts" in rows.filter(**condition).explain(), condition
        cursor.execute("RESET enable_seqscan")


@on_postgresql
def test_the_list_says_what_it_looks_at(admin, ann):
    page = f"{LIST}/contact/"
    assert "By the beginning of the email" in admin.get(page).content.decode()
    assert found(admin, "contact", "kathrin") == set()
    call_command("conversion_search", stdout=io.StringIO())
    assert "Any part of the email" in admin.get(page).content.decode()
    call_command("conversion_search", "--drop", stdout=io.StringIO())
    assert not trigrams.are_there("default")


@pytest.mark.skipif(connection.vendor == "postgresql", reason="there it has them")
def test_other_databases_are_told_that_they_have_none(db):
    with pytest.raises(CommandError, match="Only PostgreSQL"):
        call_command("conversion_search")
