"""The exported file: whole, safe in a spreadsheet, and taken back without a change."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from conversion_sync.importing import Importer, Result, exporter
from conversion_sync.importing.cells import protected, unprotected
from conversion_sync.models import Company, Contact, SubscriptionChange
from tests.admin.conftest import BASE
from tests.admin.pages.import_export.test_import import SAMPLES
from tests.kit import contact

CONTACTS, COMPANIES = f"{BASE}/contact", f"{BASE}/company"

Login = Callable[..., Client]

FORMULAS = ["=1+1", "+1 555 0100", "-2", "@SUM(A1)", "\uff1dcmd|' /C calc'!A0", "  =1", "'=1"]


@pytest.fixture
def client(staff: Login) -> Client:
    return staff("view_contact", "export_contact", "view_company", "export_company")


def content(answer: Any) -> bytes:
    assert answer.status_code == 200, answer
    return b"".join(answer.streaming_content)


def table(answer: Any) -> list[dict[str, str]]:
    text = content(answer).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


# What is in it


@pytest.mark.django_db
def test_a_contact_has_all_its_columns(client):
    company = Company.objects.create(external_id="C1", company_name="Acme")
    contact(
        "Ann@x.example",
        first_name="Änn",
        company=company,
        subscription_status="SUBSCRIBED",
        custom_variables={"zip": "007"},
    )
    answer = client.get(f"{CONTACTS}/export/")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(
        r'attachment; filename="Contact-[\d-]+\.csv"', answer["Content-Disposition"]
    )
    (line,) = table(answer)
    assert line == {
        "email": "Ann@x.example",
        "first_name": "Änn",
        "last_name": "",
        "phone": "",
        "title": "",
        "linkedin_url": "",
        "external_contact": "",
        "subscription_status": "SUBSCRIBED",
        "company_id": "C1",
        "custom_variables": '{"zip": "007"}',
        "held_wish": "",
    }


@pytest.mark.django_db
def test_a_contact_is_exported_as_it_stands_with_the_wish_that_is_held(client):
    row = contact("ann@x.example", subscription_status="UNSUBSCRIBED")
    row.subscription_status = "SUBSCRIBED"
    row.save()
    held = SubscriptionChange.objects.latest("pk")
    SubscriptionChange.unmarked.filter(pk=held.pk).update(
        sync_status="FAILED",
        last_error_code="CONSENT_BLOCKED",
        last_error_message="An opt-out stands in the log.",
    )
    file = content(client.get(f"{CONTACTS}/export/"))
    (line,) = table(client.get(f"{CONTACTS}/export/"))
    assert line["subscription_status"] == "UNSUBSCRIBED"
    assert line["held_wish"].startswith("SUBSCRIBED 20")
    assert line["held_wish"].endswith("An opt-out stands in the log.")
    # It is for people: imported again, the file changes nothing.
    assert [outcome.result for outcome in Importer("contacts", io.BytesIO(file)).outcomes()] == [
        Result.UNCHANGED
    ]


@pytest.mark.django_db
def test_a_spreadsheet_takes_it_for_utf_8(client):
    assert content(client.get(f"{CONTACTS}/export/")).startswith(b"\xef\xbb\xbfemail,")


@pytest.mark.django_db
def test_the_filtered_list_is_exported_and_nothing_else(client):
    contact("ann@x.example", last_name="Ross", subscription_status="SUBSCRIBED")
    contact("bob@x.example", last_name="Ross")
    contact("eve@x.example", last_name="Moss", subscription_status="SUBSCRIBED")
    answer = client.get(f"{CONTACTS}/export/?q=ross&subscription_status__exact=SUBSCRIBED")
    assert [line["email"] for line in table(answer)] == ["ann@x.example"]


@pytest.mark.django_db
def test_the_link_on_the_list_keeps_its_filter(client):
    page = client.get(f"{CONTACTS}/?q=ross").content.decode()
    assert f'href="{CONTACTS}/export/?q=ross"' in page


@pytest.mark.django_db
def test_a_filter_that_cannot_be_leads_back_to_the_list(client):
    answer = client.get(f"{CONTACTS}/export/?updated_at__gte=never")
    assert (answer.status_code, answer.url) == (302, f"{CONTACTS}/")


@pytest.mark.django_db
def test_the_ticked_rows_are_exported(client):
    one, other = contact("a@x.example"), contact("b@x.example")
    contact("c@x.example")
    answer = client.post(
        f"{CONTACTS}/",
        {"action": "export_selected", "_selected_action": [str(one.pk), str(other.pk)]},
    )
    assert {line["email"] for line in table(answer)} == {"a@x.example", "b@x.example"}


@pytest.mark.django_db
def test_a_long_list_is_read_in_parts_with_one_query(
    client, monkeypatch, django_assert_max_num_queries
):
    monkeypatch.setattr(exporter, "LINES_AT_ONCE", 2)
    company = Company.objects.create(external_id="C1")
    Contact.objects.bulk_create(
        Contact(email=f"c{number}@x.example", company=company) for number in range(5)
    )
    answer = client.get(f"{CONTACTS}/export/")
    parts = list(answer.streaming_content)
    assert len(parts) > 3
    assert b"".join(parts).count(b"@x.example") == 5
    with django_assert_max_num_queries(6):
        content(client.get(f"{CONTACTS}/export/"))


# Safe, and the way back


@pytest.mark.django_db
@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula_and_all_come_back(client, text):
    row = contact("ann@x.example", first_name=text, custom_variables={"note": f"a;{text}"})
    data = content(client.get(f"{CONTACTS}/export/"))
    (line,) = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    assert line["first_name"] == f"'{text}"
    # For a spreadsheet that splits at semicolons, a cell begins there.
    assert f";'{text.lstrip()}" in line["custom_variables"].replace("; ", ";").replace("'  ", "'")
    (outcome,) = Importer("contacts", io.BytesIO(data)).outcomes()
    assert outcome.result is Result.UNCHANGED
    Contact.objects.filter(pk=row.pk).update(first_name="x", custom_variables={})
    list(Importer("contacts", io.BytesIO(data)).outcomes())
    found = Contact.objects.get()
    assert (found.first_name, found.custom_variables) == (text, {"note": f"a;{text}"})


@given(st.text(alphabet="'=+-@\uff1d \t\r\n;,ab\"\u3000", max_size=12) | st.text(max_size=12))
def test_protected_text_is_no_formula_and_comes_back_as_it_was(text):
    safe = protected(text)
    assert unprotected(safe) == text
    for cell in re.split(r"[;\t\r\n]", safe):
        assert not re.match(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]", cell)


@pytest.mark.parametrize(
    "text", ["'t Hooft", "O'Neil", "'quoted'", "a - b", "x=1", "user@x.example"]
)
def test_other_text_is_left_as_it_is(text):
    assert protected(text) == text
    assert unprotected(text) == text


@pytest.mark.django_db
def test_an_exported_file_changes_nothing_when_it_is_imported(client):
    for name in ("companies", "contacts"):
        call_command("conversion_import", name, str(SAMPLES / f"{name}.csv"), stdout=io.StringIO())
    for kind, page, rows in (("companies", COMPANIES, 503), ("contacts", CONTACTS, 5000)):
        data = content(client.get(f"{page}/export/"))
        outcomes = list(Importer(kind, io.BytesIO(data)).outcomes())
        assert len(outcomes) == rows
        assert {outcome.result for outcome in outcomes} == {Result.UNCHANGED}


# Who may


@pytest.mark.django_db
@pytest.mark.parametrize("page", [CONTACTS, COMPANIES])
@pytest.mark.parametrize(
    "permissions",
    [
        (),
        ("view_contact", "change_contact", "import_contact", "view_company", "import_company"),
        ("export_contact", "export_company"),
    ],
)
def test_only_who_may_see_and_export_gets_the_file(staff, page, permissions):
    client = staff(*permissions)
    assert client.get(f"{page}/export/").status_code == 403
    assert client.post(f"{page}/export/").status_code == 403


@pytest.mark.django_db
def test_the_action_is_refused_to_others(staff):
    row = contact("ann@x.example")
    client = staff("view_contact", "change_contact", "sync_contact")
    data = {"action": "export_selected", "_selected_action": [str(row.pk)]}
    assert not client.post(f"{CONTACTS}/", data).streaming
    assert "Export" not in client.get(f"{CONTACTS}/").content.decode()


@pytest.mark.django_db
def test_a_superuser_may_export_both():
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    for page in (CONTACTS, COMPANIES):
        assert content(client.get(f"{page}/export/"))
