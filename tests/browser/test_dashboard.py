"""Whether the thing is working at all, and what to do if it isn't."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from conversion_sync.sandbox import Sandbox
from tests.browser.kit import has_arrived, panel, save, stays
from tests.kit import ANN


def gate(page: Page) -> Locator:
    return page.get_by_role("region", name="Gate")


def add_contact(page: Page, email: str = ANN) -> None:
    page.goto("contact/add/")
    page.get_by_label("Email").fill(email)
    save(page)


def test_sending_pauses_and_goes_on(page: Page, box: Sandbox):
    page.goto("contact/")
    page.get_by_role("main").get_by_role("link", name="Dashboard").click()
    expect(gate(page)).to_contain_text("Open")
    gate(page).get_by_role("button", name="Pause").click()
    expect(gate(page)).to_contain_text("Paused")
    expect(gate(page)).to_contain_text("By sam")
    add_contact(page)
    expect(panel(page)).to_contain_text("Waiting to be sent")
    assert not box.calls
    contact = page.url
    page.goto("apigate/")
    gate(page).get_by_role("button", name="Resume").click()
    expect(gate(page)).to_contain_text("Open")
    page.goto(contact)
    has_arrived(page)
    assert ANN in box.contacts


def test_a_refused_key_is_shown_with_its_remedy_and_heals(page: Page, box: Sandbox):
    box.app.keys = frozenset({"another-key"})
    add_contact(page)
    contact = page.url
    page.goto("apigate/")
    with stays(page):
        expect(gate(page)).to_contain_text("Closed")
    expect(gate(page)).to_contain_text("the API key was not accepted")
    expect(gate(page)).to_contain_text("put a valid API key into the settings")
    box.app.keys = frozenset()
    gate(page).get_by_role("button", name="Resume").click()
    expect(gate(page)).to_contain_text("Open")
    page.goto(contact)
    has_arrived(page)
