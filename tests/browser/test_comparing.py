"""Our row beside Conversion's record, and what staff decide of them."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from conversion_sync.models import Contact
from conversion_sync.sandbox import Sandbox
from tests.browser.kit import change_remotely, has_arrived, panel, synced_contact
from tests.kit import ANN


@pytest.fixture
def ann(box: Sandbox) -> Contact:
    """A contact that somebody has changed at the vendor."""
    row = synced_contact(ANN, title="Buyer", first_name="Ann")
    change_remotely(box, ANN, title="Head of Purchasing", first_name="Anna")
    return row


def compare(page: Page, row: Contact) -> None:
    page.goto(f"contact/{row.pk}/change/")
    page.get_by_role("link", name="Compare with Conversion").click()


def test_theirs_is_taken_for_the_chosen_field_alone(page: Page, box: Sandbox, ann: Contact):
    compare(page, ann)
    line = page.get_by_role("row", name="title")
    expect(line).to_contain_text("Buyer")
    expect(line).to_contain_text("Head of Purchasing")
    expect(line).to_contain_text("Differs")
    page.get_by_label("Take Job title from Conversion").check()
    page.get_by_role("button", name="Take theirs for the chosen fields").click()
    expect(page.get_by_text("Taken from Conversion: Job title.")).to_be_visible()
    expect(page.get_by_label("Job title")).to_have_value("Head of Purchasing")
    expect(page.get_by_label("First name")).to_have_value("Ann")
    has_arrived(page)
    assert box.contacts[ANN]["variables"]["title"] == "Head of Purchasing"


def test_ours_is_pushed_as_a_whole(page: Page, box: Sandbox, ann: Contact):
    compare(page, ann)
    page.get_by_role("button", name="Push ours").click()
    expect(page.get_by_text("Ours is sent now.")).to_be_visible()
    has_arrived(page)
    assert box.contacts[ANN]["variables"] == {"title": "Buyer", "first_name": "Ann"}
    panel(page).get_by_role("link", name="Compare with Conversion").click()
    expect(page.get_by_text("Conversion has all that we would send.")).to_be_visible()


def test_a_remote_opt_out_stands_first_and_is_taken_with_one_click(page: Page, box: Sandbox):
    row = synced_contact(ANN)
    box.set_status(ANN, "UNSUBSCRIBED")
    compare(page, row)
    expect(page.get_by_role("alert")).to_contain_text("This person has opted out in Conversion")
    page.get_by_role("button", name="Take the opt-out").click()
    expect(page.get_by_label("Subscription:")).to_have_value("UNSUBSCRIBED")
    expect(page.get_by_role("region", name="Consent history").first).to_contain_text("Unsubscribed")
