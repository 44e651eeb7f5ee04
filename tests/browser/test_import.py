"""A file of contacts, read before anything is written."""

from __future__ import annotations

from playwright.sync_api import FilePayload, Page, expect

from conversion_sync.models import Contact
from conversion_sync.sandbox import Sandbox
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
