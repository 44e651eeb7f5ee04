"""A contact's way to Conversion, as staff see it."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from conversion_sync.sandbox import Sandbox
from tests.browser.kit import (
    eventually_shows,
    has_arrived,
    held,
    panel,
    refuse,
    save,
    stays,
    synced_company,
    synced_contact,
)
from tests.kit import ANN, BOB, contact, push


def test_a_new_contact_goes_from_pending_to_synced_without_a_reload(page: Page, box: Sandbox):
    with held(box, "/contacts/batch$") as let_go:
        page.goto("contact/")
        page.get_by_role("link", name="Add contact").click()
        page.get_by_label("Email").fill(ANN)
        page.get_by_label("First name").fill("Ann")
        save(page)
        expect(panel(page)).to_contain_text("Sending…")
        with stays(page):
            let_go()
            has_arrived(page)
    assert box.contacts[ANN]["variables"]["first_name"] == "Ann"


def test_the_verdict_above_the_panel_follows_it(page: Page, box: Sandbox):
    refuse(box, ANN, "The address is on the blocklist.")
    row = contact(ANN)
    page.goto(f"contact/{row.pk}/change/")
    expect(panel(page)).to_contain_text("Waiting to be sent")
    with stays(page):
        push()
        expect(panel(page)).to_contain_text("Failed: The address is on the blocklist.")
        expect(page.locator(".cs-verdict")).to_contain_text("1 row needs a person")


def test_a_failed_contact_is_found_repaired_and_arrives(page: Page, box: Sandbox):
    refuse(box, "0049-call-me", "The phone number is not valid.")
    contact(ANN, phone="0049-call-me")
    push()
    page.goto("apigate/")
    failures = page.get_by_role("region", name="What needs a person")
    failures.get_by_role("link", name="1 contact").click()
    page.get_by_role("link", name=ANN).click()
    expect(panel(page)).to_contain_text("Failed: The phone number is not valid.")
    expect(panel(page)).to_contain_text("Correct the value that the message names, and save")
    page.get_by_label("Phone").fill("+49 30 1234567")
    save(page)
    has_arrived(page)
    assert box.contacts[ANN]["variables"]["phone"] == "+49 30 1234567"


def test_a_failed_contact_is_retried_once_the_cause_is_gone(page: Page, box: Sandbox):
    refuse(box, ANN, "The address is on the blocklist.")
    row = contact(ANN)
    push()
    page.goto(f"contact/{row.pk}/change/")
    expect(panel(page)).to_contain_text("Failed: The address is on the blocklist.")
    box.clear_faults()
    panel(page).get_by_role("button", name="Retry").click()
    expect(page.get_by_text("1 failed row is tried again.")).to_be_visible()
    has_arrived(page)
    assert ANN in box.contacts


def test_an_email_is_changed_once_its_warning_is_confirmed(page: Page, box: Sandbox):
    row = synced_contact(ANN)
    page.goto(f"contact/{row.pk}/change/")
    page.get_by_label("Email").fill(BOB)
    save(page)
    warning = page.get_by_text("Conversion can't rename a record.")
    expect(warning).to_contain_text(f"It will create {BOB}, and delete {ANN}")
    assert list(box.contacts) == [ANN]
    page.get_by_label("Change it").check()
    save(page)
    has_arrived(page)
    page.goto("deletion/")
    eventually_shows(page.get_by_role("row", name=ANN), "Synced")
    assert list(box.contacts) == [BOB]


def test_a_renamed_company_is_sent_again_and_so_are_its_contacts(page: Page, box: Sandbox):
    company = synced_company("C1", company_name="Lumentum")
    row = synced_contact(ANN, company=company)
    with held(box, "/contacts/batch$") as let_go:
        page.goto(f"company/{company.pk}/change/")
        page.get_by_label("Name:", exact=True).fill("Viavi")
        save(page)
        has_arrived(page)
        page.goto(f"contact/{row.pk}/change/")
        expect(panel(page)).to_contain_text("Sending…")
        let_go()
        has_arrived(page)
    assert box.companies["C1"]["variables"]["company_name"] == "Viavi"
    assert box.contacts[ANN]["variables"]["company_name"] == "Viavi"


def test_an_opt_out_arrives_and_its_reason_is_in_the_history(page: Page, box: Sandbox):
    row = synced_contact(ANN)
    with held(box, "/contacts/batch-subscription") as let_go:
        page.goto(f"contact/{row.pk}/change/")
        page.get_by_label("Subscription:").select_option("Unsubscribed")
        page.get_by_label("Reason").fill("Asked on the phone")
        save(page)
        entry = page.get_by_role("region", name="Consent history").first.get_by_role("row").nth(1)
        expect(entry).to_contain_text("sam")
        expect(entry).to_contain_text("Unsubscribed")
        expect(entry).to_contain_text("Asked on the phone")
        expect(entry).to_contain_text("Sending…")
        with stays(page):
            let_go()
            expect(entry).to_contain_text("Synced")
    assert box.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"


def test_a_page_that_stands_still_says_so(page: Page, box: Sandbox):
    with held(box, "/contacts/batch$"):
        row = contact(ANN)
        page.goto(f"contact/{row.pk}/change/")
        page.context.clear_cookies()
        expect(page.get_by_text("you are not logged in")).to_be_visible()


def test_a_button_beside_the_form_loses_no_edit_without_a_word(page: Page, box: Sandbox):
    row = synced_contact(ANN)
    page.goto(f"contact/{row.pk}/change/")
    page.get_by_label("Job title").fill("Head of Purchasing")
    page.get_by_text("Log an engagement").click()
    page.get_by_label("Name:", exact=True).fill("Call")
    page.get_by_role("button", name="Log it").click()
    expect(page.get_by_role("alert")).to_contain_text("is not saved")
    expect(page.get_by_label("Job title")).to_have_value("Head of Purchasing")
    save(page)
    has_arrived(page)
    expect(page.get_by_label("Job title")).to_have_value("Head of Purchasing")
