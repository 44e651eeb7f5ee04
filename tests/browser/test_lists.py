"""The lists, with whatever may stand in them: a row fits, and is helped on with one press."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from conversion_sync.sandbox import Sandbox
from tests.browser import hard
from tests.browser.conftest import Open
from tests.browser.kit import arrived, synced_contact
from tests.browser.looks import resize
from tests.kit import ANN, BOB, engagement, fresh, write

LISTS = (
    *("contact", "company", "engagement", "subscriptionchange", "deletion"),
    *("apicall", "bulkjob", "mirrorlink"),
)

#: What of a list is wider than the place that it has, in words.
WIDER = """() => {
    const list = document.querySelector("#result_list"), place = list.parentElement;
    const parts = [...list.querySelectorAll("tbody :is(td, th, .cs-badge, .button)")];
    const wide = `${list.scrollWidth} > ${place.clientWidth}`;
    return [
        ...list.scrollWidth > place.clientWidth ? [wide] : [],
        ...parts.filter((e) => e.scrollWidth > e.clientWidth + 1 || !e.clientWidth)
            .map((e) => `${e.className}: ${e.scrollWidth} > ${e.clientWidth}: ${e.innerText}`),
    ];
}"""


def test_each_list_fits_beside_the_sidebar_and_the_filter(page: Page, box: Sandbox):
    hard.make()
    found: list[str] = []
    for name in LISTS:
        page.goto(f"{name}/")
        for part in ("#nav-sidebar", "#changelist-filter"):
            expect(page.locator(part)).to_be_visible()
        for width in (1280, 390):
            resize(page, width)
            found += [f"{name}, {width}: {words}" for words in page.evaluate(WIDER)]
        resize(page, 1280)
    assert not found, "\n".join(found)


def test_a_list_is_sorted_by_name_and_what_is_cut_is_at_hand(page: Page, box: Sandbox):
    hard.make()
    page.goto("contact/")
    page.get_by_role("link", name="Name, company").click()
    expect(page.locator("#result_list tbody tr").nth(2)).to_contain_text("Ann Ross")
    link = page.locator(f'[title="{hard.LONG}"]')
    assert "…" in link.inner_text()
    link.click()
    expect(page.get_by_label("Email")).to_have_value(hard.LONG)


def test_a_row_is_helped_on_with_one_press(open_page: Open, box: Sandbox):
    """With the keyboard alone, and without JavaScript."""
    page = open_page(java_script_enabled=False)
    failed = {"sync_status": "FAILED", "due_at": None, "last_error_code": "VALIDATION_ERROR"}
    ann, bob = synced_contact(ANN), synced_contact(BOB)
    for row in (ann, bob):
        write(row, **failed)
    page.goto("contact/?status=failed")
    page.get_by_role("button", name=f"Retry: {ANN}").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 failed row is tried again.")).to_be_visible()
    assert page.url.endswith("contact/?status=failed")
    expect(page.get_by_role("button", name=f"Retry: {ANN}")).to_be_hidden()
    assert fresh(bob).sync_status == "FAILED"
    arrived(ann)
    events = [engagement(ann, name=name) for name in ("Call", "Visit")]
    for event in events:
        write(event, **failed | {"sync_status": "UNCONFIRMED", "last_error_code": "NO_ANSWER"})
    page.goto("engagement/")
    page.get_by_role("button", name="Mark as sent: Call").press("Enter")
    expect(page.get_by_text("1 engagement in doubt is marked as sent.")).to_be_visible()
    page.get_by_role("button", name="Resend: Visit").press("Enter")
    arrived(events[1])
    assert [event["name"] for event in box.engagements] == ["Visit"]
