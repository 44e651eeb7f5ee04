"""How long after an edit in the Django admin the row says that it has arrived.

A q cluster and the site run as they do for people, on this database. A person edits a contact in
its admin form; what counts is the time from the answer to the form until the row is ``SYNCED``.
"""

from __future__ import annotations

import os
import random
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser

import requests
from django.contrib.auth import get_user_model

from benchmarks import rows
from benchmarks.figure import Figure
from benchmarks.server import StandIn, sending
from benchmarks.sizes import Sizes
from conversion_sync.models import Contact
from conversion_sync.queues.wake import wake
from project.processes import HOST, Program, Together, free_port

RATE = 10
#: Contacts that have arrived, one of which is edited.
FEW = 20
#: Seconds of latency while rows are loaded; none while nothing else waits.
LATENCY = 0.1
START_SECONDS, EDIT_SECONDS = 60.0, 30.0


def times(sizes: Sizes) -> Iterator[Figure]:
    """Edit while nothing else waits, and while very many rows are being sent."""
    rows.arrived_contacts(FEW)
    with StandIn() as server, _site(server) as site:
        idle = _edit(site, sizes.edits)
        server.answer_after(LATENCY)
        rows.due_contacts(sizes.loading, after=FEW)
        wake("default")
        loaded = _edit(site, sizes.edits)
        left = Contact.unmarked.filter(sync_status="PENDING").count()
    p50, p95 = _cuts(idle)
    beside = f"{len(idle)} edits, at most {max(idle):.2f} s"
    yield Figure("edit to arrival, idle, p50", p50, "s", beside, 0.3)
    yield Figure("edit to arrival, idle, p95", p95, "s", beside, 0.6)
    p50, p95 = _cuts(loaded)
    yield Figure(
        f"edit to arrival while {sizes.loading:,} rows are loaded, 100 ms of latency, p95",
        p95,
        "s",
        f"{len(loaded)} edits, p50 {p50:.2f} s, at most {max(loaded):.2f} s",
        1.0,
        note=f"{left:,} rows still waited at the end",
    )


def _cuts(seconds: list[float]) -> tuple[float, float]:
    """The median, and what 95 of 100 stay below."""
    return statistics.median(seconds), statistics.quantiles(seconds, n=20, method="inclusive")[-1]


@contextmanager
def _site(server: StandIn) -> Iterator[str]:
    """The site and its q cluster, sending to a server. Yields the address of the admin."""
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        sending(server.url, RATE_LIMIT=RATE, QUEUE="django_q"),
        # Each is stopped by its process id; of the cluster only the main process.
        Together(_programs(folder, port), os.environ) as together,
    ):
        together.wait_for(port)
        until = time.monotonic() + START_SECONDS
        # A row that is due arrives as soon as the cluster works.
        Contact.unmarked.filter(pk=2).update(due_at=rows.NOW, sync_status="PENDING", priority=0)
        while not Contact.unmarked.filter(pk=2, sync_status="SYNCED").exists():
            wake("default")
            if time.monotonic() > until:
                raise RuntimeError("The q cluster sends nothing.")
            time.sleep(0.2)
        yield f"http://{HOST}:{port}/admin"


def _programs(folder: str, port: int) -> list[Program]:
    def manage(name: str, *command: str, grace: float) -> Program:
        log = f"{folder}/{command[0]}.log"
        return Program(name, [sys.executable, "manage.py", *command], log, grace)

    return [
        manage("q cluster", "qcluster", grace=30),
        manage("site", "runserver", f"{HOST}:{port}", "--noreload", grace=5),
    ]


def _edit(admin: str, edits: int) -> list[float]:
    """Edit a contact. Returns the seconds of each edit."""
    pk = 1
    password = secrets.token_urlsafe(12)
    get_user_model().objects.filter(username="editor").delete()
    get_user_model().objects.create_superuser("editor", "editor@site.example", password)
    page = f"{admin}/conversion_sync/contact/{pk}/change/"
    seconds: list[float] = []
    with requests.Session() as session:
        login = f"{admin}/login/"
        fields = _form(session.get(login, timeout=30))
        _post(session, login, fields | {"username": "editor", "password": password})
        while len(seconds) < edits:
            fields = _form(session.get(page, timeout=30))
            before = Contact.unmarked.values_list("revision", flat=True).get(pk=pk)
            _post(session, page, fields | {"first_name": f"Edit {len(seconds) + 1}"})
            seconds.append(_until_synced(pk, before + 1))
            # Out of step with whatever looks for work at fixed intervals.
            time.sleep(random.uniform(0.05, 0.5))
    return seconds


def _until_synced(pk: int, revision: int) -> float:
    """Wait until the row's revision, or a later one, has arrived. Returns the seconds.

    Raises:
        RuntimeError: it did not.
    """
    began = time.monotonic()
    row = Contact.unmarked.filter(pk=pk, sync_status="SYNCED", synced_revision__gte=revision)
    while not row.exists():
        if time.monotonic() - began > EDIT_SECONDS:
            raise RuntimeError(f"The row did not arrive within {EDIT_SECONDS:g} s.")
        time.sleep(0.01)
    return time.monotonic() - began


def _post(session: requests.Session, url: str, fields: dict[str, str]) -> None:
    """Send a form as a browser does."""
    headers = {"Referer": url}
    answer = session.post(url, fields, headers=headers, timeout=30, allow_redirects=False)
    if answer.status_code != 302:
        raise RuntimeError(f"{url} answered {answer.status_code} to the form.")


def _form(answer: requests.Response) -> dict[str, str]:
    """Return the fields of the page's form, as a browser would send them."""
    answer.raise_for_status()
    fields = _Fields()
    fields.feed(answer.text)
    return fields.values


class _Fields(HTMLParser):
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
