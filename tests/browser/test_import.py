"""A file of contacts, read before anything is written."""

from __future__ import annotations

import pytest
from playwright.sync_api import FilePayload, Page, expect

from conversion_sync.models import Contact
from conversion_sync.sandbox import Sandbox
from tests.browser.conftest import Open
from tests.browser.kit import eventually_shows, synced_contact
from tests.kit import ANN, BOB, contact

LINES = f"""email,first_name,title,subscription_status
{ANN},Anna,Buyer,
not an email,Carl,,
{BOB},Bob,Seller,
dora@x.example,Dora,,PERHAPS
"""


def test_the_good_lines_are_imported_and_the_two_bad_ones_are_named(page: Page, box: Sandbox):
    synced_contact(ANN, first_name="Ann", title="Buyer")
    page.goto("contact/")
    page.get_by_role("link", name="Import").click()
    file: FilePayload = {"name": "people.csv", "mimeType": "text/csv", "buffer": LINES.encode()}
    page.get_by_label("File:").set_input_files(file)
    page.get_by_role("button", name="Show what would change").click()
    bad = page.get_by_role("region", name="Lines that can't be imported").first
    expect(bad.get_by_role("row", name="not an email")).to_contain_text("3")
    expect(bad.get_by_role("row", name="PERHAPS")).to_contain_text("5")
    changes = page.get_by_role("region", name="What would change").first
    expect(changes.get_by_role("row", name=ANN)).to_contain_text("First name: Ann → Anna")
    expect(changes.get_by_role("row", name=BOB)).to_contain_text("New")
    assert not Contact.objects.filter(email=BOB).exists()
    page.get_by_role("button", name="Import the good lines, without the 2 bad ones").click()
    eventually_shows(page.get_by_role("row", name=BOB), "Synced")
    assert sorted(Contact.objects.values_list("email", flat=True)) == [ANN, BOB]


def test_what_a_list_shows_is_exported(page: Page, box: Sandbox):
    contact(ANN, first_name="=HYPERLINK(1)")
    contact(BOB)
    page.goto(f"contact/?q={ANN}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export").click()
    text = download.value.path().read_text(encoding="utf-8-sig")
    assert ANN in text
    assert BOB not in text
    assert ",=HYPERLINK" not in text


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_file_is_read_as_somebody_says_and_its_rejected_lines_are_fetched(
    open_page: Open, box: Sandbox, script: bool
):
    page = open_page(java_script_enabled=script)
    page.goto("contact/import/")
    lines = f"Correo;Rufnummer;Notes\n{ANN};0171 555;private\nnobody;;\n"
    file: FilePayload = {"name": "people.csv", "mimeType": "text/csv", "buffer": lines.encode()}
    page.get_by_label("File:").set_input_files(file)
    page.get_by_role("button", name="Show what would change").click()
    expect(page.get_by_role("alert")).to_contain_text("The column “email” is missing.")
    page.get_by_label("Read Correo as").select_option("Email")
    page.get_by_label("Read Rufnummer as").select_option("Phone")
    page.get_by_label("Read Notes as").select_option("Leave out")
    page.get_by_role("button", name="Read the file this way").click()
    changes = page.get_by_role("region", name="What would change").first
    expect(changes.get_by_role("row", name=ANN)).to_contain_text("Phone: 0171 555")
    expect(changes).not_to_contain_text("private")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download these lines with their reasons").click()
    assert download.value.suggested_filename == "people-rejected.csv"
    text = download.value.path().read_text(encoding="utf-8-sig")
    assert text.splitlines()[1] == "nobody,,,line 3: Correo: Enter a valid email address."
    page.get_by_role("button", name="Import the good lines, without the bad one").click()
    expect(page.get_by_role("link", name="Download the rejected lines")).to_be_visible()
    assert Contact.objects.get().phone == "0171 555"
