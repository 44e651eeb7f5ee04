"""The client of this process."""

from __future__ import annotations

import pytest

from conversion_sync.api import ConfigurationError
from conversion_sync.sync.remote import client


def test_there_is_one_client_for_the_settings_as_they_are(conversion, settings):
    first = client()
    assert client() is first
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "CALL_DEADLINE": 5}
    assert client() is not first


def test_another_process_has_a_client_of_its_own(conversion, monkeypatch):
    first = client()
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert client() is not first


def test_without_a_usable_url_there_is_no_client(settings):
    settings.CONVERSION_SYNC = {"API_KEY": "k", "BASE_URL": "http://elsewhere.example/"}
    with pytest.raises(ConfigurationError):
        client()
