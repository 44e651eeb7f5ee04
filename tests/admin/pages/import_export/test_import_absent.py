"""Without django-import-export the admin is as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]

SITE = """
import sys
if {missing}:
    sys.modules["import_export"] = None
from project import settings
settings.INSTALLED_APPS.remove("import_export")
import django
from django.core.management import call_command
from django.test import Client
django.setup()
call_command("check", "--fail-level=ERROR")
call_command("migrate", verbosity=0)
assert {missing} or "import_export.admin" not in sys.modules
from django.contrib.auth.models import User
from conversion_sync.models import Contact
row = Contact.objects.create(email="ann@x.example")
client = Client(headers={{"host": "127.0.0.1"}})
client.force_login(User.objects.create_superuser("root"))
for kind in ("contact", "company"):
    page = client.get(f"/admin/conversion_sync/{{kind}}/")
    assert page.status_code == 200, page
    for word in (b"/import/", b"/export/", b"export_selected"):
        assert word not in page.content, word
    for word in ("import", "export", "process_import"):
        answer = client.get(f"/admin/conversion_sync/{{kind}}/{{word}}/")
        assert answer.status_code == 302, answer
        assert answer.url.endswith(f"/{{word}}/change/"), answer.url
assert client.get(f"/admin/conversion_sync/contact/{{row.pk}}/change/").status_code == 200
"""


@pytest.mark.parametrize("missing", [True, False], ids=["not installed", "not in INSTALLED_APPS"])
def test_without_the_extra_the_admin_has_no_import_and_works(tmp_path, missing):
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
    command = [sys.executable, "-c", SITE.format(missing=missing)]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
