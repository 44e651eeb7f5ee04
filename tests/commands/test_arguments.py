"""What no command can do with what it is given: said in words, before anything is done."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command, get_commands
from django.utils.module_loading import import_string

from conversion_sync.models import Contact
from tests.kit import synced_contact

OURS = sorted(name for name, app in get_commands().items() if app == "conversion_sync")
WITH_DATABASE = [name for name in OURS if name != "conversion_sandbox"]
REQUIRED = {
    "conversion_erase": ["ann@x.example"],
    "conversion_import": ["contacts", "x.csv"],
}


@pytest.mark.parametrize("name", WITH_DATABASE)
def test_a_database_that_is_not_there_is_said(name):
    with pytest.raises(CommandError, match=r"--database: invalid choice: 'nope'.*default"):
        call_command(name, *REQUIRED.get(name, []), "--database", "nope")


@pytest.mark.parametrize("name", OURS)
def test_each_argument_says_what_it_is(name):
    command = import_string(f"conversion_sync.management.commands.{name}.Command")()
    parser = command.create_parser("manage.py", name)
    unsaid = [each.dest for each in parser._actions if not (each.help or each.choices)]
    assert unsaid == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("conversion_mirror --since soon", "'soon' is no time: write 2026-01-31"),
        ("conversion_mirror --since=", "'' is no time"),
        ("conversion_mirror --since 2027-13-01", "'2027-13-01' is no time"),
        ("conversion_mirror --since 2027-02-30T12:00", "'2027-02-30T12:00' is no time"),
        ("conversion_verify --sample -1", "'-1' is not a whole number from 1"),
        ("conversion_verify --sample 0", "'0' is not a whole number from 1"),
        ("conversion_verify --sample x", "'x' is not a whole number from 1"),
        ("conversion_prune --days -1", "'-1' is not a number from 0"),
        ("conversion_sandbox --port 99999", "'99999' is not a whole number from 0 to 65535"),
        ("conversion_sandbox --page-port -1", "'-1' is not a whole number from 0 to 65535"),
        ("conversion_sandbox --rate -3", "'-3' is not a number from 0"),
        ("conversion_sandbox --latency nan", "'nan' is not a number from 0"),
        ("conversion_sandbox --seed x", "'x' is not a whole number"),
    ],
)
def test_what_can_not_be_meant_is_a_usage_error_without_a_traceback(line, said):
    """As a shell has it: `call_command` would raise, whatever the parser does."""
    done = subprocess.run(
        [sys.executable, "-m", "django", *line.split()],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.django_db
@pytest.mark.parametrize(
    "line", [["conversion_resync"], ["conversion_erase", "ann@x.example"]], ids=lambda line: line[0]
)
def test_where_nobody_can_be_asked_nothing_is_done(conversion, monkeypatch, line):
    """As from cron, whose standard input is at its end."""
    synced_contact()

    def at_its_end(prompt):
        raise EOFError

    monkeypatch.setattr("builtins.input", at_its_end)
    with pytest.raises(CommandError, match="Nobody could be asked: nothing was changed"):
        call_command(*line)
    assert Contact.objects.exclude(sent_key=None).count() == 1


@pytest.mark.django_db
def test_where_bad_lines_can_not_be_written_nothing_is_imported(tmp_path):
    file = tmp_path / "contacts.csv"
    file.write_text("email\nann@x.example\n")
    with pytest.raises(CommandError, match="is no folder: the bad lines can't be written there"):
        call_command("conversion_import", "contacts", file, rejected=tmp_path / "no" / "bad.csv")
    assert not Contact.objects.exists()
