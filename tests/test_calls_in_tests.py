"""Under a test runner nothing is called by accident: rows are held, a call by hand raises."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest
from django.core.management import call_command
from django.db import transaction
from django_q.conf import Conf

from conversion_sync.api import Client
from conversion_sync.conf import conf
from conversion_sync.models import Contact
from conversion_sync.sandbox import Sandbox
from conversion_sync.sync.drain import drain
from conversion_sync.test_runner import is_under_test
from conversion_sync.testing import (
    CallForbidden,
    assert_arrived,
    calls_allowed,
    push,
    sandboxed,
)
from tests.kit import ANN, contact, fresh

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def box(settings):
    """A site whose settings would send, as in production."""
    with Sandbox() as made:
        settings.CONVERSION_SYNC = {"API_KEY": "key", "BASE_URL": made.base_url}
        yield made


def test_drains_hold_their_rows(box):
    row = contact()
    assert drain().calls == 0
    call_command("conversion_push", verbosity=0)
    assert (fresh(row).sync_status, box.calls) == ("PENDING", [])
    assert fresh(row).attempts == 0


@pytest.mark.parametrize("queue", ["django_q", "none"])
def test_a_queue_that_runs_tasks_at_once_sends_nothing(box, settings, monkeypatch, queue):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "QUEUE": queue}
    monkeypatch.setattr(Conf, "SYNC", True)
    contact()
    assert box.calls == []


def test_a_queue_that_runs_tasks_at_once_sends_to_a_sandbox(box, monkeypatch):
    monkeypatch.setattr(Conf, "SYNC", True)
    with sandboxed(memory=True) as own:
        row = contact()
        assert set(own.contacts) == {ANN}
        assert_arrived(row)
    assert box.calls == []


def test_a_call_by_hand_raises_and_says_what_to_do(box):
    with pytest.raises(CallForbidden, match=r"conversion_sync\.testing\.sandboxed"):
        Client("key", box.base_url).get_contact(ANN)
    assert box.calls == []


def test_to_push_without_a_sandbox_is_a_mistake_of_the_test(box):
    contact()
    with pytest.raises(RuntimeError, match="No sandbox is in use"):
        push()


def test_with_a_sandbox_no_other_host_is_called(box):
    with (
        sandboxed() as own,
        pytest.raises(CallForbidden),
    ):
        Client("key", "https://elsewhere.invalid/api/v1").get_contact(ANN)
    assert own.calls == box.calls == []


def test_what_a_test_answers_itself_it_may_allow(box):
    with calls_allowed():
        contact()
        push()
        Client("key", box.base_url).get_contact(ANN)
    assert len(box.calls) == 2
    with pytest.raises(CallForbidden):
        Client("key", box.base_url).get_contact(ANN)


def test_a_site_may_send_in_its_tests(box, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "SEND_IN_TESTS": True}
    contact()
    assert drain().calls == 1


def test_the_transaction_of_the_test_is_no_matter(conversion_in_memory):
    with transaction.atomic():
        Contact.objects.create(email=ANN)
    push()
    assert set(conversion_in_memory.contacts) == {ANN}


def test_a_process_that_runs_no_tests_is_none():
    assert is_under_test()
    assert not conf.is_held or not conf.can_send
    line = (
        "import django; django.setup(); from conversion_sync.test_runner import is_under_test as i"
    )
    code = f"{line}; import django.test.utils; assert not i()"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


SITE = """
    import os
    SECRET_KEY = "only for tests"
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.sqlite3"}}
    INSTALLED_APPS = [
        "django.contrib.contenttypes", "django.contrib.auth", "django_q", "conversion_sync",
    ]
    USE_TZ = True
    Q_CLUSTER = {"orm": "default", "sync": True, "timeout": 60, "retry": 240}
    CONVERSION_SYNC = {"API_KEY": "key", "BASE_URL": os.environ["API"], "RATE_LIMIT": 1000}
"""

TESTS = """
    from django.test import TestCase
    from conversion_sync.models import Contact
    from conversion_sync.testing import assert_arrived, push, sandboxed

    class Tests(TestCase):
        def test_by_accident(self):
            with self.captureOnCommitCallbacks(execute=True):
                row = Contact.objects.create(email="ann@x.example")
            row.refresh_from_db()
            assert row.sync_status == "PENDING"

        def test_on_purpose(self):
            box = self.enterContext(sandboxed(memory=True))
            row = Contact.objects.create(email="ann@x.example", first_name="Ann")
            push()
            assert_arrived(row, variables={"first_name": "Ann"})
            assert len(box.calls) == 1
"""

PYTEST = """
    import pytest
    from conversion_sync.models import Contact
    from conversion_sync.testing import assert_arrived, push

    @pytest.mark.django_db(transaction=True)
    def test_by_accident():
        row = Contact.objects.create(email="ann@x.example")
        row.refresh_from_db()
        assert row.sync_status == "PENDING"

    @pytest.mark.django_db
    @pytest.mark.parametrize("name", ["conversion", "conversion_in_memory"])
    def test_on_purpose(request, name):
        box = request.getfixturevalue(name)
        row = Contact.objects.create(email="ann@x.example", first_name="Ann")
        push()
        assert_arrived(row, variables={"first_name": "Ann"})
        assert len(box.calls) == 1
"""

CONFTEST = 'pytest_plugins = ["conversion_sync.testing.pytest"]'


@pytest.mark.parametrize("runner", ["django", "pytest"])
def test_a_site_with_tests_of_its_own(box, tmp_path, runner):
    files = {"site_settings.py": SITE, "test_site.py": TESTS if runner == "django" else PYTEST}
    if runner == "pytest":
        files["conftest.py"] = CONFTEST
    for name, text in files.items():
        (tmp_path / name).write_text(textwrap.dedent(text))
    command = {
        "django": ["-m", "django", "test"],
        "pytest": ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)],
    }
    given = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, *command[runner]],
        cwd=tmp_path,
        env=given
        | {
            "DJANGO_SETTINGS_MODULE": "site_settings",
            "PYTHONPATH": str(tmp_path),
            "API": box.base_url,
        },
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"django": "Ran 2 tests", "pytest": "3 passed"}[runner] in done.stdout + done.stderr
    assert box.calls == []
