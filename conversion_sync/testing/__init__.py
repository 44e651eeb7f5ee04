"""For the tests of a site: a stand-in of the API, and rows that go there at once.

    class Registration(TestCase):
        def test_who_registers_is_in_conversion(self):
            box = self.enterContext(sandboxed())
            self.client.post("/register/", {"email": "ada@customer.example"})
            push()
            assert "ada@customer.example" in box.contacts

It needs no test framework but Django's, and works in a ``TestCase`` as well as with pytest-django.
What was called, and what is there, the sandbox itself says: ``contacts``, ``companies``,
``engagements``, ``calls``; it refuses and fails as it is told (``fail``).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db.models.functions import Now
from django.test import override_settings

from conversion_sync.models import (
    Status,
    SubscriptionChange,
    SyncedModel,
)
from conversion_sync.sandbox import Sandbox
from conversion_sync.status.messages import in_words
from conversion_sync.sync.drain import DrainReport, drain
from conversion_sync.sync.kinds import MODELS

__all__ = [
    "assert_arrived",
    "consent_log",
    "end_waits",
    "push",
    "sandbox_settings",
    "sandboxed",
    "sent",
]


@contextmanager
def sandboxed(**options: Any) -> Iterator[Sandbox]:
    """Start a sandbox, and have the site send to it without holding back.

    Args:
        options: further keys of ``CONVERSION_SYNC``, for as long; the site's own hold, too.
    """
    with Sandbox() as box:
        given = {**getattr(settings, "CONVERSION_SYNC", {}), **sandbox_settings(box), **options}
        with override_settings(CONVERSION_SYNC=given):
            yield box


def sandbox_settings(box: Sandbox) -> dict[str, Any]:
    """What ``CONVERSION_SYNC`` must hold to send to this sandbox, as fast as it answers."""
    return {
        "ENABLED": True,
        "API_KEY": "test-key",
        "BASE_URL": box.base_url,
        "RATE_LIMIT": 10_000,
    }


def push(seconds: float | None = None, *, using: str = "default") -> DrainReport:
    """Send all that is ready, and return when nothing is. Returns what the last drain did.

    What has to wait (for its next try, for a worker that stopped) is left: see ``end_waits``.

    Args:
        seconds: no call of a drain begins later than that (default: ``DRAIN_SECONDS``).
        using: the alias of the database.

    Raises:
        CallInTransaction: a transaction is open, other than those of a ``TestCase``.
    """
    report = drain(seconds, using=using)
    while report.go_on:
        report = drain(seconds, using=using)
    return report


def end_waits(*, using: str = "default") -> None:
    """Let every row's wait for its next try be over, and every lease."""
    for model in MODELS:
        waiting = model.unmarked.using(using).filter(due_at__gt=Now())
        waiting.update(due_at=Now() - datetime.timedelta(seconds=1))


def sent(box: Sandbox, path: str = "/contacts/batch", method: str = "POST") -> list[Any]:
    """The bodies of the calls of one endpoint, oldest first."""
    return [call.body for call in box.calls if (call.method, call.path) == (method, path)]


def consent_log(address: str, *, using: str = "default") -> list[tuple[str, str]]:
    """The consent log of an address, oldest first: what was asked for, and where it stands."""
    rows = SubscriptionChange.objects.using(using).filter(address=address).order_by("pk")
    return list(rows.values_list("status", "sync_status"))


def assert_arrived(*rows: SyncedModel) -> None:
    """See that Conversion has these rows as they are in the database now.

    Raises:
        AssertionError: one is still to be sent, has failed, or is in doubt; it says why.
    """
    for row in rows:
        found = type(row).unmarked.using(row._state.db).filter(pk=row.pk).first()
        if found is None:
            raise AssertionError(f"{row!r} is not in the database.")
        if found.sync_status != Status.SYNCED:
            code, words = found.last_error_code, in_words(found.last_error_message)
            said = f" ({code}: {words})" if code else ""
            raise AssertionError(f"{row!r} has not arrived: {found.sync_status}{said}")
