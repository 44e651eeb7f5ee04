"""How long after an edit in the Django admin the row says that it has arrived.

Starts the sandbox, a q cluster and the site, on an SQLite database of its own, in a folder that is
removed at the end. Logs in over HTTP, edits a contact again and again in its admin form, and
measures the time from the answer to the POST until the row is ``SYNCED``.

    python benchmarks/edit_latency.py [--edits 50] [--rate 10] [--latency 0]
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import statistics
import sys
import tempfile
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import requests

BASE_DIR = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
GOAL = 2.0
START_SECONDS, EDIT_SECONDS, ALL_SECONDS = 30.0, 20.0, 300.0


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--edits", type=int, default=50)
    parser.add_argument("--rate", type=float, default=10, help="requests a second")
    parser.add_argument("--latency", type=float, default=0, help="of the sandbox, in seconds")
    options = parser.parse_args()

    os.chdir(BASE_DIR)
    sys.path.insert(0, str(BASE_DIR))
    from project.processes import Together, free_port
    from project.scratch import set_up

    with tempfile.TemporaryDirectory() as folder:
        site, sandbox = free_port(), free_port()
        set_up(Path(folder), sandbox, options.rate)
        contact, password = fill()
        # It stops each by its process id; of the q cluster, only the main process gets the SIGTERM.
        with Together(programs(folder, site, sandbox, options), os.environ) as together:
            for port in (sandbox, site):
                together.wait_for(port)
            wait_synced(contact.pk, 1, START_SECONDS)
            seconds = measure(f"http://{HOST}:{site}/admin", contact.pk, password, options.edits)
    report(seconds, options.edits)


def fill() -> tuple[Any, str]:
    """Create a contact among others, and a login. Returns the contact and the password."""
    from django.contrib.auth import get_user_model

    from conversion_sync.models import Company, Contact

    password = secrets.token_urlsafe(12)
    get_user_model().objects.create_superuser("staff", "staff@site.example", password)
    company = Company.objects.create(external_id="c-1", company_name="Example")
    for n in range(20):
        contact = Contact.objects.create(email=f"person-{n}@site.example", company=company)
    return contact, password


def programs(folder: str, site: int, sandbox: int, options: argparse.Namespace) -> list[Any]:
    """Return what runs, in the order in which it stops."""
    from project.processes import Program

    def manage(name: str, *command: str, grace: float = 5) -> Program:
        log = f"{folder}/{command[0]}.log"
        return Program(name, [sys.executable, "manage.py", *command], log, grace)

    return [
        manage("q cluster", "qcluster", grace=30),
        manage("site", "runserver", f"{HOST}:{site}", "--noreload"),
        manage(
            "sandbox",
            "conversion_sandbox",
            f"--port={sandbox}",
            f"--rate={options.rate}",
            f"--latency={options.latency}",
        ),
    ]


def wait_synced(pk: int, revision: int, patience: float) -> float:
    """Wait until the row's revision, or a later one, has arrived. Returns the seconds.

    Raises:
        SystemExit: it did not within ``patience``.
    """
    from conversion_sync.models import Contact

    began = time.monotonic()
    row = Contact.unmarked.filter(pk=pk, sync_status="SYNCED", synced_revision__gte=revision)
    while not row.exists():
        if time.monotonic() - began > patience:
            state = Contact.unmarked.filter(pk=pk).values("sync_status", "last_error_code").get()
            sys.exit(f"The row did not arrive within {patience:g} s: {state}")
        time.sleep(0.01)
    return time.monotonic() - began


def measure(admin: str, pk: int, password: str, edits: int) -> list[float]:
    """Edit the contact. Returns the seconds of each edit."""
    from conversion_sync.models import Contact

    page = f"{admin}/conversion_sync/contact/{pk}/change/"
    until = time.monotonic() + ALL_SECONDS
    seconds: list[float] = []
    with requests.Session() as session:
        login = f"{admin}/login/"
        fields = form(session.get(login, timeout=10))
        post(session, login, fields | {"username": "staff", "password": password})
        while len(seconds) < edits and time.monotonic() < until:
            fields = form(session.get(page, timeout=10))
            before = Contact.unmarked.values_list("revision", flat=True).get(pk=pk)
            post(session, page, fields | {"first_name": f"Edit {len(seconds) + 1}"})
            seconds.append(wait_synced(pk, before + 1, EDIT_SECONDS))
            # Out of step with whatever looks for work at fixed intervals.
            time.sleep(random.uniform(0.05, 0.5))
    return seconds


def post(session: requests.Session, url: str, fields: dict[str, str]) -> None:
    """Send a form as a browser does."""
    headers = {"Referer": url}
    answer = session.post(url, fields, headers=headers, timeout=10, allow_redirects=False)
    if answer.status_code != 302:
        sys.exit(f"{url} answered {answer.status_code} to the form.")


def form(answer: requests.Response) -> dict[str, str]:
    """Return the fields of the page's form, as a browser would send them."""
    answer.raise_for_status()
    fields = Fields()
    fields.feed(answer.text)
    return fields.values


class Fields(HTMLParser):
    """Collects the fields of the forms on a page, save the buttons."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._name = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a field and its value."""
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "input" and name and given.get("type") not in ("submit", "button", "file"):
            if given.get("type") not in ("checkbox", "radio") or "checked" in given:
                self.values[name] = given.get("value", "")
        elif tag in ("select", "textarea") and name:
            self._name = name
            self.values[name] = ""
        elif tag == "option" and "selected" in given and self._name:
            self.values[self._name] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        """Note the text of a text area."""
        if self._name and self.lasttag == "textarea":
            self.values[self._name] += data.removeprefix("\n")

    def handle_endtag(self, tag: str) -> None:
        """A field that has an end has ended."""
        if tag in ("select", "textarea"):
            self._name = ""


def report(seconds: list[float], wanted: int) -> None:
    """Print the figures."""
    if len(seconds) < 2:
        sys.exit("Too few edits to measure.")
    if len(seconds) < wanted:
        print(f"Stopped after {ALL_SECONDS:g} s.")
    cuts = statistics.quantiles(seconds, n=20, method="inclusive")
    p50, p95 = statistics.median(seconds), cuts[-1]
    print(f"{len(seconds)} edits, from the answer to the form until the row is SYNCED")
    print(f"  p50 {p50:6.2f} s\n  p95 {p95:6.2f} s\n  max {max(seconds):6.2f} s")
    print(f"p95 < {GOAL:g} s: {'yes' if p95 < GOAL else 'NO'}")


if __name__ == "__main__":
    main()
