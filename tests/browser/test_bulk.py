"""Many rows at once: how far it has come, and what became of it."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from conversion_sync.models import Contact
from conversion_sync.sandbox import Sandbox
from tests.browser.kit import change_remotely, choose, eventually_shows, held, select_all, stays
from tests.kit import push


def contacts(number: int) -> list[str]:
    """So many contacts that have arrived. Returns their emails."""
    emails = [f"person{i:03}@x.example" for i in range(number)]
    Contact.objects.bulk_create([Contact(email=email, first_name="Ann") for email in emails])
    push()
    return emails


def test_200_rows_are_pushed_with_progress(page: Page, box: Sandbox):
    contacts(200)
    with held(box, "/contacts/batch$") as let_go:
        page.goto("contact/")
        select_all(page, "Sync now")
        expect(page.get_by_text("200 rows are sent now.")).to_be_visible()
        page.goto("apigate/")
        progress = page.get_by_role("progressbar", name="on their way")
        with stays(page):
            let_go(4)
            expect(page.get_by_role("link", name="Contacts, Synced: 100")).to_be_visible()
            expect(page.get_by_text("rows are on their way.")).to_contain_text("rows a minute")
            expect(progress).to_be_visible()
            let_go()
            expect(progress).not_to_be_visible()
            expect(page.get_by_role("link", name="Contacts, Synced: 200")).to_be_visible()


def test_many_are_compared_in_the_background_and_ours_is_pushed(page: Page, box: Sandbox):
    emails = contacts(60)
    change_remotely(box, emails[7], first_name="Anna")
    box.app.store.delete_contact(emails[8])
    box.set_status(emails[9], "UNSUBSCRIBED")
    with held(box, "/contacts/") as let_go:
        page.goto("contact/")
        select_all(page, "Compare with Conversion")
        expect(page.get_by_text("Conversion will be asked for 60 records.")).to_be_visible()
        page.get_by_role("button", name="Compare with Conversion").click()
        with stays(page):
            let_go(24)
            expect(page.get_by_text(re.compile(r"(16|24) of 60 rows"))).to_be_visible()
            let_go()
            expect(page.get_by_text("60 of 60 rows")).to_be_visible()
            found = page.get_by_role("region", name="What was found").first
            expect(found.get_by_role("row", name=emails[7])).to_contain_text("Differs")
            expect(found.get_by_role("row", name=emails[8])).to_contain_text("Not in Conversion")
            expect(found.get_by_role("row", name=emails[9])).to_contain_text("Opted out")
    page.get_by_role("button", name="Push ours for all that differ").click()
    expect(page.get_by_text("2 rows are sent now.")).to_be_visible()


def test_subscriptions_are_set_with_a_reason_after_a_count(page: Page, box: Sandbox):
    emails = contacts(3)
    page.goto("contact/")
    page.get_by_label("Select all").first.check()
    choose(page, "Set subscription")
    expect(page.get_by_text("3 contacts selected.")).to_be_visible()
    page.get_by_label("Unsubscribed").check()
    page.get_by_label("Reason").fill("Asked for by letter")
    page.get_by_role("button", name="Set subscription").click()
    expect(page.get_by_text("The subscriptions of 3 contacts are changed.")).to_be_visible()
    page.goto("subscriptionchange/")
    for email in emails:
        eventually_shows(page.get_by_role("row", name=email), "Synced")
    assert {box.contacts[email]["subscriptionStatus"] for email in emails} == {"UNSUBSCRIBED"}
