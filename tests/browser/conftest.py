"""The site as staff have it: its server, its q cluster and a sandbox, seen in Chromium.

One of each for all tests. A test begins with empty tables, an open gate and a sandbox that knows
nothing. Whatever a page complains of in the console, a test fails.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from django.test.utils import setup_databases, teardown_databases
from playwright.sync_api import Browser, Page, Response, ViewportSize, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError
from pytest_django import DjangoDbBlocker

from conversion_sync.models import (
    ApiCall,
    BulkJob,
    ColumnMapping,
    MirrorLink,
    MirrorMark,
    MirrorState,
)
from conversion_sync.sandbox import Sandbox
from conversion_sync.sync.gate import Gate
from project.processes import HOST, Program, Together, free_port
from tests.browser.kit import PATIENCE
from tests.faults.test_rate import database_url
from tests.kit import MODELS
from tests.mirrors.shop.models import Customer

ROOT = Path(__file__).resolve().parents[2]

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

DESK: ViewportSize = {"width": 1280, "height": 900}

Open = Callable[..., Page]


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.browser)
    item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def database(django_test_environment: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A database of these tests, which other processes use, too: nothing is rolled back."""
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False)
        yield
        teardown_databases(made, verbosity=0)


@pytest.fixture(scope="session")
def server() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def site(
    database: None,
    server: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> Iterator[str]:
    """The address of the admin's pages of the app."""
    logs, port = tmp_path_factory.mktemp("logs"), free_port()
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("CONVERSION_", "REDIS_"))}
    environment = kept | {
        "ALLOWED_HOSTS": HOST,
        "CONVERSION_API_KEY": "browser-key",
        "CONVERSION_BASE_URL": server.base_url,
        "CONVERSION_BATCH_SIZE": "25",
        "CONVERSION_RATE_LIMIT": "200",
        "DATABASE_URL": database_url(),
        # For cookies over plain HTTP; the settings switch it off.
        "DEBUG": "1",
        "DJANGO_SETTINGS_MODULE": "tests.browser.site_settings",
        "IGNORE_DOT_ENV": "1",
        "NO_PROXY": "*",
        "SECRET_KEY": settings.SECRET_KEY,
    }

    def manage(*command: str, grace: float = 5) -> Program:
        line = [sys.executable, str(ROOT / "manage.py"), *command]
        return Program(command[0], line, str(logs / f"{command[0]}.log"), grace)

    serve = ("runserver", f"{HOST}:{port}", "--noreload", "--insecure")
    pytestconfig.stash[SERVER_LOG] = logs / "runserver.log"
    programs = [manage("qcluster", grace=10), manage(*serve)]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        with Together(programs, environment) as together:
            together.wait_for(port)
            yield f"http://{HOST}:{port}/admin/conversion_sync/"
            together.check()


@pytest.fixture(scope="session")
def browser(database: None) -> Iterator[Browser]:
    """Debian's Chromium."""
    path = shutil.which("chromium")
    assert path, "no Chromium: apt-get install chromium"
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's loop runs in this thread: Django takes that for asynchronous code, and gives
        # it a connection of its own.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()
        connections.close_all()


@pytest.fixture(scope="session")
def session(site: str) -> str:
    """The key of the session of somebody who may do everything."""
    user = User.objects.create_superuser("sam", "sam@site.example")
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


@pytest.fixture
def box(site: str, server: Sandbox, settings: Any) -> Sandbox:
    """The sandbox that the site sends to; all is as on the first day."""
    server.reset()
    server.app.keys = frozenset()
    settings.CONVERSION_SYNC = {
        "SEND_IN_TESTS": True,
        "API_KEY": "browser-key",
        "BASE_URL": server.base_url,
        "RATE_LIMIT": 200,
        # What a test saves, it sends itself; what is saved on a page, the cluster sends.
        "QUEUE": "none",
    }
    Gate().resume()
    ours = (BulkJob, ApiCall, ColumnMapping, MirrorMark, MirrorLink, MirrorState)
    for model in (*reversed(MODELS), *ours, Customer):
        rows: Any = model._base_manager.all()
        rows._raw_delete(rows.db)
    return server


@pytest.fixture
def open_page(
    request: pytest.FixtureRequest,
    browser: Browser,
    site: str,
    session: str,
    box: Sandbox,
) -> Iterator[Open]:
    """Open a page for somebody who is logged in; no page may complain."""
    complaints: list[str] = []
    contexts = []
    pages = request.node.stash.setdefault(PAGES, [])

    def open(viewport: ViewportSize = DESK, **options: Any) -> Page:
        context = browser.new_context(base_url=site, viewport=viewport, **options)
        contexts.append(context)
        context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": session, "domain": HOST, "path": "/"}]
        )
        context.set_default_timeout(PATIENCE * 1000)
        page = context.new_page()
        pages.append(page)
        page.on("console", lambda message: complaints.append(f"{page.url}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        page.on("response", lambda response: complaints.extend(faults(response)))
        return page

    expect.set_options(timeout=PATIENCE * 1000)
    yield open
    for context in contexts:
        context.close()
    assert not complaints


def faults(response: Response) -> Iterator[str]:
    """What an answer of the site lacks."""
    if response.status >= 400:
        yield f"{response.url}: HTTP {response.status}"
    policy = response.headers.get("content-security-policy", "")
    if response.request.resource_type == "document" and (
        "default-src 'self'" not in policy or "unsafe" in policy
    ):
        yield f"{response.url}: the policy is “{policy}”"


@pytest.fixture
def page(open_page: Open) -> Page:
    return open_page()


# What a test that failed leaves behind: the screen, and what the server complained of

PAGES = pytest.StashKey[list[Page]]()
SERVER_LOG = pytest.StashKey[Path]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and report.when == "call":
        for page in item.stash.get(PAGES, []):
            report.sections.append(("the screen", keep(item.name, page)))
    if report.failed and (log := item.config.stash.get(SERVER_LOG, None)):
        _, found, complaint = log.read_text().rpartition("\nTraceback")
        if found:
            words = complaint.partition("\n[")[0]
            report.sections.append(("the server's last complaint", words[-5000:]))
    return report


def keep(name: str, page: Page) -> str:
    """Save a picture and the text of a page. Returns where they are, and where the page is."""
    folder = Path(tempfile.mkdtemp(prefix=f"{re.sub(r'[^a-z0-9]+', '-', name.lower())[:80]}-"))
    try:
        page.screenshot(path=folder / "screen.png", full_page=True)
        (folder / "screen.txt").write_text(page.locator("body").inner_text(), encoding="utf-8")
    except PlaywrightError as error:
        return f"{page.url}: {error}"
    return f"{page.url}: {folder}/screen.png, screen.txt"
