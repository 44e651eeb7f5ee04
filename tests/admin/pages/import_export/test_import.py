"""The import page: what a person uploads, is shown, and decides."""

from __future__ import annotations

import html
import io
import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client

from conversion_sync.admin.pages.import_export import forms, review, uploads
from conversion_sync.models import Company, Contact, Subscription, SubscriptionChange
from tests.admin.conftest import BASE
from tests.importing.files_sheets import xls, xlsx
from tests.importing.kit import written
from tests.kit import contact, fresh

pytestmark = pytest.mark.django_db

SAMPLES = Path(__file__).resolve().parents[4] / "project" / "sample_data"
CONTACTS, COMPANIES = f"{BASE}/contact", f"{BASE}/company"

Login = Callable[..., Client]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch) -> Path:
    """Where uploaded files wait."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def client(staff: Login) -> Client:
    return staff("view_contact", "import_contact", "set_subscription")


def upload(client: Client, content: str | bytes, page: str = CONTACTS, **more: Any) -> Any:
    """Upload a file, and look at what it would do."""
    data = content.encode() if isinstance(content, str) else content
    form = {"format": "0", "resource": "0", **more}
    file = SimpleUploadedFile("people.csv", data, "text/csv")
    return client.post(f"{page}/import/", {**form, "import_file": file})


def hidden(answer: Any) -> dict[str, str]:
    """What the button of the preview would send."""
    found = re.findall(
        r'<input type="hidden" name="(\w+)" value="([^"]*)"', answer.content.decode()
    )
    return {name: html.unescape(value) for name, value in found if name != "csrfmiddlewaretoken"}


def confirm(client: Client, answer: Any, page: str = CONTACTS, **more: Any) -> Any:
    """Press the button of the preview."""
    return client.post(f"{page}/process_import/", {**hidden(answer), **more}, follow=True)


def text(answer: Any) -> str:
    """The page without its tags."""
    page = re.sub(r"<[^>]+>", " ", answer.content.decode().split('id="content-main"')[-1])
    return " ".join(html.unescape(page).split())


def messages(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def buttons(answer: Any) -> list[str]:
    # The one below reads the file in another way, and is always there.
    page = answer.content.decode().split('id="cs-columns-form"')[0]
    found = re.findall(r'<button type="submit" class="button[^>]*>(.*?)</button>', page)
    return [html.unescape(words) for words in found]


# The preview


def test_the_preview_shows_the_differences_and_writes_nothing(client):
    row = contact("ann@x.example", first_name="Ann", title="CTO", custom_variables={"score": 1})
    contact("same@x.example", first_name="Sam")
    before = fresh(row).revision
    answer = upload(
        client,
        "email,first_name,title,score\nANN@x.example,Ann,CEO,2\nnew@x.example,New,,\n"
        "same@x.example,Sam,,\n",
    )
    assert "1 new, 1 changed, 1 unchanged" in text(answer)
    assert "Job title : CTO → CEO score : 1 → 2" in text(answer)
    assert "3 new@x.example New First name : New" in text(answer)
    assert "same@x.example" not in text(answer).split("What would change")[1]
    assert (Contact.objects.count(), fresh(row).revision) == (2, before)
    assert buttons(answer) == ["Import"]


def test_a_company_is_shown_by_its_name(client):
    old = Company.objects.create(external_id="C1", company_name="Old Ltd")
    Company.objects.create(external_id="C2", company_name="New Ltd")
    contact("ann@x.example", company=old)
    answer = upload(client, "email,company_id\nann@x.example,C2\n")
    assert "Company : Old Ltd → New Ltd" in text(answer)


def test_a_company_that_is_not_known_by_its_name_is_named(client):
    for external_id, name in (("C1", "Acme"), ("C2", "Twin"), ("C3", "Twin")):
        Company.objects.create(external_id=external_id, company_name=name)
    contact("old@x.example", first_name="Ann")
    preview = upload(
        client,
        "email,first_name,company\n"
        "a@x.example,,Acme\nb@x.example,,Twin\nold@x.example,Ann,Nobody Ltd\nc@x.example,,\n",
    )
    assert "2 lines name a company by a name that none has here, or several" in text(preview)
    assert "b@x.example New Without its company: “Twin” can't be told" in text(preview)
    assert "old@x.example Unchanged Without its company: “Nobody Ltd” can't be told" in text(
        preview
    )
    assert text(preview).count("Without its company") == 2
    confirm(client, preview)
    companies = dict(Contact.objects.values_list("email", "company__external_id"))
    assert companies == {
        "a@x.example": "C1",
        "b@x.example": None,
        "c@x.example": None,
        "old@x.example": None,
    }


def test_of_a_file_that_is_a_header_alone_it_is_said_that_it_has_no_lines(client):
    preview = upload(client, "email,first_name\n")
    assert "Nothing to import: the file has no lines below its header." in text(preview)
    assert "all rows are as the file says" not in text(preview)


def test_of_a_long_file_the_first_lines_are_shown_and_all_are_counted(client, monkeypatch):
    monkeypatch.setattr(review, "LINES", 3)
    good = "".join(f"c{number}@x.example\n" for number in range(10))
    answer = upload(client, f"email\n{good}" + "bad\n" * 5)
    assert "10 new, 0 changed, 0 unchanged, 5 bad" in text(answer)
    assert "c2@x.example" in text(answer)
    assert "c3@x.example" not in text(answer)
    assert "And 2 more bad lines." in text(answer)
    assert "And 7 more rows." in text(answer)


def test_a_long_import_is_announced(client, monkeypatch):
    content = "email\na@x.example\nb@x.example\n"
    assert "its import takes minutes" not in text(upload(client, content))
    monkeypatch.setattr(review, "LONG_FROM", 1)
    assert "its import takes minutes" in text(upload(client, content))


def test_what_the_file_holds_is_shown_harmless(client):
    contact("ann@x.example", title="<b>old</b>")
    nasty = "<script>alert(1)</script>\u202eabc"
    answer = upload(
        client, f'email,title,<i>x</i>\nann@x.example,{nasty},"<img src=x>"\n<u>bad</u>,,\n'
    )
    page = answer.content.decode()
    for tag in ("<script>alert", "<b>old", "<i>x", "<img", "<u>bad"):
        assert tag not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_page_has_no_inline_script_or_style(client):
    for answer in (client.get(f"{CONTACTS}/import/"), upload(client, "email\na@x.example\nbad\n")):
        page = answer.content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page)


def test_a_value_of_ten_thousand_characters_is_cut(client):
    answer = upload(client, f"email,notes\na@x.example,{'x' * 10_000}\nbad{'y' * 10_000},\n")
    assert "xxxx" in text(answer)
    assert len(answer.content) < 20_000


# The import


def test_the_confirmed_file_goes_in_behind_what_people_wait_for(client, store):
    row = contact("ann@x.example", first_name="Ann")
    same = contact("same@x.example", first_name="Sam")
    untouched = fresh(same).updated_at
    Contact.unmarked.update(priority=1)
    answer = upload(
        client, "email,first_name\nann@x.example,Anna\nnew@x.example,New\nsame@x.example,Sam\n"
    )
    assert [path.name.startswith(uploads.PREFIX) for path in store.iterdir()] == [True]
    answer = confirm(client, answer)
    assert messages(answer) == ["Imported “people.csv”: 1 new, 1 changed, 1 unchanged."]
    assert fresh(row).first_name == "Anna"
    assert set(Contact.unmarked.values_list("priority", flat=True)) == {1}
    assert fresh(same).updated_at == untouched
    assert not list(store.iterdir())


def test_the_import_is_in_the_log_of_the_admin_once(client):
    confirm(client, upload(client, "email\na@x.example\nb@x.example\n"))
    entry = LogEntry.objects.get()
    assert entry.user.get_username() == "sam"
    assert str(entry) == "Changed “people.csv” — Imported: 2 new, 0 changed, 0 unchanged."


def test_a_site_that_keeps_no_log_of_imports_gets_none(client, settings):
    settings.IMPORT_EXPORT_SKIP_ADMIN_LOG = True
    confirm(client, upload(client, "email\na@x.example\n"))
    assert Contact.objects.count() == 1
    assert not LogEntry.objects.exists()


def test_a_site_that_skips_previews_elsewhere_has_one_here(client, settings):
    settings.IMPORT_EXPORT_SKIP_ADMIN_CONFIRM = True
    assert buttons(upload(client, "email\na@x.example\n")) == ["Import"]
    assert not Contact.objects.exists()


def test_the_consent_log_says_who_imported(client):
    confirm(client, upload(client, "email,subscription_status\na@x.example,SUBSCRIBED\n"))
    change = SubscriptionChange.objects.get()
    assert (change.source, change.requested_by, change.priority) == ("import", "sam", 1)


def test_a_row_that_somebody_edits_after_the_preview_is_compared_anew(client):
    row = contact("ann@x.example", first_name="Ann", title="CTO")
    preview = upload(client, "email,first_name,title\nann@x.example,Anna,CTO\n")
    Contact.objects.filter(pk=row.pk).update(first_name="Anna", title="CEO")
    contact("other@x.example")
    assert "0 new, 1 changed" in messages(confirm(client, preview))[0]
    assert (fresh(row).first_name, fresh(row).title) == ("Anna", "CTO")


def test_a_line_that_became_bad_after_the_preview_is_left_out_and_named(client):
    company = Company.objects.create(external_id="C1")
    preview = upload(client, "email,company_id\na@x.example,C1\nb@x.example,\n")
    company.delete()
    done, left_out = messages(confirm(client, preview))
    assert "1 new, 0 changed, 0 unchanged, 1 bad" in done
    assert html.unescape(left_out).startswith(
        "Left out: line 2: company_id: there is no company “C1”: import it first. <a href="
    )
    assert Contact.objects.get().email == "b@x.example"


def test_the_file_goes_in_once(client):
    preview = upload(client, "email\na@x.example\n")
    confirm(client, preview)
    Contact.objects.all().delete()
    answer = confirm(client, preview)
    assert messages(answer) == [
        "The file is no longer here: it was imported already, or is too old."
    ]
    assert not Contact.objects.exists()


def test_a_file_that_changes_nothing_offers_no_button(client):
    contact("ann@x.example", first_name="Ann")
    answer = upload(client, "email,first_name\nann@x.example,Ann\n")
    assert "Nothing to import: all rows are as the file says." in text(answer)
    assert buttons(answer) == []


@pytest.mark.parametrize("kind", ["companies", "contacts"])
def test_the_samples_go_in_as_by_the_command(staff, kind, django_assert_max_num_queries):
    page = {"companies": COMPANIES, "contacts": CONTACTS}[kind]
    client = staff(
        "view_contact", "import_contact", "view_company", "import_company", "set_subscription"
    )
    if kind == "contacts":
        call_command(
            "conversion_import", "companies", str(SAMPLES / "companies.csv"), stdout=io.StringIO()
        )
    content = (SAMPLES / f"{kind}.csv").read_bytes()
    with django_assert_max_num_queries(80):
        preview = upload(client, content, page)
    answer = confirm(client, preview, page)
    assert "0 changed, 0 unchanged." in messages(answer)[0]
    out = io.StringIO()
    call_command("conversion_import", kind, str(SAMPLES / f"{kind}.csv"), stdout=out)
    assert "0 created, 0 updated" in out.getvalue()
    assert "Nothing to import" in text(upload(client, content, page))


def test_blank_cells_leave_what_is_there_unless_the_person_says_otherwise(client):
    row = contact("ann@x.example", first_name="Ann", subscription_status=Subscription.SUBSCRIBED)
    content = "email,first_name,subscription_status\nann@x.example,,\n"
    assert "1 unchanged" in text(upload(client, content))
    preview = upload(client, content, clear_blanks="on")
    assert "First name : Ann → –" in text(preview)
    confirm(client, preview)
    assert (fresh(row).first_name, fresh(row).subscription_status) == ("", "SUBSCRIBED")


def test_a_file_with_semicolons_as_excel_writes_it_in_europe_goes_in(client):
    confirm(client, upload(client, "\ufeffEmail;First Name\r\nann@x.example;Änn\r\n"))
    assert Contact.objects.get().first_name == "Änn"


# Bad lines


def test_two_bad_lines_are_named_and_nothing_goes_in_until_somebody_says_so(client):
    answer = upload(client, "email,phone\na@x.example,1\nnobody,2\nb@x.example,3\nA@X.example,4\n")
    assert "2 new, 0 changed, 0 unchanged, 2 bad" in text(answer)
    assert "3 email nobody Enter a valid email address." in text(answer)
    assert "5 A@X.example same email as line 2" in text(answer)
    assert "Upload a corrected file" in text(answer)
    assert buttons(answer) == ["Import the good lines, without the 2 bad ones"]
    assert not Contact.objects.exists()
    answer = confirm(client, answer)
    assert "2 new, 0 changed, 0 unchanged, 2 bad" in messages(answer)[0]
    assert messages(answer)[1].startswith(
        "Left out: line 3: email: Enter a valid email address; line 5: same email as line 2. <a"
    )
    assert Contact.objects.count() == 2


def test_only_bad_lines_offer_no_button(client):
    answer = upload(client, "email\nnobody\n")
    assert "No line can be imported." in text(answer)
    assert buttons(answer) == []


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "The submitted file is empty."),
        (b"\n", "the file is empty."),
        (b"first_name\nAnn\n", "the column “email” is missing."),
        (b"email\nm\x81ller@x.example\n", "Line 2: the file is not Windows-1252"),
        (b"PK\x03\x04\x00\x00", "this is no spreadsheet that can be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_at_its_field(client, content, complaint, store):
    answer = upload(client, content)
    assert complaint in text(answer)
    assert buttons(answer) == ["Show what would change"]
    assert not list(store.iterdir())


def test_a_file_that_is_too_big_is_refused_with_advice(client, monkeypatch):
    monkeypatch.setattr(forms, "MAX_BYTES", 20)
    assert "manage.py conversion_import" in text(upload(client, "email\nlong@x.example\n"))


# Consent


def test_an_opt_out_is_not_lifted_and_the_preview_says_so(client):
    row = contact("ann@x.example", subscription_status=Subscription.UNSUBSCRIBED)
    preview = upload(
        client, "email,title,subscription_status\nann@x.example,CEO,SUBSCRIBED\nb@x.example,,\n"
    )
    assert "1 left unsubscribed" in text(preview)
    assert "An import never lifts an opt-out" in text(preview)
    assert "ann@x.example Changed Opted out: stays unsubscribed" in text(preview)
    confirm(client, preview)
    assert (fresh(row).title, fresh(row).subscription_status) == ("CEO", "UNSUBSCRIBED")


def test_a_line_that_only_wants_to_lift_an_opt_out_is_shown_too(client):
    contact("ann@x.example", subscription_status=Subscription.UNSUBSCRIBED)
    preview = upload(client, "email,subscription_status\nann@x.example,SUBSCRIBED\nb@x.example,\n")
    assert "ann@x.example Unchanged Opted out: stays unsubscribed" in text(preview)


BAD_OPT_OUTS = (
    ("email", "company_id", "subscription_status"),
    ("ann@x.example", "nobody", "UNSUBSCRIBED"),
    ("b@x.example", "nobody", "UNSUBSCRIBED"),
    ("", "", "UNSUBSCRIBED"),
)


@pytest.mark.parametrize("write", [written, xlsx, lambda rows: xls(*rows)])
def test_the_opt_outs_of_bad_lines_are_shown_and_entered(client, write):
    row = contact("ann@x.example", subscription_status=Subscription.SUBSCRIBED)
    preview = upload(client, write(BAD_OPT_OUTS))
    assert "2 of the bad lines bring opt-outs, which are entered" in text(preview)
    assert "2 bad lines bring opt-outs: these are entered with the import" in text(preview)
    assert text(preview).count("Its opt-out is entered all the same.") == 2
    assert "whose opt-out it is can't be told: it is not entered" in text(preview)
    assert buttons(preview) == ["Enter the opt-outs, without the rest of their lines"]
    assert fresh(row).subscription_status == "SUBSCRIBED"
    answer = confirm(client, preview)
    assert "its opt-out is entered all the same" in messages(answer)[1]
    assert fresh(row).subscription_status == "UNSUBSCRIBED"
    changes = SubscriptionChange.objects.opt_outs().order_by("address")
    assert [(c.address, c.contact_id, c.requested_by) for c in changes] == [
        ("ann@x.example", row.pk, "sam"),
        ("b@x.example", None, "sam"),
    ]


def test_without_the_permission_no_subscription_is_imported(staff):
    client = staff("view_contact", "import_contact")
    row = contact("ann@x.example")
    preview = upload(
        client,
        "email,title,Subscription Status\n"
        "ann@x.example,CEO,UNSUBSCRIBED\nb@x.example,,SUBSCRIBED\n",
    )
    assert "The column “Subscription Status” is left alone: you may not change it." in text(preview)
    confirm(client, preview)
    assert (fresh(row).title, fresh(row).subscription_status) == ("CEO", "")
    assert not SubscriptionChange.objects.exists()


# Who may


@pytest.mark.parametrize("page", [CONTACTS, COMPANIES])
@pytest.mark.parametrize(
    "permissions",
    [
        (),
        ("view_contact", "change_contact", "add_contact", "view_company", "change_company"),
        ("import_contact", "import_company"),
    ],
)
def test_only_who_may_see_and_import_gets_to_the_pages(staff, page, permissions):
    client = staff(*permissions)
    assert client.get(f"{page}/import/").status_code == 403
    assert upload(client, "email\na@x.example\n", page).status_code == 403
    assert client.post(f"{page}/process_import/").status_code == 403
    assert not Contact.objects.exists()


def test_to_import_contacts_is_not_to_import_companies(client):
    assert client.get(f"{CONTACTS}/import/").status_code == 200
    assert client.get(f"{COMPANIES}/import/").status_code == 403


def test_without_a_token_nothing_is_imported(client):
    preview = upload(client, "email\na@x.example\n")
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    assert strict.post(f"{CONTACTS}/process_import/", hidden(preview)).status_code == 403
    assert not Contact.objects.exists()


def test_a_file_that_somebody_else_uploaded_is_not_imported(client, staff, store):
    preview = upload(client, "email\na@x.example\n")
    other = staff("view_contact", "import_contact", name="eve")
    answer = confirm(other, preview)
    assert "This is not a file that you have just uploaded here." in text(answer)
    assert not Contact.objects.exists()
    assert len(list(store.iterdir())) == 1


def test_a_file_for_contacts_is_not_imported_as_companies(staff):
    client = staff("view_contact", "import_contact", "view_company", "import_company")
    preview = upload(client, "email,id\na@x.example,C1\n")
    assert "not a file that you have" in text(confirm(client, preview, COMPANIES))
    assert not Company.objects.exists()


@pytest.mark.parametrize("name", ["../people.csv", "/etc/passwd", "people.csv", ""])
def test_no_other_file_can_be_named(client, store, name):
    (store / "people.csv").write_text("email\na@x.example\n")
    preview = upload(client, "email\nb@x.example\n")
    answer = confirm(client, preview, import_file_name=name or str(store / "people.csv"))
    assert "not a file that you have" in text(answer)
    assert (store / "people.csv").exists()
    assert not Contact.objects.exists()


def test_a_file_that_nobody_imports_is_forgotten_after_a_day(client, store):
    upload(client, "email\na@x.example\n")
    (old,) = store.iterdir()
    other = store / "of-another-program"
    other.touch()
    for path in (old, other):
        os.utime(path, (time.time() - uploads.KEEP_SECONDS - 1,) * 2)
    upload(client, "email\nb@x.example\n")
    assert not old.exists()
    assert other.exists()
    assert len(list(store.iterdir())) == 2


def test_two_clicks_on_the_button_are_no_error(client, monkeypatch):
    read = uploads.Uploads.read

    def read_as_the_other_request_ends(self):
        data = read(self)
        self.remove()
        return data

    preview = upload(client, "email\na@x.example\n")
    monkeypatch.setattr(uploads.Uploads, "read", read_as_the_other_request_ends)
    assert "1 new" in messages(confirm(client, preview))[0]


def test_an_uploaded_file_is_closed_to_others(client, store):
    upload(client, "email\na@x.example\n")
    (path,) = store.iterdir()
    assert path.stat().st_mode & 0o077 == 0


def test_a_store_that_the_site_has_chosen_is_used(client, settings, store):
    settings.IMPORT_EXPORT_TMP_STORAGE_CLASS = "import_export.tmp_storages.CacheStorage"
    preview = upload(client, "email\na@x.example\n")
    assert not list(store.iterdir())
    assert "1 new" in messages(confirm(client, preview))[0]
    assert "no longer here" in messages(confirm(client, preview))[0]


# The list


@pytest.mark.parametrize("page", [CONTACTS, COMPANIES])
def test_the_list_has_the_buttons_of_those_who_may(staff, page):
    def offered(*permissions: str, name: str) -> list[str]:
        client = staff("view_contact", "view_company", *permissions, name=name)
        page_ = client.get(f"{page}/").content.decode()
        return re.findall(r"<li><a href=\"[^\"]*\">(Import|Export)</a>", page_)

    assert offered(name="nobody") == []
    assert offered("import_contact", "import_company", name="importer") == ["Import"]
    assert offered("export_contact", "export_company", name="exporter") == ["Export"]
