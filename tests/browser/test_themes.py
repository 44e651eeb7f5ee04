"""Sites whose admin wears a theme: the pages of the app are whole, and can be used."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from project.processes import HOST, Program, Together, free_port
from tests.browser.conftest import DESK, ROOT
from tests.browser.kit import PATIENCE, panel

THEMES = ("unfold", "grappelli", "jazzmin")

#: An address that is as long as one may be.
LONG = ".".join(["a@" + "b" * 62, *("c" * 63,) * 2, "d" * 53, "example"])

ROWS = f"""
from django.contrib.auth.models import User
from django.test import Client
from conversion_sync.models import Company, Contact, Engagement
client = Client()
client.force_login(User.objects.create_superuser("sam"))
print(client.cookies["sessionid"].value)
company = Company.objects.create(external_id="C-1", company_name="Lumentum")
row = Contact.objects.create(email="ann@x.example", first_name="Ann", company=company)
Contact.objects.create(email={LONG!r}, company=company)
Engagement.objects.create(contact=row, name="Call", description="We talked.")
failed = {{"sync_status": "FAILED", "last_error_code": "VALIDATION_ERROR", "due_at": None}}
Contact.unmarked.filter(pk=row.pk).update(**failed)
"""


@pytest.fixture(scope="module", params=THEMES)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """The address of the admin of a site of its own, and the key of somebody's session there."""
    folder, port = tmp_path_factory.mktemp("themed"), free_port()
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("CONVERSION_", "REDIS_"))}
    environment = kept | {
        "ALLOWED_HOSTS": HOST,
        "CONVERSION_API_KEY": "browser-key",
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "DEBUG": "1",
        "DJANGO_SETTINGS_MODULE": "tests.browser.theme_settings",
        "IGNORE_DOT_ENV": "1",
        "SECRET_KEY": "of a site of its own, for these tests alone",
        "THEME": request.param,
    }
    for command in (["migrate"], ["shell", "--command", ROWS]):
        line = [sys.executable, "manage.py", *command, "--verbosity=0"]
        done = subprocess.run(
            line, cwd=ROOT, env=environment, check=True, timeout=120, stdout=subprocess.PIPE
        )
    serve = ["runserver", f"{HOST}:{port}", "--noreload", "--insecure"]
    line = [sys.executable, str(ROOT / "manage.py"), *serve]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        program = Program("runserver", line, str(folder / "runserver.log"), 5)
        with Together([program], environment) as together:
            together.wait_for(port)
            yield f"http://{HOST}:{port}/admin/", done.stdout.decode().split()[-1]
            together.check()


@pytest.fixture(scope="module")
def themed(served: tuple[str, str]) -> str:
    return served[0]


@pytest.fixture(scope="module")
def page(browser: Browser, served: tuple[str, str]) -> Iterator[Page]:
    """A page of somebody who has logged in, and may do everything."""
    context = browser.new_context(viewport=DESK)
    context.add_cookies([{"name": "sessionid", "value": served[1], "domain": HOST, "path": "/"}])
    context.set_default_timeout(PATIENCE * 1000)
    expect.set_options(timeout=PATIENCE * 1000)
    yield context.new_page()
    context.close()


def open_page(page: Page, themed: str, path: str) -> None:
    answer = page.goto(f"{themed}conversion_sync/{path}")
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


def test_a_row_says_its_state_and_can_be_sent(page: Page, themed: str):
    open_page(page, themed, "contact/1/change/")
    expect(page.locator(".cs-verdict")).to_contain_text("1 row needs a person")
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


def test_no_label_stands_alone(page: Page, themed: str):
    open_page(page, themed, "contact/1/change/")
    expect(page.get_by_text("Change it")).to_be_hidden()


def test_a_list_fits_with_the_longest_address(page: Page, themed: str):
    open_page(page, themed, "contact/")
    for words in ("Dashboard", "Import", "Export"):
        assert page.get_by_role("link", name=words, exact=True).last.is_visible(), words
    assert page.locator(".cs-badge", has_text="Waiting to be sent").first.is_visible()
    wide = page.locator("#result_list").bounding_box()
    assert wide is not None
    assert wide["x"] + wide["width"] <= DESK["width"]


def test_the_dashboard_has_its_cards_and_columns(page: Page, themed: str):
    open_page(page, themed, "apigate/")
    pause = page.get_by_role("button", name="Pause", exact=True)
    assert is_as_large_as_its_words(pause)
    assert is_seen(pause)
    assert is_seen(page.locator(".cs-card").first)
    cell = page.locator(".cs-table td").first
    assert cell.evaluate("e => parseFloat(getComputedStyle(e).paddingLeft)") >= 4


@pytest.mark.parametrize(
    "path",
    [
        *("company/", "company/1/change/", "engagement/", "engagement/1/change/", "contact/add/"),
        *("contact/1/history/", "contact/1/delete/", "contact/import/", "subscriptionchange/"),
        *("deletion/", "apicall/", "bulkjob/"),
    ],
)
def test_each_other_page_is_there(page: Page, themed: str, path: str):
    open_page(page, themed, path)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= DESK["width"]
