"""A queue of a site's own, by its dotted path; and queues whose packages are missing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from conversion_sync.queues import base
from tests.kit import contact, fresh
from tests.queues import site_queue

pytestmark = pytest.mark.django_db(transaction=True)

MODULE = "tests.queues.site_queue"


@pytest.fixture
def choose(conversion, settings, monkeypatch):
    """Have the site use a queue."""
    monkeypatch.setattr(base, "_queues", {})
    site_queue.asked.clear()
    site_queue.scheduled.clear()

    def set_to(name: str) -> None:
        settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "QUEUE": name}

    return set_to


def found() -> list[str]:
    return [str(message.id) for message in checks.run_checks(tags=["conversion_sync"])]


@pytest.mark.parametrize("name", ["Own", "made"])
def test_a_class_or_an_object_of_the_site_is_asked_for_drains(choose, name):
    choose(f"{MODULE}.{name}")
    contact()
    assert site_queue.asked == ["default"]
    call_command("migrate", verbosity=0)
    assert set(site_queue.scheduled) == {"default"}
    assert found() == ["site.W001"]


def test_what_it_raises_breaks_no_save_and_what_it_lacks_is_not_missed(choose, caplog):
    choose(f"{MODULE}.Least")
    assert fresh(contact()).sync_status == "PENDING"
    assert "out of order" in caplog.text
    call_command("migrate", verbosity=0)
    assert found() == []


@pytest.mark.parametrize("name", ["gone.away.Queue", f"{MODULE}.Missing", f"{MODULE}.asked"])
def test_e050_what_is_no_queue(choose, caplog, name):
    choose(name)
    assert fresh(contact()).sync_status == "PENDING"
    assert "the sweep will send what is due" in caplog.text
    assert found() == ["conversion_sync.E050"]
    with pytest.raises(ImproperlyConfigured):
        base.queue_in_use()
    call_command("migrate", verbosity=0)


def test_none_is_asked_where_there_is_none(choose):
    choose("none")
    contact()
    assert base.queue_in_use() is None
    assert found() == []


#: Neither of them can be imported.
WITHOUT = """
import sys
for name in ("celery", "django_tasks", "django.tasks"):
    sys.modules[name] = None
from tests import settings
settings.CONVERSION_SYNC = {"API_KEY": "k", "QUEUE": sys.argv[1]}
import django
django.setup()
from django.core.checks import run_checks
print(*[message.id for message in run_checks(tags=["conversion_sync"])])
from conversion_sync.queues.wake import queue
try:
    queue(sys.argv[1])
except Exception as error:
    print(error)
"""


@pytest.mark.parametrize("name", ["celery", "django_tasks"])
def test_a_site_starts_where_the_package_of_its_queue_is_missing_and_is_told(name):
    line = [sys.executable, "-c", WITHOUT, name]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    ids, error = done.stdout.splitlines()
    assert ids == "conversion_sync.E050"
    assert "can't be imported" in error
