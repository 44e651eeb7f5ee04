"""The pages of rows, the dashboard and reviews, with whatever may stand in them: all is seen."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from conversion_sync.models import (
    ApiCall,
    BulkJob,
    Company,
    Contact,
    Deletion,
    Engagement,
    MirrorLink,
    SubscriptionChange,
)
from conversion_sync.sandbox import Sandbox
from tests.browser import hard
from tests.browser.kit import change_remotely, choose
from tests.browser.looks import resize
from tests.kit import push

MODELS = (
    *(Contact, Company, Engagement, SubscriptionChange, Deletion, ApiCall, BulkJob),
    MirrorLink,
)

#: What is cut off at a side, or can be reached only by scrolling sideways, in words.
HIDDEN = """() => [...document.querySelectorAll("#content *")].filter((e) => {
    const style = getComputedStyle(e);
    const ends = e.matches("input, textarea") || style.textOverflow === "ellipsis";
    const clips = style.overflowX !== "visible" && !ends && e.checkVisibility();
    return clips && e.clientWidth > 1 && e.scrollWidth > e.clientWidth + 1;
}).map((e) => `${e.className}: ${e.scrollWidth} > ${e.clientWidth}: ${e.innerText.slice(0, 80)}`)"""

#: How far below the end of a button another element begins.
BELOW = "(e, other) => other.getBoundingClientRect().top - e.getBoundingClientRect().bottom"


def hidden(page: Page) -> list[str]:
    """What of the page is not seen, at either width."""
    found = []
    for width in (1280, 390):
        resize(page, width)
        found += [f"{page.url}, {width}: {words}" for words in page.evaluate(HIDDEN)]
    return found


def test_nothing_of_a_row_or_of_the_dashboard_is_out_of_sight(page: Page, box: Sandbox):
    hard.make()
    found = []
    for model in MODELS:
        for row in model._base_manager.order_by("pk")[:3]:
            page.goto(f"{model._meta.model_name}/{row.pk}/change/")
            page.evaluate("for (const e of document.querySelectorAll('details')) e.open = true")
            found += hidden(page)
    page.goto("apigate/")
    found += hidden(page)
    assert not found, "\n".join(found)


def test_nothing_of_a_comparison_is_out_of_sight(page: Page, box: Sandbox):
    hard.make()
    row = Contact.objects.get(email=hard.LONG)
    row.title = "Boss"
    row.save()
    push()
    change_remotely(box, hard.LONG, title="欧阳修文" * 20, lead={"scores": [1, 2, 3] * 20})
    page.goto(f"contact/{row.pk}/compare/")
    expect(page.get_by_label("Take Job title from Conversion")).to_be_visible()
    found = hidden(page)
    page.goto("contact/")
    page.get_by_label("Select all").first.check()
    choose(page, "Compare with Conversion")
    page.get_by_role("button", name="Compare with Conversion").click()
    expect(page.get_by_role("region", name="State of the job")).to_contain_text("Finished")
    found += hidden(page)
    assert not found, "\n".join(found)


def test_nothing_of_the_review_of_a_file_is_out_of_sight(page: Page, box: Sandbox):
    name = "long" * 30
    lines = (
        f"email,title,subscription_status,{name}\n{hard.LONG},{'Boss ' * 30},,{'x' * 300}\n"
        f"nobody{'y' * 300},,unsubscribed,\n"
    )
    page.goto("contact/import/")
    page.get_by_label("File:").set_input_files(
        {"name": "people.csv", "mimeType": "text/csv", "buffer": lines.encode()}
    )
    page.get_by_role("button", name="Show what would change").click()
    expect(page.get_by_text("What would change")).to_be_visible()
    found = hidden(page)
    assert not found, "\n".join(found)
    # As cards: all begins at one edge, and what is blank has no name, either.
    cells = page.locator("[aria-labelledby=cs-bad-lines] :is(th, td)[data-name]:visible").all()
    assert cells
    assert all(cell.inner_text() for cell in cells)
    assert {cell.evaluate("e => getComputedStyle(e).textAlign") for cell in cells} == {"start"}


def test_what_is_said_of_a_field_stands_below_it(page: Page, box: Sandbox):
    page.goto("contact/add/")
    field = page.locator(".field-external_contact")
    said = field.get_by_text("What your own systems know").element_handle()
    for width in (1280, 390):
        resize(page, width)
        button = field.get_by_role("button", name="Add another")
        assert 0 <= button.evaluate(BELOW, said) < 40, width
