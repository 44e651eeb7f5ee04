"""Sites whose admin wears a theme: on each supported Django, where this machine has it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from project.processes import HOST, Program, Together, free_port

__all__ = ["DJANGOS", "REFUSES", "THEMES", "Themed", "database", "python_with", "serve"]

ROOT = Path(__file__).resolve().parents[2]

THEMES = ("unfold", "grappelli", "jazzmin")
DJANGOS = ("5.2", "6.0", "6.1")

#: Pairs of a theme and a Django that it does not support, with the reason: it fails by itself.
REFUSES: Mapping[tuple[str, str], str] = {}

#: An address that is as long as one may be.
LONG = ".".join(["a@" + "b" * 62, *("c" * 63,) * 2, "d" * 53, "example"])

#: What stands in each site. A test that changes a row has one of its own.
ROWS = f"""
from django.contrib.auth.models import User
from django.test import Client
from conversion_sync.models import Company, Contact, Engagement
client = Client()
client.force_login(User.objects.create_superuser("sam"))
print(client.cookies["sessionid"].value)
company = Company.objects.create(external_id="C-1", company_name="Lumentum " + "ü" * 200)
Contact.objects.create(email={LONG!r}, last_name="W" * 150, company=company)
failed = {{"sync_status": "FAILED", "last_error_code": "VALIDATION_ERROR", "due_at": None}}
doubtful = failed | {{"sync_status": "UNCONFIRMED", "last_error_code": "NO_ANSWER"}}
for name in ("ann", "failed", "listed", "paged", "many"):
    row = Contact.objects.create(email=name + "@x.example", first_name="Ann", company=company)
    Contact.unmarked.filter(pk=row.pk).update(**failed)
Contact.objects.create(email="waiting@x.example", first_name="Bob")
for name in ("Call", "Visit", "Trial", "Demo", "Lunch"):
    event = Engagement.objects.create(contact=row, name=name, description="We talked.")
    if name != "Lunch":
        Engagement.unmarked.filter(pk=event.pk).update(**doubtful)
"""

Themed = tuple[str, str]


def environment(theme: str, file: Path, api: str) -> dict[str, str]:
    """That of a site's processes.

    Args:
        file: its database.
        api: the address of the API.
    """
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("CONVERSION_", "REDIS_"))}
    return kept | {
        "ALLOWED_HOSTS": HOST,
        "CONVERSION_API_KEY": "browser-key",
        "CONVERSION_BASE_URL": api,
        "DATABASE_URL": f"sqlite:///{file}",
        "DEBUG": "1",
        "DJANGO_SETTINGS_MODULE": "tests.browser.theme_settings",
        "IGNORE_DOT_ENV": "1",
        "NO_PROXY": "*",
        # Another Python's environment need not have this tree installed, only what it uses.
        "PYTHONPATH": str(ROOT),
        "SECRET_KEY": "of a site of its own, for these tests alone",
        "THEME": theme,
    }


@cache
def pythons() -> Mapping[str, str]:
    """This Python and those of THEME_PYTHONS, by the Django that each has."""
    ask = "import django; print('%d.%d' % django.VERSION[:2])"
    return {
        subprocess.check_output([python, "-c", ask], text=True, timeout=60).strip(): python
        for python in (*os.environ.get("THEME_PYTHONS", "").split(), sys.executable)
    }


def python_with(django: str) -> str:
    """The Python that has this Django; skips the test where there is none."""
    found = pythons().get(django)
    if found is None:
        pytest.skip(f"no Python with Django {django} here: name one in THEME_PYTHONS")
    return found


def database(folder: Path) -> tuple[Path, str]:
    """The database that each site gets a copy of, and the key of somebody's session in it."""
    file = folder / "rows.sqlite3"
    for command in (["migrate"], ["shell", "--command", ROWS]):
        line = [sys.executable, "manage.py", *command, "--verbosity=0"]
        site = environment(THEMES[0], file, "http://127.0.0.1:9")
        done = subprocess.run(
            line, cwd=ROOT, env=site, check=True, timeout=120, stdout=subprocess.PIPE
        )
    return file, done.stdout.decode().split()[-1]


def refusal(python: str, theme: str) -> str:
    """What Python says where the theme's app can't be loaded; blank where it can."""
    site = environment(theme, Path(os.devnull), "http://127.0.0.1:9")
    line = [python, "-c", "import django; django.setup()"]
    done = subprocess.run(line, cwd=ROOT, env=site, timeout=120, capture_output=True, text=True)
    return done.stderr if done.returncode else ""


@contextmanager
def serve(python: str, theme: str, rows: Path, folder: Path, api: str) -> Iterator[str]:
    """Serve a site with a copy of these rows. Gives the address of its admin."""
    port, file = free_port(), folder / "db.sqlite3"
    shutil.copyfile(rows, file)
    line = [python, str(ROOT / "manage.py"), "runserver", f"{HOST}:{port}", "--noreload"]
    program = Program("runserver", [*line, "--insecure"], str(folder / "runserver.log"), 5)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        with Together([program], environment(theme, file, api)) as together:
            together.wait_for(port)
            yield f"http://{HOST}:{port}/admin/"
            together.check()
