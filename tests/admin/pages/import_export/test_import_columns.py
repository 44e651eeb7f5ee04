"""How the columns of a file are read: what staff see, choose, and need not choose again."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from conversion_sync.admin.pages.import_export import columns
from conversion_sync.models import ColumnMapping, Company, Contact, SubscriptionChange
from tests.admin.pages.import_export.test_import import (
    COMPANIES,
    CONTACTS,
    buttons,
    client,
    confirm,
    messages,
    store,
    text,
    upload,
)
from tests.importing.files_sheets import PEOPLE, xlsx
from tests.kit import contact

__all__ = ["client", "store"]

pytestmark = pytest.mark.django_db

Login = Callable[..., Client]

FILE = "email,Rufnummer,Plan,Notes\nann@x.example,555,1,private\nbob@x.example,556,2,secret\n"


class Columns:
    """The form of the preview, as a browser would send it."""

    def __init__(self, answer: Any) -> None:
        page = answer.content.decode().split('id="cs-columns-form"')[1].split("</form>")[0]
        inputs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
        self.data = {name: html.unescape(value) for name, value in inputs}
        self.titles = dict[str, str]()
        self.offered = dict[str, list[str]]()
        selects = re.findall(r'<select name="([^"]+)"(.*?)>(.*?)</select>', page, re.DOTALL)
        for name, more, inside in selects:
            values = re.findall(r'<option value="([^"]*)"( selected)?', inside)
            self.offered[name] = [value for value, _selected in values]
            (self.data[name],) = [value for value, selected in values if selected]
            if title := re.search(r'aria-label="Read (.*?) as"', more):
                self.titles[html.unescape(title[1])] = name
        if " checked" in page:
            self.data["clear_blanks"] = "on"
        del self.data["csrfmiddlewaretoken"]

    def choose(self, **choices: str) -> dict[str, str]:
        return {**self.data, **{self.titles[title]: value for title, value in choices.items()}}

    def chosen(self) -> dict[str, str]:
        return {title: self.data[name] for title, name in self.titles.items()}


def again(client: Client, answer: Any, page: str = CONTACTS, **choices: str) -> Any:
    """Choose in the table, and press its button."""
    return client.post(f"{page}/import/", Columns(answer).choose(**choices))


def rejected(answer: Any) -> str:
    """Where the rejected lines can be fetched, by the preview or a message."""
    page = answer.content.decode()
    (url,) = re.findall(r'<a href="([^"]*/import/rejected/[^"]*)"', page)
    return html.unescape(url)


def test_the_preview_shows_how_each_column_is_read(client):
    answer = upload(
        client,
        "email,Phone Number,zip,visits,vip,,Company\n"
        "ann@x.example,4.92E+11,01234,1.500,TRUE,odd,Acme\n",
    )
    assert Columns(answer).chosen() == {
        "email": "email",
        "Phone Number": "phone",
        "zip": "variable",
        "visits": "variable",
        "vip": "variable",
        "column_6": "variable",
        "Company": "company_name",
    }
    page = text(answer)
    assert "Phone Number 4.92E+11" in page
    assert "“1.500” may be 1.5 or 1500, so it is read as text." in page
    assert "It is read as true or false." in page
    assert "It has no name in the file." in page
    assert "Cells that a spreadsheet has spoiled" in page
    assert (
        "2 Phone Number 4.92E+11 It was a long number, and has lost its last digits. It is left"
        in page
    )


def test_staff_read_a_file_in_another_way_before_anything_is_written(client, store):
    preview = upload(client, FILE)
    assert "Rufnummer : 555" in text(preview)
    preview = again(
        client, preview, **{"Rufnummer": "phone", "Plan": "variable:text", "Notes": "skip"}
    )
    assert "Phone : 555" in text(preview)
    assert "Notes :" not in text(preview)
    assert not Contact.objects.exists()
    assert len(list(store.iterdir())) == 1
    assert messages(confirm(client, preview)) == [
        "Imported “people.csv”: 2 new, 0 changed, 0 unchanged."
    ]
    row = Contact.objects.get(email="ann@x.example")
    assert (row.phone, row.custom_variables) == ("555", {"Plan": "1"})
    assert not list(store.iterdir())


def test_what_was_chosen_holds_for_the_next_file_with_this_header_of_whoever_brings_it(
    client, staff: Login
):
    again(client, upload(client, FILE), **{"Rufnummer": "phone", "Notes": "skip"})
    mapping = ColumnMapping.objects.get()
    assert (mapping.kind, mapping.choices) == ("contacts", {"Rufnummer": "phone", "Notes": "skip"})
    other = staff("view_contact", "import_contact", name="eve")
    preview = upload(other, "Plan,Rufnummer,email,Notes\n1,557,cid@x.example,x\n")
    assert re.search(r"As sam chose on \d\d/\d\d/\d{4} \d", text(preview))
    assert Columns(preview).chosen() == {
        "Plan": "variable",
        "Rufnummer": "phone",
        "email": "email",
        "Notes": "skip",
    }
    confirm(other, preview)
    assert Contact.objects.get(email="cid@x.example").phone == "557"


def test_another_header_or_another_kind_is_read_by_its_titles(staff: Login):
    client = staff("view_contact", "import_contact", "view_company", "import_company")
    again(client, upload(client, "email,id,Rufnummer\na@x.example,1,5\n"), Rufnummer="phone")
    assert ColumnMapping.objects.count() == 1
    preview = upload(client, "email,id,Rufnummer,x\na@x.example,1,5,\n")
    assert Columns(preview).chosen()["Rufnummer"] == "variable"
    preview = upload(client, "email,id,Rufnummer\na@x.example,1,5\n", COMPANIES)
    assert Columns(preview).chosen()["Rufnummer"] == "variable"


def test_who_chooses_what_was_suggested_forgets_what_was_chosen(client):
    preview = again(client, upload(client, FILE), Rufnummer="phone")
    preview = again(client, preview, Rufnummer="variable")
    assert not ColumnMapping.objects.exists()
    assert "Rufnummer : 555" in text(preview)


def test_a_field_that_another_column_is_chosen_for_is_free(client):
    preview = upload(client, "email,Phone,Mobile\na@x.example,1,2\n")
    assert Columns(preview).chosen() == {"email": "email", "Phone": "phone", "Mobile": "variable"}
    preview = again(client, preview, Mobile="phone")
    assert Columns(preview).chosen() == {"email": "email", "Phone": "variable", "Mobile": "phone"}
    assert "Phone : 2" in text(preview)
    assert Columns(again(client, preview, Mobile="variable")).chosen()["Phone"] == "phone"


def test_a_header_in_another_language_is_asked_about(client):
    preview = upload(client, "Correo,Nombre\nann@x.example,Ann\n")
    assert "The column “email” is missing. Choose below what each column holds." in text(preview)
    assert buttons(preview) == []
    preview = again(client, preview, Correo="email", Nombre="first_name")
    assert buttons(preview) == ["Import"]
    confirm(client, preview)
    assert Contact.objects.get().first_name == "Ann"
    assert buttons(upload(client, "Correo,Nombre\nbob@x.example,Bob\n")) == ["Import"]


def test_two_columns_for_one_field_are_asked_about_and_not_remembered(client):
    preview = upload(client, "Email,E-mail\na@x.example,b@x.example\n")
    assert "The columns “Email” and “E-mail” mean the same." in text(preview)
    assert not ColumnMapping.objects.exists()
    assert buttons(again(client, preview, **{"E-mail": "skip"})) == ["Import"]


def test_a_choice_that_lost_its_sense_is_forgotten(client):
    again(client, upload(client, FILE), Rufnummer="phone")
    ColumnMapping.objects.update(choices={"Rufnummer": "fax"})
    preview = upload(client, FILE)
    assert Columns(preview).chosen()["Rufnummer"] == "variable"
    assert "chose on" not in text(preview)


def test_an_encoding_that_cannot_be_seen_is_chosen_and_remembered(client):
    content = "email;first_name\nann@x.example;Łucja\n".encode("cp1250")
    preview = upload(client, content)
    assert "it is read as Windows-1252 (line 2: “£ucja”)" in text(preview)
    data = {**Columns(preview).data, "encoding": "cp1250"}
    preview = client.post(f"{CONTACTS}/import/", data)
    assert "First name : Łucja" in text(preview)
    confirm(client, preview)
    assert Contact.objects.get().first_name == "Łucja"
    assert "First name : Łucja → Ślubicka" in text(
        upload(client, "email;first_name\nann@x.example;Ślubicka\n".encode("cp1250"))
    )


def test_blank_cells_can_be_made_to_clear_in_the_preview(client):
    contact("ann@x.example", first_name="Ann")
    preview = upload(client, "email,first_name\nann@x.example,\n")
    assert "Nothing to import" in text(preview)
    data = {**Columns(preview).data, "clear_blanks": "on"}
    preview = client.post(f"{CONTACTS}/import/", data)
    assert "First name : Ann → –" in text(preview)
    assert Columns(preview).data["clear_blanks"] == "on"
    confirm(client, preview)
    assert Contact.objects.get().first_name == ""


def test_a_spreadsheet_is_imported(client):
    preview = upload(client, xlsx(PEOPLE))
    assert "First name : Zoë" in text(preview)
    assert "encoding" not in Columns(preview).offered
    assert "1 new" in messages(confirm(client, preview))[0]
    assert Contact.objects.get().first_name == "Zoë"


def test_a_column_that_one_may_not_change_is_not_offered(staff: Login):
    client = staff("view_contact", "import_contact")
    preview = upload(client, "email,Email opt out,x\na@x.example,yes,UNSUBSCRIBED\n")
    assert "The column “Email opt out” is left alone: you may not change it." in text(preview)
    assert set(Columns(preview).titles) == {"email", "x"}
    for name in ("opted_out", "subscription_status"):
        confirm(client, again(client, preview, x=name))
    assert Contact.objects.get().subscription_status == ""
    assert not SubscriptionChange.objects.exists()


def test_what_the_titles_hold_is_shown_harmless(client):
    title = '"><script>alert(1)</script>'
    preview = upload(client, f'email,"{title.replace(chr(34), chr(34) * 2)}"\na@x.example,1\n')
    assert "<script>alert" not in preview.content.decode()
    preview = again(client, preview, **{title: "first_name"})
    assert "First name : 1" in text(preview)


def test_a_file_that_is_no_longer_here_is_asked_for_again(client, store):
    preview = upload(client, FILE)
    for path in store.iterdir():
        path.unlink()
    assert "The file is no longer here: upload it again." in text(again(client, preview))


@pytest.mark.parametrize("use", ["kept", "import_file_name"])
def test_a_file_that_somebody_else_uploaded_is_not_read(client, staff: Login, use):
    preview = upload(client, FILE)
    other = staff("view_contact", "import_contact", name="eve")
    page = preview.content.decode()
    (token,) = re.findall(f'name="{use}" value="([^"]*)"', page)
    data = {**Columns(preview).data, "kept": html.unescape(token)}
    for who in (other, client if use == "import_file_name" else other):
        answer = who.post(f"{CONTACTS}/import/", data)
        assert "The file is no longer here: upload it again." in text(answer)
    assert "private" not in answer.content.decode()


def test_the_word_to_go_on_is_for_what_was_seen(client):
    first = upload(client, FILE)
    again(client, first, Rufnummer="phone")
    confirm(client, first)
    assert Contact.objects.get(email="ann@x.example").custom_variables["Rufnummer"] == 555


def test_no_file_is_asked_for_in_words(client):
    answer = client.post(f"{CONTACTS}/import/", {"format": "0", "resource": "0"})
    assert "Choose a file." in text(answer)


def test_another_store_keeps_the_file_and_the_rejected_lines(client, settings, store):
    settings.IMPORT_EXPORT_TMP_STORAGE_CLASS = "import_export.tmp_storages.CacheStorage"
    preview = again(client, upload(client, FILE + "bad,,,\n"), Rufnummer="phone")
    assert client.get(rejected(preview)).status_code == 200
    assert "2 new" in messages(confirm(client, preview))[0]
    assert not list(store.iterdir())


def test_a_file_of_hundreds_of_columns_can_be_read_another_way(client):
    titles = [f"Property {number}" for number in range(600)]
    preview = upload(client, f"email,{','.join(titles)}\na@x.example,{'1,' * 599}1\n")
    preview = again(client, preview, **{"Property 599": "phone"})
    confirm(client, preview)
    row = Contact.objects.get()
    assert (row.phone, len(row.custom_variables)) == ("1", 599)


def test_of_more_columns_the_first_can_be_chosen(client, monkeypatch):
    monkeypatch.setattr(columns, "ROWS", 2)
    preview = upload(client, "email,a,b\na@x.example,1,2\n")
    assert list(Columns(preview).titles) == ["email", "a"]
    assert "Of 3 columns the first 2 can be chosen here" in text(preview)
    confirm(client, again(client, preview, a="skip"))
    assert Contact.objects.get().custom_variables == {"b": 2}


# Rejected lines


def lines(answer: Any) -> list[list[str]]:
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    content = answer.content.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(content, newline="")))


def test_rejected_lines_are_fetched_mended_and_imported_again(client):
    preview = upload(client, "email,Rufnummer,,\nann@x.example,=1+1,x,\nnobody,+1 555,y,\n")
    preview = again(client, preview, Rufnummer="phone")
    answer = client.get(rejected(preview))
    assert answer["Content-Disposition"] == 'attachment; filename="people-rejected.csv"'
    assert lines(answer) == [
        ["email", "Rufnummer", "column_3", "Rejected because"],
        ["nobody", "'+1 555", "y", "line 3: email: Enter a valid email address."],
    ]
    done = confirm(client, preview)
    assert lines(client.get(rejected(done))) == lines(answer)
    mended = answer.content.decode("utf-8-sig").replace("nobody", "bob@x.example")
    confirm(client, again(client, upload(client, mended), Rufnummer="phone"))
    row = Contact.objects.get(email="bob@x.example")
    assert (row.phone, row.custom_variables) == ("+1 555", {"column_3": "y"})


def test_what_was_chosen_holds_for_the_rejected_lines(client):
    preview = again(client, upload(client, FILE + "nobody,1,2,3\n"), Rufnummer="phone")
    content = client.get(rejected(preview)).content
    assert Columns(upload(client, content)).chosen()["Rufnummer"] == "phone"


def test_nobody_else_gets_the_rejected_lines(client, staff: Login):
    url = rejected(upload(client, FILE + "nobody,1,2,3\n"))
    other = staff("view_contact", "import_contact", name="eve")
    answer = other.get(url, follow=True)
    assert messages(answer) == ["The rejected lines are no longer here: upload the file again."]
    assert staff("view_contact", name="viewer").get(url).status_code == 403
    assert client.get(url.replace("/contact/", "/company/")).status_code == 403


def test_rejected_lines_that_are_gone_are_said_to_be(client, store: Path):
    url = rejected(upload(client, FILE + "nobody,1,2,3\n"))
    for path in store.iterdir():
        path.unlink()
    assert "no longer here" in messages(client.get(url, follow=True))[0]


def test_a_company_file_has_them_too(staff: Login):
    client = staff("view_company", "import_company")
    preview = upload(client, "id,Umsatz\nA,1.500\nB,much\n", COMPANIES)
    preview = again(client, preview, COMPANIES, Umsatz="annual_revenue:decimal-comma")
    assert lines(client.get(rejected(preview)))[1][:2] == ["B", "much"]
    confirm(client, preview, COMPANIES)
    assert Company.objects.get().annual_revenue == 1500


def test_a_file_with_another_name_gives_the_rejected_lines_a_name_that_is_safe(client):
    file = SimpleUploadedFile('Zoë "1".csv', b"email\nbad\n", "text/csv")
    form = {"format": "0", "resource": "0", "import_file": file}
    answer = client.get(rejected(client.post(f"{CONTACTS}/import/", form)))
    assert answer["Content-Disposition"] == (
        "attachment; filename*=utf-8''Zo%C3%AB%20%221%22-rejected.csv"
    )
