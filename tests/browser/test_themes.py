"""Sites whose admin wears a theme: the pages of the app are whole, and can be used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from conversion_sync.sandbox import Sandbox
from project.processes import HOST
from tests.browser import themed
from tests.browser.conftest import DESK
from tests.browser.kit import PATIENCE, panel
from tests.browser.looks import resize
from tests.browser.themed import DJANGOS, REFUSES, THEMES

WIDTHS = (390, 1280)

#: Pages of ours that are wider than a telephone, as a page of a plain admin is in the same theme:
#: its columns are as wide as a desk.
WIDE = {
    "grappelli": {
        "": "auth/",
        "company/1/change/": "auth/user/1/change/",
        "contact/1/change/": "auth/user/1/change/",
        "contact/1/history/": "auth/user/1/history/",
        "contact/add/": "auth/user/add/",
        "engagement/1/change/": "auth/user/1/change/",
        "engagement/add/": "auth/user/add/",
    }
}

PAGES = (
    *("", "apigate/", "company/", "contact/", "engagement/", "subscriptionchange/", "deletion/"),
    *("apicall/", "bulkjob/", "mirrorlink/", "company/1/change/", "contact/1/change/"),
    *("engagement/1/change/", "contact/add/", "engagement/add/", "contact/1/history/"),
    *("contact/1/delete/", "contact/1/compare/", "contact/import/"),
)

PEOPLE = "email,first_name\nnew@x.example,Zoë\nnobody,\n"


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return themed.database(tmp_path_factory.mktemp("rows"))


@pytest.fixture(
    scope="module", params=[f"{theme}-{django}" for django in DJANGOS for theme in THEMES]
)
def served(
    request: pytest.FixtureRequest,
    rows: tuple[Path, str],
    server: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, str]]:
    """The theme, and the address of the admin of a site of its own."""
    theme, _, django = request.param.partition("-")
    python = themed.python_with(django)
    if (theme, django) in REFUSES:
        assert themed.refusal(python, theme), "supported by now: take it out of REFUSES"
        pytest.skip(REFUSES[theme, django])
    folder = tmp_path_factory.mktemp("themed")
    with themed.serve(python, theme, rows[0], folder, server.base_url) as address:
        yield theme, address


@pytest.fixture(scope="module")
def theme(served: tuple[str, str]) -> str:
    return served[0]


@pytest.fixture(scope="module")
def page(browser: Browser, served: tuple[str, str], rows: tuple[Path, str]) -> Iterator[Page]:
    """A page of somebody who has logged in, and may do everything."""
    context = browser.new_context(base_url=served[1], viewport=DESK)
    context.add_cookies([{"name": "sessionid", "value": rows[1], "domain": HOST, "path": "/"}])
    context.set_default_timeout(PATIENCE * 1000)
    expect.set_options(timeout=PATIENCE * 1000)
    yield context.new_page()
    context.close()


def open_page(page: Page, path: str, app: str = "conversion_sync") -> None:
    answer = page.goto(f"{app}/{path}" if app else path)
    assert answer is not None
    assert answer.ok, f"{page.url}: {answer.status}"


def is_as_large_as_its_words(button: Locator) -> bool:
    box = button.bounding_box()
    assert box is not None
    has_room = "e => e.scrollWidth <= e.clientWidth + 1 && e.scrollHeight <= e.clientHeight + 1"
    return box["width"] > 30 and box["height"] > 20 and bool(button.evaluate(has_room))


def is_seen(element: Locator) -> bool:
    """Whether it stands out: its ground, or its edge, is not that of the page."""
    seen: bool = element.evaluate(
        "e => { const s = getComputedStyle(e); return s.borderTopWidth !== '0px'"
        " || !['rgba(0, 0, 0, 0)', 'rgb(255, 255, 255)'].includes(s.backgroundColor) }"
    )
    return seen


def press(button: Locator) -> None:
    """Press a button that looks like one."""
    expect(button).to_be_visible()
    assert is_as_large_as_its_words(button), button
    assert is_seen(button), button
    button.click()


def says(page: Page, words: str | re.Pattern[str]) -> None:
    expect(page.get_by_text(words).first).to_be_visible()


def row(page: Page, name: str) -> Locator:
    return page.locator("#result_list tr", has_text=name)


def width(page: Page) -> int:
    wide: int = page.evaluate("document.scrollingElement.scrollWidth")
    return wide


def test_a_row_says_its_state_and_can_be_sent(page: Page):
    open_page(page, "contact/2/change/")
    expect(page.locator(".cs-verdict")).to_contain_text(re.compile(r"\d+ rows need a person"))
    assert is_seen(panel(page))
    for name in ("Retry", "Compare with Conversion"):
        button = panel(page).get_by_text(name, exact=True)
        assert is_as_large_as_its_words(button), name
        assert is_seen(button), name
    field = page.locator("[name=first_name]")
    assert is_seen(field)
    assert field.input_value() == "Ann"
    field.fill("Anna")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(panel(page)).to_contain_text("Waiting to be sent")
    assert page.locator("[name=first_name]").input_value() == "Anna"
    press(panel(page).get_by_role("button", name="Sync now"))
    # By who is there to send it, or by nobody yet: no worker runs here.
    says(page, re.compile("1 row (is sent now|will be sent)"))


def test_no_label_stands_alone(page: Page):
    open_page(page, "contact/3/change/")
    expect(page.get_by_text("Change it")).to_be_hidden()


def test_a_list_fits_with_the_longest_address(page: Page):
    open_page(page, "contact/")
    for words in ("Dashboard", "Import", "Export", "Add contact"):
        assert page.get_by_role("link", name=words).last.is_visible(), words
    assert page.locator(".cs-badge", has_text="Waiting to be sent").first.is_visible()
    wide = page.locator("#result_list").bounding_box()
    assert wide is not None
    assert wide["x"] + wide["width"] <= DESK["width"]


def test_the_dashboard_has_its_cards_and_columns(page: Page):
    open_page(page, "apigate/")
    assert is_seen(page.locator(".cs-card").first)
    cell = page.locator(".cs-table td").first
    assert cell.evaluate("e => parseFloat(getComputedStyle(e).paddingLeft)") >= 4
    press(page.get_by_role("button", name="Pause", exact=True))
    press(page.get_by_role("button", name="Resume", exact=True))
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()


def test_no_page_scrolls_sideways(page: Page, theme: str):
    """But those whose plain counterpart does, in the same theme."""
    found = []
    for path in PAGES:
        open_page(page, path)
        for wide in WIDTHS:
            resize(page, wide)
            if width(page) > wide and not (wide < 1280 and path in WIDE.get(theme, {})):
                found.append(f"{path}: {width(page)} pixels, of {wide}")
    assert not found, "\n".join(found)


def test_pages_that_scroll_do_so_without_us(page: Page, theme: str):
    resize(page, 390)
    for path, plain in WIDE.get(theme, {}).items():
        open_page(page, plain, app="")
        theirs = width(page)
        open_page(page, path)
        assert 390 < width(page) <= max(theirs, 390), path
    resize(page, 1280)


def test_a_row_of_a_list_is_helped_on_with_one_press(page: Page):
    open_page(page, "contact/?status=failed")
    press(page.get_by_role("button", name=re.compile("^Retry: .*listed@")))
    says(page, "1 failed row is tried again.")
    assert page.url.endswith("contact/?status=failed")
    expect(row(page, "listed@x.example")).to_be_hidden()
    open_page(page, "engagement/")
    press(page.get_by_role("button", name="Mark as sent: Call"))
    says(page, "1 engagement in doubt is marked as sent.")
    press(page.get_by_role("button", name="Resend: Visit"))
    expect(page.get_by_role("button", name="Resend: Visit")).to_be_hidden()
    expect(page.get_by_role("button", name="Mark as sent: Call")).to_be_hidden()


def test_the_panel_helps_a_row_on(page: Page):
    for path, buttons in {
        "engagement/3/change/": "Resend",
        "engagement/4/change/": "Mark as sent",
    }.items():
        open_page(page, path)
        press(panel(page).get_by_role("button", name=buttons))
        expect(panel(page).get_by_role("button", name=buttons)).to_be_hidden()
    open_page(page, "contact/5/change/")
    press(panel(page).get_by_role("button", name="Retry"))
    says(page, "1 failed row is tried again.")
    expect(panel(page)).to_contain_text("Waiting to be sent")
    press(page.get_by_text("Log an engagement"))
    form = page.locator("#log_form")
    form.get_by_label("Name").first.fill("Breakfast")
    form.get_by_label("Description").fill("With eggs.")
    press(page.get_by_role("button", name="Log it"))
    says(page, "Breakfast")


def test_a_row_is_compared(page: Page, server: Sandbox):
    known = {"email": "waiting@x.example", "variables": {"first_name": "Bobby"}}
    server.app.store.upsert_contacts([known])
    open_page(page, "contact/7/change/")
    press(panel(page).get_by_role("link", name="Compare with Conversion"))
    expect(page.locator(".cs-differs")).to_contain_text("Bobby")
    page.locator(".cs-differs [name=field]").check()
    press(page.get_by_role("button", name="Take theirs for the chosen fields"))
    expect(page.locator("[name=first_name]")).to_have_value("Bobby")


def test_a_file_is_looked_at_and_imported(page: Page):
    open_page(page, "contact/import/")
    page.get_by_label("File:").set_input_files(
        {"name": "people.csv", "mimeType": "text/csv", "buffer": PEOPLE.encode()}
    )
    press(page.get_by_role("button", name="Show what would change"))
    expect(page.locator(".cs-import").last).to_contain_text("new@x.example")
    for wide in WIDTHS:
        resize(page, wide)
        assert width(page) <= wide
    press(page.get_by_role("button", name="Import the good lines, without the bad one"))
    expect(row(page, "new@x.example")).to_be_visible()


def test_rows_are_found(page: Page):
    open_page(page, "contact/")
    page.locator("[name=q]").fill("failed@")
    page.locator("[name=q]").press("Enter")
    expect(row(page, "waiting@x.example")).to_be_hidden()
    expect(row(page, "failed@x.example")).to_be_visible()


def test_rows_are_filtered(page: Page, theme: str):
    """By what the theme offers, and by company beside that."""
    open_page(page, "contact/")
    show_filters(page)
    choose_failed[theme](page)
    expect(row(page, "waiting@x.example")).to_be_hidden()
    expect(row(page, "failed@x.example")).to_be_visible()
    show_filters(page)
    apply = page.get_by_role("button", name="Apply", exact=True)
    is_sent_with_others = apply.is_visible()
    page.locator("[data-filter] .select2-selection").click()
    page.locator(".select2-results__option", has_text="Lumentum").click()
    if is_sent_with_others:
        press(apply)
    page.wait_for_url(re.compile("company__id__exact=1"))
    assert "status=failed" in page.url
    expect(row(page, "failed@x.example")).to_be_visible()


def test_something_is_done_to_chosen_rows(page: Page):
    open_page(page, "contact/?q=many%40")
    row(page, "many@x.example").get_by_role("checkbox").check()
    page.locator("select[name=action]").first.select_option(label="Compare with Conversion")
    page.locator("[name=index]").first.click()
    for wide in WIDTHS:
        resize(page, wide)
        assert width(page) <= wide
    page.get_by_role("button", name="Compare with Conversion").click()
    expect(page.get_by_role("region", name="State of the job")).to_be_visible()


def show_filters(page: Page) -> None:
    """Open the place that has them, where the theme hides it."""
    box = page.locator("[data-filter] .select2-selection")
    place = page.get_by_text(re.compile(r"^\s*Filters?\b"))
    expect(box.or_(place).first).to_be_visible()
    if not box.is_visible():
        place.first.click()


# How a theme has a filter chosen


def _choose_in_unfold(page: Page) -> None:
    page.get_by_role("link", name="Failed", exact=True).click()


def _choose_in_grappelli(page: Page) -> None:
    page.locator("select.grp-filter-choice").first.select_option(label="Failed")


def _choose_in_jazzmin(page: Page) -> None:
    page.locator("select[data-name=status]").select_option("failed", force=True)
    page.get_by_role("button", name="Search").click()


choose_failed = {
    "unfold": _choose_in_unfold,
    "grappelli": _choose_in_grappelli,
    "jazzmin": _choose_in_jazzmin,
}
