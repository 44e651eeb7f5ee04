"""Rows of a fixture (``loaddata``), which are written as they are."""

from __future__ import annotations

from typing import Any

from conversion_sync.api.errors import ErrorCode
from conversion_sync.models.listeners import for_fixtures
from conversion_sync.models.record import Record, key_field
from conversion_sync.models.state import Status
from conversion_sync.models.synced import SyncedModel
from conversion_sync.models.unstorable import unstorable_fields, what_was_replaced

__all__ = ["complete_fixture"]


@for_fixtures
def complete_fixture(instance: Any, raw: bool, **kwargs: Any) -> None:
    """Take a row of a fixture as it is, but for its key, and for what can't be stored.

    One that was written by hand has no key yet, and an earlier release spelled it otherwise.
    """
    if not raw or not isinstance(instance, SyncedModel):
        return
    # An event that was sent is not to be sent again.
    if isinstance(instance, Record) or instance.sync_status == Status.PENDING:
        _say_what_was_replaced(instance)
    if not isinstance(instance, Record):
        return
    if instance.key is None and instance.last_error_code == ErrorCode.KEY_CLASH:
        return
    key = key_field(type(instance)).of(getattr(instance, instance.KEY))
    if instance.key and instance.sent_key == instance.key:
        instance.sent_key = key
    instance.key = key


def _say_what_was_replaced(row: SyncedModel) -> None:
    if names := unstorable_fields(type(row), row.__dict__):
        row.sync_status, row.due_at, row.claim = Status.FAILED, None, None
        row.last_error_code = ErrorCode.UNSTORABLE
        row.last_error_message = what_was_replaced(type(row), names)
