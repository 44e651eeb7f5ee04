"""What is sent of claimed rows: as much as one call takes; what can't be sent is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import F

from conversion_sync.api.errors import ErrorCode
from conversion_sync.models.unstorable import Unstorable, replaced_fields, what_was_replaced
from conversion_sync.records.last_sent import is_as_sent
from conversion_sync.records.snapshot import Snapshot
from conversion_sync.sync.claim.claim import Claim, write
from conversion_sync.sync.error_text import error_in_words
from conversion_sync.sync.payloads import Payload, size_of
from conversion_sync.sync.states import arrived, failed, vendor_text

__all__ = ["LARGEST", "build"]

#: Bytes of JSON that one claim sends together; what would make it more is left for the next.
LARGEST = 1_000_000


def build(claim: Claim, rows: Sequence[Any], payload: Callable[[Any], Payload]) -> None:
    """Build what is sent of the rows, as far as one call takes it.

    What the API has already is done.
    """
    unchanged, refused, total = list[int](), dict[int, Exception](), 0
    for row in rows:
        try:
            _see_that_all_is_there(row)
            built = payload(row)
            size = size_of(built)
            if _is_there(row, built):
                unchanged.append(row.pk)
                continue
        except Exception as error:  # one bad row never stops another: the row records it
            refused[row.pk] = error
            continue
        if claim.rows and total + size > LARGEST:
            break
        total += size
        claim.rows.append(row)
        claim.payloads[row.pk] = built
    claim.unchanged = unchanged
    if unchanged:
        claim.table().filter(pk__in=unchanged).update(
            sent_revision=F("revision"), synced_revision=F("revision"), **arrived()
        )
    _refuse(claim, refused)


def _is_there(row: Any, payload: Payload) -> bool:
    """Whether Conversion has all of it already, as far as is known."""
    return isinstance(payload, Snapshot) and row.remote_is_known and is_as_sent(row, payload)


def _see_that_all_is_there(row: Any) -> None:
    """Refuse a row that has still something else than it was given."""
    if row.last_error_code == ErrorCode.UNSTORABLE and (names := replaced_fields(row)):
        raise Unstorable(what_was_replaced(type(row), names))


def _refuse(claim: Claim, errors: Mapping[int, Exception]) -> None:
    """Fail rows that can't be sent as they are; each says why."""
    codes = {pk: _code(error) for pk, error in errors.items()}
    texts = {
        pk: vendor_text(str(error)) if isinstance(error, Unstorable) else error_in_words(error)
        for pk, error in errors.items()
    }
    own: dict[str, Mapping[int, Any]] = {"last_error_code": codes, "last_error_message": texts}
    write(claim, [*errors], failed("", ""), own)
    claim.refused |= texts


def _code(error: Exception) -> ErrorCode:
    match error:
        case ValidationError():
            return ErrorCode.VALIDATION_ERROR
        case Unstorable():
            return ErrorCode.UNSTORABLE
    return ErrorCode.UNSENDABLE
