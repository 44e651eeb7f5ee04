"""The built package in sites of the kinds that people have: each line does what they do there."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from conversion_sync.sandbox import Sandbox
from tests.installation.kit import INSTALLED, LIMIT, Environment, inherited, postgres_database, run
from tests.kit import PROMPT, wait_until

pytestmark = [pytest.mark.installation, pytest.mark.timeout(LIMIT)]

THEMES = ("django-unfold", "django-grappelli", "django-jazzmin")

#: Seconds in which a q cluster has begun, and sent.
STARTED = 3 * PROMPT

#: An app of the site, with models that are contacts.
PEOPLE = """
from django.db import models
from conversion_sync.models import Contact

class Lead(Contact):
    rank = models.IntegerField(default=0)

class Patron(Contact):
    class Meta:
        proxy = True
"""

SECOND_DATABASE = """
DATABASES["crm"] = {**DATABASES["default"], "NAME": BASE_DIR / "crm.sqlite3"}
DATABASE_ROUTERS = ["routers.Router"]
"""

ROUTER = """
class Router:
    def db_for_read(self, model, **hints):
        return "crm" if model._meta.app_label == "conversion_sync" else "default"
    db_for_write = db_for_read
    def allow_migrate(self, db, app_label, **hints):
        return (db == "crm") == (app_label == "conversion_sync")
"""

SECOND_ADMIN = """
from django.contrib import admin
from django.urls import path
from conversion_sync import admin as ours
from conversion_sync.models import Company, Contact, Engagement

office = admin.AdminSite("office")
for model in (Company, Contact, Engagement):
    office.register(model, type(admin.site._registry[model]))
urlpatterns = [path("back/", admin.site.urls), path("office/", office.urls)]
"""

GRAPPELLI_URLS = """
from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("grappelli/", include("grappelli.urls")), path("admin/", admin.site.urls)]
"""

#: A request as a member of staff makes it.
STAFF = """
from django.contrib.auth.models import User
from django.test import Client
from conversion_sync.models import Company, Contact, Engagement
client = Client(headers={"host": "127.0.0.1"})
client.force_login(User.objects.create_superuser("sam"))
ann = Contact.objects.create(email="ann@x.example")

def page(address):
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer)
    return answer.content.decode()

def pages(root):
    for name in ("contact", "company", "engagement"):
        page(f"{root}/conversion_sync/{name}/")
    html = page(f"{root}/conversion_sync/contact/{ann.pk}/change/")
    assert "Waiting to be sent" in html and "Sync now" in html, html
    page(f"{root}/conversion_sync/contact/{ann.pk}/compare/")
"""

PAGES = """
pages("/admin")
for name in ("apigate", "apicall", "bulkjob", "deletion", "subscriptionchange"):
    page(f"/admin/conversion_sync/{name}/")
"""

OF_CHILDREN = """
from people.models import Lead, Patron
lead = Lead.objects.create(email="ann@x.example", rank=1)
lead.first_name, lead.rank = "Ann", 2
lead.save()
Patron.objects.get(pk=lead.pk).save()
lead.refresh_from_db()
assert (lead.first_name, lead.rank) == ("Ann", 2)
"""

OF_VALUES = """
import datetime, decimal, uuid
from django.utils.translation import gettext_lazy
from conversion_sync.models import Contact, Engagement
values = {
    "total": decimal.Decimal("12.50"), "day": datetime.date(2026, 1, 2),
    "key": uuid.UUID(int=7), "word": gettext_lazy("Yes"),
}
ann = Contact.objects.create(email="ann@x.example", custom_variables=values)
Engagement.objects.create(contact=ann, name="Call", description="We talked.", data=values)
Contact.objects.create(email="bad@x.example", custom_variables={"rate": float("nan")})
assert Contact.objects.get(email="bad@x.example").sync_status == "FAILED"
"""

OF_TESTS = """
from django.test import TransactionTestCase
from conversion_sync.models import Contact

class Saved(TransactionTestCase):
    def test_a_contact(self):
        row = Contact.objects.create(email="nobody@x.example")
        row.refresh_from_db()
        assert row.sync_status == "PENDING", row.sync_status
