"""What a clone can do before anything was set: real processes, with nothing in the environment."""

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60
ENVIRONMENT = {"PATH": os.environ["PATH"], "IGNORE_DOT_ENV": "1"}

PROGRAMS = [["manage.py", "conversion_sandbox"], ["-m", "conversion_sync.sandbox"]]

ALL_HELP = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
from django.core.management import ManagementUtility, get_commands
utility = ManagementUtility(["manage.py", "help"])
utility.main_help_text()
import django
django.setup()
for name in get_commands():
    utility.fetch_command(name).create_parser("manage.py", name).format_help()
"""


def python(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


@contextmanager
def running(*arguments):
    """A sandbox of its own process; gives the process, and the first lines that it says."""
    with subprocess.Popen(
        [sys.executable, *arguments, "--port=0"],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout
        try:
            yield program, program.stdout.readline() + program.stdout.readline()
        finally:
            program.kill()


@pytest.mark.parametrize("line", PROGRAMS)
def test_the_sandbox_tells_its_options_without_settings(line):
    done = python(*line, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--latency" in done.stdout


def test_every_command_tells_its_options_without_settings():
    done = python("-c", ALL_HELP)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["check", "migrate", "conversion_status", "qcluster"])
def test_a_command_that_needs_the_secret_key_says_so(command):
    done = python("manage.py", command, DATABASE_URL="sqlite://:memory:")
    assert done.returncode == 1
    assert "SECRET_KEY is not set" in done.stderr
    assert ".env.example" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("server", ["wsgi", "asgi"])
def test_no_server_starts_without_the_secret_key(server):
    done = python("-c", f"import project.{server}")
    assert "ImproperlyConfigured: SECRET_KEY is not set. Set it, or" in done.stderr
    assert python("-c", f"import project.{server}", SECRET_KEY="x" * 50).returncode == 0


def test_without_django_manage_says_where_it_is():
    done = python("-I", "-S", "manage.py", "check")
    assert done.returncode == 1
    assert "make demo" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("line", PROGRAMS)
def test_the_sandbox_serves_without_settings_and_ends_when_told(line, tmp_path):
    with running(*line, f"--state={tmp_path / 'state'}") as (program, said):
        [base_url] = re.findall("CONVERSION_BASE_URL=(.+)", said)
        answer = requests.get(
            f"{base_url}/contacts/by-email/a@x.example",
            headers={"Authorization": "Bearer key"},
            timeout=SECONDS,
        )
        assert answer.status_code == 404
        program.send_signal(signal.SIGTERM)
        assert program.wait(SECONDS) == 0


@pytest.mark.parametrize("line", PROGRAMS)
def test_a_taken_port_is_told(line):
    with running("-m", "conversion_sync.sandbox") as (_, said):
        port = re.findall(r":(\d+)/", said)[0]
        done = python(*line, f"--port={port}")
    assert done.returncode == 1
    assert f"Port {port} is in use" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--fail=nonsense"], "Unknown fault 'nonsense'"),
        (["--state=/"], "The state file / can't be used"),
        (["--host=192.0.2.1"], "Cannot assign requested address"),
    ],
)
def test_the_program_tells_what_it_cannot_use(options, said):
    done = python("-m", "conversion_sync.sandbox", "--port=0", *options)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
