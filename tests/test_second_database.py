"""A site whose routers send this app's rows to a second database: its pages and commands work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(__file__).resolve().parents[1]

#: The users are in the first database, and the rows in the second.
SITE = """
from contextlib import ExitStack
from io import StringIO
from pathlib import Path

from conversion_sync.sandbox import Sandbox
from project import settings

class Router:
    def db_for_read(self, model, **hints):
        return "rows" if model._meta.app_label == "conversion_sync" else "default"
    db_for_write = db_for_read
    def allow_migrate(self, db, app_label, **hints):
        return (db == "rows") == (app_label == "conversion_sync")

box = ExitStack().enter_context(Sandbox())
settings.DATABASES["rows"] = settings.DATABASES["default"] | {"NAME": "rows.sqlite3"}
settings.DATABASE_ROUTERS = [Router()]
settings.CONVERSION_SYNC = {"API_KEY": "key", "BASE_URL": box.base_url, "RATE_LIMIT": 1000}
import django
django.setup()
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.test import Client
from conversion_sync.models import BulkJob, Company, Contact, Status
from conversion_sync.sync.gate import Gate

def run(*command, **options):
    out = StringIO()
    call_command(*command, stdout=out, **options)
    return out.getvalue()

for name in ORDER:
    run("migrate", database=name)
client = Client(headers={"host": "127.0.0.1"})
client.force_login(User.objects.create_superuser("root"))
rows = [Contact.objects.create(email=f"p{number}@x.example") for number in range(3)]
Company.objects.create(external_id="C1", company_name="Lumentum")
row = rows[0]

def page(address, **data):
    address = f"/admin/conversion_sync{address}"
    answer = client.post(address, data, follow=True) if data else client.get(address)
    assert answer.status_code == 200, (address, answer)
    return answer.content.decode()
"""

ADMIN = """
for name in ("contact", "company", "engagement", "subscriptionchange", "deletion", "bulkjob",
             "apicall", "apigate", "wakeup", "heartbeat"):
    page(f"/{name}/")
assert 'aria-label="Contacts, Waiting to be sent: 3"' in page("/apigate/")
page("/apigate/pause/", go="on")
assert Gate("rows").state().status == "paused"
assert "By root, since" in page("/apigate/")
page("/apigate/resume/", go="on")
assert Gate("rows").state().status == "open"

for word in ("change", "panel", "history-rows", "compare", "delete", "history"):
    page(f"/contact/{row.pk}/{word}/")
assert "1 row is sent now" in page(f"/contact/{row.pk}/do/", action="sync_now")
page(f"/contact/{row.pk}/log/", **{
    "log-name": "Call", "log-description": "text", "log-occurred_at": "2026-01-01T10:00",
})
assert row.engagements.count() == 1

chosen = {"_selected_action": [row.pk], "index": 0}
assert "1 row is sent now" in page("/contact/", action="sync_now", **chosen)
page("/contact/", action="compare", confirmed="yes", **chosen)
job = BulkJob.objects.get()
page(f"/bulkjob/{job.pk}/change/")
page(f"/bulkjob/{job.pk}/do/", action="cancel")
job.refresh_from_db()
assert job.cancelled
"""

COMMANDS = """
assert "arrived" in run("conversion_push")
assert {each.sync_status for each in Contact.objects.all()} == {Status.SYNCED}
assert "The gate is open" in run("conversion_status")
for name in ("check", "merge", "prune", "verify"):
    run(f"conversion_{name}")
run("conversion_resync", "contacts", no_input=True)
Path("more.csv").write_text("email\\nmore@x.example\\n")
assert "1 created" in run("conversion_import", "contacts", "more.csv")
run("conversion_push")
entry = LogEntry.objects.create(
    user=User.objects.get(),
    content_type=ContentType.objects.get_for_model(Contact),
    object_id=str(row.pk),
    object_repr=row.email,
    action_flag=2,
)
assert "lines of the admin's history" in run("conversion_erase", row.email, dry_run=True)
entry.refresh_from_db()
assert entry.object_repr == row.email
try:
    run("conversion_erase", row.email, no_input=True)
except CommandError as error:
    assert error.returncode == 1
run("conversion_push")
run("conversion_erase", row.email, no_input=True)
entry.refresh_from_db()
assert entry.object_repr == "erased"
assert not Contact.objects.filter(email=row.email).exists()
"""


QUEUE = """
from django_q.models import OrmQ, Schedule
from conversion_sync.models import Wakeup
from conversion_sync.queues.django_q import SWEEP, run_drain

assert Schedule.objects.using("default").filter(name=SWEEP).count() == 1
Schedule.objects.all().delete()
for name in ORDER:
    run("migrate", database=name)
assert Schedule.objects.filter(name=SWEEP).count() == 1

assert [task.func() for task in OrmQ.objects.all()] == [Schedule.objects.get().func]
run_drain()
assert {each.sync_status for each in rows[0].__class__.objects.all()} == {Status.SYNCED}

settings.CONVERSION_SYNC["QUEUE"] = "none"
run("migrate")
assert not Schedule.objects.filter(name=SWEEP).exists()
"""


on_sqlite = pytest.mark.skipif(
    settings.DATABASES["default"]["ENGINE"] != "django.db.backends.sqlite3",
    reason="It makes databases of its own; which one is taken does not depend on their kind.",
)


@on_sqlite
def test_pages_and_commands_take_the_database_that_the_routers_say(tmp_path):
    run(ADMIN + COMMANDS, tmp_path)


@on_sqlite
@pytest.mark.parametrize("order", [("default", "rows"), ("rows", "default")])
def test_drains_are_queued_and_the_sweep_is_scheduled_where_the_queue_is(tmp_path, order):
    run(QUEUE, tmp_path, order)


def run(script, tmp_path, order=("default", "rows")):
    """Run a script in a site of its own, migrated in this order."""
    environment = {
        **os.environ,
        "ALLOWED_HOSTS": "127.0.0.1",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'site.sqlite3'}",
        "DEBUG": "0",
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "IGNORE_DOT_ENV": "1",
        "PYTHONPATH": str(ROOT),
        "SECRET_KEY": "only for tests",
        "SECURE_SSL_REDIRECT": "0",
    }
    command = [sys.executable, "-c", f"ORDER = {order!r}\n{SITE}{script}"]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr


TESTING = """
from conversion_sync.testing import assert_arrived, consent_log, end_waits, push, sandboxed

row.subscription_status = "UNSUBSCRIBED"
row.save()
end_waits()
with sandboxed() as own:
    push()
    assert_arrived(*rows, subscription=None)
    assert len(own.contacts) == 3
assert consent_log(row.email) == [("UNSUBSCRIBED", "SYNCED")]
"""


@on_sqlite
def test_the_helpers_of_tests_take_that_database_too(tmp_path):
    run(TESTING, tmp_path)
