"""Every page, for everybody: screen readers, dark rooms, small screens, strict browsers."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect

from conversion_sync.sandbox import Sandbox
from tests.browser import rows
from tests.browser.conftest import Open
from tests.browser.kit import (
    change_remotely,
    choose,
    eventually_shows,
    has_arrived,
    panel,
    refuse,
    save,
)
from tests.browser.looks import EXCUSED, faults, violations
from tests.kit import ANN

#: From the index to the last confirmation.
PAGES = (
    "../",
    "",
    "apigate/",
    "contact/",
    "contact/?status=failed&error=VALIDATION_ERROR",
    "contact/add/",
    "contact/{synced}/change/",
    "contact/{failed}/change/",
    "contact/{retrying}/change/",
    "contact/{pending}/change/",
    "contact/{synced}/compare/",
    "contact/{failed}/compare/",
    "contact/{synced}/delete/",
    "contact/{synced}/history/",
    "company/",
    "company/add/",
    "company/{company}/change/",
    "company/{company}/compare/",
    "company/{company}/delete/",
    "engagement/",
    "engagement/add/",
    "engagement/{doubtful}/change/",
    "engagement/{planned}/change/",
    "engagement/{planned}/delete/",
    "subscriptionchange/",
    "subscriptionchange/{change}/change/",
    "subscriptionchange/{change}/override/",
    "deletion/",
    "deletion/{deletion}/change/",
    "apicall/",
    "apicall/{call}/change/",
    "bulkjob/",
    "bulkjob/{running}/change/",
    "contact/import/",
    "company/import/",
)


def ask(page: Page, rows: str, action: str) -> None:
    page.goto(f"{rows}/")
    page.get_by_label("Select all").first.check()
    choose(page, action)


def compare_many(page: Page) -> None:
    ask(page, "contact", "Compare with Conversion")
    page.get_by_role("button", name="Compare with Conversion").click()
    expect(page.get_by_role("region", name="State of the job")).to_contain_text("Finished")


def review_an_import(page: Page) -> None:
    page.goto("contact/import/")
    lines = f"email,title,{'long' * 30}\n{ANN},Boss,x\nnobody,,y\nnew@x.example,,z\n"
    page.get_by_label("File:").set_input_files(
        {"name": "people.csv", "mimeType": "text/csv", "buffer": lines.encode()}
    )
    page.get_by_role("button", name="Show what would change").click()


def save_with_errors(page: Page) -> None:
    page.goto("contact/add/")
    page.get_by_label("Email").fill(ANN)
    page.get_by_label("Name 1").first.fill("a")
    page.get_by_label("Value 1").first.fill("[")
    save(page)


def change_a_key(page: Page) -> None:
    page.goto("company/")
    page.get_by_role("link", name="Lumentum").click()
    page.get_by_label("External id").fill("C2")
    save(page)


def log_an_engagement(page: Page) -> None:
    page.goto("contact/")
    page.get_by_role("link", name=ANN).click()
    page.get_by_text("Log an engagement").click()
    page.get_by_role("button", name="Log it").click()


def pause(page: Page) -> None:
    page.goto("apigate/")
    page.get_by_role("button", name="Pause").click()


def compare_in_vain(page: Page) -> None:
    page.goto("company/")
    page.get_by_role("link", name="Lumentum").click()
    page.get_by_role("link", name="Compare with Conversion").click()


#: What is not found at an address, and a text that it shows.
STEPS: tuple[tuple[str, Callable[[Page], None]], ...] = (
    ("Please correct", save_with_errors),
    ("Conversion can't rename a record", change_a_key),
    ("was not logged", log_an_engagement),
    ("Lines that can't be imported", review_an_import),
    ("for the consent log", lambda page: ask(page, "contact", "Set subscription")),
    ("Conversion will be asked", lambda page: ask(page, "contact", "Compare with Conversion")),
    ("What was found", compare_many),
    ("will be in Conversion twice", lambda page: ask(page, "engagement", "Resend those in doubt")),
    ("will be forgotten", lambda page: ask(page, "deletion", "Discard failed deletions")),
    ("What else this does", lambda page: ask(page, "contact", "Delete selected contacts")),
    ("Press “Resume” to go on", pause),
    ("Conversion could not be asked", compare_in_vain),
)


def test_every_page_is_within_reach(page: Page, box: Sandbox):
    made = rows.make(box)
    found: list[str] = []
    for address in PAGES:
        page.goto(address.format(**made))
        found += faults(page)
    assert not found, "\n".join(found)


def test_every_step_is_within_reach(page: Page, box: Sandbox):
    rows.make(box)
    found: list[str] = []
    for text, step in STEPS:
        step(page)
        expect(page.get_by_text(text).first).to_be_visible()
        found += faults(page)
    assert not found, "\n".join(found)


def test_what_is_excused_is_on_djangos_own_pages(page: Page):
    user = User.objects.get(username="sam")
    found = set()
    for address in ("", "logentry/?q=x", "logentry/add/", f"../auth/user/{user.pk}/change/"):
        page.goto(f"/plain/admin/{address}")
        found |= {violation.excuse for violation in violations(page)}
    assert found >= EXCUSED


def tab_to(target: Locator) -> None:
    """Move the focus there, with the keyboard alone."""
    for _ in range(150):
        target.page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"not to be reached: {target}")


def test_the_main_story_is_done_with_the_keyboard_alone(page: Page, box: Sandbox):
    press, write = page.keyboard.press, page.keyboard.type
    page.goto("contact/")
    tab_to(page.get_by_role("link", name="Add contact"))
    press("Enter")
    tab_to(page.get_by_label("Email"))
    write(ANN)
    tab_to(page.get_by_label("Job title"))
    write("Buyer")
    tab_to(page.get_by_role("button", name="Save and continue editing"))
    press("Enter")
    has_arrived(page)
    change_remotely(box, ANN, title="Head of Purchasing")
    tab_to(panel(page).get_by_role("link", name="Compare with Conversion"))
    press("Enter")
    tab_to(page.get_by_label("Take Job title from Conversion"))
    press("Space")
    tab_to(page.get_by_role("button", name="Take theirs for the chosen fields"))
    press("Enter")
    expect(page.get_by_label("Job title")).to_have_value("Head of Purchasing")
    tab_to(panel(page).get_by_role("button", name="Sync now"))
    press("Enter")
    expect(page.get_by_text("1 row is sent now.")).to_be_visible()
    has_arrived(page)


def test_the_main_story_is_done_without_javascript(open_page: Open, box: Sandbox):
    page = open_page(java_script_enabled=False)
    refuse(box, "0049-call-me", "The phone number is not valid.")
    page.goto("contact/add/")
    page.get_by_label("Email").fill(ANN)
    page.get_by_label("Phone").fill("0049-call-me")
    save(page)
    eventually_shows(panel(page), "Failed: The phone number is not valid.")
    page.get_by_label("Phone").fill("+49 30 1234567")
    page.get_by_label("Name 1").first.fill("lead_score")
    page.get_by_label("Value 1").first.fill("21")
    save(page)
    eventually_shows(panel(page), "Synced")
    assert box.contacts[ANN]["variables"] == {"phone": "+49 30 1234567", "lead_score": 21}
