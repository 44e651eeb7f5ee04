"""The sandbox's pages as a person meets them: with a keyboard, a telephone, in the dark."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from conversion_sync.sandbox import Sandbox
from tests.browser.kit import PATIENCE
from tests.browser.looks import faults

LONG = f"{'a' * 64}@{'sub-domain.' * 16}example.com"
NAMES = {
    LONG: "x" * 300,
    "محمد@مثال.إختبار": "محمد",
    "li@例え.テスト": "李",
    "ann@x.example": "<img src=x onerror=window.hurt=1>",
}


@pytest.fixture
def stand_in() -> Iterator[Sandbox]:
    with Sandbox(page_port=0, rate=10) as stand_in:
        store = stand_in.app.store
        store.upsert_contacts([{"email": f"c{n}@x.example"} for n in range(60)])
        for email, name in NAMES.items():
            store.upsert_contacts([{"email": email, "variables": {"first_name": name}}])
            event = {"contactEmail": email, "type": "ACTIVITY", "name": name, "description": name}
            store.add_engagement({**event, "data": {"next_steps": name}})
        store.upsert_companies([{"id": "y" * 200, "variables": {"company_name": "z" * 200}}])
        yield stand_in


@pytest.fixture(params=[True, False], ids=["with a script", "without scripts"])
def page(request: pytest.FixtureRequest, browser: Browser, stand_in: Sandbox) -> Iterator[Page]:
    complaints: list[str] = []
    context = browser.new_context(base_url=stand_in.url, java_script_enabled=request.param)
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    # A page asks its own origin for a picture, which it has not.
    page.route("**/favicon.ico", lambda route: route.abort())
    yield page
    context.close()
    assert not complaints


@pytest.mark.parametrize("path", ["/", "/contacts", "/companies", "/engagements", "/calls"])
@pytest.mark.parametrize("page", [True], indirect=True)
def test_everybody_can_use_each_page(page: Page, stand_in: Sandbox, path: str) -> None:
    stand_in.app.troubles.begin("slow")
    stand_in.app.troubles.refuse(LONG)
    page.goto(path)
    assert not list(faults(page))


def test_a_contact_is_refused_and_accepted_by_the_keyboard_alone(
    page: Page, stand_in: Sandbox
) -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Refuse the contact")).to_be_focused()
    page.keyboard.type("ann@x.example")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Not normal now")).to_contain_text("ann@x.example")
    assert stand_in.app.troubles.refused == ["ann@x.example"]
    page.get_by_role("button", name="Back to normal").press("Enter")
    expect(page.get_by_role("region", name="Not normal now")).to_have_count(0)


def test_a_refused_connection_leaves_the_pages(page: Page, stand_in: Sandbox) -> None:
    page.goto(stand_in.base_url.removesuffix("api/v1"))
    button = page.get_by_role("button", name="Refuse connections")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert stand_in.app.troubles.current == []


def test_a_contact_is_found_and_refused_in_the_list(page: Page, stand_in: Sandbox) -> None:
    page.goto("/contacts")
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("status")).to_contain_text("26 to 50 of 64")
    page.get_by_label("Search").fill("c7@x")
    page.get_by_label("Search").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("1, the latest first")
    page.get_by_role("button", name="Refuse c7@x.example").click()
    expect(page.get_by_role("button", name="Accept c7@x.example")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("1, the latest first")
    assert stand_in.app.troubles.refused == ["c7@x.example"]