"""

SCHEDULES = """
from django_q.models import Schedule
print([row.func for row in Schedule.objects.all() if "conversion_sync" in row.func])
"""

POOL = """
DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 2, "max_size": 8}}
"""

SAVE = """
from conversion_sync.models import Contact
Contact.objects.create(email="ann@x.example")
"""


@dataclass(frozen=True)
class Site:
    """A site that has the built package, and a stand-in of the API."""

    folder: Path
    own: str
    box: Sandbox

    def manage(self, *command: str) -> str:
        return run([self.own, "manage.py", *command], self.folder)

    def shell(self, script: str) -> str:
        return self.manage("shell", "--verbosity=0", "--command", script)

    def add(self, settings: str, files: Mapping[str, str] = {}) -> None:
        """Add settings, and files by their names."""
        with (self.folder / "own" / "settings.py").open("a") as file:
            file.write(settings)
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    @contextmanager
    def cluster(self) -> Iterator[None]:
        """Have a q cluster work."""
        process = subprocess.Popen(
            [self.own, "manage.py", "qcluster"], cwd=self.folder, env=inherited()
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STARTED)


@pytest.fixture(scope="module")
def equipped(environment: Environment) -> Environment:
    """The shared environment, with the themes and PostgreSQL's driver."""
    environment.install(*THEMES, "psycopg[binary,pool]")
    return environment


@pytest.fixture
def site(equipped: Environment, tmp_path: Path) -> Iterator[Site]:
    run([equipped.python, "-m", "django", "startproject", "own", "."], tmp_path)
    with Sandbox() as box:
        made = Site(tmp_path, equipped.python, box)
        own = {"API_KEY": "test-key", "BASE_URL": box.base_url, "RATE_LIMIT": 1000}
        made.add(INSTALLED + f"CONVERSION_SYNC = {own!r}\n")
        yield made


@pytest.mark.parametrize("theme", ["unfold", "grappelli", "jazzmin"])
def test_a_theme(site: Site, theme: str):
    site.add(f"INSTALLED_APPS.insert(0, {theme!r})\n")
    if theme == "grappelli":
        site.add("", {"own/urls.py": GRAPPELLI_URLS})
    site.manage("migrate", "--verbosity=0")
    site.shell(STAFF + PAGES)


def test_a_second_database(site: Site):
    site.add(SECOND_DATABASE, {"routers.py": ROUTER})
    site.manage("migrate", "--verbosity=0")
    site.manage("migrate", "--verbosity=0", "--database=crm")
    site.manage("check", "--fail-level=WARNING")
    site.shell(STAFF + PAGES)
    with site.cluster():
        wait_until(lambda: site.box.contacts, "nothing arrived", STARTED)
    assert set(site.box.contacts) == {"ann@x.example"}
    tables = "from django.db import connection as c; print(c.introspection.table_names())"
    assert "conversion_sync_contact" not in site.shell(tables)


def test_a_second_admin_site_and_another_address(site: Site):
    site.add("", {"own/urls.py": SECOND_ADMIN})
    site.manage("migrate", "--verbosity=0")
    site.shell(STAFF + 'pages("/back")\npages("/office")\n')


def test_children_and_proxies_of_contacts(site: Site):
    packages = {"people/__init__.py": "", "people/migrations/__init__.py": ""}
    site.add('INSTALLED_APPS.append("people")\n', packages | {"people/models.py": PEOPLE})
    site.manage("makemigrations", "people", "--verbosity=0")
    site.manage("migrate", "--verbosity=0")
    site.shell(OF_CHILDREN)
    site.manage("conversion_push")
    assert site.box.contacts["ann@x.example"]["variables"] == {"first_name": "Ann"}


def test_values_that_are_no_json(site: Site):
    site.manage("migrate", "--verbosity=0")
    site.shell(OF_VALUES)
    site.manage("conversion_push")
    key = "00000000-0000-0000-0000-000000000007"
    values = {"total": "12.50", "day": "2026-01-02", "key": key, "word": "Yes"}
    assert site.box.contacts["ann@x.example"]["variables"] == values
    [event] = site.box.engagements
    assert event["data"].items() >= values.items()
    assert set(site.box.contacts) == {"ann@x.example"}


def test_a_pool_of_connections_under_a_q_cluster(site: Site):
    with postgres_database(site.own) as settings:
        site.add(settings + POOL)
        site.manage("migrate", "--verbosity=0")
        with site.cluster():
            site.shell(SAVE)
            wait_until(lambda: site.box.contacts, "nothing arrived", STARTED)


def test_the_tests_of_a_site_send_nothing(site: Site):
    site.add('Q_CLUSTER["sync"] = True\n', {"tests.py": OF_TESTS})
    site.manage("test", "--verbosity=0")
    assert site.box.calls == []


def test_a_save_without_a_change_costs_no_call(site: Site):
    site.manage("migrate", "--verbosity=0")
    site.shell(SAVE)
    site.manage("conversion_push")
    before = len(site.box.calls)
    site.shell("from conversion_sync.models import Contact; Contact.objects.get().save()")
    site.manage("conversion_push")
    assert len(site.box.calls) == before == 1


def test_the_way_out_takes_the_schedule_along(site: Site):
    site.manage("migrate", "--verbosity=0")
    assert "conversion_sync" in site.shell(SCHEDULES)
    site.manage("migrate", "conversion_sync", "zero", "--verbosity=0")
    assert "conversion_sync" not in site.shell(SCHEDULES)
