"""``conversion_check``: one harmless call, and what to do when it fails."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from conversion_sync.models import Contact
from conversion_sync.sync.gate import Gate

pytestmark = pytest.mark.django_db


def run() -> str:
    out, err = io.StringIO(), io.StringIO()
    call_command("conversion_check", stdout=out, stderr=err)
    return out.getvalue() + err.getvalue()


def failure() -> str:
    with pytest.raises(CommandError) as ended:
        run()
    assert ended.value.returncode == 1
    assert "test-key" not in str(ended.value)
    return str(ended.value)


def test_all_is_well_and_one_get_was_all_it_took(conversion):
    Contact.objects.create(email="ann@x.example")
    out = run()
    assert "Settings: well." in out
    assert f"Key and connection: well ({conversion.base_url})." in out
    assert "test-key" not in out
    assert [call.method for call in conversion.calls] == ["GET"]
    assert not conversion.contacts


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        ("401", "The API key is not accepted: set API_KEY"),
        ("429", "Too many calls with this key"),
        ("500", "The API itself fails"),
        ("html", "What answers there is not the API"),
        ("html=404", "What answers there is not the API: check BASE_URL"),
        ("html=403", "Something before the API refuses the call"),
        ("redirect", "Redirects are never followed"),
        ("drop", "What answers there is not the API, or is down"),
    ],
)
def test_each_failure_comes_with_a_remedy(conversion, fault, remedy):
    conversion.fail(fault, count=None)
    assert remedy in failure()


def test_a_server_that_is_not_there_is_a_matter_of_the_network(conversion):
    conversion.stop()
    assert "Check the network" in failure()


def test_a_missing_key_names_the_setting(conversion, settings):
    settings.CONVERSION_SYNC |= {"API_KEY": ""}
    assert "CONVERSION_SYNC['API_KEY']" in failure()
    assert not conversion.calls


def test_plain_http_to_another_machine_is_refused_before_any_call(conversion, settings):
    settings.CONVERSION_SYNC |= {"BASE_URL": "http://api.example/v1"}
    assert "API_KEY or BASE_URL can't be used" in failure()


def test_a_disabled_site_and_a_paused_gate_are_noted(conversion, settings):
    settings.CONVERSION_SYNC |= {"ENABLED": False}
    Gate().pause("Mia")
    out = run()
    assert "Note: ENABLED is False" in out
    assert "Note: the gate is paused" in out


def test_a_bad_setting_fails_although_the_connection_works(conversion, settings):
    settings.CONVERSION_SYNC |= {"BATCH_SIZE": "many"}
    assert "Correct the settings named above." in failure()
