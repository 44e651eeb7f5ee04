"""Telling, once a transaction, that rows became due."""

from __future__ import annotations

from contextvars import ContextVar

from django.db import connections

from conversion_sync import signals
from conversion_sync.models.memory import Commit

__all__ = ["announce", "quiet", "tell"]

#: True where the site wants no drain to be asked for: the sweep sends what is saved then.
quiet: ContextVar[bool] = ContextVar("conversion_sync_quiet", default=False)


def tell(using: str) -> None:
    """Send ``signals.changed`` now: the change is committed."""
    if not quiet.get():
        _send(using)


def _send(using: str) -> None:
    signals.changed.send_robust(sender=None, using=using)


class _Announcement:
    done = False


def announce(using: str) -> Commit:
    """Have ``signals.changed`` sent once when the transaction of ``using`` commits.

    Registered for every change, since a rolled-back savepoint takes its callbacks with it;
    the callbacks of one transaction share a flag, and the first of them speaks for all.

    Returns:
        The callback, to be passed on to ``follow`` at once: nobody may keep it.
    """
    if quiet.get():
        return Commit(using, lambda: None)
    connection = connections[using]
    pending: _Announcement | None = getattr(connection, "_conversion_sync_pending", None)
    if pending is None or pending.done:
        pending = _Announcement()
        connection._conversion_sync_pending = pending  # type: ignore[attr-defined]  # one flag a transaction

    def speak(announcement: _Announcement = pending) -> None:
        if not announcement.done:
            announcement.done = True
            _send(using)

    return Commit(using, speak)
