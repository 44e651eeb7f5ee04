"""Takes the pictures of the documentation: the admin on some of the sample data, at 1280 pixels.

A contact has failed, two wait, and one of them was changed and unsubscribed in Conversion, too.

Starts the sandbox and the site on an SQLite database of its own, in a folder that is removed at
the end, and drives Chromium: the one in ``CHROMIUM``, or on the path, or Playwright's own.

    make screenshots
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import secrets
import shutil
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

BASE_DIR = Path(__file__).resolve().parent.parent
IMAGES = BASE_DIR / "docs" / "images"
SAMPLE_DATA = BASE_DIR / "project" / "sample_data"
WIDTH, HEIGHT = 1280, 860
LINES = {"companies": 503, "contacts": 90, "engagements": 2000}


def main() -> None:
    """Take them."""
    os.chdir(BASE_DIR)
    sys.path.insert(0, str(BASE_DIR))
    from project.processes import HOST, Program, Together, free_port
    from project.scratch import set_up

    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site, sandbox = free_port(), free_port()
        set_up(folder, sandbox, rate=500)
        password = fill(folder)

        def manage(*command: str) -> Program:
            line = [sys.executable, "manage.py", *command]
            return Program(command[0], line, f"{folder}/{command[0]}.log")

        programs = [
            manage("runserver", f"{HOST}:{site}", "--noreload"),
            manage("conversion_sandbox", f"--port={sandbox}", "--rate=0"),
        ]
        with Together(programs, os.environ) as together:
            for port in (site, sandbox):
                together.wait_for(port)
            contact = send()
            change_remotely(contact)
            take(f"http://{HOST}:{site}/admin/", password, contact.pk)
    for image in sorted(IMAGES.glob("*.png")):
        shrink(image)
        sys.stdout.write(f"{image.name}  {image.stat().st_size / 1000:.0f} kB\n")


def fill(folder: Path) -> str:
    """Import the beginnings of the sample files, and make a login. Returns its password."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    password = secrets.token_urlsafe(12)
    get_user_model().objects.create_superuser("demo", "demo@site.example", password)
    emails: set[str] = set()
    for kind, lines in LINES.items():
        part = folder / f"{kind}.csv"
        with (SAMPLE_DATA / f"{kind}.csv").open(encoding="utf-8") as file:
            kept = list(itertools.islice(file, lines + 1))
        if kind == "contacts":
            # Not every machine that takes pictures has the fonts of all scripts.
            kept = [line for line in kept if max(line) < "\u0250"]
            emails = {line.split(",")[0].strip('"').lower() for line in kept[1:]}
        if kind == "engagements":
            kept = kept[:1] + [line for line in kept[1:] if line.split(",")[1].lower() in emails]
        part.write_text("".join(kept), encoding="utf-8")
        call_command("conversion_import", kind, str(part), verbosity=0)
    return password


def send() -> Any:
    """Send it all; one contact is refused. Then change two; returns the second."""
    from django.core.management import CommandError, call_command
    from django.db.models import Count

    from conversion_sync.models import Contact

    refused, waiting = Contact.objects.order_by("key")[3:5]
    fault = {
        "kind": "poison",
        "email": refused.email,
        "status": 400,
        "code": "VALIDATION_ERROR",
        "message": "The phone number is not valid.",
        "count": None,
    }
    ask_sandbox("faults", fault)
    with contextlib.suppress(CommandError):  # as one is refused
        call_command("conversion_push")
    # One of whom there is something to see.
    people = Contact.objects.filter(subscription_status="SUBSCRIBED", sync_status="SYNCED")
    shown = people.annotate(events=Count("engagements")).latest("events", "-pk")
    for contact in (waiting, shown):
        contact.title = "Head of Purchasing"
        contact.save()
    return shown


def change_remotely(contact: Any) -> None:
    """Have somebody change the contact in Conversion, and the person unsubscribe there."""
    from conversion_sync.api import Client, ContactRecord
    from conversion_sync.conf import conf

    variables = {"title": "Chief Operating Officer", "phone": "+1 202 555 0142"}
    client = Client(conf.api_key, conf.base_url)
    client.upsert_contacts([ContactRecord(contact.email, variables)])
    ask_sandbox("contacts/status", {"email": contact.email, "status": "UNSUBSCRIBED"})


def ask_sandbox(control: str, body: dict[str, Any]) -> None:
    """Use a control of the sandbox."""
    request = urllib.request.Request(  # noqa: S310  # to our own sandbox
        os.environ["CONVERSION_BASE_URL"].removesuffix("/api/v1") + f"/_sandbox/{control}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=5).close()  # noqa: S310  # as above


def take(admin: str, password: str, contact: int) -> None:
    """Log in, and take the pictures."""
    from playwright.sync_api import sync_playwright

    row = f"conversion_sync/contact/{contact}"
    pages = {
        "dashboard": "conversion_sync/apigate/",
        "contacts": "conversion_sync/contact/?o=1",
        "contact": f"{row}/change/",
        "compare": f"{row}/compare/",
    }
    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(f"{admin}login/")
        page.fill("#id_username", "demo")
        page.fill("#id_password", password)
        page.click("input[type=submit]")
        page.evaluate("localStorage.setItem('django.admin.navSidebarIsOpen', 'false')")
        for name, path in pages.items():
            page.goto(admin + path)
            page.wait_for_load_state("networkidle")
            # Of a list, its beginning.
            page.screenshot(path=IMAGES / f"{name}.png", full_page=name != "contacts")
        page.emulate_media(color_scheme="dark")
        page.goto(admin + pages["dashboard"])
        page.screenshot(path=IMAGES / "dashboard-dark.png", full_page=True)
        browser.close()


def shrink(image: Path) -> None:
    """Write the picture again with 128 colours, where Pillow is installed."""
    try:
        from PIL import Image
    except ImportError:
        return
    with Image.open(image) as picture:
        small = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    small.save(image, optimize=True)


if __name__ == "__main__":
    main()
