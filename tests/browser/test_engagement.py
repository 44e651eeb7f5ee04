"""An engagement that may have arrived, and the person who decides."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from conversion_sync.models import Contact, Engagement
from conversion_sync.sandbox import Sandbox
from tests.browser.kit import has_arrived, panel, synced_contact
from tests.kit import ANN, engagement, push


@pytest.fixture
def in_doubt(box: Sandbox) -> Engagement:
    """An engagement that arrived, though the answer never came."""
    row = engagement(synced_contact(ANN))
    box.fail("drop_after", path="/engagements")
    push()
    return row


def a_visit(page: Page, contact: Contact) -> Locator:
    """The form on the contact's page, filled in."""
    page.goto(f"contact/{contact.pk}/change/")
    page.get_by_text("Log an engagement").click()
    form = page.locator("#log_form")
    form.get_by_label("Name").fill("Visit")
    form.get_by_label("Description").fill("We met at the fair.")
    return form


def test_an_engagement_in_doubt_is_resent(page: Page, box: Sandbox, in_doubt: Engagement):
    page.goto(f"engagement/{in_doubt.pk}/change/")
    expect(panel(page)).to_contain_text("In doubt since")
    expect(panel(page)).to_contain_text("look in Conversion whether that arrived")
    panel(page).get_by_role("button", name="Resend").click()
    has_arrived(page)
    assert len(box.engagements) == 2


def test_an_engagement_in_doubt_is_marked_as_sent(page: Page, box: Sandbox, in_doubt: Engagement):
    page.goto(f"engagement/{in_doubt.pk}/change/")
    panel(page).get_by_role("button", name="Mark as sent").click()
    has_arrived(page)
    assert len(box.engagements) == 1


def test_an_engagement_is_logged_without_leaving_the_contact(page: Page, box: Sandbox):
    contact = synced_contact(ANN)
    form = a_visit(page, contact)
    form.get_by_role("button", name="Log it").click()
    row = page.get_by_role("region", name="Engagements").first.get_by_role("row", name="Visit")
    expect(row).to_contain_text("Synced")
    expect(page).to_have_url(re.compile(f"/contact/{contact.pk}/change/"))
    assert [event["name"] for event in box.engagements] == ["Visit"]


def test_a_second_press_while_the_first_is_on_its_way_logs_nothing_more(page: Page, box: Sandbox):
    a_visit(page, synced_contact(ANN))
    held: list[Route] = []
    page.route("**/log/", lambda route: held.append(route))  # Playwright wants one
    page.evaluate(
        "for (const after of [0, 300, 600]) {"
        " setTimeout(() => document.querySelector('#log_form button[type=submit]').click(), after);"
        "}"
    )
    page.wait_for_timeout(1000)
    for route in held:
        route.continue_()
    expect(page.get_by_text("is logged.")).to_be_visible()
    assert len(held) == 1
    assert Engagement.objects.count() == 1
