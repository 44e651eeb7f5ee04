"""The built package in sites of its own, made by nothing but Django's ``startproject``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conversion_sync.sandbox import Sandbox
from tests.installation.kit import INSTALLED, LIMIT, Environment, run

pytestmark = [pytest.mark.installation, pytest.mark.timeout(LIMIT)]

SETTINGS = (
    INSTALLED
    + """
CONVERSION_SYNC = {"API_KEY": "test-key", "BASE_URL": %r, "RATE_LIMIT": 1000}
"""
)

SITE = """
from conversion_sync.models import Company, Contact, Engagement
acme = Company.objects.create(external_id="acme", company_name="Acme")
ann = Contact.objects.create(
    email="Ann@acme.example", company=acme, subscription_status="SUBSCRIBED"
)
Engagement.objects.create(contact=ann, name="Call", description="Said hello")
"""


def pythons() -> list[str]:
    """This Python, and the other supported ones of this machine."""
    homes = Path.home().glob(".pyenv/versions/3.1[123].*/bin/python3")
    found = {(3, sys.version_info.minor): sys.executable}
    for path in [*map(str, homes), *filter(None, map(shutil.which, ("python3.12", "python3.13")))]:
        asked = subprocess.run(
            [path, "-c", "import sys; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        if asked.returncode == 0:
            major, minor = map(int, asked.stdout.split())
            found.setdefault((major, minor), path)
    return [path for version, path in sorted(found.items()) if (3, 11) <= version <= (3, 13)]


@pytest.mark.parametrize("python", pythons(), ids=lambda path: Path(path).resolve().name)
def test_the_wheel_works_in_a_site_of_its_own(python: str, wheel: Path, tmp_path: Path):
    environment = Environment(tmp_path / "venv", python)
    environment.install(str(wheel))
    own = environment.python
    run([own, "-m", "django", "startproject", "site_of_its_own", "."], tmp_path)
    with Sandbox() as box:
        settings = tmp_path / "site_of_its_own" / "settings.py"
        settings.write_text(settings.read_text() + SETTINGS % box.base_url)
        manage = [own, "manage.py"]
        run([*manage, "migrate", "--verbosity=0"], tmp_path)
        run([*manage, "check", "--fail-level=WARNING"], tmp_path)
        run([*manage, "makemigrations", "--check", "--dry-run"], tmp_path)
        run([*manage, "shell", "--command", SITE], tmp_path)
        run([*manage, "conversion_push"], tmp_path)
        status = json.loads(run([*manage, "conversion_status", "--json"], tmp_path))

    assert box.contacts["ann@acme.example"]["variables"] == {"company_name": "Acme"}
    assert box.contacts["ann@acme.example"]["subscriptionStatus"] == "SUBSCRIBED"
    assert box.companies["acme"]["variables"] == {"company_name": "Acme"}
    assert [each["name"] for each in box.engagements] == ["Call"]
    assert status
