"""A site whose routers keep this app's rows in another database than its own models."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(__file__).resolve().parents[2]

SITE = """
from pathlib import Path
from project import settings

class Router:
    def db_for_read(self, model, **hints):
        return "rows" if model._meta.app_label == "conversion_sync" else "default"
    db_for_write = db_for_read
    def allow_migrate(self, db, app_label, **hints):
        return (db == "rows") == (app_label == "conversion_sync")

settings.DATABASES["rows"] = settings.DATABASES["default"] | {"NAME": "rows.sqlite3"}
settings.DATABASE_ROUTERS = [Router()]
import django
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import transaction
from django.db.models import F
from conversion_sync import mirrors
from conversion_sync.mirrors.checks import check_mirrors
from conversion_sync.models import Contact, MirrorMark
from conversion_sync.sync.drain import drain

for alias in ("default", "rows"):
    call_command("migrate", database=alias, verbosity=0)

@mirrors.contact(User)
class UserMirror(mirrors.Mirror[User]):
    email = F("email")
    variables = {"first_name": F("first_name")}

assert [each.id for each in check_mirrors()] == ["conversion_sync.W042"]
"""

ACTS = """
with transaction.atomic():
    ann = User.objects.create(username="ann", email="ann@x.example", first_name="Ann")
    assert not MirrorMark.objects.exists()
assert MirrorMark.objects.count() == 1
try:
    with transaction.atomic():
        User.objects.create(username="bob", email="bob@x.example")
        raise LookupError
except LookupError:
    pass
assert MirrorMark.objects.count() == 1
drain(using="rows")
assert [row.first_name for row in Contact.objects.all()] == ["Ann"]
assert mirrors.explain(ann)[0].row == Contact.objects.get()
User.objects.filter(pk=ann.pk).update(first_name="Anna")
call_command("conversion_mirror", verbosity=0)
assert Contact.objects.get().first_name == "Anna"
"""

#: A site whose databases have content types each of its own.
TWO = """
from project import settings
settings.INSTALLED_APPS += ["tests.mirrors.shop"]
settings.DATABASES["other"] = settings.DATABASES["default"] | {"NAME": "other.sqlite3"}
import django
django.setup()
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db.models import F
from conversion_sync import mirrors
from conversion_sync.models import MirrorMark
from tests.mirrors.shop.models import Club, Note

for alias in ("default", "other"):
    call_command("migrate", database=alias, verbosity=0)
ContentType.objects.using("other").filter(model="club").delete()
ContentType.objects.using("other").create(pk=777, app_label="shop", model="club")
ContentType.objects.clear_cache()

@mirrors.contact(Club)
class ClubMirror(mirrors.Mirror[Club]):
    email = F("email")
    variables = {"notes": F("notes__text")}

club = Club.objects.using("other").create(email="a@x.example")
note = Note.objects.using("other").create(content_type_id=777, object_id=club.pk, text="one")
note.text = "two"
note.save()
assert MirrorMark.objects.filter(model="shop.club").count() == 3, MirrorMark.objects.all()
note.delete()
assert MirrorMark.objects.filter(model="shop.club").count() == 4
"""


@pytest.mark.skipif(
    settings.DATABASES["default"]["ENGINE"] != "django.db.backends.sqlite3",
    reason="It makes databases of its own; which one is taken does not depend on their kind.",
)
@pytest.mark.parametrize("site", [SITE + ACTS, TWO], ids=["rows", "content-types"])
def test_marks_are_written_when_the_sites_transaction_commits(tmp_path, site):
    environment = {
        **os.environ,
        "ALLOWED_HOSTS": "127.0.0.1",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'site.sqlite3'}",
        "DEBUG": "0",
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "IGNORE_DOT_ENV": "1",
        "PYTHONPATH": str(ROOT),
        "SECRET_KEY": "only for tests",
    }
    command = [sys.executable, "-c", site]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
