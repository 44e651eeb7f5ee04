"""Each command says in words that ``migrate`` has not run, and what to do."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder

from conversion_sync.conf import conf
from conversion_sync.management.migrated import DatabaseCommand
from tests.commands.test_arguments import REQUIRED, WITH_DATABASE

NO_INPUT = {"conversion_erase", "conversion_merge", "conversion_resync"}

SAID = "first run “manage.py migrate conversion_sync --database default”"

#: One does what it does for PostgreSQL alone; the other has nothing to do without mirrors.
NOTHING_TO_DO = {"conversion_search", "conversion_mirror"}


@pytest.mark.parametrize("name", sorted({*WITH_DATABASE} - NOTHING_TO_DO))
def test_it_is_said_without_a_traceback(name, tmp_path, conversion):
    (tmp_path / "x.csv").write_text("email\nann@x.example\n")
    options = [*REQUIRED.get(name, []), *(["--no-input"] if name in NO_INPUT else [])]
    done = subprocess.run(
        [sys.executable, "-m", "django", name, *options],
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "PYTHONPATH": os.pathsep.join(sys.path),
            "DEBUG": "1",
            "IGNORE_DOT_ENV": "1",
            "DATABASE_URL": f"sqlite:///{tmp_path / 'empty.sqlite3'}",
            "CONVERSION_API_KEY": conf.api_key,
            "CONVERSION_BASE_URL": conf.base_url,
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, SAID in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr


class Reads(DatabaseCommand):
    """Reads what is not there."""

    def handle(self, *args, **options):
        with connection.cursor() as cursor:
            cursor.execute("SELECT nonsense FROM nowhere")


@pytest.mark.django_db(transaction=True)
def test_a_migration_that_is_missing_is_what_is_wrong_on_each_database():
    recorder = MigrationRecorder(connection)
    last = recorder.migration_qs.filter(app="conversion_sync").order_by("name").last()
    assert last is not None
    last.delete()
    try:
        with pytest.raises(CommandError, match="migrate conversion_sync"):
            call_command(Reads())
    finally:
        recorder.record_applied(last.app, last.name)


@pytest.mark.django_db(transaction=True)
def test_what_fails_otherwise_is_not_put_down_to_it():
    with pytest.raises(DatabaseError, match="nowhere"):
        call_command(Reads())
