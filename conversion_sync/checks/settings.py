"""What is wrong with ``CONVERSION_SYNC``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage

from conversion_sync.api import ConfigurationError
from conversion_sync.api.base_url import check_base_url
from conversion_sync.api.secret import Secret
from conversion_sync.checks.messages import error, warning
from conversion_sync.conf import SETTINGS, conf

__all__ = ["MARGIN", "check_settings", "malformed"]

#: Seconds beside the last call of a drain: its claim, its settling, the bookkeeping.
MARGIN = 5

#: Seconds: the longest from one sweep of a schedule to the next. In between there may be no drain.
SWEEP = 90


def check_settings(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Check ``CONVERSION_SYNC``."""
    return malformed() or [*_key(), *_url(), *_times()]


def malformed() -> list[CheckMessage]:
    """What is wrong with the settings as such, so that their values can't be looked at."""
    if not isinstance(getattr(settings, "CONVERSION_SYNC", {}), dict):
        return [error("E001", "CONVERSION_SYNC is not a dict.", "Make it a dict of settings.")]
    return [*_names(), *_kinds()]


def _names() -> Iterator[CheckMessage]:
    for name in conf.given:
        if name not in SETTINGS:
            known = ", ".join(SETTINGS)
            yield error("E002", f"CONVERSION_SYNC has no setting {name!r}.", f"It has: {known}.")


def _kinds() -> Iterator[CheckMessage]:
    for name, setting in SETTINGS.items():
        value = setting.value(conf.given)
        if not setting.kind.is_right(value):
            shown = "of the wrong kind" if setting.is_secret else repr(value)
            yield error(
                setting.kind.check, f"CONVERSION_SYNC[{name!r}] is {shown}.", setting.kind.hint
            )


def _key() -> Iterator[CheckMessage]:
    if conf.enabled and not conf.api_key:
        yield warning(
            "W001",
            "CONVERSION_SYNC['API_KEY'] is missing: rows wait as PENDING, nothing is sent.",
            "Set it to the key of your Conversion account, or set CONVERSION_SYNC['ENABLED'] to "
            "False where nothing shall be sent.",
        )
    if conf.api_key and not Secret(conf.api_key).is_sendable():
        yield error(
            "E022",
            "CONVERSION_SYNC['API_KEY'] holds a space, a line break or another character that no "
            "key has: nothing is sent.",
            "Copy the key again, on one line.",
        )


def _url() -> Iterator[CheckMessage]:
    try:
        check_base_url(conf.base_url)
    except ConfigurationError as unusable:
        yield error(
            "E007",
            f"CONVERSION_SYNC['BASE_URL'] can't be used: {unusable}",
            f"Leave it out for the vendor's own, {SETTINGS['BASE_URL'].default}.",
        )


def _times() -> Iterator[CheckMessage]:
    if conf.lease < conf.call_deadline + MARGIN:
        yield error(
            "E008",
            f"CONVERSION_SYNC['LEASE'] ({conf.lease:g} s) does not cover a call "
            f"(CALL_DEADLINE, {conf.call_deadline:g} s) and {MARGIN} s beside it.",
            "Make LEASE longer, or CALL_DEADLINE shorter.",
        )
    if conf.drain_seconds <= conf.call_deadline:
        yield error(
            "E021",
            f"CONVERSION_SYNC['DRAIN_SECONDS'] ({conf.drain_seconds:g} s) does not outlast a call "
            f"(CALL_DEADLINE, {conf.call_deadline:g} s): after one that hangs, nothing else "
            "would have its turn.",
            "Make DRAIN_SECONDS longer, or CALL_DEADLINE shorter.",
        )
    if conf.backoff_max < conf.backoff:
        yield error(
            "E009",
            "CONVERSION_SYNC['BACKOFF_MAX'] is shorter than BACKOFF.",
            "Make it longer.",
        )
    if conf.stale_after < SWEEP and conf.queue != "none":
        yield warning(
            "W024",
            f"CONVERSION_SYNC['STALE_AFTER'] ({conf.stale_after:g} s) is shorter than a sweep may "
            f"take to come ({SWEEP} s): staff would be told in between that nobody is working.",
            f"Make it {SWEEP} or more.",
        )
