"""What stands behind the pages: rows, the sandbox's answers, and what of a page staff look at."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Locator, Page, expect

from conversion_sync.models import Company, Contact, SyncedModel
from conversion_sync.sandbox import Sandbox
from tests.kit import contact, fresh, push

__all__ = [
    "arrived",
    "change_remotely",
    "choose",
    "eventually_shows",
    "has_arrived",
    "held",
    "panel",
    "refuse",
    "save",
    "select_all",
    "stays",
    "synced_company",
    "synced_contact",
]

#: Seconds after which something that other processes do is taken for lost; and for which a call is
#: held at most, which is less than its deadline.
PATIENCE, HOLD = 15, 25


def panel(page: Page) -> Locator:
    """The panel on top of a row's page."""
    return page.get_by_role("region", name="State in Conversion")


def has_arrived(page: Page) -> None:
    """Wait until the panel says so."""
    expect(panel(page)).to_contain_text("Synced")


def save(page: Page) -> None:
    """Save the form, and stay on its page."""
    page.get_by_role("button", name="Save and continue editing").click()


def choose(page: Page, action: str) -> None:
    """Have this done to the rows that are ticked."""
    page.get_by_label("Action:").select_option(action)
    page.get_by_role("button", name="Go", exact=True).click()


def select_all(page: Page, action: str) -> None:
    """Choose all the rows of a list of several pages, and what is done to them."""
    page.get_by_label("Select all").first.check()
    page.get_by_role("button", name=re.compile("^Select all ")).click()
    choose(page, action)


@contextmanager
def stays(page: Page) -> Iterator[None]:
    """What happens in this block, happens without a reload."""
    page.evaluate("window.isStillThere = true")
    yield
    assert page.evaluate("window.isStillThere")


def eventually_shows(part: Locator, text: str) -> None:
    """Look again and again, as one does at a page that doesn't move by itself."""
    end = time.monotonic() + PATIENCE
    while text not in part.inner_text():
        assert time.monotonic() < end, part.inner_text()
        part.page.reload()


@contextmanager
def held(box: Sandbox, path: str) -> Iterator[Callable[..., None]]:
    """Let the calls of one endpoint wait; the function that it gives lets so many of them go."""
    permits = threading.Semaphore(0)
    box.before(lambda request: permits.acquire(timeout=HOLD), path=path, count=None)
    try:
        yield lambda calls=1000: permits.release(calls)
    finally:
        permits.release(1000)


def refuse(box: Sandbox, text: str, message: str) -> None:
    """Have the API refuse whatever contact holds this text."""
    box.fail(
        "status",
        path="/contacts/batch$",
        when=lambda body: text in str(body),
        status=400,
        code="VALIDATION_ERROR",
        message=message,
        count=None,
    )


def change_remotely(box: Sandbox, email: str, **variables: Any) -> None:
    """Have somebody change a contact at the vendor."""
    box.app.store.upsert_contacts([{"email": email, "variables": variables}])


def arrived(row: SyncedModel) -> Any:
    """Send what is due, and wait until this row has arrived; the row as it then is."""
    end = time.monotonic() + PATIENCE
    while (found := fresh(row)).sync_status != "SYNCED":
        assert time.monotonic() < end, found
        # Somebody else may hold it.
        push()
        time.sleep(0.05)
    return found


def synced_contact(email: str, **fields: Any) -> Contact:
    """A contact that has arrived."""
    row: Contact = arrived(contact(email, **fields))
    return row


def synced_company(external_id: str, **fields: Any) -> Company:
    """A company that has arrived."""
    row: Company = arrived(Company.objects.create(external_id=external_id, **fields))
    return row
